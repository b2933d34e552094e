"""How a workspace is opened, and brought back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from onward.config import Settings, load_settings, settings_from
from onward.core import Clock, Damaged, OnwardError, SystemClock
from onward.experience import Erasure
from onward.loop import Progress, unwatched
from onward.release import is_emptied, is_lost, open_repository, settle_in
from onward.release import restore as bring_back
from onward.storage import DATABASE_NAME, Place, open_storage, place_of

from ._forget import finish
from ._house import house_of
from ._workspace import Workspace


def open_workspace(
    url: str | Path = ".onward",
    *,
    create: bool = True,
    settings: Mapping[str, Any] | Settings | None = None,
    clock: Clock | None = None,
) -> Workspace:
    """Open a workspace; make it where there is none.

    Args:
        url: a folder, `file:///folder`, `postgresql://user@host/database?folder=/folder` or `memory://`.
        create: with `False`, a missing workspace is an error.
        settings: instead of the folder's onward.toml: nested values, or `Settings`.
        clock: instead of the machine's.

    Raises:
        InvalidInput: the URL or onward.toml is wrong.
        NotFound: there is no workspace, and `create` is off.
        Damaged: the folder has lost its database, or holds none of ours.
        Unavailable: the folder cannot be written.
    """
    _check_not_lost(url)
    storage = open_storage(url, create=create)
    try:
        if place_of(url).server is not None and is_emptied(storage):
            raise _lost(place_of(url), storage.folder)
        settle_in(storage)
        if settings is None:
            settings = load_settings(storage.folder)
        elif not isinstance(settings, Settings):
            settings = settings_from(settings)
    except OnwardError:
        storage.close()
        raise
    return Workspace(house_of(storage, settings, clock or SystemClock()))


def _check_not_lost(url: str | Path) -> None:
    """A new database beside an old workspace's files would hide that the old one is gone."""
    place = place_of(url)
    if place.server is None and place.folder is not None and is_lost(place.folder):
        raise _lost(place, place.folder)


def _lost(place: Place, folder: Path) -> Damaged:
    lost, named = (DATABASE_NAME, str(place)) if place.server is None else (f"database {place}", f"'{place}'")
    why = "The rest of a workspace is there."
    if place.server is not None:
        why += " Or that is another workspace's: a new one needs a folder of its own."
    return Damaged(
        f"{folder} has lost its {lost}.",
        why=why,
        mend=f"Restore a back-up to another place, or: onward --workspace {named} doctor --mend",
    )


def restore(
    source: str | Path,
    url: str | Path,
    *,
    at: datetime | None = None,
    passphrase: str | None = None,
    progress: Progress = unwatched,
) -> Workspace:
    """Bring a whole workspace back from its back-ups to an empty place, and open it. It appears whole or not at all.

    Args:
        source: the place that `Workspace.back_up` wrote to.
        url: of the new workspace; a folder that is empty or new, or a database that is empty.
        at: to this moment, from the first snapshot at or after it, what came later cut away; from the newest before it
            where there is none. Withdrawals of consent are never taken back: what the newest snapshot knows to be
            withdrawn is erased. Else the newest snapshot as it is.
        passphrase: of the back-ups, where they are encrypted.
        progress: called with (stage, steps done, steps in all, a short note).

    Raises:
        NotFound: there are no back-ups.
        InvalidInput: there is something at the place already; the passphrase is wrong, or needed.
        Damaged: the snapshot is not whole.
        Unavailable: there is no space, or no right, to write.
    """
    bring_back(open_repository(source, passphrase), url, at, progress)
    workspace = open_workspace(url, create=False)
    for tenant in Erasure(workspace.house.storage.database).tenants():
        finish(workspace.house, tenant, progress)
    return workspace
