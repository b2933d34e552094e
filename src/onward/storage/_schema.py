"""Every table of a workspace. Times are UTC in ISO 8601 with microseconds: they sort as text, on every back end.

What stages look up is a column; the rest of a record is its canonical JSON in `body`. Whoever changes a table adds a
step to `_migrations`, which leads every older workspace here.
"""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    text,
)

SCHEMA_VERSION = 2

# The order of the C locale is Python's own, and no upgrade of the system's locales can break an index built on it.
Name = String().with_variant(String(collation="C"), "postgresql")
Number = BigInteger().with_variant(Integer(), "sqlite")  # SQLite counts by itself in a column called INTEGER only

KNOWN_USER = text('"user" IS NOT NULL')
ERASED = text("erased IS NOT NULL")
OPEN = text("stop IS NULL")

metadata = MetaData()

meta = Table("meta", metadata, Column("key", Name, primary_key=True), Column("value", Name, nullable=False))

interactions = Table(
    "interactions",
    metadata,
    Column("sequence", Number, primary_key=True, autoincrement=True),
    Column("tenant", Name, nullable=False),
    Column("id", Name, nullable=False),
    Column("user", Name),
    Column("recorded", Name),  # when, by our clock; unknown for what was recorded under schema 1
    Column("erased", Name),  # when its content was replaced by the hash of what was there
    Column("body", Text, nullable=False),
    Index("interaction_id", "tenant", "id", unique=True),
    Index("interaction_order", "tenant", "sequence"),
    Index("interaction_user", "tenant", "user", sqlite_where=KNOWN_USER, postgresql_where=KNOWN_USER),
    sqlite_autoincrement=True,
)

feedback = Table(
    "feedback",
    metadata,
    Column("sequence", Number, primary_key=True, autoincrement=True),
    Column("tenant", Name, nullable=False),
    Column("id", Name, nullable=False),
    Column("interaction", Name, nullable=False),
    Column("user", Name),
    Column("recorded", Name),
    Column("erased", Name),
    Column("body", Text, nullable=False),
    Index("feedback_id", "tenant", "id", unique=True),
    Index("feedback_order", "tenant", "sequence"),
    Index("feedback_user", "tenant", "user", sqlite_where=KNOWN_USER, postgresql_where=KNOWN_USER),
    Index("feedback_interaction", "tenant", "interaction"),
    Index("feedback_erased", "tenant", sqlite_where=ERASED, postgresql_where=ERASED),
    sqlite_autoincrement=True,
)

# How many rows a tenant has in a table, kept in the transaction that changes them: to count ten million takes long.
tallies = Table(
    "tallies",
    metadata,
    Column("tenant", Name, primary_key=True),
    Column("name", Name, primary_key=True),
    Column("rows", Number, nullable=False),
)

# Whoever withdrew stands under a keyed hash of the name; under the name itself only where schema 1 noted it.
withdrawals = Table(
    "withdrawals",
    metadata,
    Column("tenant", Name, primary_key=True),
    Column("user", Name, primary_key=True),
    Column("at", Name, nullable=False),
    Column("place", Number),  # of the last data set version that may have heard them; unknown under schema 1
    Column("erased", Name),  # when nothing of it was left; until then the erasure is unfinished
)

quarantine = Table(
    "quarantine",
    metadata,
    Column("tenant", Name, primary_key=True),
    Column("interaction", Name, primary_key=True),
    Column("cycle", Name, nullable=False),
    Column("at", Name, nullable=False),
    Column("reason", Name, nullable=False),
    Column("released", Boolean, nullable=False, default=False),
)

datasets = Table(
    "datasets",
    metadata,
    Column("tenant", Name, primary_key=True),
    Column("id", Name, primary_key=True),
    Column("created", Name, nullable=False),
    Column("blob", Name, nullable=False),
    Column("place", Number, nullable=False, server_default="0"),  # counts up, whatever the clock says
    Column("taught", Number),  # how many interactions teach in it; unknown until `lessons` holds them
    Index("dataset_place", "place"),
)

# Which interactions teach in which data set versions of their tenant: from place `start` on, up to before `stop`.
lessons = Table(
    "lessons",
    metadata,
    Column("tenant", Name, primary_key=True),
    Column("interaction", Name, primary_key=True),
    Column("start", Number, primary_key=True, autoincrement=False),
    Column("stop", Number),
    Index("lesson_open", "tenant", sqlite_where=OPEN, postgresql_where=OPEN),
)

evaluation_sets = Table(
    "evaluation_sets",
    metadata,
    Column("sequence", Number, primary_key=True, autoincrement=True),
    Column("tenant", Name, nullable=False),
    Column("name", Name, nullable=False),
    Column("at", Name, nullable=False),
    Column("blob", Name, nullable=False),
    Index("evaluation_set_name", "tenant", "name", unique=True),
    sqlite_autoincrement=True,
)

versions = Table(
    "versions",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("tenant", Name, nullable=False, index=True),
    Column("dataset", Name, nullable=False),
    Column("artifact", Name, nullable=False),
    Column("cycle", Name, nullable=False, index=True),
    Column("created", Name, nullable=False),
    Column("pinned", Boolean, nullable=False, default=False),
    Column("body", Text, nullable=False),
    sqlite_autoincrement=True,
)

marks = Table(
    "marks",
    metadata,
    Column("version", ForeignKey("versions.number"), primary_key=True),
    Column("mark", Name, primary_key=True),
    Column("at", Name, nullable=False),
)

aliases = Table(
    "aliases",
    metadata,
    Column("tenant", Name, primary_key=True),
    Column("alias", Name, primary_key=True),
    Column("version", ForeignKey("versions.number"), nullable=False),
)

transitions = Table(
    "transitions",
    metadata,
    Column("sequence", Number, primary_key=True, autoincrement=True),
    Column("tenant", Name, nullable=False),
    Column("alias", Name, nullable=False),
    Column("version", ForeignKey("versions.number"), nullable=False),
    Column("previous", Number),
    Column("at", Name, nullable=False),
    Column("by", Name, nullable=False),
    Column("cause", Name, nullable=False),
    Column("reason", Name, nullable=False),
    Index("transition_time", "tenant", "alias", "at"),
    sqlite_autoincrement=True,
)

cycles = Table(
    "cycles",
    metadata,
    Column("id", Name, primary_key=True),
    Column("tenant", Name, nullable=False),
    Column("started", Name, nullable=False),
    Column("status", Name, nullable=False),
    Column("place", Number, nullable=False, server_default="0"),
    Column("body", Text, nullable=False),
    Index("cycle_order", "tenant", "place"),
    Index("cycle_place", "place"),
)

leases = Table(
    "leases",
    metadata,
    Column("name", Name, primary_key=True),
    Column("holder", Name, nullable=False),
    Column("token", Number, nullable=False),
    Column("expires", Name, nullable=False),
    Column("process", Name, nullable=False, server_default=""),
    Column("renewals", Number, nullable=False, server_default="0"),
)

conditions = Table(
    "conditions",
    metadata,
    Column("tenant", Name, primary_key=True),
    Column("part", Name, primary_key=True),
    Column("since", Name, nullable=False),
    Column("times", Number, nullable=False),
    Column("reason", Name, nullable=False),
)


def stamp(at: datetime) -> str:
    """A time as the text that is stored.

    >>> stamp(datetime(2026, 3, 1, 12, tzinfo=UTC))
    '2026-03-01T12:00:00.000000+00:00'
    """
    return at.astimezone(UTC).isoformat(timespec="microseconds")
