"""The SQL side of a workspace: readers, and one writer that commits for all who wait."""

from __future__ import annotations

import atexit
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar, cast
from weakref import WeakSet

from sqlalchemy import Connection

from onward.core import OnwardError, Unavailable

from ._backend import Backend
from ._copy import copy_rows
from ._journal import Intake, Record
from ._prepare import is_current, prepare
from ._sqlite import sqlite_backend
from ._writer import Piece, Work, Writer

T = TypeVar("T")

LOST: Final = "Nothing else was harmed; record them again (the same id twice is once)."


_OPEN: Final[WeakSet[Database]] = WeakSet()


class Holder(Protocol):
    """Collects what is to be buffered, to hand over much at once."""

    def hand_over(self, *, last: bool = False) -> None:
        """Buffer what was collected; after the `last` time take nothing any more."""
        ...


class Database:
    """SQLite or PostgreSQL. Safe to share between threads; several processes may open the same one.

    Durability: when `write` or `append` returns, what it wrote survives kill -9 and power loss. When it raises, nothing
    of it is stored; only where the connection to a server broke during the commit itself is it stored whole or not at
    all. What `buffer` took is written in its turn, by the next commits; `flush` and `close` wait for it.
    Ownership: one thread owns the only connection that writes; it takes all work that waits into one transaction,
    each piece in a savepoint, so that a piece that fails takes only itself back. Writers of other processes wait for
    their turn: rows are numbered in the order in which they are committed.
    Back-pressure: with 10,000 records, or 64 Mi characters of them, waiting, all of these block.
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
        self.backend = sqlite_backend(place, create=create) if isinstance(place, Path) else place
        self._writer = Writer(self.backend)
        self._holders: WeakSet[Holder] = WeakSet()
        try:
            with self.backend.explained():
                if not is_current(self.backend):
                    prepare(self.backend, create=create)
        except OnwardError:
            self.close()
            raise
        _OPEN.add(self)

    @property
    def file(self) -> Path:
        """The SQLite file.

        Raises:
            Unavailable: the database is on a server.
        """
        if self.backend.file is None:
            raise Unavailable(f"{self.backend.name} is no file.", mend="Ask the server for a copy: pg_dump.")
        return self.backend.file

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection that sees one consistent state, and cannot write.

        Raises:
            Unavailable: the workspace is closed, or the database cannot be read.
        """
        self._writer.check_open()
        with self.backend.explained(), self.backend.reading.connect() as connection:
            yield connection

    def load(self, source: Path) -> None:
        """Take over every row of a SQLite file, in one transaction. One of an older schema is brought up first.

        Raises:
            InvalidInput: there is something in this database already.
            Damaged: the file is not a whole database of Onward.
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
        return cast("T", self._wait_for(Piece(work=work, gate=threading.Lock())))

    def append(self, journal: Intake, rows: Sequence[Record]) -> int:
        """Add rows to a journal; return how many were new, once they are durable. All of them, or none.

        Raises:
            Busy, Unavailable: as `write`.
            InvalidInput: one of them cannot be stored.
        """
        return int(self._wait_for(Piece(journal=journal, rows=rows, gate=threading.Lock())))

    def buffer(self, journal: Intake, rows: Sequence[Record]) -> None:
        """Add rows to a journal soon, in order with everything else; see `flush`.

        Raises:
            Unavailable: the workspace is closed.
        """
        self._put(Piece(journal=journal, rows=rows))

    def flush(self) -> None:
        """Return once everything that was buffered before is durable.

        Raises:
            Unavailable: something that was buffered since the last `flush` could not be stored, and is lost.
        """
        self._writer.check_open()
        self.settle()
        self._raise_lost()

    def check_open(self) -> None:
        """Raises: Unavailable: the workspace is closed."""
        self._writer.check_open()

    def settle(self) -> None:
        """Return once what was buffered before is durable, or known to be lost: for who looks for what is not there."""
        if self._writer.behind:
            with suppress(OnwardError):  # it may share a commit that fails: then that is over, too
                self.write(lambda _: None)

    def close(self) -> None:
        """Commit what waits, then let go of the database. Closing twice is closing once.

        In a process that was forked since it was opened nothing happens: all of it is the parent's.

        Raises:
            Unavailable: as `flush`; the database is let go of all the same.
        """
        if self.is_forked:
            return
        _OPEN.discard(self)
        self._collect(last=True)
        self._writer.close()
        self.backend.writing.dispose()
        self.backend.reading.dispose()
        self._raise_lost()

    def finish(self) -> None:
        """Write what is buffered, and what is still collected for that."""
        if not self.is_forked:
            self._collect()
            self.settle()

    def _collect(self, *, last: bool = False) -> None:
        for holder in tuple(self._holders):
            holder.hand_over(last=last)

    def serve(self, holder: Holder) -> None:
        """Have somebody who holds back what is to be buffered hand it over before the database is closed."""
        self._holders.add(holder)

    @property
    def waiting(self) -> int:
        """How many calls' writing waits for the writer."""
        return self._writer.waiting

    @property
    def lost(self) -> BaseException | None:
        """Why something that was buffered since the last `flush` is lost; `None` where nothing is."""
        return self._writer.lost

    @property
    def is_forked(self) -> bool:
        """Whether this process was forked since the database was opened: nothing can be done with it here."""
        return self._writer.is_forked

    def _wait_for(self, piece: Piece) -> Any:
        try:
            self._put(piece)
            return piece.wait()
        except BaseException:
            piece.leave()
            raise

    def _put(self, piece: Piece) -> None:
        if self._writer.is_me:
            raise RuntimeError("`write` inside `write` would wait for itself: use the connection at hand")
        self._writer.put(piece)

    def _raise_lost(self) -> None:
        lost = self._writer.take_lost()
        if lost is not None:
            raise Unavailable("Records that were buffered are lost.", why=str(lost), mend=LOST) from lost


@atexit.register
def _finish() -> None:
    """Write what is buffered still, where a process ends without closing its databases."""
    for database in tuple(_OPEN):
        with suppress(OnwardError):  # what is lost was logged, and nobody is left to be told
            database.finish()
