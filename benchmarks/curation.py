"""Curation: what it costs, and whether its audit tells poisoned days from honest ones.

    python benchmarks/curation.py

Streams of BANKING77 (7 groups of 11 intents) and SNIPS (3, 5, 7 intents): days of 300-700 texts, 60 % of the newest
group. Every day is audited against all days before it: as it is; with 40 % of the labels flipped to another known one;
and only those texts that a linear model trained on the days before gets wrong, as corrections.
"""

from __future__ import annotations

import os
import random
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.machine import write_results
from benchmarks.real_data import Text, banking77, folder, snips
from onward.config import Settings
from onward.core import Entity, Interaction, Labels, LabelSource
from onward.curation import curate, example_id
from onward.curation._audit import audit
from onward.curation._judge import features, folds_of, second_opinions
from onward.curation._near import nearest, word_sets
from onward.curation._records import Draft
from onward.curation._text import normalise, words

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
Row = tuple[str, str]


def cpu(work: object, times: int = 3) -> float:
    """Median CPU seconds."""
    took = []
    for _ in range(times):
        began = time.process_time()
        work()  # type: ignore[operator]
        took.append(time.process_time() - began)
    return round(statistics.median(took), 3)


def interactions(rows: Sequence[Text]) -> list[Interaction]:
    return [
        Interaction(
            id=f"i{i}",
            text=row.text,
            at=NOON + timedelta(seconds=i),
            labels=Labels(row.label, None, row.entities and tuple(Entity(*e) for e in row.entities)),
        )
        for i, row in enumerate(rows)
    ]


def costs(name: str, rows: Sequence[Text]) -> dict[str, float]:
    """CPU seconds of curating everything at once, of the near-duplicate search, and of the second opinion."""
    records, settings = interactions(rows), Settings(learning={"max_training_examples": 100_000})  # type: ignore[arg-type]
    texts = [normalise(row.text) for row in rows]
    judges = np.arange(len(texts)) % 7 == 0
    codes = np.unique([row.label for row in rows], return_inverse=True)[1]
    every = np.ones(len(rows), bool)

    def search() -> None:
        sets = word_sets(texts)
        nearest(sets, judges, ~judges, 0.9)
        nearest(sets, ~judges, ~judges, 0.9)

    def opine() -> np.ndarray:
        tokens = [words(text) for text in texts]
        return second_opinions(features(tokens), codes, int(codes.max()) + 1, every, folds_of(tokens))

    opinions = opine()
    found = {
        "texts": len(rows),
        "curate": cpu(lambda: curate([(one, ()) for one in records], tenant="default", now=NOON, settings=settings)),
        "near duplicates": cpu(search),
        "second opinion": cpu(opine),
        "hit rate": round(float((opinions.argmax(axis=1) == codes).mean()), 3),
        "mean confidence": round(float(opinions.max(axis=1).mean()), 3),
    }
    print(f"{name}: " + ", ".join(f"{key} {value}" for key, value in found.items()))
    return found


def days(rows: Sequence[Text], bounds: Sequence[int], per_group: int, rng: random.Random) -> Iterator[list[Row]]:
    labels = sorted({row.label for row in rows})
    rng.shuffle(labels)
    pool = {label: [row.text for row in rows if row.label == label] for label in labels}
    for texts in pool.values():
        rng.shuffle(texts)
    for low, high in zip([0, *bounds], bounds, strict=False):
        for _ in range(per_group):
            day = []
            for _ in range(rng.randint(300, 700)):
                group = labels[low:high] if low == 0 or rng.random() < 0.6 else labels[:low]
                label = rng.choice(group)
                if pool[label]:
                    day.append((pool[label].pop(), label))
            yield day


def flipped(day: Sequence[Row], known: Sequence[str], rng: random.Random) -> list[Row]:
    return [
        (text, rng.choice([k for k in known if k != label]) if rng.random() < 0.4 else label) for text, label in day
    ]


def draft(row: Row, source: LabelSource) -> Draft:
    text, label = row
    return Draft(example_id(text), text, Labels(intent=label), source, 1.0, (), True, (), None, None, 0.0)


def excess(before: Sequence[Row], day: Sequence[Row], source: LabelSource) -> float | None:
    """Share contradicted beyond what is expected; `None` with fewer than 20 judged."""
    old = {d.id: d for d in (draft(row, "given") for row in before)}
    new = {d.id: d for d in (draft(row, source) for row in day) if d.id not in old}
    found = audit([*old.values(), *new.values()], frozenset(new)).labels
    return found.share - found.expected if found.judged >= 20 else None


def mistaken(before: Sequence[Row], day: Sequence[Row]) -> list[Row]:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import SGDClassifier
    from sklearn.pipeline import make_pipeline

    model = make_pipeline(TfidfVectorizer(), SGDClassifier(random_state=0, max_iter=10, tol=None))
    model.fit([text for text, _ in before], [label for _, label in before])
    guesses = model.predict([text for text, _ in day])
    return [row for row, guess in zip(day, guesses, strict=True) if row[1] != guess]


def separation(name: str, rows: Sequence[Text], bounds: Sequence[int], per_group: int) -> dict[str, dict[str, float]]:
    rng, before = random.Random(0), []
    found: dict[str, list[float | None]] = {"honest": [], "40 % flipped": [], "honest corrections only": []}
    for day in days(rows, bounds, per_group, rng):
        if before and day:
            known = sorted({label for _, label in [*before, *day]})
            found["honest"].append(excess(before, day, "given"))
            found["40 % flipped"].append(excess(before, flipped(day, known, rng), "given"))
            found["honest corrections only"].append(excess(before, mistaken(before, day), "correction"))
        before += day
    table = {}
    for kind, values in found.items():
        counted = [value for value in values if value is not None]
        table[kind] = {
            "days": len(counted),
            **{f.__name__: round(f(counted), 3) for f in (min, statistics.median, max)},
        }
        print(f"{name}, {kind}: contradicted beyond expected {table[kind]}")
    return table


def main() -> None:
    if folder() is None:
        print("Set ONWARD_DATA to the folder of data sets.")
        return
    sets = {"BANKING77": (banking77()[0], [11 * i for i in range(1, 8)], 3), "SNIPS": (snips()[0], [3, 5, 7], 4)}
    report = {
        "load": os.getloadavg()[0],
        "cpu seconds": {name: costs(name, rows) for name, (rows, _, _) in sets.items()},
        "audit": {name: separation(name, *stream) for name, stream in sets.items()},
    }
    write_results("curation", report)


if __name__ == "__main__":
    main()
