"""Regression on sinusoids, the first benchmark of MAML."""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass, field

import torch

from onward.learners.neural import plain_numbers, whole

from ._stream import Endless, Stream, Told, halves
from ._task import TaskBatch


@dataclass(frozen=True, slots=True)
class Sinusoid(Endless):
    """Tasks y = amplitude * sin(x - phase), drawn anew each time (Finn, Abbeel and Levine 2017, section 5.1).

    Amplitudes are uniform in 0.1..5, phases in 0..pi, inputs in -5..5; no noise.

    Args:
        shots: support examples.
        queries: query examples.
        seed: of the stream of tasks.
        device: where they are made.
        name: of the stream; see `split`.

    Raises:
        InvalidInput: a count is no whole number from 1 on, the seed is none, or there is no such device.

    >>> tasks = Sinusoid(shots=10, queries=20, seed=3).sample_batch(4)
    >>> tuple(tasks.support_x.shape), tuple(tasks.query_y.shape)
    ((4, 10, 1), (4, 20, 1))
    """

    shots: int = 10
    queries: int = 10
    _: KW_ONLY
    seed: int = 0
    device: torch.device | str = "cpu"
    name: str = "train"
    _stream: Stream = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        whole(1, shots=self.shots, queries=self.queries)
        plain_numbers(self)
        object.__setattr__(self, "_stream", Stream(self.seed, self.name, self.device))

    def sample_batch(self, batch_size: int) -> TaskBatch:
        """So many tasks, inputs and targets (T, shots, 1) and (T, queries, 1); metadata tells amplitude and phase.

        Raises:
            InvalidInput: `batch_size` is below 1.
        """
        ids, draw = self._stream.ids(batch_size), self._stream.uniform
        amplitude, phase = draw(0.1, 5.0, batch_size, 1, 1), draw(0.0, math.pi, batch_size, 1, 1)
        x = draw(-5.0, 5.0, batch_size, self.shots + self.queries, 1)
        y = amplitude * torch.sin(x - phase)
        told = Told({"amplitude": amplitude.flatten(), "phase": phase.flatten()})
        return TaskBatch(*halves(x, y, self.shots), ids, told)
