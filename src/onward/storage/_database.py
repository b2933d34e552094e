"""The SQL side of a workspace: readers, and one writer that commits for all who wait."""

from __future__ import annotations

import queue
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar, cast

from sqlalchemy import URL, Connection, Engine, create_engine, event, insert, select
from sqlalchemy.exc import DatabaseError, OperationalError

from onward.core import Busy, Damaged, InvalidInput, OnwardError, Unavailable

from ._schema import SCHEMA_VERSION, meta, metadata

T = TypeVar("T")
Work = Callable[[Connection], T]

WAITING_AT_MOST: Final = 10_000
COMMIT_TOGETHER: Final = 512
BUSY_SECONDS: Final = 30


class Database:
    """SQLite in WAL mode. Safe to share between threads; several processes may open the same file.

    Durability: when `write` returns, what it wrote survives kill -9 and power loss (synchronous=FULL).
    Ownership: one thread owns the only connection that writes; it takes all work that waits into one transaction,
    each piece in a savepoint, so that a piece that fails takes only itself back.
    Back-pressure: with 10,000 pieces waiting, `write` blocks.
    Reading never waits for writing, and sees only what is committed.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        file.touch(mode=0o600)
        self._writing = _engine(file, begin="BEGIN IMMEDIATE")
        self._reading = _engine(file, begin="BEGIN")
        self._waiting: queue.Queue[tuple[Work[Any], Future[Any]] | None] = queue.Queue(WAITING_AT_MOST)
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._closed = False
        try:
            with _explained(file):
                self._prepare()
        except OnwardError:
            self.close()
            raise

    def _prepare(self) -> None:
        with self._writing.begin() as connection:
            metadata.create_all(connection)
            found = connection.scalar(select(meta.c.value).where(meta.c.key == "schema"))
            if found is None:
                connection.execute(insert(meta).values(key="schema", value=str(SCHEMA_VERSION)))
            elif found != str(SCHEMA_VERSION):
                raise Damaged(
                    f"{self.file} has schema {found}; this Onward knows {SCHEMA_VERSION}.",
                    mend="Install the Onward that wrote it, or a newer one.",
                )

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection that sees one consistent state, and cannot write.

        Raises:
            Unavailable: the workspace is closed, or the file cannot be read.
        """
        self._check_open()
        with _explained(self.file), self._reading.connect() as connection:
            yield connection

    def copy(self, target: Path) -> None:
        """Write a copy of the database as of one moment to a new file; readers and the writer go on meanwhile.

        Raises:
            Unavailable: the workspace is closed, or the file cannot be written.
        """
        try:
            with self.read() as connection, closing(sqlite3.connect(target)) as copied:
                cast("sqlite3.Connection", connection.connection.driver_connection).backup(copied)
        except sqlite3.Error as error:
            raise Unavailable(f"{target} cannot be written: {error}.", mend="Check space and permissions.") from error

    def write(self, work: Work[T]) -> T:
        """Run `work` on the writing connection; return its result once it is durable.

        Raises:
            Busy: another process held the database for too long.
            Unavailable: the disk is full, read-only or not ours; nothing was written.
            Exception: whatever `work` raises; then nothing of it is written.
        """
        if threading.current_thread() is self._thread:
            raise RuntimeError("`write` inside `write` would wait for itself: use the connection at hand")
        future: Future[T] = Future()
        with self._lock:
            self._check_open()
            if self._thread is None:
                self._thread = threading.Thread(target=self._commit_for_all, name="onward-writer", daemon=True)
                self._thread.start()
            self._waiting.put((work, future))  # under the lock: nothing may come after what `close` puts
        return future.result()

    def close(self) -> None:
        """Commit what waits, then let go of the file. Closing twice is closing once."""
        with self._lock:
            self._closed, thread = True, self._thread
            self._thread = None
        if thread is not None:
            self._waiting.put(None)
            thread.join()
        self._writing.dispose()
        self._reading.dispose()

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable("This workspace is closed.", mend="Open it again.")

    def _commit_for_all(self) -> None:
        while (first := self._waiting.get()) is not None:
            batch, last = [first], False
            while len(batch) < COMMIT_TOGETHER and not self._waiting.empty():
                piece = self._waiting.get()
                if piece is None:
                    last = True
                    break
                batch.append(piece)
            self._commit(batch)
            if last:
                return

    def _commit(self, batch: list[tuple[Work[Any], Future[Any]]]) -> None:
        done: list[tuple[Future[Any], Any]] = []
        try:
            with _explained(self.file), self._writing.begin() as connection:
                done = [(future, _attempt(work, connection, self.file)) for work, future in batch]
        except BaseException as error:  # noqa: BLE001 - those who wait must hear of everything
            done = [(future, _Failure(error)) for _, future in batch]
        for future, result in done:
            if isinstance(result, _Failure):
                future.set_exception(result.error)
            else:
                future.set_result(result)


class _Failure:
    __slots__ = ("error",)

    def __init__(self, error: BaseException) -> None:
        self.error = error


def _attempt(work: Work[Any], connection: Connection, file: Path) -> Any:
    """The result of one piece of work, or its failure with everything it wrote taken back.

    A full disk makes SQLite take back the whole transaction: then the failure is everybody's.
    """
    savepoint = connection.begin_nested()
    try:
        with _explained(file):
            result = work(connection)
    except Exception as error:  # whatever one raises must not take the others back
        if not cast("sqlite3.Connection", connection.connection.driver_connection).in_transaction:
            raise
        savepoint.rollback()
        return _Failure(error)
    savepoint.commit()
    return result


def _engine(file: Path, begin: str) -> Engine:
    url = URL.create("sqlite+pysqlite", database=str(file))
    engine = create_engine(url, connect_args={"check_same_thread": False, "timeout": BUSY_SECONDS})

    @event.listens_for(engine, "connect")
    def prepare(connection: object, _: object) -> None:
        raw = cast("sqlite3.Connection", connection)
        raw.isolation_level = None
        raw.execute("PRAGMA journal_mode=WAL")
        raw.execute("PRAGMA synchronous=FULL")
        raw.execute("PRAGMA foreign_keys=ON")
        raw.execute(f"PRAGMA query_only={'ON' if begin == 'BEGIN' else 'OFF'}")

    @event.listens_for(engine, "begin")
    def start(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


@contextmanager
def _explained(file: Path) -> Iterator[None]:
    try:
        yield
    except DatabaseError as error:
        raise _translate(error, file) from error
    except (OverflowError, UnicodeEncodeError) as error:
        raise InvalidInput("No number or text like that can be stored.", why=f"{error}.") from error


def _translate(error: DatabaseError, file: Path) -> OnwardError:
    text = str(error.orig)
    if "locked" in text or "busy" in text:
        return Busy(f"{file} is held by another process.", mend="Try again; see who holds it with: onward status")
    if isinstance(error, OperationalError):
        return Unavailable(f"{file} cannot be used: {text}.", mend="Check free space and permissions of its folder.")
    return Damaged(f"{file} refuses: {text}.", mend="Restore a back-up.")
