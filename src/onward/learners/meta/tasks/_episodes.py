"""Tasks of one shape from the classes of a split, or of one group (a project, a user, a recorded task) at a time."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property

import torch
from torch import Tensor

from onward.core import NotFound, content_hash

from ._groups import Episode, Group, Rules, usable
from ._pool import Pool
from ._stream import Stream, Streamed, Told, distinct
from ._task import Examples, MetaLearningTask, TaskBatch


class Episodes(Streamed):
    """Samples tasks of one shape from the classes of a split; made by `from_arrays`, `from_frame` and their like.

    A task has `ways` different classes, and of each `shots` support and `queries` query examples, no example twice;
    class by class. From arrays the classes are numbered anew from 0 in random order; from a frame every task is of one
    group, and a class has the same number everywhere. Everything is drawn and gathered on the device that the examples
    are on, a whole batch at a time. Splits share the examples.
    """

    def __init__(self, pool: Pool, splits: Mapping[str, Sequence[Group]], name: str, rules: Rules) -> None:
        self.name, self._pool, self._splits, self._rules = name, pool, splits, rules
        device, groups = pool.x.device, usable(pool, splits[name], name, rules)
        counts = [len(group.classes) for group in groups]
        self._groups = tuple(group.label for group in groups)
        self._classes = torch.tensor([number for group in groups for number in group.classes], device=device)
        self._counts = torch.tensor(counts, device=device)
        self._firsts = self._counts.cumsum(0) - self._counts
        self._most = max(counts)
        self._widest = max(pool.counts[number] for group in groups for number in group.classes)
        self._stream = Stream(rules.seed, name, device)

    @property
    def episode(self) -> Episode:
        """What every task looks like."""
        return self._rules.episode

    @property
    def splits(self) -> tuple[str, ...]:
        """The names that `split` takes."""
        return tuple(self._splits)

    @property
    def classes(self) -> tuple[Hashable, ...]:
        """The classes that tasks are made of; a class turned by so many degrees is (class, degrees)."""
        return tuple(dict.fromkeys(self._pool.labels[number] for number in self._classes.tolist()))

    @property
    def groups(self) -> tuple[Hashable, ...]:
        """The groups that tasks are of: projects, tenants, recorded tasks; one without a name where there are none."""
        return self._groups

    def __repr__(self) -> str:
        e, groups = self.episode, f"{len(self._groups)} groups, " if len(self._groups) > 1 else ""
        shape = f"{e.ways}-way {e.shots}-shot, {e.queries} queries"
        return f"Episodes({self.name}: {groups}{len(self.classes)} classes, {shape})"

    @cached_property
    def identity(self) -> str:
        """What decides the tasks: examples, classes, shape and seed, as a text; a checkpoint is kept under it.

        All examples are read for it, once.
        """
        classes = (self._groups, self._counts.tolist(), self._classes.tolist(), self._rules.fixed)
        contents = content_hash(f"{self._pool.digest()} {classes!r}".encode())
        return f"{self!r}, seed {self._rules.seed}, contents {contents[:16]}"

    def split(
        self,
        name: str,
        *,
        ways: int | None = None,
        shots: int | None = None,
        queries: int | None = None,
        seed: int | None = None,
    ) -> Episodes:
        """Tasks of another split, from the start of its own stream.

        Args:
            name: of the split; this one's own gives the stream anew.
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
        given = {"ways": ways, "shots": shots, "queries": queries}
        episode = replace(self.episode, **{part: count for part, count in given.items() if count is not None})
        rules = replace(self._rules, episode=episode, seed=self._rules.seed if seed is None else seed)
        return Episodes(self._pool, self._splits, name, rules)

    def sample_batch(self, batch_size: int) -> TaskBatch:
        """So many tasks: inputs (T, ways * shots, ...) and (T, ways * queries, ...), and their targets.

        Raises:
            InvalidInput: `batch_size` is below 1.
        """
        ids, pool, episode = self._stream.ids(batch_size), self._pool, self.episode
        groups, classes = self._choose(batch_size)
        flat = classes.flatten()
        places = distinct(pool.sizes[flat], episode.each, self._widest, self._stream.generator)
        rows = (pool.starts[flat][:, None] + places).view(*classes.shape, episode.each)
        support, query = rows[..., : episode.shots].flatten(1), rows[..., episode.shots :].flatten(1)
        return TaskBatch(
            pool.take(support),
            self._targets(support, episode.shots),
            pool.take(query),
            self._targets(query, episode.queries),
            ids,
            self._told(groups, classes),
        )

    def _choose(self, batch_size: int) -> tuple[Tensor, Tensor]:
        """(T,) groups and (T, ways) classes of each."""
        device, generator = self._classes.device, self._stream.generator
        if len(self._groups) > 1:
            groups = torch.randint(len(self._groups), (batch_size,), generator=generator, device=device)
        else:
            groups = torch.zeros(batch_size, dtype=torch.long, device=device)
        if self._rules.fixed:
            places = torch.arange(self.episode.ways, device=device).expand(batch_size, -1)
        else:
            places = distinct(self._counts[groups], self.episode.ways, self._most, generator)
        return groups, self._classes[self._firsts[groups][:, None] + places]

    def _targets(self, rows: Tensor, each: int) -> Tensor:
        if self._pool.y is not None:
            return self._pool.y[self._pool.order[rows]]
        return torch.arange(self.episode.ways, device=rows.device).repeat_interleave(each).repeat(len(rows), 1)

    def _told(self, groups: Tensor, classes: Tensor) -> Told:
        columns, names = {"classes": classes}, {"classes": self._pool.labels}
        if self._groups != (None,):
            columns, names = {"group": groups, **columns}, {"group": self._groups, **names}
        return Told(columns, names)

    def whole_tasks(self) -> list[MetaLearningTask]:
        """One task of each group, all that is not in its support set being in its query set: to judge by every example.

        Tasks differ in size; `shots` is kept, `queries` is the least of each class. The stream goes on.
        """
        return [self._whole(at) for at in range(len(self._groups))]

    def _whole(self, at: int) -> MetaLearningTask:
        (name,), shots = self._stream.ids(1), self.episode.shots
        chosen = slice(int(self._firsts[at]), int(self._firsts[at] + self._counts[at]))
        classes = self._classes[chosen]
        if not self._rules.fixed:
            limits = self._counts[at : at + 1]
            classes = classes[distinct(limits, self.episode.ways, len(classes), self._stream.generator)[0]]
        rows = [self._shuffled(number) for number in classes.tolist()]
        support, query = (torch.cat([mine[part] for mine in rows]) for part in (slice(shots), slice(shots, None)))
        return MetaLearningTask(
            self._examples(support, [shots] * len(rows)),
            self._examples(query, [len(mine) - shots for mine in rows]),
            name,
            self._told(torch.tensor([at]), classes[None])[0],
        )

    def _examples(self, places: Tensor, counts: Sequence[int]) -> Examples:
        """What lies at these places of the pool, so many of each class."""
        pool = self._pool
        if pool.y is not None:
            return Examples(pool.take(places[None])[0], pool.y[pool.order[places]])
        y = [way for way, count in enumerate(counts) for _ in range(count)]
        return Examples(pool.take(places[None])[0], torch.tensor(y, device=places.device))

    def _shuffled(self, number: int) -> Tensor:
        generator, size = self._stream.generator, self._pool.counts[number]
        return self._pool.starts[number] + torch.randperm(size, generator=generator, device=generator.device)
