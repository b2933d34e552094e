"""Leases: one holder at a time across threads, processes and machines that share the database."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Final

from sqlalchemy import Connection, select, update
from sqlalchemy.dialects.sqlite import insert

from onward.core import Busy, Clock, OnwardError, log

from ._database import Database
from ._schema import leases, stamp

SECONDS: Final = 60.0
FREE: Final = ""


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

    A lease whose holder died is taken over when it expires, or at once when the holder was a process of this machine
    that is gone.

    Raises:
        Busy: somebody else holds it.
    """
    lease = database.write(lambda c: _acquire(c, name, clock, seconds))
    stop = threading.Event()
    thread = threading.Thread(target=_renew, args=(database, lease, clock, seconds, stop), daemon=True)
    thread.start()
    try:
        yield lease
    finally:
        stop.set()
        thread.join()
        database.write(lambda c: _set_expiry(c, lease, FREE))


def _acquire(connection: Connection, name: str, clock: Clock, seconds: float) -> Lease:
    now = clock.now()
    row = connection.execute(select(leases).where(leases.c.name == name)).first()
    if row is not None and row.expires > stamp(now) and not _is_gone(row.holder):
        raise Busy(
            f"{name!r} is being worked on by {row.holder}, until {row.expires} at least.",
            mend="Wait for it to end; a dead holder's lease expires by itself.",
        )
    token = 1 if row is None else row.token + 1
    values = {"holder": _me(), "token": token, "expires": stamp(now + timedelta(seconds=seconds))}
    connection.execute(
        insert(leases).values(name=name, **values).on_conflict_do_update(index_elements=["name"], set_=values)
    )
    return Lease(name, token)


def _renew(database: Database, lease: Lease, clock: Clock, seconds: float, stop: threading.Event) -> None:
    while not stop.wait(seconds / 3):
        expires = stamp(clock.now() + timedelta(seconds=seconds))
        try:
            database.write(partial(_set_expiry, lease=lease, expires=expires))
        except OnwardError as error:  # the next turn may succeed; if none does, the guard tells
            log.warning("lease not renewed", lease=lease.name, error=str(error))


def _set_expiry(connection: Connection, lease: Lease, expires: str) -> None:
    own = (leases.c.name == lease.name) & (leases.c.token == lease.token)
    connection.execute(update(leases).where(own).values(expires=expires))


def _me() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


def _is_gone(holder: str) -> bool:
    host, _, process = holder.rpartition(":")
    if host != socket.gethostname():
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
