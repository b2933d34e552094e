"""Every table of a workspace. Times are UTC in ISO 8601 with microseconds: they sort as text, on every back end.

What stages look up is a column; the rest of a record is its canonical JSON in `body`. Whoever changes a table adds a
step to `_migrations`, which leads every older workspace here.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
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
RUNNING = text("status = 'running'")
UNRESOLVED = text("resolved IS NULL")
WAITING = text("state = 'waiting'")

metadata = MetaData()


def _summary() -> tuple[Column[Any], ...]:
    """What measurements add up to."""
    sums = (Column(name, Double, nullable=False) for name in ("total", "rates", "convergences"))
    ends = (
        Column(name, Double, nullable=False) for name in ("low", "high", "first", "last", "first_time", "last_time")
    )
    return Column("size", Number, nullable=False), *sums, *ends


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
    Column("checksum", Number, nullable=False, server_default="0"),  # of all its texts, see `_checksum`
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
    Column("checksum", Number, nullable=False, server_default="0"),
    Index("feedback_id", "tenant", "id", unique=True),
    Index("feedback_order", "tenant", "sequence"),
    Index("feedback_user", "tenant", "user", sqlite_where=KNOWN_USER, postgresql_where=KNOWN_USER),
    Index("feedback_interaction", "tenant", "interaction"),
    Index("feedback_erased", "tenant", "interaction", "erased", sqlite_where=ERASED, postgresql_where=ERASED),
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
    Index("cycle_running", "tenant", sqlite_where=RUNNING, postgresql_where=RUNNING),
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


# What the tracker measures: a series for whatever has a curve of its own, with its totals; each measurement, in the
# order of arrival; blocks of 64, 1,024, ... measurements as they add up; and how many fell into each bin of a sketch.
series = Table(
    "series",
    metadata,
    Column("id", Number, primary_key=True, autoincrement=True),
    Column("tenant", Name, nullable=False),
    Column("kind", Name, nullable=False),
    Column("name", Name, nullable=False),
    Column("task", Name, nullable=False),
    Column("client", Name, nullable=False),
    *_summary(),
    Column("level", Double),  # where it has settled, and within which distance; unknown while it learns
    Column("within", Double),
    Column("examined", Number, nullable=False, default=0),  # its size when it was last looked at for convergence
    Index("series_name", "tenant", "kind", "name", "task", "client", unique=True),
    sqlite_autoincrement=True,
)

measurements = Table(
    "measurements",
    metadata,
    Column("sequence", Number, primary_key=True, autoincrement=True),
    Column("series", Number, nullable=False),
    Column("time", Double, nullable=False),  # POSIX seconds
    Column("value", Double, nullable=False),
    Column("step", Number),
    Column("rate", Double),
    Column("convergence", Double),
    Column("body", Text, nullable=False),
    Index("measurement_order", "series", "sequence"),
    sqlite_autoincrement=True,
)

blocks = Table(
    "blocks",
    metadata,
    Column("series", Number, primary_key=True, autoincrement=False),
    Column("level", Number, primary_key=True, autoincrement=False),
    Column("number", Number, primary_key=True, autoincrement=False),
    Column("size", Number, nullable=False),
    *(Column(name, Double, nullable=False) for name in ("total", "low", "high", "last_time")),
)

bins = Table(
    "bins",
    metadata,
    Column("series", Number, primary_key=True, autoincrement=False),
    Column("bin", Number, primary_key=True, autoincrement=False),
    Column("size", Number, nullable=False),
)

# Goals and configurations, each as its record.
notes = Table(
    "notes",
    metadata,
    Column("tenant", Name, primary_key=True),
    Column("kind", Name, primary_key=True),
    Column("name", Name, primary_key=True),
    Column("body", Text, nullable=False),
)

# Alerts, one open one at most for each rule and subject; how near each rule is to raising one; and messages to send.
alerts = Table(
    "alerts",
    metadata,
    Column("sequence", Number, primary_key=True, autoincrement=True),
    Column("tenant", Name, nullable=False),
    Column("id", Name, nullable=False),
    Column("rule", Name, nullable=False),
    Column("subject", Name, nullable=False),
    Column("resolved", Name),
    Column("body", Text, nullable=False),
    Index("alert_id", "id", unique=True),
    Index("alert_order", "tenant", "sequence"),
    Index(
        "alert_open",
        "tenant",
        "rule",
        "subject",
        unique=True,
        sqlite_where=UNRESOLVED,
        postgresql_where=UNRESOLVED,
    ),
    sqlite_autoincrement=True,
)

standings = Table(
    "standings",
    metadata,
    Column("tenant", Name, primary_key=True),
    Column("rule", Name, primary_key=True),
    Column("subject", Name, primary_key=True),
    Column("place", Number, nullable=False),  # of the newest observation that was looked at
    Column("bad", Number, nullable=False),  # observations in a row that call for an alert
    Column("critical", Number, nullable=False),
    Column("calm", Number, nullable=False),  # that call for its end
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("sequence", Number, primary_key=True, autoincrement=True),
    Column("tenant", Name, nullable=False),
    Column("id", Name, nullable=False),
    Column("alert", Name, nullable=False),
    Column("channel", Name, nullable=False),
    Column("event", Name, nullable=False),
    Column("created", Name, nullable=False),
    Column("due", Name, nullable=False),
    Column("attempts", Number, nullable=False),
    Column("state", Name, nullable=False),  # waiting, delivered or dead
    Column("error", Text, nullable=False),
    Column("body", Text, nullable=False),
    Index("delivery_id", "id", unique=True),
    Index("delivery_due", "due", sqlite_where=WAITING, postgresql_where=WAITING),
    Index("delivery_state", "tenant", "state"),
    sqlite_autoincrement=True,
)


def stamp(at: datetime) -> str:
    """A time as the text that is stored.

    >>> stamp(datetime(2026, 3, 1, 12, tzinfo=UTC))
    '2026-03-01T12:00:00.000000+00:00'
    """
    return at.astimezone(UTC).isoformat(timespec="microseconds")
