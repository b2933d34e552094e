"""What runs from left to right: time in UTC where events have times of their own, else the number of the event."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from typing import TYPE_CHECKING, Final

import numpy as np

from ._figure import SMALL, SOFT

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from onward.monitoring._seen import Seen
    from onward.monitoring.tracker._summary import Floats

DAY: Final = 86_400.0


def across(times: Floats, places: Floats, *, timed: bool) -> Floats:
    """Where points stand: matplotlib's days, or numbers of events."""
    return times / DAY if timed else places


def label_across(axes: Axes, tasks: Sequence[Seen], *, timed: bool) -> None:
    """Ticks of the axis: dates that can be read, in UTC, or round numbers."""
    ends = np.concatenate([across(task.times, task.places, timed=timed)[[0, -1]] for task in tasks])
    room = 0.02 * (ends.max() - ends.min()) or 1.0
    axes.set_xlim(ends.min() - room, ends.max() + room)
    if timed:
        from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

        locator = AutoDateLocator(tz=UTC, minticks=3, maxticks=7)  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_locator(locator)
        told = ConciseDateFormatter(locator, tz=UTC)  # type: ignore[no-untyped-call]
        told.formats[5] = ":%S.%f"  # seconds look like seconds; it drops the zeros itself
        axes.xaxis.set_major_formatter(told)
        axes.xaxis.get_offset_text().set(fontsize=SMALL, color=SOFT)
    else:
        from matplotlib.ticker import MaxNLocator, StrMethodFormatter

        axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.set_xlabel("time (UTC)" if timed else "event", fontsize=SMALL, color=SOFT)
