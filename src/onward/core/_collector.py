"""Python's cycle collector, out of the way while many records are made and none is garbage."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_pauses = 0
_was_on = True


@contextmanager
def collector_paused() -> Iterator[None]:
    """Pause the cycle collector of the process; it goes on when the last of several pauses ends.

    Making a hundred thousand live records sets it off again and again for nothing: a third of curation's time.
    Reference counting goes on as ever. Where the collector was off already, it stays off.
    """
    global _pauses, _was_on  # noqa: PLW0603 - the collector is one for the process, and so is its pause
    with _lock:
        _was_on = _was_on if _pauses else gc.isenabled()
        _pauses += 1
        gc.disable()
    try:
        yield
    finally:
        with _lock:
            _pauses -= 1
            if _was_on and not _pauses:
                gc.enable()
