"""Forgetting one user among 100,000 interactions, and tracing one among 200 versions: seconds, medians of 5.

python benchmarks/forget.py [INTERACTIONS] [VERSIONS]
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onward
from benchmarks.backup import interaction
from benchmarks.machine import machine
from onward.core import DatasetVersion, Example, Labels, ModelVersion, SystemClock, content_hash

RESULT = Path(__file__).parent / "results" / "forget.json"
EXAMPLES = 2_000
TURNS = 5


def main(count: int = 100_000, versions: int = 200) -> None:
    """Measure, print and keep."""
    with tempfile.TemporaryDirectory() as folder, onward.open(Path(folder) / "ws") as ws:
        for start in range(0, count, 10_000):
            ws.house.experience.record([interaction(n) for n in range(start, min(count, start + 10_000))])
        for number in range(versions):
            register(ws, number, count)
        with ws.house.storage.database.read() as connection:
            lessons = connection.exec_driver_sql("SELECT count(*) FROM lessons").scalar()
        rows = [
            {"what": "trace, first", "seconds": timed(lambda: ws.trace("i-77"))},
            {"what": "trace", "seconds": median(lambda turn: ws.trace(f"i-{turn * 31}"))},
            {
                "what": "who taught whom",
                "seconds": median(lambda turn: ws.house.datasets.taught("default", {f"i-{turn}"})),
            },
        ]
        drop(ws, keep=5)
        rows.append({"what": "forget a user, 5 data sets stored", "seconds": median(lambda turn: forget(ws, turn))})
        rows.append({"what": "forget nobody", "seconds": median(lambda turn: ws.forget(f"nobody {turn}"))})
    told = {"interactions": count, "versions": versions, "lessons": lessons, "examples": EXAMPLES}
    for row in rows:
        print(f"{row['what']:40} {row['seconds']:8.4f} s")
    print(told)
    RESULT.write_text(json.dumps({"machine": machine(), **told, "rows": rows}, indent=1) + "\n", encoding="utf8")


def register(ws: onward.Workspace, number: int, count: int) -> None:
    """A version that learned from 2,000 interactions, 100 of them new, as a cycle would leave it."""
    house, now = ws.house, SystemClock().now()
    names = [f"i-{(number * 100 + n) % count}" for n in range(EXAMPLES)]
    examples = tuple(
        Example(
            id=content_hash(n)[:32], text=f"text of {n}", labels=Labels(intent="a"), split="train", interactions=(n,)
        )
        for n in names
    )
    dataset = DatasetVersion(id=content_hash(names), tenant="default", parent=None, created=now, examples=examples)
    blob = house.datasets.put(dataset)
    version = ModelVersion(
        number=0,
        tenant="default",
        learner="linear",
        parent=None,
        dataset=dataset.id,
        artifact=content_hash(number),
        config={},
        created=now,
        cycle=f"cy_{number}",
    )

    def work(connection: Any) -> None:
        house.datasets.add(connection, dataset, blob)
        house.registry.register(connection, version)

    house.storage.database.write(work)


def drop(ws: onward.Workspace, keep: int) -> None:
    """What retention does to data sets."""
    with ws.house.storage.database.read() as connection:
        blobs = connection.exec_driver_sql("SELECT blob FROM datasets ORDER BY place").scalars().all()
    for blob in blobs[:-keep]:
        ws.house.storage.blobs.drop(blob)


def forget(ws: onward.Workspace, turn: int) -> None:
    forgotten = ws.forget(f"u{turn}")
    if not forgotten.interactions or not forgotten.marked_versions or forgotten.unfinished:
        raise RuntimeError(f"{forgotten} is not what is measured")


def timed(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return round(time.perf_counter() - began, 4)


def median(work: Callable[[int], Any]) -> float:
    return statistics.median(timed(lambda turn=turn: work(turn)) for turn in range(TURNS))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
