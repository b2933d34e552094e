"""Whose content stands in a place for blobs that is not the workspace's own folder."""

from __future__ import annotations

from onward.storage import Storage

from ._ledger import keep_records
from ._snapshots import identify


def settle_in(storage: Storage) -> None:
    """Where blobs are elsewhere, see to it that they are those of this workspace only.

    Raises:
        InvalidInput: they are another workspace's.
    """
    if storage.blobs.bucket is None:
        return
    storage.blobs.belong(identify(storage))
    keep_records(storage)
