"""Schema 2: who said a feedback, when each record came in, how many there are; which process holds a lease; what was
erased; data sets and cycles in the order in which they came, whatever the clock said.

What older data sets taught stands in their blobs only: their `taught` stays unknown until `Datasets` has read them.
"""

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
ERASED = text("erased IS NOT NULL")
OPEN = text("stop IS NULL")
PLACE = """
UPDATE {table} SET place = ordered.place
FROM (SELECT tenant, id, row_number() OVER (ORDER BY {time}, tenant, id) AS place FROM {table}) ordered
WHERE ordered.tenant = {table}.tenant AND ordered.id = {table}.id
"""
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
    _places(op)
    _erasure(op)


def _places(op: Operations) -> None:
    for table, time in (("datasets", "created"), ("cycles", "started")):
        op.add_column(table, Column("place", NUMBER, nullable=False, server_default="0"))
        op.execute(PLACE.format(table=table, time=time))
    op.create_index("dataset_place", "datasets", ["place"])
    op.drop_index("cycle_time", "cycles")
    op.create_index("cycle_order", "cycles", ["tenant", "place"])
    op.create_index("cycle_place", "cycles", ["place"])
    op.add_column("datasets", Column("taught", NUMBER))
    op.create_table(
        "lessons",
        Column("tenant", NAME, primary_key=True),
        Column("interaction", NAME, primary_key=True),
        Column("start", NUMBER, primary_key=True, autoincrement=False),
        Column("stop", NUMBER),
    )
    op.create_index("lesson_open", "lessons", ["tenant"], sqlite_where=OPEN, postgresql_where=OPEN)


def _erasure(op: Operations) -> None:
    op.add_column("withdrawals", Column("place", NUMBER))
    for table in ("interactions", "feedback", "withdrawals"):
        op.add_column(table, Column("erased", NAME))
    op.create_index("feedback_erased", "feedback", ["tenant"], sqlite_where=ERASED, postgresql_where=ERASED)


def _fill_in_speakers(connection: Connection) -> None:
    """Read here and not by the database: PostgreSQL's JSON knows no character 0."""
    after = 0
    while rows := connection.execute(PAGE, {"after": after}).all():
        said = [{"sequence": row.sequence, "user": msgspec.json.decode(row.body).get("user")} for row in rows]
        connection.execute(SPEAKER, said)
        after = rows[-1].sequence
