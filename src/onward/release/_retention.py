"""Dropping what is kept no longer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from onward.config import RetentionSettings
from onward.storage import Lease, Storage

from ._books import read_books
from ._expendable import expendable


@dataclass(frozen=True, slots=True)
class Dropped:
    """What retention dropped: numbers of versions without their artifacts, hashes of data set versions."""

    versions: tuple[int, ...]
    datasets: tuple[str, ...]


def retain(storage: Storage, lease: Lease, tenant: str, settings: RetentionSettings, now: datetime) -> Dropped:
    """Drop what a tenant keeps no longer: artifacts of old versions, and data set versions that nobody needs.

    Under the lease on the tenant's cycles, and inside a writing transaction: nothing is stored meanwhile, and nobody
    puts a version back into service, or pins it, that is about to go. Rows, and so the audit, stay.

    Raises:
        Busy: the lease was lost; nothing is dropped.
        Damaged: a record cannot be read, so that nobody knows what is needed; nothing is dropped.
    """

    def work(connection: Connection) -> Dropped:
        lease.guard(connection)
        return _drop(storage, connection, tenant, settings, now)

    return storage.database.write(work)


def _drop(storage: Storage, connection: Connection, tenant: str, settings: RetentionSettings, now: datetime) -> Dropped:
    books = read_books(connection, tenant=tenant)
    own = [version for version in books.versions.values() if version.tenant == tenant]
    champion = books.champions().get(tenant)
    gone = {version.number for version in expendable(own, books.history(tenant), champion, settings, now)}
    needed = books.needed(version for number, version in books.versions.items() if number not in gone)
    for artifact in {books.versions[number].artifact for number in gone} - needed:
        storage.blobs.drop_folder(artifact)
    blobs = {blob for (whose, _), blob in books.datasets.items() if whose == tenant} - needed
    for blob in blobs:
        storage.blobs.drop(blob)
    return Dropped(tuple(sorted(gone)), tuple(sorted(blobs)))
