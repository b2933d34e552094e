"""What a buffer keeps of what it is given: the protocol, and the policies that need no network."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

import numpy as np
import torch
from torch import Tensor

from onward.core import InvalidInput
from onward.learners.neural import whole

from ._rank import leading

By = Literal["class", "task"]
Moment = Literal["step", "experience"]
LARGEST_GROUP: Final = 2**22


@dataclass(slots=True, eq=False)
class Ledger:
    """What a buffer knows of its rows, on the CPU whatever the device of the examples.

    Args:
        capacity: rows at most.
        size: rows in use; they are 0..size-1.
        seen: examples that were ever offered.
        priority: (capacity,) double, of policies that keep the lowest.
        groups: (capacity,) class or task of each row, of policies that share between groups.
        cuts: by group number, the lowest priority that was ever turned away.
    """

    capacity: int
    size: int = 0
    seen: int = 0
    priority: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.float64))
    groups: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.long))
    cuts: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.float64))


@dataclass(frozen=True, slots=True, eq=False)
class Offer:
    """Examples that come.

    Args:
        count: how many.
        groups: (count,) class or task of each, where the policy shares between groups; on the CPU.
        merit: (count,) how much each is worth keeping, where the policy asks for it; on the CPU.
    """

    count: int
    groups: Tensor | None = None
    merit: Tensor | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """Which of them are kept, and where.

    Args:
        rows: (k,) of the offer, on the CPU.
        slots: (k,) different rows of the buffer; new ones follow on `Ledger.size` without a gap.
        priority: (k,) of each, where the policy keeps the lowest.
        cuts: the new `Ledger.cuts`, where it has them.
    """

    rows: Tensor
    slots: Tensor
    priority: Tensor | None = None
    cuts: Tensor | None = None


class Policy(Protocol):
    """Decides what a buffer keeps. A policy is settings: what it must remember is in the ledger.

    `moment` says when it wants to be offered examples: "step": those of every step, as a stream; "experience": all of
    an experience together, when it is over. `by` says between what it shares, and `scored` whether it asks for merits.
    """

    @property
    def moment(self) -> Moment: ...

    @property
    def by(self) -> By | None: ...

    @property
    def scored(self) -> bool: ...

    def choose(self, ledger: Ledger, offer: Offer, generator: torch.Generator) -> Choice:
        """What to keep of an offer. Changes nothing; draws from the generator alone."""
        ...


@dataclass(frozen=True, slots=True)
class Reservoir:
    """A uniform sample of all that ever came: Algorithm R (Vitter 1985), a batch at a time.

    Each example of a stream is in the buffer with the same probability, however long the stream. Where examples were
    dropped from a full buffer, what would have replaced one fills a gap instead: slowly after a long stream, so that
    what comes next does not outweigh what is left.

    >>> Reservoir()
    Reservoir()
    """

    moment: Moment = field(default="step", init=False, repr=False)
    by: By | None = field(default=None, init=False, repr=False)
    scored: bool = field(default=False, init=False, repr=False)

    def choose(self, ledger: Ledger, offer: Offer, generator: torch.Generator) -> Choice:
        drawn = torch.rand(offer.count, dtype=torch.float64, generator=generator).numpy()
        slots = (drawn * np.arange(ledger.seen + 1, ledger.seen + offer.count + 1)).astype(np.int64)
        rows = np.flatnonzero(slots < ledger.capacity)
        slots = slots[rows]
        room = min(ledger.capacity - ledger.size, len(rows))
        if room:
            slots[:room] = np.arange(ledger.size, ledger.size + room)
        if room < len(rows):  # where several come to one slot, the last stays
            order = np.argsort(slots, kind="stable")
            ordered = slots[order]
            order = order[np.append(ordered[1:] != ordered[:-1], True)]
            rows, slots = rows[order], slots[order]
        return Choice(torch.from_numpy(rows), torch.from_numpy(slots))


@dataclass(frozen=True, slots=True)
class ClassBalanced:
    """A uniform sample of each class's stream, the classes as equal as the stream allows.

    What class-balancing reservoir sampling keeps (Chrysakis and Moens 2020, ICML), drawn by random priorities so that
    it takes a batch at a time: a class that once was the largest never grows again, smaller ones keep all they have.

    Args:
        by: "class" or "task".

    >>> ClassBalanced().by
    'class'
    """

    by: By = "class"
    moment: Moment = field(default="step", init=False, repr=False)
    scored: bool = field(default=False, init=False, repr=False)

    def __post_init__(self) -> None:
        check_by(self.by)

    def choose(self, ledger: Ledger, offer: Offer, generator: torch.Generator) -> Choice:
        priority = torch.rand(offer.count, dtype=torch.float64, generator=generator)
        return lowest(ledger, offer, priority, fair=True)


@dataclass(frozen=True, slots=True)
class Ring:
    """The latest examples of each class or task (Chaudhry et al. 2019, arXiv:1902.10486).

    Args:
        by: "class" or "task".
        each: at most so many of each; `None`: the buffer is divided between those met so far.

    Raises:
        InvalidInput: `each` is no whole number from 1 on.

    >>> Ring("task", each=20)
    Ring(by='task', each=20)
    """

    by: By = "class"
    each: int | None = None
    moment: Moment = field(default="step", init=False, repr=False)
    scored: bool = field(default=False, init=False, repr=False)

    def __post_init__(self) -> None:
        check_by(self.by)
        if self.each is not None:
            whole(1, each=self.each)

    def choose(self, ledger: Ledger, offer: Offer, generator: torch.Generator) -> Choice:  # noqa: ARG002
        age = torch.arange(ledger.seen, ledger.seen + offer.count, dtype=torch.float64)
        return lowest(ledger, offer, -age, each=self.each)


@dataclass(frozen=True, slots=True)
class Random:
    """When an experience is over, a uniform sample of it: the buffer is divided between the tasks met so far.

    Args:
        by: "task" or "class".

    >>> Random()
    Random(by='task')
    """

    by: By = "task"
    moment: Moment = field(default="experience", init=False, repr=False)
    scored: bool = field(default=False, init=False, repr=False)

    def __post_init__(self) -> None:
        check_by(self.by)

    def choose(self, ledger: Ledger, offer: Offer, generator: torch.Generator) -> Choice:
        priority = torch.rand(offer.count, dtype=torch.float64, generator=generator)
        return lowest(ledger, offer, priority, fair=True)


def check_by(by: object) -> None:
    """Refuse what examples cannot be grouped by.

    Raises:
        InvalidInput: it is neither classes nor tasks.
    """
    if by not in ("class", "task"):
        raise InvalidInput(f"by is {by!r}.", mend="Choose one.", options=("class", "task"))


def lowest(ledger: Ledger, offer: Offer, priority: Tensor, *, each: int | None = None, fair: bool = False) -> Choice:
    """Keep the lowest priorities of what is there and what comes, in equal shares of the groups.

    Args:
        priority: (count,) double.
        each: at most so many of any group.
        fair: whether a group from which something was turned away takes only what comes before that, so that with
            random priorities it is a uniform sample of all that came, even where its share grows again.
    """
    groups = torch.zeros(offer.count, dtype=torch.long) if offer.groups is None else offer.groups
    cuts, candidates = ledger.cuts, torch.arange(offer.count)
    if fair:
        cuts = _reaching(ledger.cuts, groups)
        candidates = (priority < cuts[groups]).nonzero().squeeze(1)
    ours, size = slice(0, ledger.size), ledger.size
    if each is None and size + len(candidates) <= ledger.capacity:
        return Choice(candidates, torch.arange(size, size + len(candidates)), priority[candidates], cuts)
    everyone = torch.cat([ledger.groups[ours], groups[candidates]])
    values = torch.cat([ledger.priority[ours], priority[candidates]])
    stay = torch.zeros(len(values), dtype=torch.bool)
    stay[leading(everyone, values, ledger.capacity, each)] = True
    if fair:
        cuts = cuts.scatter_reduce(0, everyone[~stay], values[~stay], "amin")
    rows = candidates[stay[size:]]
    free = (~stay[:size]).nonzero().squeeze(1)
    slots = torch.cat([free, torch.arange(size, size + len(rows) - len(free))])
    return Choice(rows, slots, priority[rows], cuts)


def _reaching(cuts: Tensor, groups: Tensor) -> Tensor:
    """The cuts, with one for every group."""
    if not len(groups):
        return cuts
    if (least := int(groups.min())) < 0:
        raise InvalidInput(f"{least} is no number of a class or task.", mend="Number them from 0 on.")
    if (largest := int(groups.max())) < len(cuts):
        return cuts
    if largest >= LARGEST_GROUP:
        raise InvalidInput(
            f"{largest} is no number of a class or task.",
            mend=f"Number them from 0 on, to {LARGEST_GROUP - 1} at most.",
        )
    return torch.cat([cuts, torch.full((largest + 1 - len(cuts),), torch.inf, dtype=torch.float64)])
