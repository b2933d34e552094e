"""Is everything as it should be, and what mends it?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Final

from onward.config import Settings, load_settings
from onward.core import Busy, Clock, InvalidInput, NotFound, OnwardError, SystemClock, Unavailable
from onward.experience import Erasure
from onward.loop import House, Progress, load_model, unwatched
from onward.monitoring.tracker import sum_up_anew, unsound
from onward.registry import CycleState
from onward.release import (
    Ailment,
    Found,
    Rebuilding,
    Repository,
    examine,
    is_emptied,
    is_lost,
    keep_records,
    keep_withdrawals,
    open_repository,
    predecessor,
    settle_in,
    treated,
    way_back,
)
from onward.storage import Blobs, Place, open_storage, place_of, stamp

from ._forget import finish
from ._house import house_of

FROM_BACK_UP: Final = "Restore a back-up: onward restore SOURCE TO"
AGREEMENTS = {
    "cycles": (
        CycleState,
        lambda state: {
            "id": state.result.id,
            "tenant": state.result.tenant,
            "started": stamp(state.result.started),
            "status": state.result.status,
        },
    ),
    "notes": (dict, lambda _: {}),  # what is in them is for the tracker's users; an object it is always
}


def doctor(
    url: str | Path = ".onward",
    *,
    mend: bool = False,
    source: str | Path | None = None,
    passphrase: str | None = None,
    clock: Clock | None = None,
    progress: Progress = unwatched,
) -> tuple[Ailment, ...]:
    """Verify everything that a workspace stores, also where it cannot be opened; say what is wrong and how to mend it.

    Args:
        url: of the workspace.
        mend: mend what can be mended without making anything worse. A database that is gone or unreadable is rebuilt
            from the files beside it; what is left of the old one is set aside.
        source: back-ups to verify, and to bring lost content back from.
        passphrase: of the back-ups.
        clock: instead of the machine's.
        progress: called with (stage, steps done, steps in all, a short note).

    Raises:
        NotFound: there is nothing of a workspace, or of back-ups.
        InvalidInput: the URL, or the passphrase, is wrong.
        Unavailable: it cannot be read at all.
    """
    clock, place = clock or SystemClock(), place_of(url)
    repository = None if source is None else open_repository(source, passphrase)
    first: list[Ailment] = []
    if place.folder is not None and (_server_lost(url, place) if place.server else is_lost(place.folder.absolute())):
        if not mend:
            return (_lost(place),)
        first = _rebuilt(url, place, place.folder.absolute(), clock)
    with closing(open_storage(url, create=False)) as storage:
        settle_in(storage)
        settings, wrong = _settings(storage.folder)
        house = house_of(storage, settings, clock)
        return (*first, *wrong, *look_at(house, mend=mend, repository=repository, progress=progress))


def _server_lost(url: str | Path, place: Place) -> bool:
    """Whether the database on a server is empty, while its folder has the books of a workspace."""
    if place.folder is None or not any((place.folder / "records").glob("*/*.json")):
        return False
    try:
        with closing(open_storage(url, create=False)) as storage:
            return is_emptied(storage)
    except NotFound:
        return True


def _lost(place: Place) -> Ailment:
    return Ailment(
        kind="lost",
        where=str(place) if place.server else f"{place}/onward.db",
        what="The database is gone, or is none.",
        mend=f"{FROM_BACK_UP}; or rebuild what can be: onward doctor --mend",
    )


def _rebuilt(url: str | Path, place: Place, folder: Path, clock: Clock) -> list[Ailment]:
    if place.server is None:
        blobs = Blobs(folder) if place.bucket is None else Blobs(folder, place.bucket)
        return Rebuilding(folder, blobs).run(clock.now())
    with closing(open_storage(url)) as storage:
        return Rebuilding(folder, storage.blobs).load_into(storage.database)


def _settings(folder: Path) -> tuple[Settings, list[Ailment]]:
    try:
        return load_settings(folder), []
    except InvalidInput as error:
        return Settings(), [Ailment(kind="damaged", where="onward.toml", what=str(error.what), mend=error.mend)]


def look_at(house: House, *, mend: bool, repository: Repository | None, progress: Progress) -> tuple[Ailment, ...]:
    """What is wrong with an open workspace; see `doctor`."""
    found = examine(house.storage, house.clock, agreements=AGREEMENTS, repository=repository, progress=progress)
    ailments = [
        *treated(_surviving(_unfinished_erasures(house)), mend=mend),
        *treated(found, mend=mend),
        *treated(_surviving(_champions(house)), mend=mend),
        *treated(_surviving(_unnoted_lessons(house)), mend=mend),
        *treated(_surviving(_measured(house)), mend=mend),
    ]
    if mend and repository is not None and any(one.mended for one in ailments):
        Erasure(house.storage.database).reopen()
        keep_withdrawals(house.storage)
        ailments += (one for one in treated(_surviving(_unfinished_erasures(house)), mend=True) if not one.mended)
    if mend:
        keep_records(house.storage)
    return tuple(ailments)


def _surviving(found: Iterator[Found]) -> Iterator[Found]:
    """What is found; where damage ends it, that too.

    Raises:
        Unavailable: the database cannot be reached.
    """
    try:
        yield from found
    except Unavailable:
        raise
    except OnwardError as error:
        yield Found(Ailment(kind="damaged", where="records", what=str(error.what), mend=error.mend))


def _unfinished_erasures(house: House) -> Iterator[Found]:
    """Users who withdrew consent, with something left that they said."""
    erasure = Erasure(house.storage.database)
    for tenant in erasure.tenants():
        count = len(erasure.unfinished(tenant))
        ailment = Ailment(
            kind="unfinished",
            where=f"consent withdrawn by {count} {'user' if count == 1 else 'users'} of {tenant}",
            what="What they said is not erased everywhere.",
            mend="Erase the rest: onward doctor --mend; so do the next cycle, and onward forget",
            grave=False,
        )
        yield Found(ailment, partial(_erase, house, tenant))


def _erase(house: House, tenant: str) -> None:
    left = finish(house, tenant)
    if left is not None:
        raise Busy(left, mend="Look again later: onward doctor --mend")


def _unnoted_lessons(house: House) -> Iterator[Found]:
    """Interactions that teach in a stored data set version, while the index of who taught whom does not say so."""
    for tenant in house.experience.tenants():
        for dataset, interactions in house.datasets.unnoted(tenant):
            if interactions:
                ailment = Ailment(
                    kind="disagrees",
                    where=f"data set {dataset[:12]} of {tenant}",
                    what=f"{len(interactions)} interactions teach in it, and are not noted to.",
                    mend="Note them: onward doctor --mend",
                )
                yield Found(ailment, partial(house.datasets.note_again, tenant, dataset))


def _measured(house: House) -> Iterator[Found]:
    """Sums that are not those of the measurements they are of; measurements that cannot be read."""
    database = house.storage.database
    for one in unsound(database):
        if one.series is None:
            yield Found(Ailment(kind="damaged", where=one.where, what=one.what, mend=FROM_BACK_UP))
        else:
            mend = f"{FROM_BACK_UP}; or sum up what is there: onward doctor --mend"
            ailment = Ailment(kind="disagrees", where=one.where, what=one.what, mend=mend)
            yield Found(ailment, partial(sum_up_anew, database, one.series))


def _champions(house: House) -> Iterator[Found]:
    """Champions that do not load."""
    for tenant in house.experience.tenants():
        number = house.registry.alias(tenant)
        if number is None:
            continue
        try:
            load_model(house, house.registry.version(number))
        except Exception as error:  # noqa: BLE001 - a plug-in may raise anything
            yield Found(_unloadable(house, tenant, number, error))


def _unloadable(house: House, tenant: str, number: int, error: Exception) -> Ailment:
    mend = way_back(tenant, predecessor(house.registry.history(tenant), number))
    what = str(error) if isinstance(error, OnwardError) else f"{type(error).__name__}: {error}"
    where = f"version {number}, champion of {tenant}"
    return Ailment(kind="damaged", where=where, what=f"It does not load: {what}", mend=mend)
