"""How a workspace is opened, and brought back."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from onward.config import Settings, load_settings, settings_from
from onward.core import Clock, OnwardError, SystemClock
from onward.curation import Datasets
from onward.evaluation import EvaluationSets
from onward.experience import Experience
from onward.loop import House
from onward.monitoring import Conditions
from onward.registry import Cycles, Registry
from onward.release import restore_workspace
from onward.storage import open_storage

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
        url: a folder.
        create: with `False`, a missing workspace is an error.
        settings: instead of the folder's onward.toml: nested values, or `Settings`.
        clock: instead of the machine's.

    Raises:
        InvalidInput: the URL or onward.toml is wrong.
        NotFound: there is no workspace, and `create` is off.
        Unavailable: the folder cannot be written.
    """
    storage = open_storage(url, create=create)
    try:
        if settings is None:
            settings = load_settings(storage.folder)
        elif not isinstance(settings, Settings):
            settings = settings_from(settings)
    except OnwardError:
        storage.close()
        raise
    clock = clock or SystemClock()
    house = House(
        storage=storage,
        settings=settings,
        clock=clock,
        experience=Experience(storage.database),
        datasets=Datasets(storage),
        evaluation_sets=EvaluationSets(storage),
        registry=Registry(storage.database, clock),
        cycles=Cycles(storage.database),
        conditions=Conditions(storage.database, clock),
    )
    return Workspace(house)


def restore(file: str | Path, folder: str | Path) -> Workspace:
    """Bring a whole workspace back from its back-up into an empty or new folder, and open it.

    Raises:
        NotFound: there is no such file.
        InvalidInput: the folder holds something.
        Damaged: it is not a whole back-up.
        Unavailable: the folder cannot be written.
    """
    return open_workspace(restore_workspace(Path(file), Path(folder).absolute()), create=False)
