"""A year of the continual text learner in a workspace: 365 days, each recorded, spoken of, and closed by a cycle.

BANKING77 arrives 22 texts a day, after 300 labelled ones on the first. 22 intents are there from the first month on,
five more come with each month, and how often each intent is asked for waxes and wanes over half a year. Half of a
day's texts come labelled; of the others, which the champion answers, people confirm what is right and correct what is
wrong. Nothing but the workspace is used: record, feedback, cycle.

Each month has a test of 400 texts in its own mix. The champion is asked all of them at each month's end: what it knows
of a month at the year's end against what it knew when that month was over is the month's retention. Per cycle: seconds,
CPU seconds, resident memory, and what is on the disk; slopes are those of the days after `--settled`, when the sample
of old examples that curation keeps, and the learner's buffer with it, is full.

    nice python benchmarks/continual_year.py --days 365
"""

from __future__ import annotations

import argparse
import math
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

import onward
from benchmarks.machine import write_results
from benchmarks.real_data import Text, banking77
from onward.core import DatasetVersion, Example, Labels, ManualClock, Training
from onward.learners.text.continual import ContinualTextLearner
from onward.workspace import Workspace

MONTHS, FIRST, MORE = 12, 22, 5
FIRST_DAY, A_DAY, ASKED = 300, 22, 400
USERS = 300
BUDGET = 2500
WANTED = 0.95
SETTINGS: dict[str, Any] = {
    "training": {"learners": ["continual"]},
    "learning": {"min_data_threshold": 5, "replay_budget": BUDGET},
    "thresholds": {"accuracy": 0, "intent": 0},
    "gate": {"max_examples": 2000},
    "retention": {"keep_versions": 10, "keep_days": 14},
}


@dataclass(frozen=True)
class Year:
    """What arrives on each day, and the test of each month."""

    days: list[list[Text]]
    tests: list[list[Text]]


def month_of(day: int, days: int) -> int:
    return day * MONTHS // days


def year_of(days: int, seed: int) -> Year:
    """Texts by day, drawn without putting back from the intents of the month, by their mix."""
    train, test = banking77()
    rng = random.Random(seed)
    intents = sorted({text.label for text in train})
    rng.shuffle(intents)
    mix = _mixes(intents, rng)
    pools = {i: rng.sample(found, len(found)) for i in intents if (found := [t for t in train if t.label == i])}
    asked = {i: [t for t in test if t.label == i] for i in intents}
    by_day = [_drawn(pools, mix[month_of(day, days)], A_DAY if day else FIRST_DAY, rng) for day in range(days)]
    tests = [_drawn({i: list(asked[i]) for i in intents}, one, ASKED, rng) for one in mix]
    return Year(by_day, tests)


def _mixes(intents: Sequence[str], rng: random.Random) -> list[dict[str, float]]:
    """How often each intent is asked for in each month."""
    phase = {intent: rng.random() for intent in intents}

    def share(intent: str, month: int) -> float:
        return 1 + 0.8 * math.sin(2 * math.pi * (month / 6 + phase[intent]))

    return [{i: share(i, month) for i in intents[: FIRST + MORE * month]} for month in range(MONTHS)]


def _drawn(pools: dict[str, list[Text]], mix: dict[str, float], count: int, rng: random.Random) -> list[Text]:
    found = []
    for _ in range(count):
        left = [(intent, weight) for intent, weight in mix.items() if pools[intent]]
        chosen = rng.choices([intent for intent, _ in left], [weight for _, weight in left])[0]
        found.append(pools[chosen].pop())
    return found


def record(ws: Workspace, day: int, texts: Sequence[Text], rng: random.Random) -> None:
    """The day's interactions: half of them labelled; the others answered by the champion, and spoken of."""
    serves = ws.champion() is not None
    answers = ws.predict([t.text for t in texts], record=False) if serves else [None] * len(texts)
    lines: list[dict[str, Any]] = []
    for number, (text, answer) in enumerate(zip(texts, answers, strict=True)):
        line: dict[str, Any] = {"id": f"d{day}-{number}", "text": text.text, "user": f"u{rng.randrange(USERS)}"}
        if answer is None or number % 2 == 0:
            lines.append({**line, "intent": text.label})
            continue
        intent = answer.labels.intent
        lines.append({**line, "prediction": {"labels": {"intent": intent}, "version": answer.version}})
        said = {"score": 1.0} if intent == text.label else {"correction": {"intent": text.label}}
        lines.append({"id": f"f{day}-{number}", "interaction": line["id"], "user": line["user"], **said})
    ws.record_many(lines)


def right(predict: Callable[[list[str]], Sequence[Any]], texts: Sequence[Text]) -> float:
    said = predict([t.text for t in texts])
    return statistics.mean(p.labels.intent == t.label for p, t in zip(said, texts, strict=True))


def resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="utf8").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def disk_mib(folder: Path) -> dict[str, float]:
    """The database apart, which keeps every interaction for good."""
    files = [(file, file.stat().st_size / 2**20) for file in folder.rglob("*") if file.is_file()]
    database = sum(size for file, size in files if file.name.startswith("onward.db"))
    return {"database": database, "other": sum(size for _, size in files) - database}


def live(year: Year, days: int, folder: Path, seed: int) -> tuple[list[dict[str, Any]], list[list[float]]]:
    """Every day's figures; and, for each month, what the champion knew of each month's test when it was over."""
    clock, rng = ManualClock(datetime(2026, 1, 1, tzinfo=UTC)), random.Random(seed + 1)
    rows: list[dict[str, Any]] = []
    known: list[list[float]] = []
    with onward.open(folder, settings=SETTINGS, clock=clock) as ws:
        for day, texts in enumerate(year.days):
            record(ws, day, texts, rng)
            began, cpu = time.perf_counter(), time.process_time()
            result = ws.cycle()
            row = {
                "day": day,
                "status": result.status,
                "seconds": round(time.perf_counter() - began, 3),
                "cpu": round(time.process_time() - cpu, 3),
                "resident": round(resident_mib(), 1),
                "examples": result.counts.get("examples", 0),
                "new": result.counts.get("new", 0),
                **{f"disk {name}": round(size, 2) for name, size in disk_mib(folder).items()},
            }
            rows.append(row)
            if day % 10 == 0:
                print(row, result.reason, flush=True)
            if day + 1 == days or month_of(day + 1, days) != month_of(day, days):
                known.append([right(lambda t: ws.predict(t, record=False), test) for test in year.tests])
                print(day, [round(r, 3) for r in known[-1][: len(known)]], flush=True)
            clock.advance(timedelta(days=1))
    return rows, known


def together(year: Year) -> list[float]:
    """What the same learner knows of each month's test when it learns the whole year at once, and remembers all."""
    texts = [t for day in year.days for t in day]
    examples = tuple(
        Example(id=f"{n:06}", text=t.text, labels=Labels(intent=t.label), split="train") for n, t in enumerate(texts)
    )
    dataset = DatasetVersion(id="all", tenant="t", parent=None, created=datetime.now(UTC), examples=examples)
    model = ContinualTextLearner(len(texts)).train(dataset, None, Training()).model
    return [right(model.predict, test) for test in year.tests]


def slopes(rows: Sequence[dict[str, Any]], settled: int) -> dict[str, Any]:
    """Of each figure after it has settled: mean, change a day by least squares, and over 365 days as a share of it."""
    late = [row for row in rows if row["day"] >= settled and row["status"] != "skipped"]
    found = {}
    for name in ("seconds", "cpu", "resident", "examples", "disk other", "disk database"):
        x, y = np.array([row["day"] for row in late]), np.array([row[name] for row in late])
        slope = float(np.polyfit(x, y, 1)[0])
        thirds = np.array_split(y, 3)
        found[name] = {
            "mean": round(float(y.mean()), 3),
            "a day": round(slope, 5),
            "a year, share of the mean": round(365 * slope / float(y.mean()), 3),
            "median of first and last third": [round(float(np.median(t)), 3) for t in (thirds[0], thirds[-1])],
        }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--settled", type=int, default=150)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    year = year_of(arguments.days, arguments.seed)
    with tempfile.TemporaryDirectory(prefix="onward-year-") as folder:
        rows, known = live(year, arguments.days, Path(folder), arguments.seed)
    then = [row[month] for month, row in enumerate(known)]
    retention = [round(now / before, 4) for now, before in zip(known[-1], then, strict=True)]
    figures = {
        "days": arguments.days,
        "statuses": {s: sum(row["status"] == s for row in rows) for s in sorted({row["status"] for row in rows})},
        "accuracy on each month's test when it was over": then,
        "at the year's end": known[-1],
        "retention": retention,
        "least retention": min(retention),
        "months under 95 %": [month for month, value in enumerate(retention) if value < WANTED],
        "learned at once from all": together(year),
        "slopes": slopes(rows, min(arguments.settled, arguments.days // 2)),
        "settings": SETTINGS,
    }
    print({name: value for name, value in figures.items() if name != "settings"})
    if arguments.write:
        print(write_results("continual_year", {**figures, "after each month": known, "rows": rows}))


if __name__ == "__main__":
    main()
