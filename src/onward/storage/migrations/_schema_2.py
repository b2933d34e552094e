"""Schema 2: who said a feedback, when each record came in, how many there are, and which process holds a lease."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import BigInteger, Column, Connection, Integer, String, text

if TYPE_CHECKING:
    from alembic.operations import Operations

NAME = String().with_variant(String(collation="C"), "postgresql")
NUMBER = BigInteger().with_variant(Integer(), "sqlite")
KNOWN_USER = text('"user" IS NOT NULL')
PAGE = text("SELECT sequence, body FROM feedback WHERE sequence > :after ORDER BY sequence LIMIT 1000")
SPEAKER = text('UPDATE feedback SET "user" = :user WHERE sequence = :sequence')
COUNT = """
INSERT INTO tallies (tenant, name, rows) SELECT tenant, '{table}', count(*) FROM {table} GROUP BY tenant
"""


def to_schema_2(op: Operations) -> None:
    """Add the columns, indexes and counts, and fill in what older rows say."""
    op.add_column("feedback", Column("user", NAME))
    _fill_in_speakers(op.get_bind())
    for table, one in (("interactions", "interaction"), ("feedback", "feedback")):
        op.add_column(table, Column("recorded", NAME))
        op.create_index(f"{one}_order", table, ["tenant", "sequence"])
        op.create_index(f"{one}_user", table, ["tenant", "user"], sqlite_where=KNOWN_USER, postgresql_where=KNOWN_USER)
    op.create_table(
        "tallies",
        Column("tenant", NAME, primary_key=True),
        Column("name", NAME, primary_key=True),
        Column("rows", NUMBER, nullable=False),
    )
    for table in ("interactions", "feedback"):
        op.execute(COUNT.format(table=table))
    op.add_column("leases", Column("process", NAME, nullable=False, server_default=""))
    op.add_column("leases", Column("renewals", NUMBER, nullable=False, server_default="0"))


def _fill_in_speakers(connection: Connection) -> None:
    """Read here and not by the database: PostgreSQL's JSON knows no character 0."""
    after = 0
    while rows := connection.execute(PAGE, {"after": after}).all():
        said = [{"sequence": row.sequence, "user": msgspec.json.decode(row.body).get("user")} for row in rows]
        connection.execute(SPEAKER, said)
        after = rows[-1].sequence
