"""N-way K-shot episodes from arrays."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from onward.core import InvalidInput, NotFound

from ._pool import Pool, divide, make_pool
from ._stream import Stream, Told, check_counts, distinct
from ._task import TaskBatch

Split = Sequence[float] | Mapping[str, Sequence[Hashable]] | None


@dataclass(frozen=True, slots=True)
class Episode:
    """What every task looks like.

    Args:
        ways: classes in a task.
        shots: support examples of each.
        queries: query examples of each.
    """

    ways: int
    shots: int
    queries: int

    def __post_init__(self) -> None:
        check_counts(ways=self.ways, shots=self.shots, queries=self.queries)

    @property
    def each(self) -> int:
        """Examples that a class must have."""
        return self.shots + self.queries


class Episodes:
    """Samples N-way K-shot tasks of the classes of one split; made by `from_arrays` and its like.

    A task has `ways` different classes, numbered anew from 0 in random order, and of each `shots` support and `queries`
    query examples, no example twice; class by class. Everything is drawn and gathered on the device that the examples
    are on, a whole batch at a time.
    """

    def __init__(
        self,
        pool: Pool,
        splits: Mapping[str, Sequence[int]],
        name: str,
        episode: Episode,
        seed: int,
        *,
        drop_small: bool,
    ) -> None:
        self.name, self.episode, self.seed = name, episode, seed
        self._pool, self._splits, self._drop_small = pool, splits, drop_small
        classes = self._large_enough(splits[name])
        if len(classes) < episode.ways:
            left = (
                f", {len(splits[name]) - len(classes)} more having fewer than {episode.each} examples"
                if drop_small
                else ""
            )
            raise InvalidInput(
                f"A task needs {episode.ways} classes, and the split {name!r} has {len(classes)}{left}.",
                mend=f"Give ways={len(classes)} or less, or more classes.",
            )
        self._classes = torch.tensor(classes, device=pool.x.device)
        self._limits = torch.full((1,), len(classes), device=pool.x.device)
        self._widest = max(pool.counts[number] for number in classes)
        self._stream = Stream(seed, name, pool.x.device)

    def _large_enough(self, classes: Sequence[int]) -> list[int]:
        counts, need = self._pool.counts, self.episode.each
        large = [number for number in classes if counts[number] >= need]
        if len(large) < len(classes) and not self._drop_small:
            small = min(classes, key=counts.__getitem__)
            raise InvalidInput(
                f"A task needs {self.episode.shots} + {self.episode.queries} = {need} examples of a class; "
                f"{len(classes) - len(large)} of {len(classes)} classes have fewer, "
                f"{self._pool.labels[small]!r} has {counts[small]}.",
                mend="Ask for fewer shots or queries, or leave such classes out with drop_small=True.",
            )
        return large

    @property
    def splits(self) -> tuple[str, ...]:
        """The names that `split` takes."""
        return tuple(self._splits)

    @property
    def classes(self) -> tuple[Hashable, ...]:
        """The classes that tasks are made of; a class turned by so many degrees is (class, degrees)."""
        return tuple(self._pool.labels[number] for number in self._classes.tolist())

    def __repr__(self) -> str:
        e = self.episode
        return f"Episodes({self.name}: {len(self._classes)} classes, {e.ways}-way {e.shots}-shot, {e.queries} queries)"

    def split(
        self,
        name: str,
        *,
        ways: int | None = None,
        shots: int | None = None,
        queries: int | None = None,
        seed: int | None = None,
    ) -> Episodes:
        """Tasks of the classes of another split, from the start of its own stream; the examples are shared.

        Args:
            name: of the split.
            ways: as in this one where left out, as are `shots`, `queries` and `seed`.
            shots: see `ways`.
            queries: see `ways`.
            seed: another one gives other tasks of the same classes.

        Raises:
            NotFound: there is no such split; names those there are.
            InvalidInput: its classes, or their examples, are too few.
        """
        if name not in self._splits:
            raise NotFound(f"There is no split {name!r}.", mend="Name one of these.", options=self._splits)
        own = self.episode
        episode = Episode(
            own.ways if ways is None else ways,
            own.shots if shots is None else shots,
            own.queries if queries is None else queries,
        )
        return Episodes(
            self._pool, self._splits, name, episode, self.seed if seed is None else seed, drop_small=self._drop_small
        )

    def sample_batch(self, batch_size: int) -> TaskBatch:
        """So many tasks: `support_x` (T, ways * shots, ...), `query_x` (T, ways * queries, ...), `y` 0 to ways - 1.

        Raises:
            InvalidInput: `batch_size` is below 1.
        """
        ids, pool, episode = self._stream.ids(batch_size), self._pool, self.episode
        limits, generator = self._limits.expand(batch_size), self._stream.generator
        classes = self._classes[distinct(limits, episode.ways, len(self._classes), generator)]
        flat = classes.flatten()
        places = distinct(pool.sizes[flat], episode.each, self._widest, generator)
        rows = (pool.starts[flat][:, None] + places).view(batch_size, episode.ways, episode.each)
        numbers = torch.arange(episode.ways, device=flat.device)
        return TaskBatch(
            pool.take(rows[..., : episode.shots].flatten(1)),
            numbers.repeat_interleave(episode.shots).repeat(batch_size, 1),
            pool.take(rows[..., episode.shots :].flatten(1)),
            numbers.repeat_interleave(episode.queries).repeat(batch_size, 1),
            ids,
            Told({"classes": classes}, {"classes": pool.labels}),
        )

    def state_dict(self) -> dict[str, Any]:
        """Where the stream of tasks stands: with it a checkpointed training goes on with the very same tasks."""
        return self._stream.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from where `state_dict` was taken.

        Raises:
            InvalidInput: it is no such state.
        """
        self._stream.load_state_dict(state)


def from_arrays(  # noqa: PLR0913 - what a task looks like, and where its examples come from
    x: Any,
    y: Any,
    ways: int = 5,
    shots: int = 1,
    queries: int = 15,
    *,
    split: Split = None,
    seed: int = 0,
    device: torch.device | str | None = None,
    rotations: bool | Collection[str] = False,
    drop_small: bool = False,
) -> Episodes:
    """Few-shot classification tasks from labelled examples.

    Args:
        x: (n, ...) inputs: tensor, array, or sparse matrix. Bytes (uint8) are pixels: kept as they are, given as 0..1.
            Real numbers of an array become torch's default dtype; a tensor keeps its own.
        y: (n,) labels, whole numbers or texts; classes may differ in size.
        ways: classes in a task.
        shots: support examples of each class.
        queries: query examples of each class.
        split: how whole classes are divided into train, validation and test: three (or two: train, test) shares that
            add up to 1, or numbers of classes that add up to all; shuffled under `seed`. Or name -> labels. The first
            is returned; `.split(name)` gives the others. `None`: all classes in one, called "all".
        seed: of the division of classes and of every stream of tasks.
        device: where the examples are kept and the tasks are made; that of `x` where left out.
        rotations: whether square images turned by 90, 180 and 270 degrees are classes of their own (Santoro et al.
            2016), in every split or in the named ones. Takes four times the memory.
        drop_small: leave out classes with fewer than `shots + queries` examples instead of refusing them.

    Raises:
        InvalidInput: inputs hold NaN or infinity; or classes, or examples of a class, are too few.

    >>> x, y = torch.randn(100, 8), torch.arange(100) % 10
    >>> train = from_arrays(x, y, ways=3, shots=2, queries=4, split=(6, 2, 2), seed=1)
    >>> tasks = train.sample_batch(16)
    >>> tuple(tasks.support_x.shape), tuple(tasks.query_x.shape)
    ((16, 6, 8), (16, 12, 8))
    >>> train.split("test", ways=2)
    Episodes(test: 2 classes, 2-way 2-shot, 4 queries)
    """
    if device is None:
        device = x.device if isinstance(x, torch.Tensor) else "cpu"
    episode = Episode(ways, shots, queries)
    pool = make_pool(x, y, device, rotations=bool(rotations))
    upright = len(pool.labels) // 4 if rotations else len(pool.labels)
    splits = dict(divide(pool.labels[:upright], split, seed))
    turned = set(splits) if rotations is True else set(rotations or ())
    if not turned <= set(splits):
        raise NotFound(f"Rotations are asked for in {sorted(turned)}.", mend="Name splits.", options=splits)
    for name in turned:
        splits[name] = [number + turns * upright for turns in range(4) for number in splits[name]]
    return Episodes(pool, splits, next(iter(splits)), episode, seed, drop_small=drop_small)
