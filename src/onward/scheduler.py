"""Cycles at an interval, and on enough new interactions. APScheduler only triggers; the caller's thread runs them.

One cycle runs at a time, under its lease in the workspace's database, so that several schedulers of one workspace do no
harm: all but one find it busy, and try again.
"""

from __future__ import annotations

import math
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from types import FrameType
from typing import Final

from apscheduler.schedulers.background import BackgroundScheduler

from onward.core import Busy, CycleResult, InvalidInput, log
from onward.workspace import Workspace, watch_after

LOOK_SECONDS: Final = 0.5
"""How long it may take, at most, until a stop or enough new interactions are noticed."""

ENDING: Final = (signal.SIGINT, signal.SIGTERM)


def log_busy(error: Busy) -> None:
    """Log that somebody else runs a cycle."""
    log.info("cycle busy", reason=str(error))


def schedule(
    workspace: Workspace,
    *,
    every: float,
    on_new: int = 0,
    tenant: str,
    on_result: Callable[[CycleResult], None],
    on_busy: Callable[[Busy], None] = log_busy,
    max_cycles: int | None = None,
    stop: threading.Event | None = None,
) -> None:
    """Run a cycle at once, then at every interval, until stopped.

    Wake-ups that come while a cycle runs are one wake-up after it. In the main thread SIGINT and SIGTERM end it after
    the running cycle; a second signal does what it always does.

    Args:
        every: seconds between the starts of cycles.
        on_new: start earlier when so many interactions were recorded since the last cycle began; 0: never.
        on_result: told of every cycle.
        on_busy: told when the cycle of this tenant is being run elsewhere; it is tried again at the next wake-up.
        max_cycles: end after so many cycles; `None`: never.
        stop: set it, from any thread, to end it after the running cycle.

    Raises:
        InvalidInput: `every` or `on_new` is out of range.
        Unavailable, Damaged: the storage cannot be used; the champion stays in service.
    """
    if not (0 < every < math.inf and on_new >= 0):
        raise InvalidInput(
            f"Every {every} s, on {on_new} new, is no schedule.", mend="Give seconds above 0, and a count from 0 on."
        )
    stop = stop or threading.Event()
    done = 0
    with ended_by_signals(stop), _wake_ups(every) as wake_ups:
        start, watched = _recorded(workspace, tenant), time.monotonic()
        while not stop.is_set() and (max_cycles is None or done < max_cycles):
            reason = _reason(wake_ups, workspace, tenant, start, on_new)
            if reason is None:
                watched = _watch(workspace, tenant, watched)
                continue
            start = _recorded(workspace, tenant)
            try:
                result = workspace.cycle(tenant=tenant, reason=reason)
            except Busy as error:
                on_busy(error)
            else:
                done += 1
                on_result(result)


def _watch(workspace: Workspace, tenant: str, last: float) -> float:
    """Look at alerts between cycles, as often as they want it; return when that was last done."""
    if time.monotonic() - last < workspace.settings.alerts.every_seconds:
        return last
    watch_after(workspace.house, tenant, lambda: workspace.watch(tenant=tenant))
    return time.monotonic()


@contextmanager
def _wake_ups(every: float) -> Iterator[queue.SimpleQueue[str]]:
    """A queue that a reason falls into at once and at every interval."""
    reasons: queue.SimpleQueue[str] = queue.SimpleQueue()
    trigger = BackgroundScheduler(timezone=UTC)
    trigger.add_job(
        reasons.put,
        "interval",
        args=[f"every {every:g} s"],
        seconds=every,
        next_run_time=datetime.now(UTC),
        coalesce=True,
        max_instances=1,
        misfire_grace_time=None,
    )
    trigger.start()
    try:
        yield reasons
    finally:
        trigger.shutdown()


def _reason(wake_ups: queue.SimpleQueue[str], workspace: Workspace, tenant: str, start: int, on_new: int) -> str | None:
    """Why to run a cycle now, if there is a reason; all wake-ups that wait are one."""
    try:
        reason = wake_ups.get(timeout=LOOK_SECONDS)
    except queue.Empty:
        new = _recorded(workspace, tenant) - start if on_new else 0
        return f"{new} new interactions" if on_new and new >= on_new else None
    while not wake_ups.empty():
        reason = wake_ups.get()
    return reason


def _recorded(workspace: Workspace, tenant: str) -> int:
    return workspace.house.experience.counts(tenant)[0]


@contextmanager
def ended_by_signals(stop: threading.Event) -> Iterator[None]:
    """Let the first of the ending signals set `stop`; signals can be caught in the main thread only."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in ENDING}

    def end(number: int, frame: FrameType | None) -> None:
        del number, frame
        stop.set()
        for each, handler in before.items():
            signal.signal(each, handler)

    for number in ENDING:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
