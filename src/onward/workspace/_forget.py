"""Forgetting a user: consent withdrawn, content erased, and only hashes left.

First, in one transaction, the withdrawal is noted and the records are erased: from then on nobody learns from them.
Then, while no cycle runs, come the data sets, evaluation sets, cycles and books. Each step can be repeated: what was
cut off is finished by the next `forget` or cycle of the tenant, by `onward.restore`, or by `onward doctor --mend`.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from typing import Final

from sqlalchemy import Connection

from onward.core import Busy, Damaged, DatasetVersion, EvaluationSet, Gone, InvalidInput, NotFound, decode
from onward.experience import Erasure, Withdrawal
from onward.loop import House, Progress, unwatched
from onward.release import correct_records, keep_withdrawals, stored_unnamed
from onward.storage import Lease, empty_log, hold

from ._records import Forgotten

STAGE: Final = "forget"
STEPS: Final = 4
LOG_LEFT: Final = "Somebody reads an older state of the database: its log could not be emptied."


def forget_user(house: House, tenant: str, user: str, progress: Progress = unwatched) -> Forgotten:
    """Withdraw a user's consent and erase what they said; see `Workspace.forget`."""
    given: object = user
    if not isinstance(given, str) or not given.strip():
        raise InvalidInput(f"{given!r} is no user.", mend="Give the name that their records carry.")
    progress(STAGE, 0, STEPS, "records")
    withdrawal = house.experience.withdraw(tenant, user, house.clock.now())
    keep_withdrawals(house.storage)
    numbers = _heard(house, tenant, withdrawal)
    try:
        unfinished = finish(house, tenant, progress)
    except Busy as error:
        unfinished = str(error)
    count = len(withdrawal.gone.said) + len(withdrawal.gone.spoken_of)
    return Forgotten(user, count, numbers, unfinished)


def _heard(house: House, tenant: str, withdrawal: Withdrawal) -> tuple[int, ...]:
    """Numbers of the versions that learned from what a user said, or may have learned from the feedback they gave."""
    said = house.datasets.taught(tenant, withdrawal.gone.said)
    labelled = house.datasets.taught(tenant, withdrawal.gone.spoken_of, withdrawal.place)
    return house.registry.learned_from(tenant, said | labelled)


def finish(house: House, tenant: str, progress: Progress = unwatched) -> str | None:
    """Erase what is left of all who withdrew consent; return why something is left all the same, if it is.

    Raises:
        Busy: a cycle runs: what is left in data sets is erased later.
    """
    erasure = Erasure(house.storage.database)
    if tenant not in erasure.tenants():
        return None
    erasure.records(tenant, house.clock.now())
    left = erasure.unfinished(tenant)
    for one in left:
        mark = f"learned from a user who withdrew consent ({one.user[-12:]})"
        house.registry.mark(_heard(house, tenant, one), mark)
    with hold(house.storage.database, f"cycle:{tenant}", house.clock) as lease:
        _erase_content(house, lease, tenant, _together(one.gone for one in left), progress)
        correct_records(house.storage, lambda whose, user: user in house.experience.withdrawn(whose))
        log_left = not _settled(house)
        if not log_left:
            erasure.finish(tenant, [one.user for one in left], house.clock.now())
            keep_withdrawals(house.storage)
    progress(STAGE, STEPS, STEPS, "done")
    return LOG_LEFT if log_left else None


def _together(gone: Iterable[Gone]) -> Gone:
    parts = list(gone)
    said = frozenset[str]().union(*(one.said for one in parts))
    return Gone(said, frozenset[str]().union(*(one.spoken_of for one in parts)) - said)


def _erase_content(house: House, lease: Lease, tenant: str, gone: Gone, progress: Progress) -> None:
    progress(STAGE, 1, STEPS, "data sets")
    cycles = house.cycles.all(tenant)
    curated = {state.dataset_blob for state in cycles if state.dataset_blob is not None}
    datasets = dict(house.datasets.without(tenant, gone, curated))
    progress(STAGE, 2, STEPS, "evaluation sets")
    frozen = dict(house.evaluation_sets.without(tenant, gone))

    def work(connection: Connection) -> None:
        lease.guard(connection)
        house.datasets.move(connection, tenant, datasets)
        house.evaluation_sets.move(connection, tenant, frozen)
        house.cycles.erase(connection, tenant, datasets)
        if datasets:
            house.conditions.erase(connection, tenant)

    house.storage.database.write(work)
    progress(STAGE, 3, STEPS, "what is left over")
    _drop_unnamed(house, tenant, gone)
    for state in cycles:
        house.storage.blobs.clear_workbench(state.result.id)


def _drop_unnamed(house: House, tenant: str, gone: Gone) -> None:
    """Drop stored content that nothing names and that holds what is gone, now or since a process was killed."""
    blobs = house.storage.blobs
    for name in stored_unnamed(house.storage):
        try:
            data = blobs.get(name)
        except (Damaged, NotFound):
            continue
        owners = _owners(house, data, gone)
        if tenant in owners:
            _drop(house, name, owners - {tenant})


def _owners(house: House, data: bytes, gone: Gone) -> set[str]:
    """The tenants whose data set version, or evaluation set, bytes are; none where nothing that is gone is in them."""
    try:
        dataset = decode(data, DatasetVersion)
    except Damaged:
        try:
            frozen = decode(data, EvaluationSet)
        except Damaged:
            return set()
        return house.datasets.owners(frozen.name) if gone.left_of(frozen.examples) != frozen.examples else set()
    return {dataset.tenant} if gone.left_of(dataset.examples) != dataset.examples else set()


def _drop(house: House, name: str, others: Iterable[str]) -> None:
    """Drop bytes that nothing names, while none of the others who may be about to name them runs a cycle.

    Raises:
        Busy: one does.
    """
    with ExitStack() as held:
        for tenant in sorted(others):
            held.enter_context(hold(house.storage.database, f"cycle:{tenant}", house.clock))
        if name in stored_unnamed(house.storage):
            house.storage.blobs.drop(name)


def _settled(house: House) -> bool:
    """Let nothing of what was erased stay in the log of a SQLite database."""
    file = house.storage.database.backend.file
    return file is None or empty_log(file)
