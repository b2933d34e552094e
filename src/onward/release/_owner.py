"""Whose content stands in a place that is not told by the database being in it."""

from __future__ import annotations

from onward.core import InvalidInput
from onward.storage import DATABASE_NAME, Storage

from ._ledger import keep_records
from ._snapshots import identify


def settle_in(storage: Storage) -> None:
    """Where the database or the blobs are elsewhere, see to it that folder and bucket are those of this workspace only.

    Raises:
        InvalidInput: they are another workspace's.
    """
    served = storage.database.backend.file is None
    if served and (storage.folder / DATABASE_NAME).exists():
        raise InvalidInput(
            f"The folder {storage.folder} belongs to another workspace, in its {DATABASE_NAME}.",
            mend="Give this one a folder of its own: folder=FOLDER; what is in the other comes over by a back-up.",
        )
    if served or storage.blobs.bucket is not None:
        storage.blobs.belong(identify(storage))
        keep_records(storage)
