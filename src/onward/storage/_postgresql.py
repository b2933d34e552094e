"""PostgreSQL, through psycopg 3."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, cast

from sqlalchemy import URL, Connection, Engine, create_engine, event

from onward.core import Busy, Damaged, InvalidInput, MissingExtra, OnwardError, Unavailable, masked

from ._backend import Backend, driver, unstorable

if TYPE_CHECKING:
    import psycopg

# A hosted server that vanished is noticed within a minute or so, not after the system's two hours.
CONNECT: Final = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
    "application_name": "onward",
    "client_encoding": "utf8",
}
# A writer that was paused in mid-transaction is cut off by the server, so that others go on. Readers hold up nobody.
WRITES: Final = """
SET lock_timeout = '30s';
SET idle_in_transaction_session_timeout = '60s';
SELECT set_config('synchronous_commit', 'on', false)
    WHERE current_setting('synchronous_commit') IN ('off', 'local', 'remote_write');
"""
ONE_WRITER: Final = "SELECT pg_advisory_xact_lock(hashtextextended('onward.' || current_schema(), 0))"

CHECK_SERVER: Final = "Check that the server runs and accepts this user: psql with the same URL."
NO_DATABASE: Final = "3D000"
MISSING: Final = re.compile('database ".*" does not exist')  # refused connections carry no code
MENDS: Final = {
    "3D": "Make it first: createdb --encoding UTF8 NAME",
    "42": "Grant the user the rights to make and change tables in its schema.",
    "53": "Give the server space on its disk, or more connections.",
}
NOT_NOW: Final = {"55P03", "57014", "40001", "40P01"}  # lock timeout, cancelled, serialisation, deadlock


def postgresql_backend(url: URL) -> Backend:
    """A database of a PostgreSQL server; it must exist, with the encoding UTF8.

    Raises:
        MissingExtra: psycopg is not installed.
    """
    try:
        import psycopg
    except ImportError as error:
        raise MissingExtra("psycopg", "postgres") from error
    name = masked(url.render_as_string(hide_password=True))
    return Backend(
        name=name,
        writing=_engine(url, writes=True),
        reading=_engine(url, writes=False),
        errors=psycopg.Error,
        translate=lambda error: _translate(error, name, (url.password, url.query.get("password"))),
        stands=_stands,
    )


def _engine(url: URL, *, writes: bool) -> Engine:
    arguments = {key: value for key, value in CONNECT.items() if key not in url.query}
    engine = create_engine(url.set(drivername="postgresql+psycopg"), connect_args=arguments, pool_pre_ping=True)

    from psycopg import IsolationLevel

    isolation = IsolationLevel.READ_COMMITTED if writes else IsolationLevel.REPEATABLE_READ

    @event.listens_for(engine, "connect")
    def prepare(connection: object, _: object) -> None:
        raw = cast("psycopg.Connection", connection)
        raw.autocommit = True
        if writes:
            raw.execute(WRITES)
        raw.autocommit = False
        raw.isolation_level = isolation
        raw.read_only = not writes

    if writes:

        @event.listens_for(engine, "begin")
        def start(connection: Connection) -> None:
            connection.exec_driver_sql(ONE_WRITER)

    return engine


def _stands(connection: Connection) -> bool:
    if connection.invalidated:
        return False
    return not driver(connection).closed


def _translate(error: BaseException, name: str, passwords: tuple[object, ...]) -> OnwardError:
    text = " ".join(str(error).split())
    state = getattr(error, "sqlstate", None) or (NO_DATABASE if MISSING.search(text) else "")
    for password in filter(None, passwords):
        text = text.replace(str(password), "***")
    if state in NOT_NOW:
        return Busy(f"{name} is held by another process.", why=f"{text}.", mend="Try again.")
    if state[:2] in ("22", "54") or type(error).__name__ == "DataError":
        return unstorable(ValueError(text))
    if state[:2] in ("23", "XX", "58"):
        return Damaged(f"{name} refuses: {text}.", mend="Restore a back-up.")
    return Unavailable(f"{name} cannot be used: {text}.", mend=MENDS.get(state[:2], CHECK_SERVER))


def check_encoding(connection: Connection, name: str) -> None:
    """Text comes back as it was only from a database that knows Unicode.

    Raises:
        InvalidInput: the database has another encoding.
    """
    found = connection.exec_driver_sql("SHOW server_encoding").scalar()
    if found != "UTF8":
        raise InvalidInput(f"{name} has the encoding {found}.", mend="Make another: createdb --encoding UTF8 NAME")
