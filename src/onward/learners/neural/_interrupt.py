"""Ctrl-C between two steps, not in the middle of one."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def deferred() -> Iterator[Callable[[], bool]]:
    """Whether somebody pressed Ctrl-C, instead of an exception wherever the program was; a second time raises at once.

    Only the main thread is told of signals, and a handler of the application's own is left alone.

    >>> with deferred() as interrupted:
    ...     signal.raise_signal(signal.SIGINT)
    ...     interrupted()
    True
    """
    ours = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGINT)
    pressed = threading.Event()
    if not ours or before is not signal.default_int_handler:
        yield pressed.is_set
        return

    def note(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        pressed.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, note)
    try:
        yield pressed.is_set
    finally:
        signal.signal(signal.SIGINT, before)
