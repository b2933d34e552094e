"""Which classes of a Java project have defects, from five that do and five that do not (Jureczko and Madeyski 2010).

A task is a release: 20 code metrics, log(1 + x), standardised by the training releases. Whole projects, with all of
their releases, are learned from, validated on or tested; `seed` 0..4 is one of five folds, so that each project is
tested once. AUC over all other classes of the release, mean of 20 draws of the ten examples; a project's figure is the
mean over its releases, and intervals are over projects. On the same draws: logistic regression on the ten examples
alone, and one on all training projects, every release and class of equal weight.
"""

from __future__ import annotations

import csv
import gzip
import re
import statistics
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn

from benchmarks.meta_workloads.training import Clock, Plan, Told, train
from benchmarks.real_data import folder as data_folder
from onward.core import NotFound
from onward.learners.meta import (
    ANIL,
    MAML,
    Algorithm,
    FineTuning,
    MetaLearner,
    MetaLearningTask,
    MetaSGD,
    Prototypical,
)
from onward.learners.meta.tasks import Episodes, from_frame

FOLDS, SHOTS, QUERIES, DRAWS = 5, 5, 10, 20
PLAN = Plan(300, 16, 25)
ALONE, POOLED = "logistic regression, the ten examples", "logistic regression, all training projects"
METHODS: dict[str, tuple[Algorithm | None, int | None]] = {  # and the steps in the test, where not the algorithm's own
    ALONE: (None, None),
    POOLED: (None, None),
    "pooled network": (FineTuning(), 0),
    "pooled network, fine-tuned": (FineTuning(inner_steps=10, inner_rate=0.05), None),
    "MAML": (MAML(inner_steps=5, inner_rate=0.05), None),
    "ANIL": (ANIL("^4", inner_steps=5, inner_rate=0.05), None),
    "Meta-SGD": (MetaSGD(inner_steps=2, inner_rate=0.05), None),
    "prototypical": (Prototypical(), None),
}
PROTOCOL = {
    "data": "defects/jureczko_ck: releases with at least ten classes of either kind",
    "split": "five folds of whole projects; a fifth of the other projects for validation",
    "network": "20-64-64-2, ReLU; prototypical: 20-64-64-32",
    "shots": f"{SHOTS} with and {SHOTS} without a defect",
    "draws of each release": DRAWS,
    "outer": "Adam, 1e-3 falling to 0 by a cosine; 16 tasks a step, 10 + 10 queries",
    "chosen": "the point of the curve with the best accuracy on 200 validation tasks",
    "intervals": "over projects",
}
Scores = Callable[[MetaLearningTask], Any]


@cache
def _table() -> Mapping[str, Any]:
    """Columns by name; `release`, `project`, `bug` and the metrics."""
    found = data_folder()
    if found is None:
        raise NotFound("The defects are not here.", mend="Set ONWARD_DATA to the folder of data sets.")
    with gzip.open(found / "defects" / "jureczko_ck.csv.gz", "rt", encoding="utf8") as file:
        rows = list(csv.DictReader(file))
    metrics = [name for name in rows[0] if name not in ("release", "bug")]
    table: dict[str, Any] = {name: np.log1p([float(row[name]) for row in rows]) for name in metrics}
    table["release"] = np.array([row["release"] for row in rows])
    table["bug"] = np.array([float(row["bug"]) > 0 for row in rows])
    return table


def project_of(release: str) -> str:
    """xalan-2.4 -> xalan, pbeans2 -> pbeans."""
    return re.sub(r"(-(\d.*|init)|\d)$", "", release)


def usable() -> list[str]:
    """Releases with at least ten classes of either kind."""
    table = _table()
    names, inverse = np.unique(table["release"], return_inverse=True)
    bad, all_ = np.bincount(inverse, table["bug"]), np.bincount(inverse)
    return [str(name) for name, b, a in zip(names, bad, all_, strict=True) if min(b, a - b) >= 2 * SHOTS]


def divided(fold: int) -> dict[str, list[str]]:
    """Releases to learn from, to validate with and to test, no project in two of them."""
    releases = usable()
    projects = np.random.default_rng(0).permutation(sorted({project_of(name) for name in releases})).tolist()
    test = set(projects[fold::FOLDS])
    rest = [name for name in projects if name not in test]
    validation = set(rest[::FOLDS])
    parts: dict[str, list[str]] = {"train": [], "validation": [], "test": []}
    for name in releases:
        project = project_of(name)
        parts["test" if project in test else "validation" if project in validation else "train"].append(name)
    return parts


def tasks_of(fold: int) -> Episodes:
    """Training tasks; metrics are standardised by the training releases."""
    table, parts = dict(_table()), divided(fold)
    learned = np.isin(table["release"], parts["train"])
    for name, column in table.items():
        if name not in ("release", "bug"):
            scaled = (column - column[learned].mean()) / column[learned].std()
            table[name] = np.clip(scaled, -5, 5).astype(np.float32)
    return from_frame(
        table, task_column="release", target_column="bug", shots=SHOTS, queries=QUERIES, split=parts, seed=fold,
        drop_small=True,
    )  # fmt: skip


def measure(method: str, seed: int, folder: Path, clock: Clock, told: Told) -> dict[str, Any]:
    """Train on all folds but one, and judge on that one."""
    tasks = tasks_of(seed)
    test = tasks.split("test", queries=SHOTS)
    draws = [task for _ in range(DRAWS) for task in test.whole_tasks()]
    pooled = _pooled(tasks)
    bare = {ALONE: _alone, POOLED: pooled}
    algorithm, steps = METHODS[method]
    said: dict[str, Any] = {"steps": 0, "of": 0}
    if algorithm is None:
        scores: Scores = bare[method]
    else:
        learner = _learner(algorithm, seed)
        judges = tasks.split("validation").sample_batch(200)
        said = train(learner, tasks, judges, PLAN, folder, clock, told)
        scores = _scores(learner, steps)
    auc = areas(draws, scores)
    tests = {"AUC": list(auc.values())}
    for name, other in bare.items():
        if name != method:
            against = areas(draws, other)
            tests[f"over {name}"] = [auc[project] - against[project] for project in auc]
    return said | {"tests": tests, "test tasks": len(draws), "projects": auc}


def areas(draws: Sequence[MetaLearningTask], scores: Scores) -> dict[str, float]:
    """Project -> mean AUC over its tasks."""
    found: dict[str, dict[str, list[float]]] = {}
    for task in draws:
        release = str(task.metadata["group"])
        area = float(roc_auc_score(task.query_set.y.numpy(), scores(task)))
        found.setdefault(project_of(release), {}).setdefault(release, []).append(area)
    return {
        project: statistics.fmean(statistics.fmean(areas) for areas in releases.values())
        for project, releases in sorted(found.items())
    }


def _learner(algorithm: Algorithm, seed: int) -> MetaLearner:
    torch.manual_seed(seed)
    out = 32 if isinstance(algorithm, Prototypical) else 2
    net = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, out))
    return MetaLearner(net, algorithm, outer_rate=1e-3, outer_schedule=PLAN.cosine, seed=seed)


def _scores(learner: MetaLearner, steps: int | None) -> Scores:
    def scores(task: MetaLearningTask) -> Tensor:
        said = learner.adapt(task, steps)(task.query_set.x)
        return said[:, 1] - said[:, 0]

    return scores


def _alone(task: MetaLearningTask) -> Any:
    model = LogisticRegression(max_iter=1000).fit(task.support_set.x.numpy(), task.support_set.y.numpy())
    return model.decision_function(task.query_set.x.numpy())


def _pooled(tasks: Episodes) -> Scores:
    """One logistic regression on all that there is of the training releases."""
    parts = [(torch.cat([task.support_set.x, task.query_set.x]), torch.cat([task.support_set.y, task.query_set.y]))
             for task in tasks.split("train", queries=SHOTS).whole_tasks()]  # fmt: skip
    weights = np.concatenate([1 / np.bincount(y.numpy())[y.numpy()] for _, y in parts])
    x, y = (torch.cat([part[at] for part in parts]).numpy() for at in (0, 1))
    model = LogisticRegression(max_iter=1000).fit(x, y, sample_weight=weights)
    return lambda task: model.decision_function(task.query_set.x.numpy())
