"""What anybody implements to have what is recorded mirrored somewhere else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from onward.monitoring.tracker import Measurement


class Sink(Protocol):
    """Takes a copy of what a tracker records; the tracker's own store stays the truth.

    Whoever makes a sink hands it over: from then on one thread calls it, one call at a time. No method needs to be
    quick, or to retry. Where one raises, what it was given counts as missed, whoever records never hears of it, and the
    next call comes all the same. Every value is finite, and every step is known.
    """

    def write(self, measurements: Sequence[Measurement]) -> None:
        """Take measurements, in the order in which they came; `points` makes names and values of each."""
        ...

    def configure(self, values: Mapping[str, str]) -> None:
        """Take what stays the same for long: experiments and goals, by name. A later value replaces an earlier one."""
        ...

    def flush(self) -> None:
        """Return once everything given before is as safe as it gets."""
        ...

    def close(self) -> None:
        """Flush, and let go of everything; nothing is called afterwards."""
        ...


@dataclass(frozen=True, slots=True)
class SinkStatus:
    """How a sink of a tracker stands; counts are of measurements and configurations.

    Args:
        name: class of the sink.
        waiting: not written yet.
        written: written since the sink was added.
        missed: lost to the sink, for it failed, was too slow, or did not end in time. The tracker has them all.
        error: why, the last time; `None` where nothing was missed.
    """

    name: str
    waiting: int
    written: int
    missed: int
    error: str | None
