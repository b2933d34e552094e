"""A workspace whose database is lost, from what stands beside it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, insert, select

from onward.core import (
    Busy,
    Damaged,
    DatasetVersion,
    EvaluationSet,
    Interaction,
    ModelVersion,
    decode,
    encode,
)
from onward.release._ailment import Ailment
from onward.release._ledger import KEPT_KEYS, TABLES, entry_files, read_entry
from onward.release._snapshots import IDENTITY, count_anew
from onward.storage import (
    COVERED,
    DATABASE_NAME,
    Blobs,
    Database,
    Storage,
    checksum,
    explained,
    insert_into,
    insert_new,
    is_in_use,
    next_place,
    schema,
    stamp,
    stands_in,
    sync,
)

SIDES: Final = ("", "-wal", "-shm")
ROWS_AT_ONCE: Final = 1000
SOURCE: Final = "recovered"
GONE: Final = (
    "Interactions that no data set version held, all feedback, who said what, predictions, quarantine, unfinished "
    "cycles, and who taught in data set versions that retention had dropped, could not be recovered."
)


def is_lost(folder: Path) -> bool:
    """Whether a workspace's database is gone or cannot be opened, while something of the workspace is there.

    One that can be opened holds more than can be rebuilt, however damaged it is.

    Raises:
        Unavailable: nobody lets us look.
    """
    file = folder / DATABASE_NAME
    with explained(folder):
        places = [folder / name for name in ("blobs", "artifacts", "records")]
        beside = any(any(path.iterdir()) for path in places if path.is_dir())  # first: the database was there before it
        stands = stands_in(file) if file.exists() and file.stat().st_size else None
    return beside if stands is None else not stands


def is_emptied(storage: Storage) -> bool:
    """Whether a database knows of no version, while the files beside it tell of some."""
    if not entry_files(storage.folder, "versions", "transitions"):
        return False
    with storage.database.read() as connection:
        return all(connection.scalar(select(table).limit(1)) is None for table in (schema.versions, schema.transitions))


@dataclass(slots=True)
class Rebuilding:
    """What is found on the way.

    Args:
        lost: what could not be recovered.
        counts: table -> rows.
        identity: the rows that say which workspace it is, and under which key names are hashed.
    """

    folder: Path
    blobs: Blobs
    lost: list[Ailment] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    identity: list[dict[str, Any]] = field(default_factory=list)

    def run(self, now: datetime) -> list[Ailment]:
        """Rebuild the database beside what is left of the old one, then put it into its place in one step.

        Raises:
            Busy: somebody has the old one open, and may know better than the disk what was in it.
        """
        with self._built() as file:
            _refuse_used(self.folder / DATABASE_NAME)
            _set_aside(self.folder, now)
            file.rename(self.folder / DATABASE_NAME)
        sync(self.folder)
        return [self._told(), *self.lost]

    def load_into(self, database: Database) -> list[Ailment]:
        """Rebuild an empty database on a server, in one transaction.

        Raises:
            InvalidInput: it is not empty.
        """
        with self._built() as file:
            database.load(file)
        database.write(self._identify)
        return [self._told(), *self.lost]

    @contextmanager
    def _built(self) -> Iterator[Path]:
        with self.blobs.scratch() as scratch:
            file = scratch / DATABASE_NAME
            with closing(Database(file)) as database:
                database.write(self._fill)
            file.chmod(0o600)
            sync(file)
            yield file

    def _told(self) -> Ailment:
        rows = ", ".join(f"{count} {name}" for name, count in self.counts.items() if count)
        return Ailment(
            kind="lost",
            where=str(self.folder / DATABASE_NAME),
            what=f"It was gone or unreadable. Rebuilt: {rows or 'nothing'}. {GONE}",
            mend="Restore a back-up if there is one: it holds more. What was there is set aside, not deleted.",
            mended=True,
        )

    def _fill(self, connection: Connection) -> None:
        rows = self._entries()
        self.identity = rows.pop(str(schema.meta.name), [])
        if not any(row["key"] == IDENTITY for row in self.identity):
            self.identity += [{"key": IDENTITY, "value": owner} for owner in (self.blobs.owner,) if owner]
        self._identify(connection)
        for table in (t for t in schema.metadata.sorted_tables if t.name in TABLES):
            for row in rows.get(table.name, ()):
                connection.execute(insert_into(connection, table).values(**row).on_conflict_do_nothing())
        self._point(connection, rows.get("transitions", []))
        datasets = self._datasets(connection)
        self._evaluation_sets(connection, datasets)
        self._interactions(connection, datasets)
        count_anew(connection)
        for table in (
            schema.interactions,
            schema.datasets,
            schema.evaluation_sets,
            schema.versions,
            schema.transitions,
        ):
            self.counts[table.name.replace("_", " ")] = len(
                connection.execute(select(table.primary_key.columns[0])).all()
            )

    def _identify(self, connection: Connection) -> None:
        for row in self.identity:
            if row["key"] in KEPT_KEYS:
                connection.execute(insert_into(connection, schema.meta).values(**row).on_conflict_do_nothing())

    def _entries(self) -> dict[str, list[dict[str, Any]]]:
        """The rows that stand in files; what is torn is noted."""
        rows: dict[str, list[dict[str, Any]]] = {}
        for file in entry_files(self.folder):
            try:
                entry = read_entry(file)
            except Damaged as error:
                self._lose(str(file), str(error.what))
            else:
                rows.setdefault(entry.table, []).append(dict(entry.row))
        known = {row["number"] for row in rows.get("versions", ())}
        for table in ("transitions", "marks"):
            for row in rows.get(table, ()):
                if row["version"] not in known:
                    self._lose(f"{table} {row}", f"The record of version {row['version']} is gone.")
            rows[table] = [row for row in rows.get(table, ()) if row["version"] in known]
        return rows

    def _lose(self, where: str, what: str) -> None:
        self.lost.append(Ailment(kind="lost", where=where, what=what, mend="Restore a back-up."))

    def _point(self, connection: Connection, transitions: Iterable[dict[str, Any]]) -> None:
        trail = {(row["tenant"], row["alias"]): row["version"] for row in sorted(transitions, key=_sequence)}
        for (tenant, alias), version in trail.items():
            connection.execute(insert(schema.aliases).values(tenant=tenant, alias=alias, version=version))

    def _datasets(self, connection: Connection) -> dict[str, tuple[str, str]]:
        """Blob -> (tenant, id) of every data set version that is stored; those without a row get one."""
        found: dict[str, tuple[str, str]] = {}
        for name, dataset in self._decoded(DatasetVersion):
            found[name] = (dataset.tenant, dataset.id)
            row = {"tenant": dataset.tenant, "id": dataset.id, "created": stamp(dataset.created), "blob": name}
            new = insert_into(connection, schema.datasets).values(**row, place=next_place(connection, schema.datasets))
            connection.execute(new.on_conflict_do_nothing())
        return found

    def _evaluation_sets(self, connection: Connection, datasets: dict[str, tuple[str, str]]) -> None:
        """Sets without a row: frozen when a version that learned from the data set of that name was promoted."""
        table, moves = schema.versions, schema.transitions
        served = select(table.c.tenant, table.c.dataset, moves.c.at).join(moves, moves.c.version == table.c.number)
        promoted = {
            (row.tenant, row.dataset): row.at
            for row in connection.execute(served.where(moves.c.cause == "promote").order_by(moves.c.sequence.desc()))
        }
        known = {(row.tenant, row.name) for row in connection.execute(select(schema.evaluation_sets))}
        owners = {dataset: tenant for tenant, dataset in datasets.values()}
        for name, frozen in self._decoded(EvaluationSet):
            key = (owners.get(frozen.name, ""), frozen.name)
            if key in promoted and key not in known:
                row = {"tenant": key[0], "name": key[1], "at": promoted[key], "blob": name}
                connection.execute(insert(schema.evaluation_sets).values(**row))

    def _interactions(self, connection: Connection, datasets: dict[str, tuple[str, str]]) -> None:
        """What data sets hold, the newest first; without what a cycle found that it could not trust."""
        distrusted = {
            (version.tenant, version.dataset)
            for version in (decode(body, ModelVersion) for body in connection.scalars(select(schema.versions.c.body)))
            if version.verdict is not None and not version.verdict.trusted
        }
        query = select(schema.datasets.c.blob).order_by(schema.datasets.c.place.desc())
        for blob in connection.scalars(query).all():
            if blob in datasets and datasets[blob] not in distrusted:
                _record(connection, decode(self.blobs.get(blob), DatasetVersion))

    def _decoded(self, kind: type[Any]) -> Iterator[tuple[str, Any]]:
        for name in self.blobs.names():
            try:
                yield name, decode(self.blobs.get(name), kind)
            except Damaged:
                continue


def _record(connection: Connection, dataset: DatasetVersion) -> None:
    recorded = stamp(dataset.created)
    rows = []
    for example in dataset.examples:
        for name in example.interactions:
            interaction = Interaction(
                id=name,
                text=example.text,
                at=dataset.created,
                tenant=dataset.tenant,
                labels=example.labels,
                source=SOURCE,
                task=example.task,
                part=example.part,
            )
            texts = (dataset.tenant, name, None, encode(interaction).decode(), recorded, None)
            rows.append((*texts, checksum(texts)))
    for start in range(0, len(rows), ROWS_AT_ONCE):
        some = rows[start : start + ROWS_AT_ONCE]
        insert_new(connection, schema.interactions, (*COVERED["interactions"], "checksum"), some)


def _sequence(row: dict[str, Any]) -> int:
    return int(row["sequence"])


def _refuse_used(file: Path) -> None:
    if file.exists() and is_in_use(file):
        raise Busy(
            f"{file} cannot be read anew, but another process has it open.",
            why="What that process writes would be lost with it.",
            mend="Stop it, after a back-up if it still answers: onward backup TARGET; then look again.",
        )


def _set_aside(folder: Path, now: datetime) -> None:
    """Keep what is left of the old database, under a name that says when."""
    aside = f"onward-damaged-{now:%Y%m%dT%H%M%S%f}.db"
    for side in SIDES:
        file = folder / f"{DATABASE_NAME}{side}"
        if file.exists():
            file.rename(folder / f"{aside}{side}")
