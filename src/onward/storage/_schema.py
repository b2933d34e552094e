"""Every table of a workspace. Times are UTC in ISO 8601 with microseconds: they sort as text, on every back end.

What stages look up is a column; the rest of a record is its canonical JSON in `body`.
"""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, MetaData, String, Table, Text

SCHEMA_VERSION = 1

metadata = MetaData()

meta = Table("meta", metadata, Column("key", String, primary_key=True), Column("value", String, nullable=False))

interactions = Table(
    "interactions",
    metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=True),
    Column("tenant", String, nullable=False),
    Column("id", String, nullable=False),
    Column("user", String),
    Column("body", Text, nullable=False),
    Index("interaction_id", "tenant", "id", unique=True),
    sqlite_autoincrement=True,
)

feedback = Table(
    "feedback",
    metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=True),
    Column("tenant", String, nullable=False),
    Column("id", String, nullable=False),
    Column("interaction", String, nullable=False),
    Column("body", Text, nullable=False),
    Index("feedback_id", "tenant", "id", unique=True),
    Index("feedback_interaction", "tenant", "interaction"),
    sqlite_autoincrement=True,
)

withdrawals = Table(
    "withdrawals",
    metadata,
    Column("tenant", String, primary_key=True),
    Column("user", String, primary_key=True),
    Column("at", String, nullable=False),
)

quarantine = Table(
    "quarantine",
    metadata,
    Column("tenant", String, primary_key=True),
    Column("interaction", String, primary_key=True),
    Column("cycle", String, nullable=False),
    Column("at", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("released", Boolean, nullable=False, default=False),
)

datasets = Table(
    "datasets",
    metadata,
    Column("tenant", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("created", String, nullable=False),
    Column("blob", String, nullable=False),
)

evaluation_sets = Table(
    "evaluation_sets",
    metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=True),
    Column("tenant", String, nullable=False),
    Column("name", String, nullable=False),
    Column("at", String, nullable=False),
    Column("blob", String, nullable=False),
    Index("evaluation_set_name", "tenant", "name", unique=True),
    sqlite_autoincrement=True,
)

versions = Table(
    "versions",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("tenant", String, nullable=False, index=True),
    Column("dataset", String, nullable=False),
    Column("artifact", String, nullable=False),
    Column("cycle", String, nullable=False, index=True),
    Column("created", String, nullable=False),
    Column("pinned", Boolean, nullable=False, default=False),
    Column("body", Text, nullable=False),
    sqlite_autoincrement=True,
)

marks = Table(
    "marks",
    metadata,
    Column("version", ForeignKey("versions.number"), primary_key=True),
    Column("mark", String, primary_key=True),
    Column("at", String, nullable=False),
)

aliases = Table(
    "aliases",
    metadata,
    Column("tenant", String, primary_key=True),
    Column("alias", String, primary_key=True),
    Column("version", ForeignKey("versions.number"), nullable=False),
)

transitions = Table(
    "transitions",
    metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=True),
    Column("tenant", String, nullable=False),
    Column("alias", String, nullable=False),
    Column("version", ForeignKey("versions.number"), nullable=False),
    Column("previous", Integer),
    Column("at", String, nullable=False),
    Column("by", String, nullable=False),
    Column("cause", String, nullable=False),
    Column("reason", String, nullable=False),
    Index("transition_time", "tenant", "alias", "at"),
    sqlite_autoincrement=True,
)

cycles = Table(
    "cycles",
    metadata,
    Column("id", String, primary_key=True),
    Column("tenant", String, nullable=False),
    Column("started", String, nullable=False),
    Column("status", String, nullable=False),
    Column("body", Text, nullable=False),
    Index("cycle_time", "tenant", "started"),
)

leases = Table(
    "leases",
    metadata,
    Column("name", String, primary_key=True),
    Column("holder", String, nullable=False),
    Column("token", Integer, nullable=False),
    Column("expires", String, nullable=False),
)

conditions = Table(
    "conditions",
    metadata,
    Column("tenant", String, primary_key=True),
    Column("part", String, primary_key=True),
    Column("since", String, nullable=False),
    Column("times", Integer, nullable=False),
    Column("reason", String, nullable=False),
)


def stamp(at: datetime) -> str:
    """A time as the text that is stored.

    >>> stamp(datetime(2026, 3, 1, 12, tzinfo=UTC))
    '2026-03-01T12:00:00.000000+00:00'
    """
    return at.astimezone(UTC).isoformat(timespec="microseconds")
