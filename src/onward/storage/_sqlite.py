"""SQLite in WAL mode."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final, Literal, cast

from sqlalchemy import URL, Connection, Engine, create_engine, event

from onward.core import Busy, Damaged, OnwardError, Unavailable

from ._backend import Backend, driver

BUSY_SECONDS: Final = 30
Synchronous = Literal["FULL", "OFF"]


def sqlite_backend(file: Path, synchronous: Synchronous = "FULL") -> Backend:
    """A file that several processes of one machine may open; made, for its owner only, where there is none.

    With `synchronous="OFF"` a power cut may damage it: for what lives no longer than the process.

    Raises:
        OSError: the file cannot be made.
    """
    file.touch(mode=0o600)
    return Backend(
        name=str(file),
        writing=_engine(file, "BEGIN IMMEDIATE", synchronous),
        reading=_engine(file, "BEGIN", synchronous),
        errors=sqlite3.Error,
        translate=lambda error: _translate(error, file),
        stands=_stands,
        file=file,
    )


def _engine(file: Path, begin: str, synchronous: Synchronous) -> Engine:
    url = URL.create("sqlite+pysqlite", database=str(file))
    engine = create_engine(url, connect_args={"check_same_thread": False, "timeout": BUSY_SECONDS})

    @event.listens_for(engine, "connect")
    def prepare(connection: object, _: object) -> None:
        raw = cast("sqlite3.Connection", connection)
        raw.isolation_level = None
        raw.execute("PRAGMA journal_mode=WAL")
        raw.execute(f"PRAGMA synchronous={synchronous}")
        raw.execute("PRAGMA foreign_keys=ON")
        raw.execute(f"PRAGMA query_only={'ON' if begin == 'BEGIN' else 'OFF'}")

    @event.listens_for(engine, "begin")
    def start(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


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
