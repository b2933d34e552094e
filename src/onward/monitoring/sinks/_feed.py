"""Mirrors to one sink on a thread of its own: whoever records never waits for it, and never hears of its troubles."""

from __future__ import annotations

import atexit
import os
import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Final

from onward.core import InvalidInput, log
from onward.monitoring.tracker import Measurement, Store
from onward.monitoring.tracker._records import Kind

from ._settled import settled
from ._sink import Sink, SinkStatus

AT_ONCE: Final = 500
PAUSE: Final = 0.2
"""Seconds that a batch waits for more to come."""
LIMIT: Final = 10.0
UNNUMBERED: Final[tuple[Kind, ...]] = ("metric", "goal", "convergence")


@dataclass(frozen=True, slots=True)
class _Settle:
    """A configuration or a goal is new."""


@dataclass(frozen=True, slots=True)
class _Flush:
    """Somebody waits until everything before this is through."""

    done: threading.Event = field(default_factory=threading.Event)


Item = Measurement | _Settle | _Flush


class Feed:
    """Hands what a tracker records to a sink: `tracker.add_sink` makes one. Safe to share between threads.

    In a process forked from the one that made it, it does nothing.

    Args:
        store: where moments of convergence are found.
        sink: where everything goes; belongs to the feed from now on.
        capacity: measurements that may wait, 1 or more; what comes beyond is missed.

    Raises:
        InvalidInput: the capacity is below 1.
    """

    def __init__(self, store: Store, sink: Sink, *, capacity: int = 100_000) -> None:
        if capacity < 1:
            raise InvalidInput(f"capacity is {capacity!r}.", mend="Give a whole number of 1 or more.")
        self._store, self._sink, self._capacity = store, sink, capacity
        self._places = Counter({kind: ever(store, kind) for kind in UNNUMBERED})
        self._converged = self._places["convergence"]
        self._queue: deque[Item] = deque()
        self._waiting = self._written = self._missed = 0
        self._error: str | None = None
        self._known: Mapping[str, str] = {}
        self._closing = self._abandoned = False
        self._more = threading.Condition()
        self._owner = os.getpid()
        self._thread = threading.Thread(target=self._run, name="onward-sink", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def offer(self, measurements: Sequence[Measurement]) -> None:
        """Mirror measurements; returns at once."""
        self._put(measurements)

    def settle(self) -> None:
        """Mirror what is new among experiments and goals; returns at once."""
        self._put([_Settle()])

    def _put(self, items: Sequence[Item]) -> None:
        if os.getpid() != self._owner:
            return
        with self._more:
            if self._closing:
                return
            taken, before = items[: max(0, self._capacity - self._waiting)], len(self._queue)
            self._queue.extend(taken)
            self._waiting += len(taken)
            if not before or before < AT_ONCE <= before + len(
                taken
            ):  # waking it for every one costs more than all else
                self._more.notify()
        if len(taken) < len(items):
            self._miss(len(items) - len(taken), f"More than {self._capacity:,} were waiting: it is too slow.")

    def flush(self, timeout: float = LIMIT) -> bool:
        """Return once the sink has everything offered before and has flushed it; whether it had in so many seconds."""
        marker = _Flush()
        with self._more:
            if self._closing or os.getpid() != self._owner:
                return not self._thread.is_alive()
            self._queue.append(marker)
            self._more.notify()
        return marker.done.wait(timeout)

    def close(self, timeout: float = LIMIT) -> SinkStatus:
        """Hand over what waits, and close the sink; what is not through in so many seconds is missed.

        At the end of the process it is called by itself. Calling it again does nothing.
        """
        if os.getpid() != self._owner:
            return self.status
        atexit.unregister(self.close)
        with self._more:
            self._closing = True
            self._more.notify()
        self._thread.join(timeout)
        if self._thread.is_alive() and not self._abandoned:
            with self._more:
                self._abandoned = True
                lost, self._waiting = self._waiting, 0
                self._queue.clear()
            self._miss(lost, "It did not end in time.")
        return self.status

    @property
    def status(self) -> SinkStatus:
        """How the sink stands."""
        with self._more:
            name = type(self._sink).__name__
            return SinkStatus(name, self._waiting, self._written, self._missed, self._error)

    # On the thread ---------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while items := self._next():
            for kind, some in groupby(items, type):
                self._hand_over(kind, list(some))
        self._moments()
        self._attempt(self._sink.close, (), 0)

    def _next(self) -> list[Item]:
        """Some of what waits; nothing once there is nothing more to come."""
        with self._more:
            self._more.wait_for(lambda: self._queue or self._closing)
            self._more.wait_for(self._is_enough, PAUSE)
            return [self._queue.popleft() for _ in range(min(AT_ONCE, len(self._queue)))]

    def _is_enough(self) -> bool:
        return self._closing or len(self._queue) >= AT_ONCE or isinstance(self._queue[-1], _Flush)

    def _hand_over(self, kind: type[Item], items: Sequence[Any]) -> None:
        if kind is Measurement:
            self._attempt(self._sink.write, ([self._numbered(one) for one in items],), len(items))
            if any(one.source.kind == "task" for one in items):
                self._moments()
        elif kind is _Settle:
            self._configure(len(items))
        else:
            self._moments()
            self._attempt(self._sink.flush, (), 0)
            for one in items:
                one.done.set()

    def _configure(self, count: int) -> None:
        """Mirror what is new or was changed since the last time; what failed then is new."""

        def work() -> None:
            known = settled(self._store)
            new = {name: value for name, value in known.items() if self._known.get(name) != value}
            if new:
                self._sink.configure(new)
            self._known = known

        self._attempt(work, (), count)

    def _numbered(self, one: Measurement) -> Measurement:
        """With a step: where nobody said one, its place among all of its kind."""
        self._places[one.source.kind] += 1
        return one if one.step is not None else one._replace(step=self._places[one.source.kind] - 1)

    def _moments(self) -> None:
        """Mirror the moments of convergence that were found meanwhile."""
        try:
            total = ever(self._store, "convergence")
            new, self._converged = total - self._converged, max(total, self._converged)
            found = [self._numbered(one) for one in self._store.newest("convergence", new)] if new > 0 else []
        except Exception as error:  # noqa: BLE001 - the store may be closed before the sink is; the thread must go on
            log.warning("moments of convergence not mirrored", sink=type(self._sink).__name__, exc_info=error)
            return
        if found:
            with self._more:
                self._waiting += len(found)
            self._attempt(self._sink.write, (found,), len(found))

    def _attempt(self, call: Callable[..., object], given: tuple[Any, ...], count: int) -> None:
        try:
            call(*given)
        except Exception as error:  # noqa: BLE001 - a sink is other people's library, and may raise anything
            self._done(count, written=False)
            self._miss(0 if self._abandoned else count, f"{type(error).__name__}: {error}")
        else:
            self._done(count, written=True)

    def _done(self, count: int, *, written: bool) -> None:
        with self._more:
            if not self._abandoned:
                self._waiting -= count
                self._written += count if written else 0

    def _miss(self, count: int, error: str) -> None:
        with self._more:
            first = self._error is None
            self._missed += count
            self._error = error
        if first:
            name = type(self._sink).__name__
            log.warning("sink misses measurements; the tracker keeps them all", sink=name, missed=count, error=error)


def ever(store: Store, kind: Kind) -> int:
    """How many measurements of a kind ever came, those that are no longer kept among them."""
    return sum(summary.size for summary in store.summaries(kind).values())
