"""MNIST cut into tasks, and the networks and plans of the source.

van de Ven and Tolias (2018, arXiv:1809.10635; 2019, arXiv:1904.07734; their code is GMvandeVen/continual-learning).
Split: 5 tasks of 2 digits each, which digits is drawn anew by each seed; "task" and "class" have 10 outputs, "domain"
2. Permuted: 10 tasks, images padded to 32 x 32, a permutation of the 1,024 pixels each, 10 outputs. Pixels are 0..1,
not standardised. Two hidden layers of ReLUs; Adam, which goes on from task to task; cross entropy over the outputs that
count.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - what everybody calls it
from torch import Tensor, nn

from benchmarks.real_data import folder
from onward.core import NotFound
from onward.learners.continual import Experience, Heads
from onward.learners.continual.scenarios import Stream, from_arrays, permuted

Pair = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Plan:
    """How a network is trained on each task.

    Args:
        kind: of the scenario.
        split: in tasks of two digits, or else permuted.
        units: of each of two hidden layers.
        rate: of Adam.
        steps: on each task; `None`: one pass.
        batch_size: examples of a step.
    """

    kind: str
    split: bool
    units: int
    rate: float
    steps: int | None
    batch_size: int = 128

    def told(self) -> dict[str, object]:
        """The same as JSON."""
        return {
            "scenario": self.kind,
            "tasks": "5 of two digits, drawn anew by each seed" if self.split else "10 permutations of 32 x 32 pixels",
            "network": f"{784 if self.split else 1024}-{self.units}-{self.units}-{self.outputs}, ReLU",
            "optimiser": f"Adam, {self.rate}, which goes on from task to task",
            "steps a task": self.steps or "one pass",
            "batch size": self.batch_size,
        }

    @property
    def outputs(self) -> int:
        return 2 if self.split and self.kind == "domain" else 10

    def network(self) -> nn.Sequential:
        """A new one; its weights come from torch's own generator."""
        inputs = 784 if self.split else 1024
        hidden = [nn.Linear(inputs, self.units), nn.ReLU(), nn.Linear(self.units, self.units), nn.ReLU()]
        return nn.Sequential(nn.Flatten(), *hidden, nn.Linear(self.units, self.outputs))

    def stream(self, seed: int, examples: int | None = None, held_out: int = 0) -> Stream:
        """The tasks of a seed.

        Args:
            examples: to learn from, of all digits together; all if not said.
            held_out: so many of the last are not learned from: they are judged on, in place of the test.
        """
        (x, y), test = digits()
        if held_out:
            (x, y), test = (x[:-held_out], y[:-held_out]), (x[-held_out:], y[-held_out:])
        x, y = x[:examples], y[:examples]
        if self.split:
            return from_arrays(x, y, 5, kind=Heads(self.kind).kind, test=test, seed=seed)
        pad = lambda images: F.pad(images, (2, 2, 2, 2))  # noqa: E731 - of both parts
        return permuted(pad(x), y, 10, test=(pad(test[0]), test[1]), seed=seed)


@cache
def digits() -> tuple[Pair, Pair]:
    """(60,000, 28, 28) images of 0..1 and their digits; the same of the 10,000 of the test.

    Raises:
        NotFound: ONWARD_DATA names no folder that has them.
    """
    found = folder()
    if found is None or not (found / "mnist").is_dir():
        raise NotFound("There is no MNIST.", mend="Let ONWARD_DATA name the folder of data sets.")

    def read(name: str, skip: int) -> Tensor:
        with gzip.open(found / "mnist" / name) as file:
            return torch.from_numpy(np.frombuffer(file.read(), np.uint8, offset=skip).copy())

    def part(name: str) -> Pair:
        images, labels = read(f"{name}-images-idx3-ubyte.gz", 16), read(f"{name}-labels-idx1-ubyte.gz", 8)
        return images.view(-1, 28, 28).float() / 255, labels.long()

    return part("train"), part("t10k")


def together(experiences: list[Experience]) -> Experience:
    """All of them as one: what joint training learns from."""
    x, y = torch.cat([one.x for one in experiences]), torch.cat([one.y for one in experiences])
    return Experience(x, y, name=f"the first {len(experiences)}")
