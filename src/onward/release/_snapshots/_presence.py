"""Who is at work on a repository: back-ups may run side by side, pruning runs alone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal

from onward.core import Busy, Clock, Damaged, NotFound, decode, encode, new_id
from onward.storage import is_gone, mark_of_process, name_of_process

from ._place import BackupPlace

Kind = Literal["back-up", "pruning"]
STALE: Final = timedelta(hours=1)
RENEWED_EVERY: Final = 60.0


@dataclass(frozen=True, slots=True)
class Note:
    """What stands in the place while somebody is at work.

    Args:
        mark: of the holder's process; empty where its system does not tell.
    """

    holder: str
    at: datetime
    mark: str = ""


@dataclass(slots=True)
class Presence:
    """The note of this process; call `renew` now and then, and `check` before what relies on it."""

    place: BackupPlace
    name: str
    clock: Clock
    _renewed: float = field(default_factory=time.monotonic)

    def write(self) -> None:
        self.place.write(self.name, encode(Note(name_of_process(), self.clock.now(), mark_of_process())))
        self._renewed = time.monotonic()

    def renew(self) -> None:
        if time.monotonic() - self._renewed > RENEWED_EVERY:
            self.check()
            self.write()

    def check(self) -> None:
        """Make sure that nobody thought this process dead.

        Raises:
            Busy: somebody did, and has removed what it may need.
        """
        try:
            self.place.read(self.name)
        except NotFound as error:
            raise Busy(
                f"{self.place.where} was pruned meanwhile.",
                why="This process was paused for longer than an hour.",
                mend="Nothing is lost; run it again.",
            ) from error


@contextmanager
def present(place: BackupPlace, kind: Kind, clock: Clock) -> Iterator[Presence]:
    """Be at work on a place until the end of the block. A note whose process is gone, or an hour old, does not count.

    Raises:
        Busy: pruning while somebody is at work, or anything while somebody prunes.
    """
    presence = Presence(place, f"work/{kind}-{new_id('w', clock.now())}", clock)
    presence.write()
    try:
        _make_way(presence, kind)
        yield presence
    finally:
        place.drop(presence.name)


def _make_way(presence: Presence, kind: Kind) -> None:
    for name in presence.place.names("work"):
        alone = kind == "pruning" or name.startswith("work/pruning-")
        if name == presence.name or not alone:
            continue
        holder = _holder(presence, name)
        if holder is None:
            presence.place.drop(name)
        else:
            raise Busy(
                f"{holder} is at work on {presence.place.where}.",
                mend="Wait for it to end; the note of a dead process expires after an hour.",
            )


def _holder(presence: Presence, name: str) -> str | None:
    try:
        note = decode(presence.place.read(name), Note)
    except (NotFound, Damaged):
        return None
    now = presence.clock.now()
    return None if abs(now - note.at) > STALE or is_gone(note.mark) else note.holder
