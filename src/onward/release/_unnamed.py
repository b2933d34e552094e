"""Content that no row names."""

from __future__ import annotations

from onward.storage import Storage

from ._snapshots import named_now


def stored_unnamed(storage: Storage) -> list[str]:
    """Hashes of the bytes that are stored and named by nothing: by a cycle whose process was killed, or not yet."""
    with storage.database.read() as connection:
        blobs, _ = named_now(connection, lenient=True)
    return [name for name in storage.blobs.names() if name not in blobs]
