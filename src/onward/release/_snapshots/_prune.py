"""Letting old snapshots go, and the content that none needs any more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from onward.core import Clock, Damaged, InvalidInput

from ._presence import present
from ._records import Snapshot, Stored
from ._repository import Repository, chunk_file, snapshot_file


@dataclass(frozen=True, slots=True)
class Pruned:
    """What pruning removed: ids of snapshots, and how many chunks none of the others needs."""

    snapshots: tuple[str, ...]
    chunks: int


def prune(repository: Repository, clock: Clock, *, keep: int | None = None, days: int | None = None) -> Pruned:
    """Keep the newest snapshots, and those younger than so many days; the newest of all stays in any case.

    Raises:
        InvalidInput: nothing says what to keep.
        Busy: a back-up runs.
        Damaged: a snapshot cannot be read, so that nobody knows what it needs; nothing is removed.
    """
    if (keep is None and days is None) or min(keep or 0, days or 0) < 0:
        raise InvalidInput("It is not said what to keep.", mend="Give a number of snapshots, or of days, or both.")
    with present(repository.place, "pruning", clock) as presence:
        gone = _gone([one.snapshot for one in _all(repository)], keep, days, clock.now())
        needed = {chunk for one in _all(repository) if one.snapshot.id not in gone for chunk in one.contents.chunks()}
        for snapshot in gone:
            repository.place.drop(snapshot_file(snapshot))
        repository.place.settle()
        repository.forget_known()
        left = repository.known - needed
        for chunk in sorted(left):
            presence.renew()
            repository.place.drop(chunk_file(chunk))
        repository.forget_known()
        repository.sweep()
    return Pruned(tuple(gone), len(left))


def _all(repository: Repository) -> Iterator[Stored]:
    try:
        for name in repository.ids():
            yield repository.stored(name)
    except Damaged as error:
        raise Damaged(
            error.what,
            why="Nobody knows what that snapshot needs.",
            mend=f"Nothing was removed. Let it go with: onward doctor --mend --from {repository.place.where}",
        ) from error


def _gone(snapshots: Sequence[Snapshot], keep: int | None, days: int | None, now: datetime) -> list[str]:
    newest = {snapshot.id for snapshot in snapshots[-max(keep or 1, 1) :]}
    oldest = None if days is None else now - timedelta(days=min(days, 100_000))
    young = {snapshot.id for snapshot in snapshots if oldest is not None and snapshot.at >= oldest}
    return [snapshot.id for snapshot in snapshots if snapshot.id not in newest | young]
