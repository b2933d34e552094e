"""Bringing a snapshot back into an empty place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import TypeVar

from sqlalchemy import Connection, func, insert, select

from onward.core import Damaged, InvalidInput, NotFound, content_hash
from onward.storage import Blobs, Storage, count_on, insert_into, schema

from ._appear import taken_apart
from ._cut import Cut, cut_at
from ._reading import Read, Row, insert_all, read_as_today
from ._records import Contents, Stored
from ._repository import Repository
from ._rows import NAMING, kept_tables, named
from ._take import NAMES, Progress

T = TypeVar("T")


def chosen(repository: Repository, at: datetime | None) -> Stored:
    """The snapshot to bring back: the newest; or the one after the last before a moment, where there is one.

    Raises:
        NotFound: there is no snapshot.
        Damaged: the one to bring back cannot be read.
    """
    ids = repository.ids()
    if not ids:
        raise NotFound(f"There is no snapshot in {repository.place.where}.", mend="Check the place.")
    if at is None:
        return repository.stored(ids[-1])
    return _at(repository, at) or repository.stored(ids[-1])


def _at(repository: Repository, at: datetime) -> Stored | None:
    """The one after the last that was taken before: a clock that was wrong once must not hide what later ones hold."""
    later = None
    for stored in repository.readable(newest_first=True):
        if stored.snapshot.at < at:
            return later or stored
        later = stored
    return later


@dataclass(frozen=True, slots=True)
class Bringing:
    """Fills one empty storage from one snapshot, whose rows `read` gives."""

    repository: Repository
    stored: Stored
    read: Read
    storage: Storage
    progress: Progress

    def check_empty(self) -> None:
        """Make sure that nothing is overwritten.

        Raises:
            InvalidInput: there are rows.
        """
        with self.storage.database.read() as connection:
            _check_empty(connection)

    def all(self, at: datetime | None, last: Callable[[], object]) -> None:
        """Bring everything back; the rows last, in one transaction.

        Args:
            last: called at the end of that transaction; what it raises takes it back.

        Raises:
            Damaged: the snapshot is not whole, or holds what it must not.
            InvalidInput: the storage is not empty.
            Unavailable: there is no space.
        """
        cut = None if at is None or at >= self.stored.snapshot.at else cut_at(at, self.read)
        blobs, artifacts = self._named(cut)
        for name in self._each("blobs", blobs & set(self.stored.contents.blobs)):
            bring_blob(self.repository, self.stored.contents, self.storage.blobs, name)
        for name in self._each("artifacts", artifacts & set(self.stored.contents.artifacts)):
            bring_artifact(self.repository, self.stored.contents, self.storage.blobs, name)

        def work(connection: Connection) -> None:
            self._rows(connection, cut)
            last()

        self.storage.database.write(work)

    def _as_of(self, table: str, cut: Cut | None) -> Iterable[Row]:
        return self.read(table) if cut is None else cut.rows(table, self.read)

    def _named(self, cut: Cut | None) -> tuple[set[str], set[str]]:
        blobs: set[str] = set()
        artifacts: set[str] = set()
        for table in NAMING:
            for row in self._as_of(table, cut):
                some_blobs, some_artifacts = named(table, row)
                blobs |= some_blobs
                artifacts |= some_artifacts
        return blobs, artifacts

    def _each(self, stage: str, names: Iterable[str]) -> Iterator[str]:
        ordered = sorted(names)
        for done, name in enumerate(ordered):
            self.progress(stage, done, len(ordered), name[:12])
            yield name
        self.progress(stage, len(ordered), len(ordered), "done")

    def _rows(self, connection: Connection, cut: Cut | None) -> None:
        tables = kept_tables()
        _check_empty(connection)
        for done, table in enumerate(tables):
            self.progress("rows", done, len(tables), table.name)
            insert_all(connection, table, self._as_of(table.name, cut))
            count_on(connection, table)
        count_anew(connection)
        self._withdraw(connection)
        self.progress("rows", len(tables), len(tables), "done")

    def _withdraw(self, connection: Connection) -> None:
        """Note what the newest snapshot knows of consent withdrawn later: what is brought back is to be erased."""
        newest = next(self.repository.readable(newest_first=True))
        with read_as_today(self.repository, newest, self.storage.blobs) as read:
            keys = [row for row in read("meta") if row["key"] == NAMES]
            later = [{**row, "erased": None} for row in read("withdrawals")]
        for table, rows in ((schema.meta, keys), (schema.withdrawals, later)):
            if rows:
                connection.execute(insert_into(connection, table).on_conflict_do_nothing(), rows)
        last = connection.scalar(select(func.max(schema.datasets.c.place))) or 0
        cut_off = schema.withdrawals.c.place > last
        connection.execute(schema.withdrawals.update().where(cut_off).values(place=last))


def _check_empty(connection: Connection) -> None:
    for table in kept_tables():
        if table is not schema.meta and connection.execute(select(table).limit(1)).first() is not None:
            raise InvalidInput("There is a workspace already.", mend="Restore to an empty or a new place.")


def count_anew(connection: Connection) -> None:
    """Count anew what is counted while it is recorded."""
    connection.execute(schema.tallies.delete())
    rows = [
        {"tenant": tenant, "name": table.name, "rows": rows}
        for table in (schema.interactions, schema.feedback)
        for tenant, rows in connection.execute(select(table.c.tenant, func.count()).group_by(table.c.tenant))
    ]
    if rows:
        connection.execute(insert(schema.tallies), rows)


def bring_blob(repository: Repository, contents: Contents, blobs: Blobs, name: str) -> None:
    """Store one blob of a snapshot.

    Raises:
        NotFound, Damaged: the snapshot does not hold it, or not whole.
    """
    data = b"".join(repository.get_all(_held(contents.blobs, name)))
    if content_hash(data) != name:
        raise Damaged(f"The snapshot's {name} holds something else.", mend="Take another copy, or snapshot.")
    blobs.put(data)


def bring_artifact(repository: Repository, contents: Contents, blobs: Blobs, name: str) -> None:
    """Store one artifact of a snapshot.

    Raises:
        NotFound, Damaged: the snapshot does not hold it, or not whole, or names a path that leaves it.
    """
    with blobs.scratch() as scratch, taken_apart(scratch):
        folder = scratch / "artifact"
        folder.mkdir()
        for path, part in _held(contents.artifacts, name).items():
            write_file(folder / _inside(path), repository.get_all(part))
        blobs.put_folder(folder, expected=name)


def write_file(file: Path, data: Iterable[bytes]) -> None:
    """Write a file for its owner only, and the folders above it."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file.touch(mode=0o600)
    with file.open("wb") as opened:
        opened.writelines(data)


def _held(parts: Mapping[str, T], name: str) -> T:
    if name not in parts:
        raise NotFound(f"The snapshot does not hold {name}.", mend="Take another snapshot.")
    return parts[name]


def _inside(path: str) -> PurePosixPath:
    inside = PurePosixPath(path)
    if inside.is_absolute() or not inside.parts or ".." in inside.parts or "\0" in path or "\\" in path:
        raise Damaged(f"The snapshot names {path[:80]!r}, which leads elsewhere.", mend="Do not trust this back-up.")
    return inside
