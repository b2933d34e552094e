"""What is in service changes by hand: promote, roll back, restore. Each is one transaction, or nothing."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection

from onward.core import Busy, InvalidInput, ModelVersion, NotFound, Transition
from onward.loop import House, load_model
from onward.release import keep_records, predecessor, read_back_up


def promote(house: House, number: int, tenant: str, *, by: str, reason: str, force: bool) -> Transition:
    """See `Workspace.promote`."""
    version, champion = house.registry.version(number, tenant), house.registry.alias(tenant)
    decision = version.verdict.decision if version.verdict else "unknown"
    stale = version.parent != champion
    if number != champion and (decision != "promote" or stale) and not (force and reason):
        why = "it was judged against another champion" if decision == "promote" else _first_reason(version)
        raise InvalidInput(
            f"The gate did not pass version {number}: {why}",
            mend=f'To override it, say why: onward promote {number} --force --reason "..."',
        )
    return _move(house, version, champion, by=by, cause="promote", reason=reason or "promoted by hand")


def roll_back(house: House, to: int | None, tenant: str, *, by: str, reason: str) -> Transition:
    """See `Workspace.rollback`."""
    champion = house.registry.alias(tenant)
    target = predecessor(house.registry.history(tenant), champion) if to is None else to
    if target is None:
        raise NotFound("There is no version to roll back to.", mend="Name one: onward rollback --to NUMBER")
    version = _served(house, target, tenant)
    return _move(house, version, champion, by=by, cause="rollback", reason=reason or "rolled back by hand")


def restore_version(house: House, file: Path, *, by: str) -> Transition | None:
    """See `Workspace.restore_version`."""
    saved = read_back_up(file, house.storage.blobs)
    here, champion = house.registry.version(saved.number, saved.tenant), house.registry.alias(saved.tenant)
    if here.artifact != saved.artifact:
        raise NotFound(f"{file} is a back-up of another workspace.", mend="Open the workspace that wrote it.")
    if champion == saved.number:
        return None
    version = _served(house, saved.number, saved.tenant)
    return _move(house, version, champion, by=by, cause="rollback", reason=f"restored from {file.name}")


def _served(house: House, number: int, tenant: str) -> ModelVersion:
    """A version that has been in service."""
    served = {transition.version for transition in house.registry.history(tenant)}
    if number not in served:
        raise InvalidInput(
            f"Version {number} was never in service: there is no going back to it.",
            mend=f'To put it there, say why: onward promote {number} --force --reason "..."',
            options=map(str, served),
        )
    return house.registry.version(number, tenant)


def _move(house: House, version: ModelVersion, champion: int | None, *, by: str, cause: str, reason: str) -> Transition:
    """Move the alias, once the version is seen to load, if the champion is still the one that was decided on."""
    load_model(house, version)

    def work(connection: Connection) -> Transition:
        if house.registry.alias_now(connection, version.tenant) != champion:
            raise Busy("Somebody else moved the champion just now.", mend="Nothing was changed; see: onward history")
        house.storage.blobs.manifest(version.artifact)  # retention may just have dropped it
        return house.registry.move(connection, version.tenant, version.number, by=by, cause=cause, reason=reason)

    moved = house.storage.database.write(work)
    keep_records(house.storage)
    return moved


def _first_reason(version: ModelVersion) -> str:
    return version.verdict.reason if version.verdict else "it has no verdict"
