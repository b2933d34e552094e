"""Where lost content comes from again: a repository of snapshots."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from onward.core import Damaged, NotFound
from onward.release._ailment import Ailment, Found
from onward.release._snapshots import (
    Contents,
    Repository,
    bring_artifact,
    bring_blob,
    broken_heads,
    chunk_file,
    mend_head,
    snapshot_file,
)
from onward.storage import Blobs


@dataclass(frozen=True, slots=True)
class Supply:
    """What the snapshots of a repository hold between them; nothing where there is no repository."""

    blobs: Blobs
    repository: Repository | None
    snapshots: tuple[Contents, ...] = ()

    def remedy(self, kind: str, name: str) -> Callable[[], object] | None:
        """Brings a blob or an artifact back, from the newest snapshot that holds it; `None` where none does."""
        for contents in reversed(self.snapshots):
            held = contents.blobs if kind == "blob" else contents.artifacts
            if self.repository is not None and name in held:
                bring = bring_blob if kind == "blob" else bring_artifact
                return partial(bring, self.repository, contents, self.blobs, name)
        return None


def supply_of(blobs: Blobs, repository: Repository | None) -> Supply:
    """What can be brought back."""
    if repository is None:
        return Supply(blobs, None)
    return Supply(blobs, repository, tuple(stored.contents for stored in repository.readable()))


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
            needed |= dict.fromkeys(repository.stored(name).contents.chunks(), name)
        except (Damaged, NotFound) as error:
            yield _broken(repository, snapshot_file(name), str(error.what), "a whole snapshot")
    names = sorted(repository.known | set(needed))
    for done, name in enumerate(names):
        progress("back-up", done, len(names), name[:12])
        try:
            repository.get(name)
        except (Damaged, NotFound) as error:
            snapshot = needed.get(name)
            lost = f"needed by snapshot {snapshot}" if snapshot else "needed by no snapshot"
            yield _broken(repository, chunk_file(name), str(error.what), lost)
    progress("back-up", len(names), len(names), "done")


def _broken(repository: Repository, file: str, what: str, lost: str) -> Found:
    ailment = Ailment(
        kind="damaged",
        where=f"{repository.place.where}/{file} ({lost})",
        what=what,
        mend="Let it go with: onward doctor --mend --from BACKUP, then run: onward backup BACKUP",
    )
    return Found(ailment, partial(repository.place.drop, file))
