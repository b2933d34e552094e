"""What the database needs to know of SQLite or PostgreSQL, and how their errors become ours."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from onward.core import Busy, Damaged, InvalidInput, OnwardError


@dataclass(frozen=True, slots=True)
class Backend:
    """A database by its two doors.

    Whoever adds a back end keeps these rules; the contract suite in `tests/contracts` holds them.

    Args:
        name: what errors call it; it never holds a password.
        writing: its transactions exclude each other across threads, processes and machines, from begin to commit, and
            what they commit survives kill -9 and power loss.
        reading: its transactions see one committed state, cannot write, and wait for no writer.
        errors: what the driver raises.
        translate: an error of the driver as one of ours.
        stands: whether a transaction can go on after an error, once the savepoint before it is restored.
        file: the SQLite file; `None` where it is none.
    """

    name: str
    writing: Engine
    reading: Engine
    errors: type[Exception]
    translate: Callable[[BaseException], OnwardError]
    stands: Callable[[Connection], bool]
    file: Path | None = None

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Turn what the driver raises into errors of `onward.core`."""
        try:
            yield
        except DBAPIError as error:
            raise self.translate(error.orig or error) from error
        except self.errors as error:
            raise self.translate(error) from error
        except PoolTimeout as error:
            raise Busy(
                f"All connections to {self.name} are in use.",
                why="Too many threads read at once, or one keeps a connection.",
                mend="Try again.",
            ) from error
        except (OverflowError, UnicodeEncodeError) as error:
            raise unstorable(error) from error
        except UnicodeDecodeError as error:
            raise Damaged(
                f"{self.name} holds a text that is none.", why=f"{error}.", mend="Restore a back-up."
            ) from error


def driver(connection: Connection) -> Any:
    """The driver's own connection, for the hot path: SQLAlchemy takes 20 microseconds for a statement, SQLite three."""
    return connection.connection.driver_connection


def foreign(name: str, tables: Collection[str]) -> Damaged:
    """What is said of a database that is another program's."""
    return Damaged(
        f"{name} is no database of Onward.",
        why=f"It holds {', '.join(sorted(tables)[:3])}, and does not say which schema that is.",
        mend="Choose another place; or, if it was one, restore a back-up.",
    )


def unstorable(error: BaseException) -> InvalidInput:
    """What is said of a value that no column holds."""
    return InvalidInput("No number or text like that can be stored.", why=f"{error}.")
