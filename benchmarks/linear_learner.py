"""The linear learner on BANKING77, SNIPS and SST-2: accuracy, calibration, CPU seconds, size; full and quick training.

Run alone: `OMP_NUM_THREADS=1 python benchmarks/linear_learner.py`. Accuracy is on the official test split.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.real_data import Text, banking77, snips, sst2
from onward.core import DatasetVersion, Example, Labels, Model, Trained, Training
from onward.learners.text.linear import LinearLearner

RESULT = Path(__file__).parent / "results" / "linear_learner.json"
REPEATS = 3
TARGETS = {"BANKING77": (0.894, 14.0), "SNIPS": (0.979, 4.0), "SST-2": (0.80, None)}


def dataset(old: Iterable[Text], new: Iterable[Text], head: str) -> DatasetVersion:
    rows = [(text, False) for text in old] + [(text, True) for text in new]
    examples = tuple(
        Example(id=str(i), text=row.text, labels=Labels(**{head: row.label}), split="train", new=fresh)
        for i, (row, fresh) in enumerate(rows)
    )
    return DatasetVersion(id="d", tenant="t", parent=None, created=datetime.now(UTC), examples=examples)


def judge(model: Model, test: Sequence[Text], head: str) -> dict[str, float]:
    """Accuracy; expected calibration error over ten bins; CPU microseconds per text, in one batch and one by one."""
    start = time.process_time()
    said = model.predict([row.text for row in test])
    batch = time.process_time() - start
    start = time.process_time()
    for row in test[:500]:
        model.predict([row.text])
    single = time.process_time() - start
    right = np.array([getattr(p.labels, head) == row.label for p, row in zip(said, test, strict=True)])
    sure = np.array([p.confidence[head] for p in said])
    bins = np.minimum((sure * 10).astype(int), 9)
    error = sum(abs(float((sure - right)[bins == b].sum())) for b in range(10)) / len(test)
    return {
        "accuracy": round(float(right.mean()), 4),
        "calibration_error": round(error, 4),
        "predict_us_batch": round(batch / len(test) * 1e6, 1),
        "predict_us_single": round(single / len(test[:500]) * 1e6, 1),
    }


def megabytes(model: Model) -> float:
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder))
        return round(sum(file.stat().st_size for file in Path(folder).iterdir()) / 1e6, 1)


def median_cpu(trained: Sequence[Trained]) -> float:
    return round(statistics.median(t.report["cpu_seconds"] for t in trained), 2)


def full(name: str, train: Sequence[Text], test: Sequence[Text], head: str) -> dict[str, Any]:
    data = dataset([], train, head)
    made = [LinearLearner().train(data, None, Training()) for _ in range(REPEATS)]
    row = {"name": name, "examples": len(train), "cpu_seconds": median_cpu(made), "megabytes": megabytes(made[0].model)}
    wanted, seconds = TARGETS[name]
    row |= {"features": made[0].report["features"], **judge(made[0].model, test, head)}
    return row | {"met": row["accuracy"] >= wanted and (seconds is None or row["cpu_seconds"] <= seconds)}


def steps(name: str, tasks: Sequence[Sequence[Text]], test: Sequence[Text], head: str) -> dict[str, Any]:
    """The first task by full training, each later one by a quick update; the test split after the last."""
    seen = list(tasks[0])
    model = LinearLearner().train(dataset([], seen, head), None, Training()).model
    updates = []
    for task in tasks[1:]:
        updates.append(LinearLearner().train(dataset(seen, task, head), model, Training(quick=True)))
        model = updates[-1].model
        seen += task
    row = {"name": name, "updates": len(updates), "new_each": len(tasks[-1]), "cpu_seconds_each": median_cpu(updates)}
    return row | judge(model, test, head)


def shuffled(rows: Sequence[Text]) -> list[Text]:
    return [rows[i] for i in np.random.default_rng(0).permutation(len(rows))]


def by_class(rows: Sequence[Text], tasks: int) -> list[list[Text]]:
    parts = np.array_split(sorted({row.label for row in rows}), tasks)
    return [[row for row in rows if row.label in set(part.tolist())] for part in parts]


def quick() -> list[dict[str, Any]]:
    (bank, bank_test), (snip, snip_test), (sst, sst_test) = banking77(), snips(), sst2()
    bank, sst = shuffled(bank), shuffled(sst)
    rare = [row for row in bank if row.label == "card_arrival"]
    others = [row for row in bank if row.label != "card_arrival"]
    return [
        steps("BANKING77 9,000 + 1,000", [bank[:9000], bank[9000:]], bank_test, "intent"),
        steps(
            "BANKING77 9,000 + 5 x 200",
            [bank[:9000], *(bank[i : i + 200] for i in range(9000, 10000, 200))],
            bank_test,
            "intent",
        ),
        steps("BANKING77 76 intents + 5 texts of a new one", [others, rare[:5]], bank_test, "intent"),
        steps("BANKING77 7 tasks of 11 intents", by_class(bank, 7), bank_test, "intent"),
        steps("SNIPS 4 tasks", by_class(snip, 4), snip_test, "intent"),
        steps("SNIPS 4 tasks of 200", [shuffled(t)[:200] for t in by_class(snip, 4)], snip_test, "intent"),
        steps("SST-2 6,400 + 500", [sst[:6400], sst[6400:]], sst_test, "sentiment"),
    ]


def machine() -> dict[str, Any]:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf8").splitlines() if Path("/proc/cpuinfo").exists() else []
    cpu = next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor()
    )
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "threads": os.environ.get("OMP_NUM_THREADS"),
    }


def main() -> None:
    sets = (("BANKING77", banking77, "intent"), ("SNIPS", snips, "intent"), ("SST-2", sst2, "sentiment"))
    result = {
        "machine": machine(),
        "full": [full(name, *load(), head) for name, load, head in sets],
        "quick": quick(),
    }
    for table in ("full", "quick"):
        for row in result[table]:
            print(table, *(f"{key}={value}" for key, value in row.items()))
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf8")


if __name__ == "__main__":
    main()
