"""Where lost content comes from again: a repository of snapshots."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

from onward.core import Damaged, InvalidInput, NotFound, OnwardError, Unavailable, decode
from onward.release._ailment import Ailment, Found
from onward.release._snapshots import (
    Contents,
    Repository,
    Stored,
    bring_artifact,
    bring_blob,
    broken_heads,
    chunk_file,
    mend_head,
    snapshot_file,
)
from onward.storage import Blobs

Bring = Callable[[Repository, Contents, Blobs, str], None]


@dataclass(frozen=True, slots=True)
class Supply:
    """What the snapshots of a repository hold between them; nothing where there is no repository.

    Args:
        held: hash of a blob or an artifact -> the newest snapshot that holds it.
    """

    blobs: Blobs
    repository: Repository | None
    held: Mapping[str, str] = field(default_factory=dict)

    def remedy(self, kind: str, name: str) -> Callable[[], object] | None:
        """Brings a blob or an artifact back, from the newest snapshot that holds it; `None` where none does."""
        if self.repository is None or name not in self.held:
            return None
        return partial(self._bring, self.repository, bring_blob if kind == "blob" else bring_artifact, name)

    def _bring(self, repository: Repository, bring: Bring, name: str) -> None:
        bring(repository, repository.stored(self.held[name]).contents, self.blobs, name)


def supply_of(blobs: Blobs, repository: Repository | None) -> Supply:
    """What can be brought back."""
    held: dict[str, str] = {}
    for stored in () if repository is None else repository.readable():
        held |= dict.fromkeys((*stored.contents.blobs, *stored.contents.artifacts), stored.snapshot.id)
    return Supply(blobs, repository, held)


def check_repository(repository: Repository, progress: Callable[[str, int, int, str], None]) -> Iterator[Found]:
    """Verify every snapshot and every chunk of the back-ups. With `mend`, what is damaged is let go, so that the next
    back-up writes it anew."""
    for name in broken_heads(repository.place):
        where, mend = f"{repository.place.where}/{name}", "Write it again: onward doctor --mend --from BACKUP"
        ailment = Ailment(kind="damaged", where=where, what="It is torn or gone; there is another one.", mend=mend)
        yield Found(ailment, partial(mend_head, repository.place, name))
    needed: dict[str, str] = {}
    for name in repository.ids():
        try:
            needed |= dict.fromkeys(_chunks(repository, name), name)
        except (Damaged, NotFound) as error:
            yield _broken(repository, snapshot_file(name), str(error.what), "a whole snapshot")
        except (InvalidInput, Unavailable) as error:
            yield _unread(repository, snapshot_file(name), error)
    names = sorted(repository.known | set(needed))
    for done, name in enumerate(names):
        progress("back-up", done, len(names), name[:12])
        try:
            repository.get(name)
        except (Damaged, NotFound) as error:
            snapshot = needed.get(name)
            lost = f"needed by snapshot {snapshot}" if snapshot else "needed by no snapshot"
            yield _broken(repository, chunk_file(name), str(error.what), lost)
        except Unavailable as error:
            yield _unread(repository, chunk_file(name), error)
    progress("back-up", len(names), len(names), "done")


def _chunks(repository: Repository, snapshot: str) -> set[str]:
    """What a snapshot needs.

    Raises:
        Damaged, NotFound: it was changed, or is gone.
        InvalidInput: it is as it was written, and another Onward wrote it.
    """
    opened = repository.opened(snapshot)
    try:
        return decode(opened, Stored).contents.chunks()
    except Damaged as error:
        raise InvalidInput(
            "It is whole, and tells what this Onward does not know.", mend="Update Onward, then look again."
        ) from error


def _unread(repository: Repository, file: str, error: OnwardError) -> Found:
    """What nobody may let go: it may be whole."""
    where = f"{repository.place.where}/{file}"
    return Found(Ailment(kind="damaged", where=where, what=f"{error.what} {error.why}".strip(), mend=str(error.mend)))


def _broken(repository: Repository, file: str, what: str, lost: str) -> Found:
    ailment = Ailment(
        kind="damaged",
        where=f"{repository.place.where}/{file} ({lost})",
        what=what,
        mend="Let it go with: onward doctor --mend --from BACKUP, then run: onward backup BACKUP",
    )
    return Found(ailment, partial(repository.place.drop, file))
