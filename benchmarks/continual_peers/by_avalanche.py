"""Avalanche 0.6: `Naive`, `EWC` and `Replay` with its accuracy and loss of an epoch, no logger.

It imports torchvision, of which no build fits a CPU build of PyTorch 2.13: its Python part is taken, and the two
operators that it wants to know of at import are declared here. Nothing of it runs.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.continual_peers import Run
from benchmarks.continual_peers.work import BATCH, MEMORY, RATE, STRENGTH, Work

BOXES = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


@cache
def declared() -> Any:
    """The operators of torchvision, without which it is not imported."""
    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}{BOXES}")
    return library


def run(work: Work, orders: Sequence[Tensor] | None = None) -> Run:
    declared()
    from avalanche.benchmarks import benchmark_from_datasets
    from avalanche.benchmarks.utils import _make_taskaware_tensor_classification_dataset as dataset

    parts = [*work.experiences, (work.x, work.y)]
    if orders is not None:
        parts = [(x[order], y[order]) for (x, y), order in zip(parts, orders, strict=True)]
    stream = benchmark_from_datasets(train=[dataset(x, y, task_labels=[0] * len(x)) for x, y in parts]).train_stream
    watch = watching(orders is not None)
    strategy = strategy_of(work, watch)
    for experience in stream:
        watch.times, watch.losses = [], []
        strategy.train(experience, shuffle=orders is None)
    taken = watch.times[-1] - watch.times[0]
    return Run(1e3 * taken / (len(watch.times) - 1), watch.losses)


def strategy_of(work: Work, watch: Any) -> Any:
    from avalanche.evaluation.metrics import accuracy_metrics, loss_metrics
    from avalanche.training.plugins import EvaluationPlugin
    from avalanche.training.supervised import EWC, Naive, Replay

    network = work.network()
    settings: dict[str, Any] = {
        "model": network,
        "optimizer": torch.optim.SGD(network.parameters(), lr=RATE),
        "criterion": nn.CrossEntropyLoss(),
        "train_mb_size": BATCH,
        "train_epochs": 1,
        "plugins": [watch],
        "evaluator": EvaluationPlugin(accuracy_metrics(epoch=True), loss_metrics(epoch=True), loggers=[]),
    }
    match work.kind:
        case "EWC":
            return EWC(ewc_lambda=STRENGTH / 2, **settings)
        case "replay":
            return Replay(mem_size=MEMORY, **settings)
        case _:
            return Naive(**settings)


def watching(tell: bool) -> Any:
    from avalanche.training.plugins import SupervisedPlugin

    class Watch(SupervisedPlugin):  # type: ignore[misc]
        """Stops the time."""

        def after_training_iteration(self, strategy: Any, **_: Any) -> None:
            self.times.append(time.process_time())
            if tell:
                self.losses.append(float(strategy.loss))

    return Watch()
