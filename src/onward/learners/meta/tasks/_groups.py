"""What tasks look like, which classes may meet in one, and whether there are enough of them."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from onward.core import InvalidInput
from onward.learners.neural import plain_numbers, whole

from ._pool import Pool


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
        whole(1, ways=self.ways, shots=self.shots, queries=self.queries)
        plain_numbers(self)

    @property
    def each(self) -> int:
        """Examples that a class must have."""
        return self.shots + self.queries


@dataclass(frozen=True, slots=True)
class Group:
    """Classes that may meet in a task.

    Args:
        label: what the group is called.
        classes: their numbers in the pool.
    """

    label: Hashable
    classes: Sequence[int]


@dataclass(frozen=True, slots=True)
class Rules:
    """How tasks are made.

    Args:
        episode: what they look like.
        seed: of the streams.
        drop_small: leave out classes and groups with too few examples instead of refusing them.
        fixed: a task has all classes of its group, numbered as they come, instead of some in random order.
    """

    episode: Episode
    seed: int
    drop_small: bool = False
    fixed: bool = False


def usable(pool: Pool, groups: Sequence[Group], name: str, rules: Rules) -> list[Group]:
    """The groups with enough classes with enough examples; at least one.

    Raises:
        InvalidInput: classes or examples are too few, and may not be left out.
    """
    ways, each = rules.episode.ways, rules.episode.each
    kept = [Group(group.label, [c for c in group.classes if pool.counts[c] >= each]) for group in groups]
    if not rules.drop_small:
        _refuse_small(pool, groups, rules.episode)
    if rules.fixed and any(len(group.classes) != ways for group in groups):
        raise InvalidInput(f"ways is {ways}, and tasks have all classes.", mend="Leave ways as it is.")
    fit = [group for group in kept if len(group.classes) >= ways]
    if len(fit) == len(groups) > 0 or (fit and rules.drop_small):
        return fit
    poorest = min(kept, key=lambda group: len(group.classes), default=Group(None, ()))
    raise InvalidInput(
        f"A task needs {ways} classes, and {_called(name, poorest)} has {len(poorest.classes)}"
        + (f" with {each} examples or more." if rules.drop_small else "."),
        mend="Give fewer ways, shots or queries, or more classes and examples.",
    )


def _refuse_small(pool: Pool, groups: Sequence[Group], episode: Episode) -> None:
    classes = [(pool.counts[number], group, number) for group in groups for number in group.classes]
    small = [one for one in classes if one[0] < episode.each]
    if small:
        count, group, number = min(small, key=lambda one: one[0])
        raise InvalidInput(
            f"A task needs {episode.shots} + {episode.queries} = {episode.each} examples of a class; "
            f"{len(small)} of {len(classes)} classes have fewer, {pool.labels[number]!r}"
            f"{'' if group.label is None else f' of {group.label!r}'} has {count}.",
            mend="Ask for fewer shots or queries"
            + (", or leave such classes out with drop_small=True." if len(small) < len(classes) else "."),
        )


def _called(name: str, group: Group) -> str:
    return f"the split {name!r}" if group.label is None else f"group {group.label!r} of the split {name!r}"
