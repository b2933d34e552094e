"""Leases: one holder at a time across threads, processes and machines that share the database.

What is guaranteed:

1. Of two that believe they hold a lease, only the one that took it last can commit under it: its token is checked in
   the transaction that it protects (`Lease.guard`).
2. Nobody takes a lease over from a holder that lives and renews it, whatever the clocks say: a lease that looks expired
   is first watched for half its length, by a clock that never jumps; a holder renews it every third of its length.
3. A holder that died is replaced at once by a process that can see that it is gone (same machine and container), else
   when its lease has expired and was watched.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection, Row, select, update

from onward.core import Busy, Clock, OnwardError, log

from ._database import Database
from ._process import is_gone, mark_of_process, name_of_process
from ._rows import insert_into
from ._schema import leases, stamp

SECONDS: Final = 60.0
FREE: Final = ""
_LEFT: Final[set[tuple[str, str, int]]] = set()
"""Database, lease and token of what this process holds no more, but could not give back."""


@dataclass(frozen=True, slots=True)
class Lease:
    """Held by whoever has its token; tokens only count up, so an old holder can always be told from the new one."""

    name: str
    token: int

    def guard(self, connection: Connection) -> None:
        """Call inside the transaction that the lease protects: it fails when somebody took the lease over.

        Raises:
            Busy: the lease was lost; the transaction must not commit.
        """
        token = connection.scalar(select(leases.c.token).where(leases.c.name == self.name))
        if token != self.token:
            raise Busy(
                f"The lease on {self.name!r} was lost to another holder.",
                why="This process paused for longer than the lease lasts.",
                mend="Nothing was changed; run it again.",
            )


@contextmanager
def hold(database: Database, name: str, clock: Clock, seconds: float = SECONDS) -> Iterator[Lease]:
    """Hold the lease of a name; a thread renews it until the end of the block.

    Taking over a lease that expired takes half of `seconds`; taking a free one, or being refused, takes no time.
    Everybody who holds a name gives the same `seconds`. What the block did stands even where the lease cannot be given
    back, as on a full disk: this process may take it again at once, others when it has expired.

    Raises:
        Busy: somebody else holds it.
    """
    with database.read() as connection:
        found = _found(connection, name)
    if not (_surely_free(found) or _is_left(database, name, found)):
        if _looks_alive(found, clock, seconds):
            raise _busy(name, found)
        _watch(database, name, found, seconds)
    lease = database.write(lambda c: _acquire(c, name, found, clock, seconds))
    stop = threading.Event()
    thread = threading.Thread(target=_renew, args=(database, lease, clock, seconds, stop), daemon=True)
    try:  # from here on, for whoever is interrupted while the thread starts must give the lease back too
        thread.start()
        yield lease
    finally:
        stop.set()
        if thread.ident is not None:
            thread.join()
        _give_back(database, lease)


def _found(connection: Connection, name: str) -> Row[Any] | None:
    return connection.execute(select(leases).where(leases.c.name == name)).first()


def _surely_free(found: Row[Any] | None) -> bool:
    return found is None or found.expires == FREE or is_gone(found.process)


def _is_left(database: Database, name: str, found: Row[Any] | None) -> bool:
    return found is not None and (database.backend.name, name, int(found.token)) in _LEFT


def _looks_alive(found: Row[Any] | None, clock: Clock, seconds: float) -> bool:
    """By the clock; an expiry further away than any holder sets it tells of nothing but a clock that jumped."""
    if found is None:
        return False
    now = clock.now()
    return stamp(now) < str(found.expires) <= stamp(now + timedelta(seconds=seconds))


def _watch(database: Database, name: str, found: Row[Any] | None, seconds: float) -> None:
    """See for longer than a renewal takes that nobody renews."""
    end = time.monotonic() + seconds / 2
    while time.monotonic() < end:
        time.sleep(seconds / 50)
        with database.read() as connection:
            now = _found(connection, name)
        if now != found:
            raise _busy(name, now)


def _busy(name: str, found: Row[Any] | None) -> Busy:
    who = f"{found.holder}, until {found.expires} at least" if found is not None and found.expires else "somebody else"
    return Busy(
        f"{name!r} is being worked on by {who}.",
        mend="Wait for it to end; a dead holder's lease expires by itself.",
    )


def _acquire(connection: Connection, name: str, seen: Row[Any] | None, clock: Clock, seconds: float) -> Lease:
    """Take what was seen to be free, unless somebody was quicker."""
    found = _found(connection, name)
    if found != seen:
        raise _busy(name, found)
    token = 1 if found is None else int(found.token) + 1
    values = {
        "holder": name_of_process(),
        "process": mark_of_process(),
        "token": token,
        "renewals": 0,
        "expires": stamp(clock.now() + timedelta(seconds=seconds)),
    }
    connection.execute(
        insert_into(connection, leases)
        .values(name=name, **values)
        .on_conflict_do_update(index_elements=["name"], set_=values)
    )
    return Lease(name, token)


def _renew(database: Database, lease: Lease, clock: Clock, seconds: float, stop: threading.Event) -> None:
    while not stop.wait(seconds / 3):
        expires = stamp(clock.now() + timedelta(seconds=seconds))
        try:
            database.write(partial(_set_expiry, lease=lease, expires=expires))
        except OnwardError as error:  # the next turn may succeed; if none does, the guard tells
            log.warning("lease not renewed", lease=lease.name, error=str(error))


def _give_back(database: Database, lease: Lease) -> None:
    try:
        database.write(lambda c: _set_expiry(c, lease, FREE))
    except OnwardError as error:
        _LEFT.add((database.backend.name, lease.name, lease.token))
        log.warning("lease not given back", lease=lease.name, error=str(error))


def _set_expiry(connection: Connection, lease: Lease, expires: str) -> None:
    own = (leases.c.name == lease.name) & (leases.c.token == lease.token)
    connection.execute(update(leases).where(own).values(expires=expires, renewals=leases.c.renewals + 1))
