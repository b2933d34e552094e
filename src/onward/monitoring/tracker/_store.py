"""What the tracker needs of whoever keeps its measurements."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np

from ._records import Kind, Measurement, Source
from ._summary import Floats, Summary

TAIL: Final = 256
"""Measurements that trends and convergence look at."""
RAW: Final = 16_384
"""Up to here a curve is drawn from the measurements themselves; beyond, from their blocks."""
POINTS: Final = 4_096
"""Blocks that a curve is drawn from, at most."""
SOONEST: Final = 50
SHARE: Final = 16


Change = Callable[[dict[str, Any] | None], dict[str, Any] | None]
"""What a note is to be, from what it was; `None`: there is none, or it stays."""
Standings = Mapping[str, tuple[int, float | None, float | None]]
"""Task -> how many of its events were looked at for convergence; level and distance, where it has settled."""
Notes = Sequence[tuple[str, str, dict[str, Any]]]
"""Kind, name and record of each."""


@dataclass(frozen=True, slots=True)
class Curve:
    """A series by time: its measurements, or blocks of them.

    Args:
        times: POSIX seconds; of a block, of its last measurement.
        values: of a block, its average.
        low, high: extremes of each block, so that peaks stay visible.
        counts: measurements in each.
    """

    times: Floats
    values: Floats
    low: Floats
    high: Floats
    counts: Floats


class Store(Protocol):
    """Keeps measurements by series, and notes. The contract suite in `tests/contracts` holds both stores to it."""

    def add(self, measurements: Sequence[Measurement]) -> None:
        """Keep measurements; a durable store returns once they are durable, or buffers them where it was told to."""
        ...

    def summaries(self, kind: Kind) -> dict[Source, Summary]:
        """Every series of a kind, by name."""
        ...

    def quantiles(self, sources: Sequence[Source], wanted: Sequence[float]) -> list[float]:
        """Quantiles over all values of some series."""
        ...

    def tail(self, source: Source, count: int) -> tuple[Floats, Floats]:
        """Times and values of the measurements that came last, by time: writers may overtake each other."""
        ...

    def curve(self, source: Source) -> Curve:
        """All measurements that are kept: each where they are few, else blocks of them."""
        ...

    def converged(self) -> int:
        """How many moments of convergence there ever were; quick. Of what is buffered, those of a moment ago."""
        ...

    def kept(self, kind: Kind) -> int:
        """How many measurements of a kind can be read back."""
        ...

    def rows(self, kind: Kind, start: int, stop: int) -> Iterator[Measurement]:
        """Those numbered from `start` up to before `stop`, in order of arrival."""
        ...

    def newest(self, kind: Kind, count: int) -> list[Measurement]:
        """The newest ones of a kind, oldest first."""
        ...

    def standings(self) -> Standings:
        """How tasks stand."""
        ...

    def restore(self, measurements: Sequence[Measurement], notes: Notes, standings: Standings) -> None:
        """Take over all that a former store had, or nothing: moments of convergence are not looked for again.

        Args:
            measurements: in order of arrival, kind by kind.
            notes: kind, name and record.
            standings: as `standings` said.
        """
        ...

    def notes(self, kind: str) -> dict[str, dict[str, Any]]:
        """The notes of a kind: name -> record, by name."""
        ...

    def revise(self, kind: str, name: str, change: Change, also: Sequence[Measurement] = ()) -> Any:
        """Change one note, nobody else in between: from what it was (`None`: there is none) to what it is to be.

        Where `change` returns `None` it stays as it is. `also` is added with it: both, or neither. Returns the note.
        """
        ...

    def flush(self) -> None:
        """Return once everything added before is as durable as the store makes it."""
        ...


def by_time(times: Floats, *columns: Floats) -> tuple[Floats, ...]:
    """Columns in the order of these times; those of one time as they came."""
    order = np.argsort(times, kind="stable")
    return times[order], *(column[order] for column in columns)


def patience(count: int) -> int:
    """How many more measurements come before a series of so many is looked at for convergence again."""
    return max(SOONEST, count // SHARE)


def in_order(notes: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Notes by name."""
    return dict(sorted(notes.items()))
