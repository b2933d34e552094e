"""What is asked of every contender: a network with weights, tasks, settings. NumPy only, as some lack PyTorch."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Data = dict[str, NDArray[np.generic]]
CHANNELS, HIDDEN, SIDE = 64, 40, 28


@dataclass(frozen=True)
class Work:
    """One meta-gradient to compute.

    Args:
        network: "strided": 4 x [3x3 convolution of 64 channels with stride 2, batch norm, ReLU], mean over what is left
            of the picture, linear; "pooled": stride 1 and 2x2 max-pooling instead; "embedding": the strided one without
            its mean and linear layer; "mlp": 1-40-40-1, ReLU. Batch norm takes the statistics of the batch, always.
        tasks: in a step.
        ways: classes; 1 for regression.
        shots: support examples a class.
        queries: query examples a class.
        few: tasks on which those who loop over tasks are timed.
        inner_rate, inner_steps, first_order: of MAML.
    """

    network: str
    tasks: int
    ways: int
    shots: int
    queries: int
    few: int
    inner_rate: float
    inner_steps: int = 5
    first_order: bool = False

    @property
    def regression(self) -> bool:
        return self.network == "mlp"


def make(work: Work, seed: int = 0) -> Data:
    """Weights, as "net.NAME", and tasks, as "support_x" (tasks, examples, ...) and so on."""
    random = np.random.default_rng(seed)
    return weights(work, random) | (sinusoids(work, random) if work.regression else pictures(work, random))


def weights(work: Work, random: np.random.Generator) -> Data:
    """Normal weights of variance 2 / inputs (mlp: 1 / (3 inputs), as PyTorch has it), no biases, norms near 1 and 0."""
    made: Data = {}
    gain = 1 / 3 if work.regression else 2

    def layer(name: str, *shape: int) -> None:
        inputs = int(np.prod(shape[1:]))
        made[f"net.{name}.weight"] = random.normal(0, np.sqrt(gain / inputs), shape).astype(np.float32)
        made[f"net.{name}.bias"] = np.zeros(shape[0], np.float32)

    if work.regression:
        for at, (inputs, outputs) in enumerate([(1, HIDDEN), (HIDDEN, HIDDEN), (HIDDEN, 1)]):
            layer(f"{2 * at}", outputs, inputs)
        return made
    size = 4 if work.network == "pooled" else 3  # modules a block
    for block in range(4):
        layer(f"{size * block}", CHANNELS, CHANNELS if block else 1, 3, 3)
        made[f"net.{size * block + 1}.weight"] = random.uniform(0.8, 1.2, CHANNELS).astype(np.float32)
        made[f"net.{size * block + 1}.bias"] = random.uniform(-0.1, 0.1, CHANNELS).astype(np.float32)
    if work.network != "embedding":
        layer(f"{4 * size + 2}", work.ways, CHANNELS)
    return made


def pictures(work: Work, random: np.random.Generator) -> Data:
    """Each class a blurred random picture; its examples with so much noise that none is easy. Class by class."""
    centres = random.normal(size=(work.tasks, work.ways, 1, 1, SIDE // 4, SIDE // 4)).repeat(4, -1).repeat(4, -2)

    def examples(each: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        x = centres + 2 * random.normal(size=(work.tasks, work.ways, each, 1, SIDE, SIDE))
        y = np.broadcast_to(np.arange(work.ways)[:, None], (work.tasks, work.ways, each))
        return x.astype(np.float32).reshape(work.tasks, -1, 1, SIDE, SIDE), y.reshape(work.tasks, -1).astype(np.int64)

    (sx, sy), (qx, qy) = examples(work.shots), examples(work.queries)
    return {"support_x": sx, "support_y": sy, "query_x": qx, "query_y": qy}


def sinusoids(work: Work, random: np.random.Generator) -> Data:
    """y = a sin(x + b), a in [0.1, 5], b in [0, pi], x in [-5, 5]."""
    height = random.uniform(0.1, 5, (work.tasks, 1, 1))
    phase = random.uniform(0, np.pi, (work.tasks, 1, 1))
    sx, qx = (random.uniform(-5, 5, (work.tasks, each, 1)) for each in (work.shots, work.queries))
    drawn = {"support_x": sx, "support_y": height * np.sin(sx + phase)}
    drawn |= {"query_x": qx, "query_y": height * np.sin(qx + phase)}
    return {name: values.astype(np.float32) for name, values in drawn.items()}


def save(folder: Path, work: Work, data: Data) -> None:
    (folder / "work.json").write_text(json.dumps(asdict(work)), encoding="utf8")
    np.savez(folder / "data.npz", **data)  # type: ignore[arg-type]


def load(folder: Path) -> tuple[Work, Data]:
    with np.load(folder / "data.npz") as file:
        return Work(**json.loads((folder / "work.json").read_text(encoding="utf8"))), dict(file)
