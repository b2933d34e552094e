"""Schema 2: who said a feedback, when each record came in, how many there are; which process holds a lease; what was
erased; data sets and cycles in the order in which they came, whatever the clock said.

What older data sets taught stands in their blobs only: their `taught` stays unknown until `Datasets` has read them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import BigInteger, Column, Connection, Double, Integer, String, Text, text

from onward.storage._checksum import checksum

if TYPE_CHECKING:
    from alembic.operations import Operations

NAME = String().with_variant(String(collation="C"), "postgresql")
NUMBER = BigInteger().with_variant(Integer(), "sqlite")
KNOWN_USER = text('"user" IS NOT NULL')
PAGE = "SELECT * FROM {table} WHERE sequence > :after ORDER BY sequence LIMIT 1000"
ERASED = text("erased IS NOT NULL")
OPEN = text("stop IS NULL")
RUNNING = text("status = 'running'")
UNRESOLVED = text("resolved IS NULL")
WAITING = text("state = 'waiting'")
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
    for table, one in (("interactions", "interaction"), ("feedback", "feedback")):
        op.add_column(table, Column("recorded", NAME))
        op.add_column(table, Column("checksum", NUMBER, nullable=False, server_default="0"))
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
    _fill_in(op.get_bind(), "interactions", _of_interaction)
    _fill_in(op.get_bind(), "feedback", _of_feedback)
    op.add_column("leases", Column("process", NAME, nullable=False, server_default=""))
    op.add_column("leases", Column("renewals", NUMBER, nullable=False, server_default="0"))
    _places(op)
    _erasure(op)
    _measurements(op)
    _alerts(op)


def _places(op: Operations) -> None:
    for table, time in (("datasets", "created"), ("cycles", "started")):
        op.add_column(table, Column("place", NUMBER, nullable=False, server_default="0"))
        op.execute(PLACE.format(table=table, time=time))
    op.create_index("dataset_place", "datasets", ["place"])
    op.drop_index("cycle_time", "cycles")
    op.create_index("cycle_order", "cycles", ["tenant", "place"])
    op.create_index("cycle_place", "cycles", ["place"])
    op.create_index("cycle_running", "cycles", ["tenant"], sqlite_where=RUNNING, postgresql_where=RUNNING)
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
    op.create_index(
        "feedback_erased", "feedback", ["tenant", "interaction", "erased"], sqlite_where=ERASED, postgresql_where=ERASED
    )


def _measurements(op: Operations) -> None:
    op.create_table(
        "series",
        Column("id", NUMBER, primary_key=True, autoincrement=True),
        *(Column(name, NAME, nullable=False) for name in ("tenant", "kind", "name", "task", "client")),
        *_summary(),
        *(Column(name, Double) for name in ("level", "within")),
        Column("examined", NUMBER, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("series_name", "series", ["tenant", "kind", "name", "task", "client"], unique=True)
    op.create_table(
        "measurements",
        Column("sequence", NUMBER, primary_key=True, autoincrement=True),
        Column("series", NUMBER, nullable=False),
        *(Column(name, Double, nullable=False) for name in ("time", "value")),
        Column("step", NUMBER),
        *(Column(name, Double) for name in ("rate", "convergence")),
        Column("body", Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("measurement_order", "measurements", ["series", "sequence"])
    sums = (Column(name, Double, nullable=False) for name in ("total", "low", "high", "last_time"))
    size = Column("size", NUMBER, nullable=False)
    op.create_table("blocks", *map(_counted, ("series", "level", "number")), size, *sums)
    op.create_table("bins", *map(_counted, ("series", "bin")), Column("size", NUMBER, nullable=False))
    op.create_table(
        "notes",
        *(Column(name, NAME, primary_key=True) for name in ("tenant", "kind", "name")),
        Column("body", Text, nullable=False),
    )


def _alerts(op: Operations) -> None:
    op.create_table(
        "alerts",
        Column("sequence", NUMBER, primary_key=True, autoincrement=True),
        *(Column(name, NAME, nullable=False) for name in ("tenant", "id", "rule", "subject")),
        Column("resolved", NAME),
        Column("body", Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("alert_id", "alerts", ["id"], unique=True)
    op.create_index("alert_order", "alerts", ["tenant", "sequence"])
    unresolved: dict[str, Any] = {"sqlite_where": UNRESOLVED, "postgresql_where": UNRESOLVED}
    op.create_index("alert_open", "alerts", ["tenant", "rule", "subject"], unique=True, **unresolved)
    op.create_table(
        "standings",
        *(Column(name, NAME, primary_key=True) for name in ("tenant", "rule", "subject")),
        *(Column(name, NUMBER, nullable=False) for name in ("place", "bad", "critical", "calm")),
    )
    op.create_table(
        "deliveries",
        Column("sequence", NUMBER, primary_key=True, autoincrement=True),
        *(Column(name, NAME, nullable=False) for name in ("tenant", "id", "alert", "channel", "event")),
        *(Column(name, NAME, nullable=False) for name in ("created", "due")),
        Column("attempts", NUMBER, nullable=False),
        Column("state", NAME, nullable=False),
        *(Column(name, Text, nullable=False) for name in ("error", "body")),
        sqlite_autoincrement=True,
    )
    op.create_index("delivery_id", "deliveries", ["id"], unique=True)
    op.create_index("delivery_due", "deliveries", ["due"], sqlite_where=WAITING, postgresql_where=WAITING)
    op.create_index("delivery_state", "deliveries", ["tenant", "state"])


def _counted(name: str) -> Column[int]:
    return Column(name, NUMBER, primary_key=True, autoincrement=False)


def _summary() -> tuple[Column[Any], ...]:
    sums = ("total", "rates", "convergences", "low", "high", "first", "last", "first_time", "last_time")
    return Column("size", NUMBER, nullable=False), *(Column(name, Double, nullable=False) for name in sums)


def _fill_in(connection: Connection, table: str, known: Callable[[Mapping[Any, Any]], dict[str, Any]]) -> None:
    """Set columns to what a row says. Read here and not by the database: PostgreSQL's JSON knows no character 0."""
    page, after = text(PAGE.format(table=table)), 0
    while rows := connection.execute(page, {"after": after}).mappings().all():
        said = [{"sequence": row["sequence"], **known(row)} for row in rows]
        columns = ", ".join(f'"{name}" = :{name}' for name in said[0] if name != "sequence")
        connection.execute(text(f"UPDATE {table} SET {columns} WHERE sequence = :sequence"), said)  # noqa: S608 - ours
        after = rows[-1]["sequence"]


def _of_interaction(row: Mapping[Any, Any]) -> dict[str, Any]:
    return {"checksum": checksum((row["tenant"], row["id"], row["user"], row["body"], None, None))}


def _of_feedback(row: Mapping[Any, Any]) -> dict[str, Any]:
    user = msgspec.json.decode(row["body"]).get("user")
    texts = (row["tenant"], row["id"], row["interaction"], user, row["body"], None, None)
    return {"user": user, "checksum": checksum(texts)}
