"""Strategies for new tasks: predicted without a trial, beside defaults, random search and Optuna with trials.

Run alone: `OMP_NUM_THREADS=1 python -m benchmarks.strategy [--write]`, with a Python that has Optuna 5.0.0, and with
ONWARD_DATA for Omniglot, BANKING77 and the defect data. About five minutes of CPU.

A history of 16 random configurations on each of 96 tasks is recorded; 96 tasks of other classes (digits: other images)
or projects are new, and 48 of them are searched with trials. A trial trains the network on the support set and sees the
accuracy (defects: the AUC) on 5 examples a class; what is reported is that on 10 others. Regret is the distance from
the best test figure that any trial on the task reached. Inputs are brought to the order of 1, but in the last section,
where they are as shipped: bytes of Omniglot, counts of digits and of defect metrics.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import optuna
import torch
from numpy.typing import NDArray

from benchmarks.machine import write_results
from benchmarks.strategy_tasks import SHAPES, Shape, Tasks, draw, sources, train
from onward.learners.meta import MetaLearningTask
from onward.learners.meta.strategy import Strategy, StrategyPredictor

CONFIGURATIONS, HISTORY, KNOWN, NEW, SEARCHED = 32, 16, 8, 8, 4
TABLE = 64
TRIALS = (1, 5, 10, 20)
BATCHES, HIDDEN = (4, 64), (8, 128)
RATES, EPOCHS, DECAYS = (1e-3, 3.0), (3, 100), (1e-6, 1e-1)
FAMILIES = sorted({shape.family for shape in SHAPES})
DEFAULT = Strategy(architecture_params={"hidden": 64})
Configuration = dict[str, Any]
Scores = NDArray[np.float64]


def random_configuration(rng: np.random.Generator) -> Configuration:
    """Drawn evenly on logarithmic scales, over the same ranges as Optuna's."""
    rate, batch, epochs, decay, hidden = (
        float(np.exp(rng.uniform(*np.log(ends)))) for ends in (RATES, BATCHES, EPOCHS, DECAYS, HIDDEN)
    )
    return configuration(rate, round(batch), round(epochs), decay, round(hidden))


def configuration(rate: float, batch: int, epochs: int, decay: float, hidden: int) -> Configuration:
    return {
        "learning_rate": rate,
        "batch_size": batch,
        "num_epochs": epochs,
        "regularization": decay,
        "architecture_params": {"hidden": hidden},
    }


class Bench:
    """The tasks, what is known of the old ones, and what a trial on a new one gives."""

    def __init__(self, *, scaled: bool = True) -> None:
        rng = np.random.default_rng(0)
        found = sources(scaled=scaled)
        self.table = [random_configuration(rng) for _ in range(TABLE)]
        self.history: dict[Shape, list[tuple[MetaLearningTask, Configuration, float]]] = {}
        self.new: list[tuple[Tasks, int]] = []
        rows: list[Scores] = []
        for shape in SHAPES:
            old = draw(shape, found[shape.family]["train"], KNOWN, seed=1)
            tried = [random_configuration(rng) for _ in range(CONFIGURATIONS)]
            outcomes = [train(old, one)[0] for one in tried]
            self.history[shape] = [
                (task, tried[trial], outcomes[trial][at])
                for at, task in enumerate(old.tasks)
                for trial in rng.permutation(CONFIGURATIONS)[:HISTORY]
            ]
            new = draw(shape, found[shape.family]["test"], NEW, seed=2)
            rows.append(np.array([train(new, one) for one in [*self.table, DEFAULT.configuration()]]))
            self.new += [(new, at) for at in range(NEW)]
        self.validation, self.test = np.concatenate(rows, axis=2).transpose(1, 2, 0)  # (tasks, table and default)
        self.best = self.test.max(axis=1)
        self.searched = [at for at, (_, place) in enumerate(self.new) if place < SEARCHED]

    def trial(self, at: int, one: Configuration) -> tuple[float, float]:
        """Validation and test figure of a configuration on a new task."""
        tasks, place = self.new[at]
        validation, test = train(tasks.one(place), one)
        self.best[at] = max(self.best[at], test[0])
        return validation[0], test[0]

    def task(self, at: int) -> MetaLearningTask:
        tasks, place = self.new[at]
        return tasks.tasks[place]

    def predictor(self, families: Sequence[str], each: int = KNOWN) -> StrategyPredictor:
        """Taught what is known of some families, of so many tasks of each shape."""
        predictor = StrategyPredictor(DEFAULT)
        for shape, rows in self.history.items():
            if shape.family in families:
                for task, one, outcome in rows[: each * HISTORY]:
                    predictor.record(task, one, outcome)
        return predictor


def best_so_far(trials: Sequence[tuple[float, float]]) -> list[float]:
    """The test figure of the best validation figure after each number of trials."""
    validation, test = np.array(trials).T
    return [float(test[:count][validation[:count].argmax()]) for count in TRIALS]


def search(bench: Bench, at: int, begin: Sequence[Strategy]) -> list[float]:
    """Optuna's TPE on one new task, from some strategies on."""
    seen: list[tuple[float, float]] = []

    def objective(trial: optuna.Trial) -> float:
        rate = trial.suggest_float("rate", *RATES, log=True)
        batch, epochs = trial.suggest_int("batch", *BATCHES, log=True), trial.suggest_int("epochs", *EPOCHS, log=True)
        decay, hidden = trial.suggest_float("decay", *DECAYS, log=True), trial.suggest_int("hidden", *HIDDEN, log=True)
        seen.append(bench.trial(at, configuration(rate, batch, epochs, decay, hidden)))
        return seen[-1][0]

    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=at))
    for one in begin:
        study.enqueue_trial(
            {
                "rate": one.learning_rate,
                "batch": one.batch_size,
                "epochs": one.num_epochs,
                "decay": one.regularization,
                "hidden": one.architecture_params["hidden"],
            }
        )
    study.optimize(objective, n_trials=max(TRIALS))
    return best_so_far(seen)


def with_trials(bench: Bench) -> dict[str, Any]:
    """Test figures of each way by trials on the new task, with regret and paired difference from the prediction."""
    predictor = bench.predictor(FAMILIES)
    rows = bench.searched
    ways: dict[str, Any] = {
        name: [] for name in ("predicted, best first", "predicted, then Optuna", "Optuna", "random")
    }
    for at in rows:
        suggested = predictor.suggest(bench.task(at), max(TRIALS))
        ways["predicted, best first"].append(best_so_far([bench.trial(at, one.configuration()) for one in suggested]))
        ways["predicted, then Optuna"].append(search(bench, at, suggested[:3]))
        ways["Optuna"].append(search(bench, at, []))
        orders = [np.random.default_rng(seed).permutation(TABLE)[: max(TRIALS)] for seed in range(20)]
        pairs = np.stack([bench.validation[at], bench.test[at]], axis=1)
        ways["random"].append(np.mean([best_so_far(pairs[order]) for order in orders], axis=0))
    scores = {name: np.array(found) for name, found in ways.items()}
    predicted = scores["predicted, best first"][:, 0]
    return {
        name: {trials: told(found[:, at], bench.best[rows], predicted) for at, trials in enumerate(TRIALS)}
        for name, found in scores.items()
    }


def without_trials(bench: Bench) -> dict[str, Any]:
    """Test figures of defaults, of what was best on average, and of the prediction, on all new tasks."""
    strategies, predicted = predictions(bench, bench.predictor(FAMILIES))
    common = average(bench)
    scores = {
        "defaults": bench.test[:, TABLE],
        "best on average": np.array([bench.trial(at, common)[1] for at in range(len(bench.new))]),
        "predicted": predicted[:, 1],
    }
    return {
        "scores": {name: told(found, bench.best, predicted[:, 1]) for name, found in scores.items()},
        "confidence": reliability(strategies, good(bench, predicted)),
    }


def predictions(
    bench: Bench, predictor: StrategyPredictor, rows: Sequence[int] | None = None
) -> tuple[list[Strategy], Scores]:
    """What is predicted for some new tasks, and the (tasks, 2) figures that it reaches."""
    places = range(len(bench.new)) if rows is None else rows
    strategies = [predictor.predict_optimal_strategy(bench.task(at)) for at in places]
    pairs = zip(places, strategies, strict=True)
    return strategies, np.array([bench.trial(at, one.configuration()) for at, one in pairs])


def average(bench: Bench) -> Configuration:
    """The configuration of the history that did best against its tasks' means, smoothed over similar ones."""
    rows = [row for found in bench.history.values() for row in found]
    means = {id(task): np.mean([out for other, _, out in rows if other is task]) for task, _, _ in rows}
    tried = [one for _, one, _ in rows]
    inputs = np.array([_logarithms(one) for one in tried])
    gains = np.array([outcome - means[id(task)] for task, _, outcome in rows])
    near = np.exp(-(((inputs[:, None] - inputs[None]) / inputs.std(axis=0)) ** 2).sum(axis=2) / 2)
    return tried[int((near @ gains / (near.sum(axis=1) + 1)).argmax())]


def _logarithms(one: Configuration) -> list[float]:
    values = (one["learning_rate"], one["batch_size"], one["num_epochs"], one["regularization"])
    return [float(np.log(value)) for value in (*values, one["architecture_params"]["hidden"])]


def told(scores: Scores, best: Scores, predicted: Scores) -> dict[str, float]:
    """Mean with 95 % interval over tasks, mean regret, and how far the prediction is ahead, with its interval."""
    ahead = predicted - scores
    return {
        "score": round(float(scores.mean()), 4),
        "interval": round(half(scores), 4),
        "regret": round(float((best - scores).mean()), 4),
        "predicted ahead by": round(float(ahead.mean()), 4),
        "ahead interval": round(half(ahead), 4),
    }


def half(values: Scores) -> float:
    return 1.96 * float(values.std(ddof=1)) / len(values) ** 0.5


def good(bench: Bench, scores: Scores, rows: Sequence[int] | None = None) -> NDArray[np.bool_]:
    """Whether at most a quarter of the table does better by the figure that is recorded; nothing was chosen by it."""
    table = bench.validation[:, :TABLE] if rows is None else bench.validation[rows, :TABLE]
    return (table > scores[:, :1]).mean(axis=1) <= 0.25


def reliability(strategies: Sequence[Strategy], right: NDArray[np.bool_]) -> dict[str, Any]:
    """Mean confidence beside the share that came true; Brier score beside that of telling that share always."""
    confidence = np.array([one.confidence for one in strategies])
    share = float(right.mean())
    order = np.array_split(np.argsort(confidence, kind="stable"), 3)
    return {
        "tasks": len(right),
        "confidence": round(float(confidence.mean()), 3),
        "came true": round(share, 3),
        "brier": round(float(((confidence - right) ** 2).mean()), 3),
        "brier of the share": round(share * (1 - share), 3),
        "thirds": [[round(float(confidence[at].mean()), 3), round(float(right[at].mean()), 3)] for at in order],
    }


def unseen_families(bench: Bench) -> dict[str, Any]:
    """The family's own tasks are left out of the history: what transfers between kinds of data."""
    found: dict[str, Any] = {}
    every: list[Strategy] = []
    right: list[bool] = []
    for family in FAMILIES:
        rows = [at for at, (tasks, _) in enumerate(bench.new) if tasks.shape.family == family]
        strategies, scores = predictions(bench, bench.predictor([one for one in FAMILIES if one != family]), rows)
        came_true = good(bench, scores, rows)
        every += strategies
        right += list(came_true)
        found[family] = {
            "defaults": round(float(bench.test[rows, TABLE].mean()), 4),
            "predicted": round(float(scores[:, 1].mean()), 4),
            "confidence": round(float(np.mean([one.confidence for one in strategies])), 3),
            "came true": round(float(came_true.mean()), 3),
            "far away": sum(one.confidence == 0 for one in strategies),
        }
    return {"families": found, "confidence": reliability(every, np.array(right))}


def shorter_histories(bench: Bench) -> list[dict[str, Any]]:
    """The prediction while fewer tasks are recorded."""
    rows = []
    for each in (1, 3):
        strategies, scores = predictions(bench, bench.predictor(FAMILIES, each))
        row = {"tasks": each * len(SHAPES), "score": round(float(scores[:, 1].mean()), 4)}
        rows.append(row | {"confidence": reliability(strategies, good(bench, scores))})
    return rows


def costs(bench: Bench) -> dict[str, float]:
    """CPU milliseconds of a prediction that learns anew, and of the next ones."""
    start = time.process_time()
    predictor = bench.predictor(FAMILIES)
    recorded = time.process_time()
    predictor.predict_optimal_strategy(bench.task(0))
    learned = time.process_time()
    for at in range(10):
        predictor.predict_optimal_strategy(bench.task(at))
    experiences = len(predictor.buffer)
    return {
        "experiences": experiences,
        "record ms": round(1000 * (recorded - start) / experiences, 2),
        "first prediction ms": round(1000 * (learned - recorded)),
        "next predictions ms": round(100 * (time.process_time() - learned)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/strategy.json")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    start = time.process_time()
    bench = Bench()
    trials = with_trials(bench)  # first, as regret counts from the best that any trial reached
    found: dict[str, Any] = {
        "optuna": optuna.__version__,
        "with trials": trials,
        "without trials": without_trials(bench),
        "shorter histories": shorter_histories(bench),
        "unseen families": unseen_families(bench),
        "without trials, inputs as shipped": without_trials(Bench(scaled=False)),
        "costs": costs(bench),
    }
    found["cpu_seconds"] = round(time.process_time() - start)
    print(write_results("strategy", found) if asked.write else found)


if __name__ == "__main__":
    main()
