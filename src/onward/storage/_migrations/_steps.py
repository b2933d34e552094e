"""Which steps there are, and taking them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection

from ._schema_1 import to_schema_1
from ._schema_2 import to_schema_2

if TYPE_CHECKING:
    from alembic.operations import Operations

STEPS: Final[Mapping[int, Callable[[Operations], None]]] = {1: to_schema_1, 2: to_schema_2}


def migrate(connection: Connection, found: int, wanted: int) -> None:
    """Take the steps after schema `found` up to `wanted`, inside the caller's transaction; 0 is an empty database.

    On both back ends a transaction covers tables as well as rows: killed in the middle, nothing has happened.
    """
    from alembic.operations import Operations
    from alembic.runtime.migration import MigrationContext

    operations = Operations(MigrationContext.configure(connection))
    for number in range(found + 1, wanted + 1):
        STEPS[number](operations)
