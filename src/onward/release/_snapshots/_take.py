"""Taking a snapshot of a workspace that goes on working."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

from sqlalchemy import Connection, insert, select

from onward.core import Clock, Damaged, InvalidInput, NotFound
from onward.storage import Storage, explained, schema

from ._presence import Presence, present
from ._records import Contents, FilePart, Snapshot, TablePart
from ._repository import PIECE, Repository
from ._rows import groups, kept_tables, named_now, store_table

Progress = Callable[[str, int, int, str], None]
"""Called with (stage, steps done, steps in all, a short note)."""

T = TypeVar("T")
IDENTITY: Final = "workspace"
NAMES: Final = "names"
"""The row of `meta` with the key under which names of those who withdrew consent are hashed."""
DROPPED: Final = "dropped"
MISSING: Final = "missing: it is gone from the workspace, which needs it"


def take(
    storage: Storage,
    repository: Repository,
    clock: Clock,
    progress: Progress,
    files: Mapping[str, Path],
    needed: Callable[[Connection], Collection[str]],
) -> Snapshot:
    """Store a snapshot; return it. Rows are of one moment; what they name is immutable, and stored before it was named.

    Args:
        files: name -> a file to keep with it, where it exists.
        needed: hashes of what retention never drops: where it is gone all the same, it is missing.

    Raises:
        InvalidInput: the repository holds another workspace.
        Busy: the repository is being pruned.
        Unavailable: it cannot be written; the snapshot does not exist.
    """
    workspace = identify(storage)
    with present(repository.place, "back-up", clock) as presence:
        before = _latest(repository, workspace)
        at = clock.now()
        with storage.database.read() as connection:
            tables = _tables(connection, repository, presence, progress)
            blobs, artifacts = named_now(connection)
        copying = _Copying(storage, repository, before, presence, progress)
        with explained(storage.folder):
            beside = {name: file.read_bytes() for name, file in files.items() if file.is_file()}
        contents = Contents(
            tables=tables,
            artifacts=copying.artifacts(artifacts),
            blobs=copying.blobs(blobs),
            files={name: repository.put_all([data]) for name, data in beside.items()},
        )
        snapshot = Snapshot(
            id=_next_id(repository),
            workspace=workspace,
            at=at,
            schema=str(schema.SCHEMA_VERSION),
            rows={name: part.rows for name, part in tables.items()},
            blobs=len(contents.blobs),
            artifacts=len(contents.artifacts),
            size=contents.size,
            written=repository.written,
            lacking=_judged(copying.lacking, storage, needed),
        )
        presence.check()
        repository.add(snapshot, contents)
    return snapshot


def _judged(
    lacking: Mapping[str, str], storage: Storage, needed: Callable[[Connection], Collection[str]]
) -> dict[str, str]:
    """Asked last: what was needed when the copying began may have been dropped in order since."""
    if DROPPED not in lacking.values():
        return dict(lacking)
    with storage.database.read() as connection:
        missing = needed(connection)
    return {name: MISSING if why == DROPPED and name in missing else why for name, why in lacking.items()}


def _next_id(repository: Repository) -> str:
    """An id that sorts after those there are, whatever the clock says; two at once differ."""
    numbers = (name.split("_")[1] for name in repository.ids() if name.count("_") == 2)
    last = max((int(number) for number in numbers if number.isdecimal()), default=0)
    return f"sn_{last + 1:08d}_{secrets.token_hex(6)}"


def identify(storage: Storage) -> str:
    """The id that tells this workspace's back-ups from another's; made at the first back-up, kept by a restore."""
    query = select(schema.meta.c.value).where(schema.meta.c.key == IDENTITY)
    with storage.database.read() as connection:
        found = connection.scalar(query)
    return found or storage.database.write(_identify)


def _identify(connection: Connection) -> str:
    query = select(schema.meta.c.value).where(schema.meta.c.key == IDENTITY)
    found = connection.scalar(query)
    if found is None:
        found = secrets.token_hex(16)
        connection.execute(insert(schema.meta).values(key=IDENTITY, value=found))
    return str(found)


def _latest(repository: Repository, workspace: str) -> Contents:
    """What the newest snapshot holds: what it names need not be read again."""
    newest = next(repository.readable(newest_first=True), None)
    if newest is None:
        return Contents()
    if newest.snapshot.workspace != workspace:
        raise InvalidInput(
            f"{repository.place.where} holds back-ups of another workspace.", mend="Choose another place."
        )
    return newest.contents


def _tables(
    connection: Connection, repository: Repository, presence: Presence, progress: Progress
) -> dict[str, TablePart]:
    parts: dict[str, TablePart] = {}
    tables = kept_tables()
    for done, table in enumerate(tables):
        progress("rows", done, len(tables), table.name)
        parts[str(table.name)] = store_table(repository, _renewing(groups(connection, table), presence), table)
    progress("rows", len(tables), len(tables), "done")
    return parts


def _renewing(steps: Iterable[T], presence: Presence) -> Iterator[T]:
    for step in steps:
        presence.renew()
        yield step


@dataclass(slots=True)
class _Copying:
    """Copies what rows name, each content once; what is gone or damaged is noted, and the rest goes on."""

    storage: Storage
    repository: Repository
    before: Contents
    presence: Presence
    progress: Progress
    lacking: dict[str, str] = field(default_factory=dict)

    def blobs(self, names: Iterable[str]) -> dict[str, FilePart]:
        found: dict[str, FilePart] = {}
        for name in self._each("blobs", names):
            known = self.before.blobs.get(name)
            if known is not None and self.repository.known.issuperset(known.chunks):
                found[name] = known
            elif (part := self._try(name, self._blob)) is not None:
                found[name] = part
        return found

    def artifacts(self, names: Iterable[str]) -> dict[str, Mapping[str, FilePart]]:
        found: dict[str, Mapping[str, FilePart]] = {}
        for name in self._each("artifacts", names):
            known = self.before.artifacts.get(name)
            stored = known is not None and all(self.repository.known.issuperset(p.chunks) for p in known.values())
            if known is not None and stored:
                found[name] = known
            elif (folder := self._try(name, self._artifact)) is not None:
                found[name] = folder
        return found

    def _each(self, stage: str, names: Iterable[str]) -> Iterator[str]:
        ordered = sorted(names)
        for done, name in enumerate(ordered):
            self.progress(stage, done, len(ordered), name[:12])
            self.presence.renew()
            yield name
        self.progress(stage, len(ordered), len(ordered), "done")

    def _try(self, name: str, copy: Callable[[str], T]) -> T | None:
        try:
            return copy(name)
        except NotFound:
            self.lacking[name] = DROPPED
        except Damaged as error:
            self.lacking[name] = f"damaged: {error}"
        return None

    def _blob(self, name: str) -> FilePart:
        return self.repository.put_all([self.storage.blobs.get(name)])

    def _artifact(self, name: str) -> dict[str, FilePart]:
        folder = self.storage.blobs.folder(name)
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        try:
            return {path.relative_to(folder).as_posix(): self._file(path) for path in files}
        except FileNotFoundError as error:
            raise NotFound(f"Artifact {name} was dropped while it was copied.") from error

    def _file(self, path: Path) -> FilePart:
        with path.open("rb") as file:
            return self.repository.put_all(iter(lambda: file.read(PIECE), b""))
