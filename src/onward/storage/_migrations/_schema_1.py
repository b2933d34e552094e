"""Schema 1, the first: everything from nothing. Workspaces of it were folders only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Integer, String, Text

if TYPE_CHECKING:
    from alembic.operations import Operations

NAME = String().with_variant(String(collation="C"), "postgresql")
NUMBER = BigInteger().with_variant(Integer(), "sqlite")


def to_schema_1(op: Operations) -> None:
    """Make the tables."""
    op.create_table("meta", _key("key"), _name("value"))
    _experience(op)
    _work(op)
    _registry(op)
    op.create_table("leases", _key("name"), _name("holder"), _number("token"), _name("expires"))
    op.create_table("conditions", _key("tenant"), _key("part"), _name("since"), _number("times"), _name("reason"))


def _experience(op: Operations) -> None:
    for table, more in (("interactions", Column("user", NAME)), ("feedback", _name("interaction"))):
        body = Column("body", Text, nullable=False)
        op.create_table(
            table, _counter("sequence"), _name("tenant"), _name("id"), more, body, sqlite_autoincrement=True
        )
    op.create_index("interaction_id", "interactions", ["tenant", "id"], unique=True)
    op.create_index("feedback_id", "feedback", ["tenant", "id"], unique=True)
    op.create_index("feedback_interaction", "feedback", ["tenant", "interaction"])
    op.create_table("withdrawals", _key("tenant"), _key("user"), _name("at"))
    released = Column("released", Boolean, nullable=False)
    op.create_table(
        "quarantine", _key("tenant"), _key("interaction"), _name("cycle"), _name("at"), _name("reason"), released
    )


def _work(op: Operations) -> None:
    op.create_table("datasets", _key("tenant"), _key("id"), _name("created"), _name("blob"))
    op.create_table(
        "evaluation_sets",
        _counter("sequence"),
        *map(_name, ("tenant", "name", "at", "blob")),
        sqlite_autoincrement=True,
    )
    op.create_index("evaluation_set_name", "evaluation_sets", ["tenant", "name"], unique=True)
    body = Column("body", Text, nullable=False)
    op.create_table("cycles", _key("id"), *map(_name, ("tenant", "started", "status")), body)
    op.create_index("cycle_time", "cycles", ["tenant", "started"])


def _registry(op: Operations) -> None:
    op.create_table(
        "versions",
        _counter("number"),
        *map(_name, ("tenant", "dataset", "artifact", "cycle", "created")),
        Column("pinned", Boolean, nullable=False),
        Column("body", Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_versions_tenant", "versions", ["tenant"])
    op.create_index("ix_versions_cycle", "versions", ["cycle"])
    op.create_table("marks", _version(primary_key=True), _key("mark"), _name("at"))
    op.create_table("aliases", _key("tenant"), _key("alias"), _version())
    op.create_table(
        "transitions",
        _counter("sequence"),
        *map(_name, ("tenant", "alias")),
        _version(),
        Column("previous", NUMBER),
        *map(_name, ("at", "by", "cause", "reason")),
        sqlite_autoincrement=True,
    )
    op.create_index("transition_time", "transitions", ["tenant", "alias", "at"])


def _key(name: str) -> Column[str]:
    return Column(name, NAME, primary_key=True)


def _name(name: str) -> Column[str]:
    return Column(name, NAME, nullable=False)


def _number(name: str) -> Column[int]:
    return Column(name, NUMBER, nullable=False)


def _counter(name: str) -> Column[int]:
    return Column(name, NUMBER, primary_key=True, autoincrement=True)


def _version(*, primary_key: bool = False) -> Column[int]:
    return Column("version", NUMBER, ForeignKey("versions.number"), primary_key=primary_key, nullable=False)
