"""Back-ups of a whole workspace."""

from __future__ import annotations

from pathlib import Path

from onward.config import FILE_NAME
from onward.core import Clock
from onward.loop import House, Progress
from onward.release import Pruned, Snapshot, keep_records, needed_now, open_repository, prune, take


def back_up_to(house: House, target: str | Path, passphrase: str | None, progress: Progress) -> Snapshot:
    """Store a snapshot; see `Workspace.back_up`."""
    repository = open_repository(target, passphrase, create=True)
    settings = {FILE_NAME: house.storage.folder / FILE_NAME}
    snapshot = take(house.storage, repository, house.clock, progress, settings, needed_now)
    keep_records(house.storage)
    return snapshot


def snapshots(target: str | Path, passphrase: str | None = None) -> tuple[Snapshot, ...]:
    """The snapshots in a place for back-ups, oldest first, without those that are damaged.

    Raises:
        NotFound: there are no back-ups.
        InvalidInput: the passphrase is wrong, or needed.
    """
    return open_repository(target, passphrase).snapshots()


def prune_in(target: str | Path, clock: Clock, *, keep: int | None, days: int | None, passphrase: str | None) -> Pruned:
    """Let old snapshots go; see `Workspace.prune`."""
    return prune(open_repository(target, passphrase), clock, keep=keep, days=days)
