"""Few-shot text: intents of BANKING77 that were never seen, from five examples each.

The 77 intents are split 40 / 10 / 27, anew for each seed: the few-shot learner learns from episodes of the first, stops
by those of the second, and is judged on tasks drawn from the third. Beside it, on the same tasks: the nearest centroid
of the same TF-IDF rows without a learned metric, and logistic regression on the support examples. Run:
`python -m benchmarks.few_shot_text [SEEDS]`; it writes benchmarks/results/few_shot_text.json.
"""

from __future__ import annotations

import math
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression

from benchmarks.machine import write_results
from benchmarks.real_data import banking77
from onward.core import DatasetVersion, Example, Labels, Training
from onward.learners.text.few_shot import FewShotTextLearner, FewShotTextModel
from onward.learners.text.few_shot._learner import _untaught

TASKS, QUERIES = 600, 15
SHAPES = ((5, 5), (5, 1))
SPLIT = (40, 10, 27)

Texts = dict[str, list[str]]
Answer = Callable[[Sequence[Example], Sequence[str]], list[str | None]]


@dataclass(frozen=True)
class Task:
    """A task: support examples, texts to ask and what they should be called."""

    support: list[Example]
    texts: list[str]
    wanted: list[str]


def intents() -> Texts:
    """Intent -> its texts, of both parts of BANKING77."""
    found: Texts = {}
    for part in banking77():
        for one in part:
            found.setdefault(one.label, []).append(one.text)
    return found


def split(texts: Texts, seed: int) -> tuple[Texts, Texts, Texts]:
    """Intents to learn from, to check with and to judge by."""
    names = np.random.default_rng(seed).permutation(sorted(texts)).tolist()
    ends = np.cumsum(SPLIT)
    learn, check, judge = names[: ends[0]], names[ends[0] : ends[1]], names[ends[1] : ends[2]]
    return tuple({name: texts[name] for name in part} for part in (learn, check, judge))  # type: ignore[return-value]


def dataset_of(learn: Texts, check: Texts) -> DatasetVersion:
    """The intents to learn from as one task, those to check with as another."""
    examples = tuple(
        Example(id=f"{task} {name} {i}", text=text, labels=Labels(intent=name), split=task, task=task, part="query")
        for task, part in (("train", learn), ("validation", check))
        for name, texts in part.items()
        for i, text in enumerate(texts)
    )
    return DatasetVersion(
        id="banking77", tenant="t", parent=None, created=datetime(2026, 1, 1, tzinfo=UTC), examples=examples
    )


def draw(texts: Texts, ways: int, shots: int, count: int, seed: int) -> list[Task]:
    """Tasks of so many intents each, with so many support examples and 15 queries of every intent."""
    rng, names = np.random.default_rng(seed), sorted(texts)
    tasks = []
    for _ in range(count):
        support, asked, wanted = [], [], []
        for name in rng.choice(names, ways, replace=False).tolist():
            some = rng.choice(texts[name], shots + QUERIES, replace=False).tolist()
            support += [Example(id=t, text=t, labels=Labels(intent=name), split="train") for t in some[:shots]]
            asked += some[shots:]
            wanted += [name] * QUERIES
        tasks.append(Task(support, asked, wanted))
    return tasks


def by(model: FewShotTextModel) -> Answer:
    """Adapt, then predict."""
    return lambda support, texts: [said.labels.intent for said in model.adapt(support).predict(texts)]


def by_regression(model: FewShotTextModel) -> Answer:
    """Logistic regression on the TF-IDF rows of the support examples."""

    def answer(support: Sequence[Example], texts: Sequence[str]) -> list[str | None]:
        rows = model.metric.features.rows
        fitted = LogisticRegression(C=10.0, max_iter=200)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fitted.fit(rows([e.text for e in support]), [e.labels.intent for e in support])
        return [str(name) for name in fitted.predict(rows(texts))]

    return answer


def shares(answer: Answer, tasks: Sequence[Task]) -> list[float]:
    """Share of the queries right, task by task."""
    found = []
    for task in tasks:
        said = answer(task.support, task.texts)
        found.append(sum(a == b for a, b in zip(said, task.wanted, strict=True)) / len(said))
    return found


def mean_and_interval(values: Sequence[float]) -> dict[str, float]:
    """Mean, and half the width of its 95 % interval."""
    half = 1.96 * float(np.std(values, ddof=1)) / math.sqrt(len(values))
    return {"mean": round(float(np.mean(values)), 4), "interval": round(half, 4)}


def one_seed(texts: Texts, seed: int, count: int = TASKS, shapes: Sequence[tuple[int, int]] = SHAPES) -> dict[str, Any]:
    """All figures of one split of the intents."""
    learn, check, judge = split(texts, seed)
    began = time.process_time()
    trained = FewShotTextLearner().train(dataset_of(learn, check), None, Training(seed=seed))
    seconds = time.process_time() - began
    model: FewShotTextModel = trained.model  # type: ignore[assignment]
    raw = FewShotTextModel(_untaught(model.metric.features), None)
    ways: dict[str, Answer] = {"few-shot": by(model), "nearest centroid": by(raw), "regression": by_regression(model)}
    figures: dict[str, Any] = {"seed": seed, "training_cpu_seconds": round(seconds, 1)}
    figures |= {name: trained.report[name] for name in ("epochs", "best_epoch", "tasks", "features")}
    figures["curve"] = [round(one["task"], 4) for one in trained.report["validation"]]
    for way, shot in shapes:
        tasks = draw(judge, way, shot, count, seed)
        name = f"{way}-way {shot}-shot"
        began = time.process_time()
        figures[name] = {kind: shares(answer, tasks) for kind, answer in ways.items()}
        print(seed, name, {kind: mean_and_interval(found) for kind, found in figures[name].items()}, flush=True)
    tasks = draw(judge, 5, 5, 100, seed)
    began = time.process_time()
    adapted = [model.adapt(task.support) for task in tasks]
    figures["adapt_ms"] = round(10 * (time.process_time() - began), 2)
    began = time.process_time()
    for one, task in zip(adapted, tasks, strict=True):
        one.predict(task.texts)
    figures["predict_75_ms"] = round(10 * (time.process_time() - began), 2)
    return figures


def main(seeds: int = 5) -> None:
    texts = intents()
    runs = [one_seed(texts, seed) for seed in range(seeds)]
    names = [f"{way}-way {shot}-shot" for way, shot in SHAPES]
    together = {
        name: {kind: mean_and_interval([v for run in runs for v in run[name][kind]]) for kind in runs[0][name]}
        for name in names
    }
    for run in runs:
        for name in names:
            run[name] = {kind: mean_and_interval(found) for kind, found in run[name].items()}
    results = {"tasks": TASKS, "queries": QUERIES, "split": SPLIT, "all seeds": together, "runs": runs}
    print(together, write_results("few_shot_text", results))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
