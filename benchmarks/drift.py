"""Drift of tables and texts, and accuracy without labels: time, size, false alarms, power; real texts.

Run alone: `OMP_NUM_THREADS=1 python -m benchmarks.drift [--evidently PYTHON] [--draws 1000]`, PYTHON being one that has
evidently 0.7.23.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from benchmarks.machine import write_results
from benchmarks.real_data import Text, banking77, folder, snips
from onward.monitoring.drift import DriftReport, Reference, TextReference, drift, estimate_accuracy, text_drift

ROWS, COLUMNS, REPEATS = 10_000, 200, 5
SIZES = (100, 1_000, 10_000)
EVIDENTLY = """
import sys, time, warnings
warnings.simplefilter("ignore")
import numpy as np, pandas as pd, evidently
from evidently import Report
from evidently.presets import DataDriftPreset
from importlib.metadata import version
before, now = (pd.DataFrame(np.load(f), columns=None).rename(columns=str) for f in sys.argv[1:3])
took = []
for _ in range(int(sys.argv[3])):
    start = time.process_time()
    Report([DataDriftPreset()]).run(now, before).dict()
    took.append(time.process_time() - start)
print(version("evidently"), *took)
"""


def cpu(work: Callable[[], Any]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def speed(evidently: str | None) -> dict[str, Any]:
    """CPU seconds, medians, of the same arrays; ours and the peer's by turns."""
    rng = np.random.default_rng(0)
    before, now = rng.normal(size=(2, ROWS, COLUMNS))
    now[:, :20] += 0.3
    reference = Reference.of(before)
    drift(reference, now, method="all")  # what is imported on first use is not counted
    drift(reference, now, method="classifier")
    works: dict[str, Callable[[], Any]] = {
        "summarise the reference": lambda: Reference.of(before),
        "default report, nothing stored": lambda: drift(before, now),
        "report with all five tests, nothing stored": lambda: drift(before, now, method="all"),
        "stored reference: default": lambda: drift(reference, now),
        "stored reference: psi": lambda: drift(reference, now, method="psi"),
        "stored reference: all five tests": lambda: drift(reference, now, method="all"),
        "stored reference: mmd": lambda: drift(reference, now, method="mmd"),
        "stored reference: classifier": lambda: drift(reference, now, method="classifier"),
    }
    took: dict[str, list[float]] = {name: [] for name in works}
    peer: list[float] = []
    version = ""
    with tempfile.TemporaryDirectory() as place:
        files = [Path(place) / "before.npy", Path(place) / "now.npy"]
        for file, values in zip(files, (before, now), strict=True):
            np.save(file, values)
        for turn in range(REPEATS):
            for name, work in works.items():
                took[name].append(cpu(work))
            if evidently and turn < 2:
                told = subprocess.run(
                    [evidently, "-c", EVIDENTLY, *map(str, files), "1"], capture_output=True, text=True, check=True
                )
                version, *seconds = told.stdout.split()
                peer += map(float, seconds)
        size = reference.save(Path(place) / "reference").stat().st_size
    found: dict[str, Any] = {
        "rows": ROWS,
        "columns": COLUMNS,
        "cpu_seconds": {name: round(statistics.median(times), 4) for name, times in took.items()},
        "reference_bytes": size,
    }
    if peer:
        found["evidently"] = {"version": version, "cpu_seconds": round(statistics.median(peer), 2), "runs": len(peer)}
    return found


def shares(report: DriftReport, draws: int) -> dict[str, float]:
    """Share of the columns on which each test is an alarm."""
    alarms: dict[str, int] = {}
    for one in report.columns:
        alarms[one.method] = alarms.get(one.method, 0) + one.drifted
    return {method: round(count / draws, 4) for method, count in alarms.items()}


Draw = Callable[[np.random.Generator, tuple[int, int]], Any]
NUMBERS: dict[str, Draw] = {
    "normal": lambda rng, size: rng.normal(size=size),
    "lognormal, sigma 1.5": lambda rng, size: rng.lognormal(sigma=1.5, size=size),
    "counts, Poisson 2": lambda rng, size: rng.poisson(2.0, size).astype(float),
    "70 % zeros": lambda rng, size: rng.exponential(size=size) * (rng.random(size) < 0.3),
}


def categories(rng: np.random.Generator, size: tuple[int, int], skew: float = 0.0) -> dict[str, list[str]]:
    weight = 1 / np.arange(1, 31)
    weight[0] += skew
    drawn = rng.choice(30, size, p=weight / weight.sum())
    return {str(i): [f"c{value}" for value in column] for i, column in enumerate(drawn.T)}


def missing(rng: np.random.Generator, size: tuple[int, int], share: float = 0.05) -> Any:
    values = rng.normal(size=size)
    values[rng.random(size) < share] = np.nan
    values[0] = 0.0  # no column without any value
    return values


def column_alarms(draws: int, before: Draw, now: Draw, rows: int) -> dict[str, dict[str, float]]:
    """Every draw is a column of its own: alarms by p-value alone, and by the default decision (with the effect too)."""
    rng = np.random.default_rng([rows, draws])
    held = Reference.of(before(rng, (rows, draws)), sample=0)
    current = now(rng, (rows, draws))
    by = {"p-value alone": 0.0, "default": None}
    return {
        name: shares(drift(held, current, method="all", correction="none", min_effect=least), draws)
        for name, least in by.items()
    }


def false_alarms(draws: int) -> list[dict[str, Any]]:
    kinds: dict[str, Draw] = {**NUMBERS, "30 categories": categories, "5 % missing": missing}
    return [
        {"data": kind, "rows": size, "draws": draws, **column_alarms(draws, draw, draw, size)}
        for kind, draw in kinds.items()
        for size in SIZES
    ]


def whole_alarms(shift: float, draws: int) -> list[dict[str, Any]]:
    """Tests of ten columns together; the shift is that of one column, in standard deviations.

    They look at 1,000 sampled rows at most, so with 10,000 rows a fifth of the draws has to do.
    """
    found = []
    for method in ("mmd", "classifier"):
        for size in SIZES:
            count = draws if size <= 1000 else draws // 5
            alarms = 0
            for seed in range(count):
                rng = np.random.default_rng([seed, size])
                before, now = rng.normal(size=(2, size, 10))
                now[:, 0] += shift
                held = Reference.of(before, seed=seed)
                alarms += drift(held, now, method=method, seed=seed).drifted
            share = round(alarms / count, 4)
            found.append({"method": method, "rows": size, "shift": shift, "draws": count, "share": share})
    return found


def power(draws: int) -> list[dict[str, Any]]:
    normal = NUMBERS["normal"]
    shifts: dict[str, tuple[Draw, Draw]] = {
        f"mean + {by} sd": (normal, lambda rng, size, by=by: normal(rng, size) + by) for by in (0.1, 0.25, 0.5)
    }
    shifts["sd x 1.5"] = (normal, lambda rng, size: normal(rng, size) * 1.5)
    shifts["30 categories, first from 25 % to 35 %"] = (categories, lambda rng, size: categories(rng, size, 0.613))
    shifts["missing from 5 % to 15 %"] = (missing, lambda rng, size: missing(rng, size, 0.15))
    rows = []
    for name, (before, now) in shifts.items():
        for size in SIZES:
            found = column_alarms(draws, before, now, size)
            rows.append({"shift": name, "rows": size, "draws": draws, **found})
    return rows


def halves(texts: Sequence[Text], seed: int, by_class: bool) -> tuple[list[str], list[str]]:
    rng = np.random.default_rng(seed)
    if by_class:
        labels = sorted({one.label for one in texts})
        first = set(rng.permutation(labels)[: len(labels) // 2].tolist())
        sides = [[one.text for one in texts if (one.label in first) == side] for side in (True, False)]
        return sides[0], sides[1]
    order = rng.permutation(len(texts))
    middle = len(order) // 2
    return [texts[i].text for i in order[:middle]], [texts[i].text for i in order[middle:]]


def text(draws: int = 40) -> list[dict[str, Any]]:
    """Share of draws with an alarm, mean effect; samples of 200 or 1,000 texts a side."""
    bank, intents = banking77()[0], snips()[0]
    cases: dict[str, Callable[[int], tuple[list[str], list[str]]]] = {
        "BANKING77 in random halves": lambda seed: halves(bank, seed, by_class=False),
        "BANKING77 in halves of classes": lambda seed: halves(bank, seed, by_class=True),
        "BANKING77, then SNIPS": lambda _: ([one.text for one in bank], [one.text for one in intents]),
        "SNIPS in random halves": lambda seed: halves(intents, seed, by_class=False),
        "SNIPS in halves of classes": lambda seed: halves(intents, seed, by_class=True),
    }
    rows = []
    for name, make in cases.items():
        for size in (200, 1000):
            found: dict[str, list[tuple[bool, float]]] = {}
            for seed in range(draws):
                before, now = (np.random.default_rng(seed).permutation(one)[:size].tolist() for one in make(seed))
                held = TextReference.of(before, seed=seed)
                told = text_drift(held, now, method=("classifier", "mmd", "js"), correction="none", seed=seed)
                for one in told.columns:
                    found.setdefault(one.method, []).append((one.drifted, one.effect))
            for method, hits in found.items():
                share, effect = np.mean([hit for hit, _ in hits]), np.mean([effect for _, effect in hits])
                row = {"texts": name, "a side": size, "method": method, "draws": draws}
                rows.append({**row, "alarms": round(float(share), 3), "effect": round(float(effect), 4)})
    return rows


def label_shift(test: Sequence[Text], keep: float, seed: int) -> list[Text]:
    """Half of the classes thinned to a share."""
    rng = np.random.default_rng(seed)
    labels = sorted({one.label for one in test})
    thin = set(rng.permutation(labels)[: len(labels) // 2].tolist())
    return [one for one in test if one.label not in thin or rng.random() < keep]


def accuracy() -> list[dict[str, Any]]:
    """A TF-IDF logistic regression; the first half of the test split is the reference, the second what comes in."""
    rows = []
    sets = {"BANKING77": (banking77(), snips()[1]), "SNIPS": (snips(), banking77()[1])}
    for name, ((train, test), strange) in sets.items():
        model = make_pipeline(
            TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LogisticRegression(C=10, max_iter=300)
        )
        learn = train[::4] if name == "SNIPS" else train
        model.fit([one.text for one in learn], [one.label for one in learn])
        order = np.random.default_rng(0).permutation(len(test))
        held, fresh = [test[i] for i in order[: len(order) // 2]], [test[i] for i in order[len(order) // 2 :]]
        sure, right = answers(model, held)
        cases: dict[str, list[Text]] = {"no shift": fresh}
        cases |= {f"half of the classes thinned to {keep:.0%}": label_shift(fresh, keep, 1) for keep in (0.5, 0.1)}
        for share in (0.1, 0.3, 0.5):
            cases[f"{share:.0%} of another domain"] = [*fresh, *strange[: int(len(fresh) * share / (1 - share))]]
        for case, texts in cases.items():
            now, truth = answers(model, texts)
            row: dict[str, Any] = {
                "data": name,
                "case": case,
                "texts": len(texts),
                "true": round(float(truth.mean()), 4),
            }
            row["confidence"] = round(float(now.mean()), 4)
            for method in ("atc", "calibrated"):
                found = estimate_accuracy(now, sure, right, method=method)
                row[method] = [round(one, 4) for one in (found.accuracy, found.low, found.high)]
            rows.append(row)
    return rows


def answers(model: Any, texts: Sequence[Text]) -> tuple[Any, Any]:
    chances = model.predict_proba([one.text for one in texts])
    said = model.classes_[chances.argmax(axis=1)]
    return np.minimum(chances.max(axis=1), 1.0), said == np.array([one.label for one in texts])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--evidently", help="a Python that has evidently 0.7.23")
    parser.add_argument("--draws", type=int, default=1000)
    asked = parser.parse_args()
    found: dict[str, Any] = {"speed": speed(asked.evidently)}
    print(found["speed"], flush=True)
    found["false alarms"] = false_alarms(asked.draws)
    found["power"] = power(asked.draws)
    print(*found["false alarms"], *found["power"], sep="\n", flush=True)
    found["false alarms together"] = whole_alarms(0.0, asked.draws)
    found["power together"] = whole_alarms(0.5, asked.draws // 10)
    print(*found["false alarms together"], *found["power together"], sep="\n", flush=True)
    if folder() is not None:
        found["text"] = text()
        print(*found["text"], sep="\n", flush=True)
        found["accuracy without labels"] = accuracy()
        print(*found["accuracy without labels"], sep="\n", flush=True)
    write_results("drift", found)


if __name__ == "__main__":
    main()
