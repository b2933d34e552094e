"""Which process this is, told apart from every other on this machine and on others, and whether another one is gone."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")


def name_of_process() -> str:
    """This process as a person knows it: host and number."""
    return f"{socket.gethostname()}:{os.getpid()}"


def mark_of_process() -> str:
    """This process as no other one is: boot, space of process numbers, number, and when it started.

    Containers that share a hostname have spaces of their own, and a number that is used again started at another time.
    Empty where the system does not tell.
    """
    space = _space()
    return f"{space}/{os.getpid()}/{_started(os.getpid()) or ''}" if space else ""


def is_gone(mark: str) -> bool:
    """Whether the process behind a mark surely ended: only that of a process of this space can be looked up."""
    space, _, process = mark.rpartition("/")[0].rpartition("/")
    if not space or space != _space() or not process.isdecimal():
        return False
    started = _started(int(process))
    return not _exists(int(process)) if started is None else started != mark.rpartition("/")[2]


def _space() -> str:
    with suppress(OSError):
        boot = (PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}/{(PROC / 'self/ns/pid').stat().st_ino}"
    return ""


def _exists(process: int) -> bool:
    """Whether there is a process of this number; what belongs to others cannot be sent anything, but it is there."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _started(process: int) -> str | None:
    """Clock ticks from boot to its start; empty of what ended but is not cleared away, `None` where nothing is told."""
    with suppress(OSError):
        text = (PROC / str(process) / "stat").read_text(encoding="utf8", errors="replace")
        fields = text.rpartition(")")[2].split()
        return "" if fields[0] in "ZX" else fields[19]
    return None
