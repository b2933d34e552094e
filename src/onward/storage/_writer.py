"""One thread that commits for all who wait (group commit), and for those who do not."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter
from typing import Any, Final, TypeVar

from sqlalchemy import Connection

from onward.core import Unavailable, log

from ._backend import Backend, driver
from ._journal import Intake, Record, weight
from ._prepare import check_current

T = TypeVar("T")
Work = Callable[[Connection], T]

RECORDS_WAITING: Final = 10_000
TEXT_WAITING: Final = 64 * 2**20
COMMIT_TOGETHER: Final = 2_048
WAKE_AT_ONCE: Final = 2


@dataclass(slots=True, eq=False)
class Piece:
    """What one caller wants written, and what came of it: rows for a journal, or work of any kind.

    Args:
        gate: held until the piece is durable, or has failed; `None` where nobody waits for it.
        following: who is woken by whoever waits for this piece.
        queued: the writer has it, or had it.
        done: it is durable, or has failed.
    """

    work: Work[Any] | None = None
    journal: Intake | None = None
    rows: Sequence[Record] = ()
    gate: threading.Lock | None = None
    answer: Any = None
    error: BaseException | None = None
    following: Piece | None = None
    queued: bool = False
    done: bool = False
    records: int = field(init=False)
    text: int = field(init=False)

    def __post_init__(self) -> None:
        self.records, self.text = max(len(self.rows), 1), weight(self.rows)
        if self.gate is not None:
            self.gate.acquire()

    def wait(self) -> Any:
        """The answer, once it is durable.

        Raises:
            Exception: why nothing of it is written.
        """
        if self.gate is not None:
            self.gate.acquire()
            wake(self.following)
        if self.error is not None:
            raise self.error
        return self.answer

    def leave(self) -> None:
        """Its caller waits no longer, for it was interrupted, say. Others may wait for being woken by that caller."""
        if self.done:
            wake(self.following)
        elif self.queued:
            threading.Thread(target=self._wake_the_next, daemon=True).start()

    def _wake_the_next(self) -> None:
        while not self.done:
            time.sleep(0.01)
        wake(self.following)


def wake(piece: Piece | None) -> None:
    """Let whoever waits for a piece go on; twice does no harm."""
    if piece is not None and piece.gate is not None:
        with suppress(RuntimeError):
            piece.gate.release()


class Writer:
    """Takes what waits, in order, into one transaction after the other, on the only connection that writes.

    Whoever calls may be interrupted (Ctrl-C) between any two steps: so a piece is queued whole or not at all, and who
    sleeps does so on a lock that another releases, not on a condition, whose waiting list an interrupt tears. A forked
    process has no writer, and is told so at once.

    A piece that fails takes only itself back. Rows of one journal that follow each other go in by few statements.
    Those who wait wake each other, a few at a time: hundreds of threads that woke at once would fight for the
    interpreter, and the writer would have to stand in line behind them.

    Args:
        backend: where to.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._pieces: deque[Piece] = deque()
        self._records = self._text = 0
        self._lock, self._alarm = threading.Lock(), threading.Lock()
        self._held_up: list[threading.Lock] = []
        self._last_buffered: Piece | None = None
        self._closed, self._process = False, os.getpid()
        self._thread: threading.Thread | None = None
        self.lost: BaseException | None = None

    @property
    def waiting(self) -> int:
        """How many pieces wait."""
        return len(self._pieces)

    @property
    def behind(self) -> bool:
        """Whether anything that nobody waits for is not committed yet."""
        return self._last_buffered is not None and not self._last_buffered.done

    @property
    def is_me(self) -> bool:
        """Whether the caller is the thread that writes."""
        return threading.current_thread() is self._thread

    def put(self, piece: Piece) -> None:
        """Have a piece written; wait while too much waits. What it raises, it raises before anything is queued.

        Raises:
            Unavailable: the writer is closed, or another process's.
        """
        while True:
            self.check_open()
            with self._lock:
                if self._closed or not self._is_full(piece):
                    self.check_open()
                    self._awaken()
                    self._queue(piece)
                    return
                room = threading.Lock()
                room.acquire()
                self._held_up.append(room)
            room.acquire()

    def _awaken(self) -> None:
        """See to it that a thread writes: the first that comes to it, for an interrupted start may come to nothing."""
        if self._thread is None:
            threading.Thread(target=self._commit_for_all, name="onward-writer", daemon=True).start()

    def _queue(self, piece: Piece) -> None:
        last_buffered = self._last_buffered
        try:
            self._pieces.append(piece)
            piece.queued = True
            self._count(piece, 1)
            if piece.gate is None:
                self._last_buffered = piece
            self._ring()
        except BaseException:  # interrupted: as if it had never come. The lock is held, so that it is still the last
            if self._pieces and self._pieces[-1] is piece:
                self._pieces.pop()
            piece.queued, self._last_buffered = False, last_buffered
            self._records = sum(one.records for one in self._pieces)
            self._text = sum(one.text for one in self._pieces)
            raise

    def _count(self, piece: Piece, sign: int) -> None:
        self._records += sign * piece.records
        self._text += sign * piece.text

    def _ring(self) -> None:
        """Wake the writer, or have it look again before it sleeps. Call with the lock held: then only it takes hold."""
        if self._alarm.locked():
            self._alarm.release()

    def take_lost(self) -> BaseException | None:
        """`lost`, and nothing is lost from now on."""
        with self._lock:
            lost, self.lost = self.lost, None
        return lost

    @property
    def is_forked(self) -> bool:
        """Whether this is another process than the one that opened the workspace: it has no writer here."""
        return os.getpid() != self._process

    def check_open(self) -> None:
        """Raises: Unavailable: it is closed, or this process was forked since it was opened."""
        if self.is_forked:
            raise Unavailable(
                "This workspace was opened before this process was forked.",
                why="Threads and connections do not survive a fork.",
                mend="Open it again in the child.",
            )
        if self._closed:
            raise Unavailable("This workspace is closed.", mend="Open it again.")

    def close(self) -> None:
        """Commit what waits, then end."""
        with self._lock:
            self._closed = True
            self._ring()
            self._let_in()
        while self._thread is None and self._pieces:
            time.sleep(0.001)  # a thread was started, and comes to them in a moment
        if self._thread is not None:
            self._thread.join()

    def _let_in(self) -> None:
        """Have those who were held up look again."""
        for room in self._held_up:
            if room.locked():
                room.release()
        self._held_up.clear()

    def _is_full(self, piece: Piece) -> bool:
        """A piece that is too large by itself has the queue for itself."""
        much = self._records + piece.records > RECORDS_WAITING or self._text + piece.text > TEXT_WAITING
        return much and bool(self._pieces)

    def _commit_for_all(self) -> None:
        with self._lock:
            if self._thread is not None:
                return
            self._thread = threading.current_thread()
        while batch := self._next():
            self._commit(batch)
            self._end([piece for piece in batch if piece.gate is None])
            _link([piece for piece in batch if piece.gate is not None])
            batch.clear()

    def _next(self) -> list[Piece]:
        """What is to be committed together; nothing once the writer is closed and all is done."""
        while True:
            with self._lock:
                if self._pieces or self._closed:
                    return self._taken()
            self._alarm.acquire()

    def _taken(self) -> list[Piece]:
        batch: list[Piece] = []
        records = 0
        while self._pieces and (not batch or records + self._pieces[0].records <= COMMIT_TOGETHER):
            batch.append(self._pieces.popleft())
            records += batch[-1].records
            self._count(batch[-1], -1)
        self._let_in()
        return batch

    def _commit(self, batch: list[Piece]) -> None:
        try:
            with self._backend.explained(), self._backend.writing.begin() as connection:
                check_current(connection, self._backend)
                if len(batch) == 1:
                    batch[0].answer = _do(batch[0], connection)
                else:
                    self._do_all(batch, connection)
        except BaseException as error:  # noqa: BLE001 - those who wait must hear of everything
            for piece in batch:
                piece.error = error

    def _do_all(self, batch: Iterable[Piece], connection: Connection) -> None:
        for journal, run in groupby(batch, key=attrgetter("journal")):
            if journal is None:
                for piece in run:
                    self._try(piece, connection)
            else:
                self._add(journal, list(run), connection)

    def _try(self, piece: Piece, connection: Connection) -> None:
        done, answer = self._attempt(lambda c: _do(piece, c), connection)
        if done:
            piece.answer = answer
        else:
            piece.error = answer

    def _add(self, journal: Intake, run: list[Piece], connection: Connection) -> None:
        """Add the rows of all pieces at once; where not all of them, or none, are new, or one fails, by halves."""
        if len(run) == 1:
            self._try(run[0], connection)
            return
        rows = [row for piece in run for row in piece.rows]

        def add(connection: Connection) -> int:
            new = journal.add(connection, rows)
            if 0 < new < len(rows):
                raise _MixedError
            return new

        done, new = self._attempt(add, connection)
        if done:
            for piece in run:
                piece.answer = len(piece.rows) if new else 0
            return
        half = len(run) // 2
        self._add(journal, run[:half], connection)
        self._add(journal, run[half:], connection)

    def _attempt(self, work: Work[Any], connection: Connection) -> tuple[bool, Any]:
        """Whether a piece of work is done, and its result; else its failure, with everything it wrote taken back.

        Where the whole transaction is lost, the failure is everybody's.
        """
        raw = driver(connection)
        raw.execute("SAVEPOINT piece")
        try:
            with self._backend.explained():
                result: tuple[bool, Any] = True, work(connection)
        except Exception as error:  # whatever one raises must not take the others back
            if not self._backend.stands(connection):
                raise
            raw.execute("ROLLBACK TO SAVEPOINT piece")
            result = False, error
        raw.execute("RELEASE SAVEPOINT piece")
        return result

    def _end(self, buffered: Sequence[Piece]) -> None:
        errors = [piece.error for piece in buffered if piece.error is not None]
        for piece in buffered:
            piece.done = True
        if errors:
            with self._lock:
                self.lost = self.lost or errors[0]
            log.error("buffered records lost", pieces=len(errors), exc_info=errors[0])


class _MixedError(Exception):
    """Some rows were new and some were not: whose they are is not known."""


def _do(piece: Piece, connection: Connection) -> Any:
    if piece.journal is not None:
        return piece.journal.add(connection, piece.rows)
    return None if piece.work is None else piece.work(connection)


def _link(awaited: Sequence[Piece]) -> None:
    """Have those who wait wake each other, and wake the first of them."""
    for piece, following in zip(awaited, awaited[WAKE_AT_ONCE:], strict=False):
        piece.following = following
    for piece in awaited:
        piece.done = True
    for piece in awaited[:WAKE_AT_ONCE]:
        wake(piece)
