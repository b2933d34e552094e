"""Classification of points around random centres: quick to sample, and as hard as asked for."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field

import torch

from onward.learners.neural import at_least, plain_numbers, whole

from ._stream import Endless, Stream, Told, halves
from ._task import TaskBatch


@dataclass(frozen=True, slots=True)
class GaussianBlobs(Endless):
    """Tasks of `ways` Gaussian clouds whose centres are drawn anew each time.

    Args:
        ways: clouds in a task.
        shots: support examples of each.
        queries: query examples of each.
        dimensions: of a point.
        spread: standard deviation of the centres, around the origin.
        noise: standard deviation of the points, around their centre.
        seed: of the stream of tasks.
        device: where they are made.
        name: of the stream; see `split`.

    Raises:
        InvalidInput: a count is no whole number from 1 on, `spread` or `noise` no finite number from 0 on, the seed no
            whole number, or there is no such device.

    >>> tasks = GaussianBlobs(ways=3, shots=2, queries=4, dimensions=5).sample_batch(7)
    >>> tuple(tasks.support_x.shape), tasks.support_y[0].tolist()
    ((7, 6, 5), [0, 1, 2, 0, 1, 2])
    """

    ways: int = 5
    shots: int = 1
    queries: int = 15
    _: KW_ONLY
    dimensions: int = 2
    spread: float = 1.0
    noise: float = 0.25
    seed: int = 0
    device: torch.device | str = "cpu"
    name: str = "train"
    _stream: Stream = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        whole(1, ways=self.ways, shots=self.shots, queries=self.queries, dimensions=self.dimensions)
        at_least(0, spread=self.spread, noise=self.noise)
        plain_numbers(self)
        object.__setattr__(self, "_stream", Stream(self.seed, self.name, self.device))

    def sample_batch(self, batch_size: int) -> TaskBatch:
        """So many tasks: points (T, ways * shots, dimensions) and (T, ways * queries, dimensions); metadata: centres.

        Raises:
            InvalidInput: `batch_size` is below 1.
        """
        ids, draw = self._stream.ids(batch_size), self._stream.normal
        each = self.shots + self.queries
        centres = draw(batch_size, 1, self.ways, self.dimensions) * self.spread
        points = centres + draw(batch_size, each, self.ways, self.dimensions) * self.noise
        y = torch.arange(self.ways, device=points.device).repeat(batch_size, each)
        parts = halves(points.flatten(1, 2), y, self.ways * self.shots)
        return TaskBatch(*parts, ids, Told({"centres": centres[:, 0]}))
