"""What is stored, to a sink: also what other processes recorded, going on where the last time ended."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import islice
from typing import Any, Final

from onward.core import InvalidInput
from onward.monitoring.tracker import LearningProgressTracker, Measurement, Store
from onward.monitoring.tracker._check import check_name
from onward.monitoring.tracker._records import Kind

from ._feed import ever
from ._settled import settled
from ._sink import Sink

AT_ONCE: Final = 5_000
KINDS: Final[tuple[Kind, ...]] = ("task", "metric", "goal", "convergence")
NOTE: Final = "mirror"


@dataclass(frozen=True, slots=True)
class Position:
    """How many measurements of each kind were mirrored: where to go on.

    >>> Position(task=20, metric=5).to_dict()
    {'task': 20, 'metric': 5, 'goal': 0, 'convergence': 0}
    """

    task: int = 0
    metric: int = 0
    goal: int = 0
    convergence: int = 0

    def __post_init__(self) -> None:
        if min(self.task, self.metric, self.goal, self.convergence) < 0:
            raise InvalidInput("A position is below 0.", mend="Give counts of 0 or more.")

    def to_dict(self) -> dict[str, int]:
        """The counts, as JSON holds them."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Mirrored:
    """What `mirror` did.

    Args:
        position: where to go on the next time.
        written: measurements that the sink took.
        gone: measurements that a tracker in memory had dropped before they could be mirrored.
    """

    position: Position
    written: int
    gone: int


def mirror(
    tracker: LearningProgressTracker | Store, sink: Sink, *, since: Position | None = None, name: str | None = None
) -> Mirrored:
    """Give a sink everything that is stored, by kinds, each in order of arrival; made for cron.

    Every page of 5,000 is flushed before the position moves. A run that is cut off repeats at most one page of what the
    sink has already. A measurement without a step gets its place among those of its kind, so that going on goes on
    with the numbers, too. The sink stays open. Of a tracker in memory that drops what is old, mirror while nobody
    records, or use `tracker.add_sink`.

    Args:
        tracker: a tracker, or its store.
        sink: where everything goes.
        since: where to begin: the position that the last call returned; the beginning where left out.
        name: keep the position under this name in the tracker's own store, and go on from there.

    Raises:
        InvalidInput: both `since` and `name` are given, or the name is none.
        Exception: what the sink raises; with a name, the next call goes on from the last page that went through.

    >>> class Printer:
    ...     def write(self, measurements): print([one.value for one in measurements])
    ...     def configure(self, values): pass
    ...     def flush(self): pass
    ...     def close(self): pass
    >>> tracker = LearningProgressTracker()
    >>> tracker.log_metric("loss", 0.5)
    >>> position = mirror(tracker, Printer()).position
    [0.5]
    >>> tracker.log_metric("loss", 0.25)
    >>> mirror(tracker, Printer(), since=position).written
    [0.25]
    1
    """
    if since is not None and name is not None:
        raise InvalidInput("Both a position and a name are given.", mend="Give one: a name keeps its own position.")
    store = tracker.store if isinstance(tracker, LearningProgressTracker) else tracker
    if name is not None:
        since = Position(**store.notes(NOTE).get(check_name("name", name), {}))
    position, written, gone = since or Position(), 0, 0
    values = settled(store)
    if values:
        sink.configure(values)
    for kind in KINDS:
        at = getattr(position, kind)
        lost = max(0, ever(store, kind) - store.kept(kind) - at)
        position, gone = replace(position, **{kind: at + lost}), gone + lost
        for page in _pages(store, kind, at + lost):
            sink.write(page)
            sink.flush()
            position = replace(position, **{kind: getattr(position, kind) + len(page)})
            written += len(page)
            _note(store, name, position)
    sink.flush()
    return Mirrored(position, written, gone)


def _pages(store: Store, kind: Kind, at: int) -> Iterator[list[Measurement]]:
    """What came from this place on, counted over all that ever came; every one with a step."""
    kept = store.kept(kind)
    rows = store.rows(kind, max(0, at - (ever(store, kind) - kept)), kept)
    while page := list(islice(rows, AT_ONCE)):
        yield [one if one.step is not None else one._replace(step=at + n) for n, one in enumerate(page)]
        at += len(page)


def _note(store: Store, name: str | None, position: Position) -> None:
    def change(_: dict[str, Any] | None) -> dict[str, Any]:
        return position.to_dict()

    if name is not None:
        store.revise(NOTE, name, change)
