"""Who withdrew consent, without their names: a name is stored as a hash under a random key of the workspace."""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, func, select

from onward.storage import insert_into, schema

KEY: Final = "names"
"""The row of `meta` that holds the key."""
PREFIX: Final = "withdrawn-"


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """The users of a tenant who withdrew consent. Ask it with `in`, of a name or of the hash that stands for it.

    Args:
        names: hashes of their names; the names themselves where an older Onward noted them.
        key: of the hashes; `None` while nobody was forgotten.
    """

    tenant: str
    names: frozenset[str]
    key: str | None = None

    def __contains__(self, user: object) -> bool:
        if not self.names or not isinstance(user, str):
            return False
        return user in self.names or (self.key is not None and hashed(self.key, self.tenant, user) in self.names)

    def __len__(self) -> int:
        return len(self.names)


def hashed(key: str, tenant: str, user: str) -> str:
    """What stands for a name: HMAC-SHA-256 of tenant and name, 128 bits of it. A hash stands for itself.

    >>> hashed("00", "shop", hashed("00", "shop", "ann")) == hashed("00", "shop", "ann")
    True
    """
    if is_hashed(user):
        return user
    digest = hmac.digest(bytes.fromhex(key), f"{tenant}\0{user}".encode("utf8", "surrogatepass"), "sha256")
    return PREFIX + digest.hex()[:32]


def is_hashed(user: str) -> bool:
    """Whether it stands for a name already."""
    return user.startswith(PREFIX) and len(user) == len(PREFIX) + 32


def key_of(connection: Connection) -> str | None:
    """The workspace's key, if there is one."""
    return connection.scalar(select(schema.meta.c.value).where(schema.meta.c.key == KEY))


def make_key(connection: Connection) -> str:
    """The workspace's key, made where there is none, inside the caller's transaction."""
    made = insert_into(connection, schema.meta).values(key=KEY, value=secrets.token_hex(32))
    connection.execute(made.on_conflict_do_nothing())
    return key_of(connection) or ""


def note_withdrawal(connection: Connection, tenant: str, user: str, key: str, at: str) -> str:
    """Note that a user withdrew consent, or did so again, and that it is not erased everywhere; return the hash."""
    table, alias = schema.withdrawals, hashed(key, tenant, user)
    if alias != user:
        connection.execute(table.delete().where(table.c.tenant == tenant, table.c.user == user))
    heard = connection.scalar(select(func.max(schema.datasets.c.place)))
    new = insert_into(connection, table).values(tenant=tenant, user=alias, at=at, place=heard or 0)
    connection.execute(new.on_conflict_do_update(index_elements=["tenant", "user"], set_={"erased": None}))
    return alias


def withdrawn(connection: Connection, tenant: str) -> Withdrawn:
    """Who withdrew consent."""
    table = schema.withdrawals
    names = frozenset(connection.scalars(select(table.c.user).where(table.c.tenant == tenant)))
    return Withdrawn(tenant, names, key_of(connection) if names else None)
