"""SQLite in WAL mode."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final, Literal, cast

from sqlalchemy import URL, Connection, Engine, create_engine, event

from onward.core import Busy, Damaged, NotFound, OnwardError, Unavailable

from ._backend import Backend, driver, foreign

BUSY_SECONDS: Final = 30
LARGEST_LOG: Final = 64 * 2**20
"""Bytes to which the write-ahead log shrinks again once nobody reads what a long back-up saw."""
Synchronous = Literal["FULL", "OFF"]
Identity = tuple[int, int]
"""Of a file, whatever it is called: device and inode."""
HELD: Final = 17
LOOK: Final = f"""
import fcntl, sys
with open(sys.argv[1], "r+b") as file:
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 510, 0x40000002)
    except OSError:
        sys.exit({HELD})
"""
"""SQLite holds a lock on one or all of these bytes for as long as a database in WAL mode is open
(https://sqlite.org/src/file/src/os_unix.c)."""


def sqlite_backend(file: Path, synchronous: Synchronous = "FULL", *, create: bool = True) -> Backend:
    """A file that several processes of one machine may open; made, for its owner only, where there is none.

    When the file is removed or replaced while it is open here, nothing is written to it any more.

    Args:
        synchronous: with "OFF" a power cut may damage it: for what lives no longer than the process.
        create: with `False`, a missing file is an error.

    Raises:
        NotFound: there is no file, and `create` is off.
        Damaged: it is another program's database; not a byte of it is changed.
        OSError: the file cannot be made.
    """
    if create:
        file.touch(mode=0o600)
    elif not file.exists():
        raise NotFound(f"There is no workspace in {file}.", mend="Make one with: onward init")
    _refuse_foreign(file)
    opened = _identity(file)
    return Backend(
        name=str(file),
        writing=_engine(file, opened, "BEGIN IMMEDIATE", synchronous),
        reading=_engine(file, opened, "BEGIN", synchronous),
        errors=sqlite3.Error,
        translate=lambda error: _translate(error, file),
        stands=_stands,
        file=file,
    )


def _engine(file: Path, opened: Identity, begin: str, synchronous: Synchronous) -> Engine:
    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(_uri(file, "rw"), uri=True, check_same_thread=False, timeout=BUSY_SECONDS)
        try:
            _check_same(file, opened)
        except Unavailable:
            connection.close()
            raise
        return connection

    engine = create_engine(URL.create("sqlite+pysqlite", database=str(file)), creator=connect)

    @event.listens_for(engine, "connect")
    def prepare(connection: object, _: object) -> None:
        raw = cast("sqlite3.Connection", connection)
        raw.isolation_level = None
        raw.execute("PRAGMA journal_mode=WAL")
        raw.execute(f"PRAGMA synchronous={synchronous}")
        raw.execute(f"PRAGMA journal_size_limit={LARGEST_LOG}")
        raw.execute("PRAGMA foreign_keys=ON")
        raw.execute("PRAGMA secure_delete=ON")
        raw.execute(f"PRAGMA query_only={'ON' if begin == 'BEGIN' else 'OFF'}")

    @event.listens_for(engine, "begin")
    def start(connection: Connection) -> None:
        connection.exec_driver_sql(begin)
        if begin != "BEGIN":
            _check_same(file, opened)

    return engine


def _uri(file: Path, mode: Literal["ro", "rw"]) -> str:
    """SQLite makes no file under such a name: a lost database must not become an empty one."""
    return f"{file.absolute().as_uri()}?mode={mode}"


def _identity(file: Path) -> Identity:
    found = file.stat()
    return found.st_dev, found.st_ino


def _check_same(file: Path, opened: Identity) -> None:
    """A file that was set aside still takes what its old connections write, and nobody would ever read it."""
    try:
        same = _identity(file) == opened
    except OSError:
        same = False
    if not same:
        raise Unavailable(
            f"{file} was removed or replaced while it was open here.",
            mend="Nothing was written. Close the workspace, see what is there with: onward doctor, then open it again.",
        )


def stands_in(file: Path) -> bool | None:
    """Whether a file is a database that knows its schema; `None` where it is a sound database of something else.

    Where nobody lets us look, there is no reason to think that it is not.
    """
    try:
        with closing(sqlite3.connect(_uri(file, "ro"), uri=True)) as connection:
            return connection.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone() is not None or None
    except sqlite3.OperationalError as error:
        return None if "no such table" in str(error) or "no such column" in str(error) else True
    except (sqlite3.DatabaseError, UnicodeDecodeError):  # of what is scrambled, even a name may be no text
        return False


@contextmanager
def as_they_are(connection: Connection) -> Iterator[None]:
    """Read texts of SQLite as they are: bytes that are no UTF-8 come as lone surrogates, and do not end the query."""
    if connection.dialect.name != "sqlite":
        yield
        return
    raw = driver(connection)
    raw.text_factory = lambda data: data.decode("utf8", "surrogateescape")
    try:
        yield
    finally:
        raw.text_factory = str


def _refuse_foreign(file: Path) -> None:
    """Look before anything is changed: to open a database as ours switches it to WAL mode. What cannot be looked at is
    explained by whoever opens it next."""
    if not file.stat().st_size or stands_in(file) is not None:
        return
    with suppress(sqlite3.Error), closing(sqlite3.connect(_uri(file, "ro"), uri=True)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        if tables:
            raise foreign(str(file), tables)


def is_in_use(file: Path) -> bool:
    """Whether any process, this one too, has a SQLite file open, sound or not.

    Another process looks: closing a file drops all locks that a process has on it, and with them those of SQLite.
    """
    asked = subprocess.run([sys.executable, "-I", "-S", "-c", LOOK, os.fspath(file)], check=False)  # noqa: S603
    return asked.returncode == HELD


def empty_log(file: Path) -> bool:
    """Move the write-ahead log into the database and leave it empty; return whether that could be done.

    It cannot while somebody reads an older state, or writes for longer than a writer waits.
    """
    with closing(sqlite3.connect(file, timeout=BUSY_SECONDS)) as connection:
        busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return not busy


def _stands(connection: Connection) -> bool:
    """A full disk makes SQLite take back the whole transaction, savepoints and all."""
    return bool(driver(connection).in_transaction)


def _translate(error: BaseException, file: Path) -> OnwardError:
    text = str(error)
    if "locked" in text or "busy" in text:
        return Busy(f"{file} is held by another process.", mend="Try again; see who holds it with: onward status")
    if isinstance(error, sqlite3.OperationalError):
        return Unavailable(f"{file} cannot be used: {text}.", mend="Check free space and permissions of its folder.")
    return Damaged(f"{file} refuses: {text}.", mend="Restore a back-up.")
