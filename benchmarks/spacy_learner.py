"""The spaCy learner on SNIPS (intents, entities) and BANKING77: accuracy, F1, CPU seconds, peak memory; full and quick.

Run alone: `python benchmarks/spacy_learner.py`, or one case: `python benchmarks/spacy_learner.py banking77`. Every case
runs in a process of its own. Figures are on the official test split; a tenth of the training texts validates.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.machine import write_results
from benchmarks.real_data import Text, banking77, snips
from onward.config import Settings
from onward.core import DatasetVersion, Entity, Example, Labels, Model, Training, content_hash
from onward.learners.text.spacy import create

LEARNER = create(Settings())


def example(row: Text, *, entities: bool, new: bool) -> Example:
    spans = tuple(Entity(*span) for span in row.entities or ()) if entities else None
    name = content_hash(row.text)
    split = "validation" if int(name[:4], 16) % 10 == 0 else "train"
    return Example(id=name, text=row.text, labels=Labels(intent=row.label, entities=spans), split=split, new=new)


def dataset(old: Iterable[Text], new: Iterable[Text], *, entities: bool) -> DatasetVersion:
    found = {e.id: e for e in (example(row, entities=entities, new=False) for row in old)}
    found |= {e.id: e for e in (example(row, entities=entities, new=True) for row in new)}
    ordered = tuple(found[name] for name in sorted(found))
    name = content_hash([e.id for e in ordered])
    return DatasetVersion(id=name, tenant="t", parent=None, created=datetime.now(UTC), examples=ordered)


def figures(model: Model, test: Sequence[Text], *, entities: bool) -> dict[str, float]:
    began = time.process_time()
    said = model.predict([row.text for row in test])
    spent = time.process_time() - began
    found = {"intent": statistics.mean(p.labels.intent == row.label for p, row in zip(said, test, strict=True))}
    if entities:
        pairs = [
            ({(e.start, e.end, e.label) for e in p.labels.entities or ()}, set(row.entities or ()))
            for p, row in zip(said, test, strict=True)
        ]
        hits = sum(len(a & b) for a, b in pairs)
        found["entity_f1"] = 2 * hits / sum(len(a) + len(b) for a, b in pairs)
    return {key: round(value, 4) for key, value in found.items()} | {"predict_us": round(spent / len(test) * 1e6, 1)}


def full(load: Callable[[], tuple[list[Text], list[Text]]], *, entities: bool, budget: float = 170.0) -> dict[str, Any]:
    train, test = load()
    made = LEARNER.train(dataset([], train, entities=entities), None, Training(budget=budget))
    keep = ("examples", "epochs", "best_epoch", "stopped", "batch_size")
    row = {key: made.report[key] for key in keep} | {"cpu_seconds": round(made.report["cpu_seconds"], 1)}
    return row | figures(made.model, test, entities=entities)


def steps(*, entities: bool, texts: int | None) -> dict[str, Any]:
    """SNIPS in four tasks of new intents: the first by full training, each later one by a quick update."""
    train, test = snips()
    names = sorted({row.label for row in train})
    groups = [names[:2], names[2:4], names[4:6], names[6:]]
    tasks = [[row for row in train if row.label in group] for group in groups]
    tasks = [sorted(task, key=lambda row: content_hash(row.text))[:texts] for task in tasks]
    seen: list[Text] = []
    model: Model | None = None
    after: list[dict[str, Any]] = []
    for number, task in enumerate(tasks):
        data = dataset(seen, task, entities=entities)
        made = LEARNER.train(data, model, Training(quick=number > 0, budget=60.0))
        model, seen = made.model, seen + task
        known = [row for row in test if row.label in {r.label for r in seen}]
        row = {"cpu_seconds": round(made.report["cpu_seconds"], 1), "quick": made.report["quick"]}
        after.append(row | figures(model, known, entities=entities))
    retrained = LEARNER.train(dataset([], seen, entities=entities), None, Training(budget=100.0))
    whole = {"cpu_seconds": round(retrained.report["cpu_seconds"], 1)} | figures(
        retrained.model, test, entities=entities
    )
    return {"after_each_task": after, "retrained_on_all": whole}


def overhead(*, entities: bool) -> dict[str, Any]:
    """CPU seconds of `predict` and of the bare `nlp.pipe`, over the same texts with a vocabulary that knows them."""
    train, test = snips()
    model = LEARNER.train(dataset([], train[:1500], entities=entities), None, Training(budget=20.0)).model
    texts = [row.text for row in test] * 2
    bare, ours = [], []
    for _ in range(9):
        began = time.process_time()
        for _doc in model.nlp.pipe(texts, batch_size=256):
            continue
        between = time.process_time()
        model.predict(texts)
        bare.append(between - began)
        ours.append(time.process_time() - between)
    pipe, predict = statistics.median(bare), statistics.median(ours)
    return {
        "pipe_us": round(pipe / len(texts) * 1e6, 1),
        "predict_us": round(predict / len(texts) * 1e6, 1),
        "ratio": round(predict / pipe, 3),
    }


CASES: dict[str, Callable[[], dict[str, Any]]] = {
    "snips_intents": lambda: full(snips, entities=False),
    "snips_intents_entities": lambda: full(snips, entities=True),
    "banking77": lambda: full(banking77, entities=False),
    "quick_intents": lambda: steps(entities=False, texts=None),
    "quick_intents_entities": lambda: steps(entities=True, texts=700),
    "overhead_intents": lambda: overhead(entities=False),
    "overhead_intents_entities": lambda: overhead(entities=True),
}


def measured(case: str) -> dict[str, Any]:
    """One case in a process of its own, so that its peak memory is its own."""
    done = subprocess.run([sys.executable, __file__, case], check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main(cases: Sequence[str]) -> None:
    if len(cases) == 1:
        row = CASES[cases[0]]()
        peak = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        print(json.dumps({"case": cases[0], **row, "peak_mib": peak}))
        return
    rows = [measured(case) for case in cases or CASES]
    for row in rows:
        print("  ".join(f"{key}={value}" for key, value in row.items()))
    write_results("spacy_learner", {"threads": os.environ["OMP_NUM_THREADS"], "cases": rows})


if __name__ == "__main__":
    main(sys.argv[1:])
