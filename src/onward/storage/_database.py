"""The SQL side of a workspace: readers, and one writer that commits for all who wait."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Row, Select

from onward.core import OnwardError, Unavailable

from ._backend import Backend, driver
from ._copy import copy_database, copy_rows
from ._prepare import check_current, is_current, prepare
from ._sqlite import sqlite_backend

T = TypeVar("T")
Work = Callable[[Connection], T]

WAITING_AT_MOST: Final = 10_000
COMMIT_TOGETHER: Final = 512
ROWS_AT_ONCE: Final = 1_000


class Database:
    """SQLite or PostgreSQL. Safe to share between threads; several processes may open the same one.

    Durability: when `write` returns, what it wrote survives kill -9 and power loss. When `write` raises, nothing of it
    is stored; only where the connection to a server broke during the commit itself is it stored whole or not at all.
    Ownership: one thread owns the only connection that writes; it takes all work that waits into one transaction,
    each piece in a savepoint, so that a piece that fails takes only itself back. Writers of other processes wait for
    their turn: rows are numbered in the order in which they are committed.
    Back-pressure: with 10,000 pieces waiting, `write` blocks.
    Reading never waits for writing, and sees only what is committed.

    Args:
        place: a SQLite file, or a back end.
        create: make the tables where there are none.

    Raises:
        NotFound: there are no tables, and `create` is off.
        Damaged: what is there is no database of Onward, or of a newer one.
        Unavailable, Busy: it cannot be reached.
    """

    def __init__(self, place: Path | Backend, *, create: bool = True) -> None:
        self.backend = sqlite_backend(place) if isinstance(place, Path) else place
        self._waiting: queue.Queue[tuple[Work[Any], Future[Any]] | None] = queue.Queue(WAITING_AT_MOST)
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._closed = False
        try:
            with self.backend.explained():
                if not is_current(self.backend):
                    prepare(self.backend, create=create)
        except OnwardError:
            self.close()
            raise

    @property
    def file(self) -> Path:
        """The SQLite file.

        Raises:
            Unavailable: the database is on a server.
        """
        if self.backend.file is None:
            raise Unavailable(f"{self.backend.name} is no file.", mend="Use `copy`.")
        return self.backend.file

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection that sees one consistent state, and cannot write.

        Raises:
            Unavailable: the workspace is closed, or the database cannot be read.
        """
        self._check_open()
        with self.backend.explained(), self.backend.reading.connect() as connection:
            yield connection

    def stream(self, query: Select[Any], at_once: int = ROWS_AT_ONCE) -> Iterator[Row[Any]]:
        """The rows of a query as of one moment, few of them in memory; it reads until the last is taken, or `close`.

        Raises:
            Unavailable: as `read`.
        """
        few = {"yield_per": at_once}
        with self.read() as connection, connection.execute(query, execution_options=few) as rows:
            yield from rows

    def copy(self, target: Path) -> None:
        """Write a copy of the database as of one moment to a new SQLite file; readers and the writer go on meanwhile.

        Raises:
            Unavailable: the workspace is closed, or the file cannot be written.
        """
        with self.read() as connection:
            copy_database(connection, target)

    def load(self, source: Path) -> None:
        """Take over every row of a copy, in one transaction. A copy of an older schema is brought up first.

        Raises:
            InvalidInput: there is something in this database already.
            Damaged: the copy is not a whole database of Onward.
        """
        with closing(Database(source, create=False)) as copied, copied.read() as rows:
            self.write(lambda connection: copy_rows(rows, connection))

    def write(self, work: Work[T]) -> T:
        """Run `work` on the writing connection; return its result once it is durable.

        Raises:
            Busy: another process held the database for too long.
            Unavailable: the disk is full, read-only or not ours, or the server is gone.
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
        """Commit what waits, then let go of the database. Closing twice is closing once."""
        with self._lock:
            self._closed, thread = True, self._thread
            self._thread = None
        if thread is not None:
            self._waiting.put(None)
            thread.join()
        self.backend.writing.dispose()
        self.backend.reading.dispose()

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
            with self.backend.explained(), self.backend.writing.begin() as connection:
                check_current(connection, self.backend)
                if len(batch) == 1:
                    done = [(batch[0][1], batch[0][0](connection))]
                else:
                    done = [(future, _attempt(work, connection, self.backend)) for work, future in batch]
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


def _attempt(work: Work[Any], connection: Connection, backend: Backend) -> Any:
    """The result of one piece of work, or its failure with everything it wrote taken back.

    Where the whole transaction is lost, the failure is everybody's.
    """
    raw = driver(connection)
    raw.execute("SAVEPOINT piece")
    try:
        with backend.explained():
            result = work(connection)
    except Exception as error:  # whatever one raises must not take the others back
        if not backend.stands(connection):
            raise
        raw.execute("ROLLBACK TO SAVEPOINT piece")
        result = _Failure(error)
    raw.execute("RELEASE SAVEPOINT piece")
    return result
