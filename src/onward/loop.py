"""The whole cycle: curate, learn, prove, promote or keep. Read it from `run_cycle` down.

Every step leaves a durable record before the next begins, so that a cycle whose process was killed is resumed by the
next one from its last finished step. Nothing that a cycle does is visible in service before `_decide`, which is one
transaction: versions registered, alias moved, evaluation set frozen, cycle closed, or nothing of it.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy import Connection

from onward.config import Settings, load_learner
from onward.core import (
    Busy,
    Clock,
    CycleResult,
    CycleStatus,
    Damaged,
    DatasetVersion,
    Decision,
    EvaluationSet,
    FewShotLearner,
    Head,
    Labels,
    Mark,
    Model,
    ModelVersion,
    OnwardError,
    Trained,
    Training,
    Unavailable,
    Verdict,
    collector_paused,
    content_hash,
    log,
    new_id,
    plain,
)
from onward.curation import UNSEEN, Datasets, curate
from onward.evaluation import (
    EvaluationSets,
    answerable,
    answers,
    bounded,
    freeze,
    judge,
    recall_by_label,
    score_all,
    scorecard,
    whole,
)
from onward.experience import Experience
from onward.monitoring import Conditions, Figures, drift_of_texts, report_cycle
from onward.monitoring.alerts import held
from onward.registry import Candidate, Cycles, CycleState, Registry
from onward.release import keep_records, retain
from onward.storage import Lease, Storage, hold, stamp

STATUS: Final[Mapping[Decision, CycleStatus]] = {"promote": "promoted", "keep": "kept", "refuse": "refused"}
REASONS: Final = 3  # why interactions were set aside, the most frequent first, in the reason of a skipped cycle
BEST_FIRST: Final[tuple[Decision, ...]] = ("promote", "keep", "refuse")

Progress = Callable[[str, int, int, str], None]
"""Called with (stage, steps done, steps in all, a short note)."""


def unwatched(stage: str, done: int, total: int, note: str) -> None:
    """Report progress to nobody."""


@dataclass(frozen=True, slots=True)
class House:
    """All that a cycle works with: one workspace's stores, settings and clock."""

    storage: Storage
    settings: Settings
    clock: Clock
    experience: Experience
    datasets: Datasets
    evaluation_sets: EvaluationSets
    registry: Registry
    cycles: Cycles
    conditions: Conditions


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What one cycle is told.

    Args:
        force: train even with too little new.
        quick: update the champion with new and as many old examples, instead of retraining from all.
        reason: why it runs; kept with the result.
    """

    force: bool = False
    quick: bool = False
    reason: str = "asked for"


@dataclass(frozen=True, slots=True)
class Champion:
    """The version in service, and its model."""

    version: ModelVersion
    model: Model


@dataclass(frozen=True, slots=True)
class Judged:
    """A candidate with its verdict; the accuracy of the champion on the same sets, where there is one; and the
    candidate's recall by head and label."""

    version: ModelVersion
    verdict: Verdict
    accuracy: float
    standing: float | None
    recalls: Mapping[Head, Mapping[str, float]]


def run_cycle(house: House, tenant: str, options: Options, progress: Progress = unwatched) -> CycleResult:
    """One turn of the loop for one tenant. Only one runs at a time, across threads, processes and machines.

    Raises:
        Busy: a cycle of this tenant is running elsewhere, or this one was paused for so long that it lost its lease.
        Unavailable, Damaged: the storage cannot be used; the champion stays in service.
    """
    with hold(house.storage.database, f"cycle:{tenant}", house.clock) as lease:
        began = time.monotonic()
        state = _begin(house, lease, tenant, options)
        log.info("cycle started", cycle=state.result.id, tenant=tenant, reason=options.reason)
        champion = _champion(house, tenant)
        frozen = frozen_sets(house, tenant)
        dataset, state = _curate(house, state, champion, frozen, progress)
        too_little = None if options.force else _too_little(house, dataset)
        if too_little:
            return _close(house, lease, state, began, "skipped", too_little)
        state = _keep(house, lease, state, dataset)
        state = _train(house, lease, state, dataset, champion, options, progress)
        if not state.candidates:
            return _close(house, lease, state, began, "failed", "; ".join(state.failures.values()))
        state, judged = _prove(house, lease, state, dataset, champion, frozen, progress)
        if not judged:
            return _close(house, lease, state, began, "failed", "; ".join(state.failures.values()))
        return _decide(house, lease, state, dataset, judged, options, began)


def _begin(house: House, lease: Lease, tenant: str, options: Options) -> CycleState:
    """The cycle to run: the one whose process died, when it ran under the same recipe, else a new one."""
    recipe = _recipe(house, options.quick, house.experience.withdrawn(tenant).names, house.registry.alias(tenant))
    left = house.cycles.unfinished(tenant)
    if left is not None and left.recipe == recipe:
        log.info("cycle resumed", cycle=left.result.id, trained=[c.learner for c in left.candidates])
        return left
    now = house.clock.now()
    result = CycleResult(id=new_id("cy", now), tenant=tenant, status="running", started=now, reason=options.reason)
    state = CycleState(result=result, recipe=recipe)

    def work(connection: Connection) -> None:
        lease.guard(connection)
        if left is not None:
            why = "it was interrupted, and the settings, the champion or the consent of a user have changed since"
            house.cycles.save(connection, replace(left, result=replace(left.result, status="abandoned", reason=why)))
        house.cycles.save(connection, state)

    house.storage.database.write(work)
    if left is not None:
        house.storage.blobs.clear_workbench(left.result.id)
    return state


def _recipe(house: House, quick: bool, withdrawn: Iterable[str], champion: int | None) -> str:
    """Hash of all that must be as it was for what a cycle has done so far to hold."""
    settings = house.settings.model_dump(mode="json", exclude={"alerts"})
    said = {"settings": settings, "quick": quick, "withdrawn": sorted(withdrawn), "champion": champion}
    return content_hash(said)


def _champion(house: House, tenant: str) -> Champion | None:
    number = house.registry.alias(tenant)
    if number is None:
        return None
    version = house.registry.version(number)
    return Champion(version, load_model(house, version))


def frozen_sets(house: House, tenant: str) -> list[EvaluationSet]:
    """The older evaluation sets, without what people have withdrawn their consent to."""
    gone = house.experience.withdrawn_interactions(tenant)
    sets = house.evaluation_sets.all(tenant)
    if gone:
        sets = [replace(s, examples=whole(e for e in s.examples if gone.isdisjoint(e.interactions))) for s in sets]
    return [s for s in sets if s.examples]


@dataclass(frozen=True, slots=True)
class Reading:
    """What one curation looks at: what was learned from, and what nobody has looked at since.

    Args:
        learned, judged: the data sets of the champion and of the last cycle whose labels could be trusted.
        since, to: what was recorded in between is new.
        known: ids of older interactions to look at again.
        vouched: those among them that a person let out of quarantine.
        sieve: what decides whether an interaction is used: under another one, all of them are looked at again.
    """

    learned: DatasetVersion | None
    judged: DatasetVersion | None
    since: Mark
    to: Mark
    known: frozenset[str]
    vouched: frozenset[str]
    sieve: str


def _reading(house: House, tenant: str, champion: Champion | None, frozen: Sequence[EvaluationSet]) -> Reading:
    settings, last = house.settings, house.cycles.last_judged(tenant)
    sieve = content_hash([settings.curation.model_dump(mode="json"), settings.learning.quality_threshold])
    learned = None if champion is None else house.datasets.get(tenant, champion.version.dataset)
    judged = None if last is None or last.dataset_blob is None else house.datasets.at(last.dataset_blob)
    since = last.mark if last is not None and last.sieve == sieve else Mark()
    to, vouched = house.experience.newest(tenant), house.experience.vouched(tenant)
    examples = (e for held in (learned, judged, *frozen) if held is not None for e in held.examples)
    known = vouched.union((i for e in examples for i in e.interactions), house.experience.spoken_of(tenant, since))
    return Reading(learned, judged, since, to, known, vouched, sieve)


def _curate(
    house: House, state: CycleState, champion: Champion | None, frozen: Sequence[EvaluationSet], progress: Progress
) -> tuple[DatasetVersion, CycleState]:
    """The data set version to learn from; the stored one where this cycle is a resumed one."""
    if state.dataset_blob is not None:
        return house.datasets.at(state.dataset_blob), state
    tenant, experience = state.result.tenant, house.experience
    progress("curate", 0, 1, "reading interactions")
    read = _reading(house, tenant, champion, frozen)
    recent = experience.recent(tenant, read.since, read.to)
    with collector_paused():
        curation = curate(
            experience.exchanges(tenant, read.known),
            (one for one in recent if one[0].id not in read.known),
            tenant=tenant,
            now=house.clock.now(),
            settings=house.settings,
            champion=read.learned,
            judged=read.judged,
            frozen={example.id: example for one in frozen for example in one.examples},
            withdrawn=experience.withdrawn(tenant),
            quarantined=frozenset(experience.quarantined(tenant)),
            vouched=read.vouched,
            unmatched=experience.unmatched(tenant, read.since),
            passed=lambda: recent.passed,
        )
    dataset = curation.dataset
    _tell_unseen(house, dataset)
    counts = _counts(dataset) | {"deferred": curation.deferred, "set aside": sum(dataset.set_aside.values())}
    progress("curate", 1, 1, f"{len(dataset.examples)} examples, {counts['new']} new")
    whole = curation.read_all and not curation.deferred and not dataset.set_aside.get(UNSEEN)
    result = replace(state.result, counts=counts, set_aside=dataset.set_aside)
    return dataset, replace(state, result=result, mark=read.to if whole else read.since, sieve=read.sieve)


def _keep(house: House, lease: Lease, state: CycleState, dataset: DatasetVersion) -> CycleState:
    """Make the data set durable before anything learns from it."""
    if state.dataset_blob is not None:
        return state
    blob = house.datasets.put(dataset)
    state = replace(state, result=replace(state.result, dataset=dataset.id), dataset_blob=blob)

    def work(connection: Connection) -> None:
        lease.guard(connection)
        house.datasets.add(connection, dataset, blob)
        house.cycles.save(connection, state)

    house.storage.database.write(work)
    return state


def _tell_unseen(house: House, dataset: DatasetVersion) -> None:
    """Say in `status` that texts wait because whoever looks for personal data has failed on them."""
    unseen = dataset.set_aside.get(UNSEEN, 0)
    if unseen:
        house.conditions.note(dataset.tenant, "personal data", f"{unseen} set aside: {UNSEEN}")
    else:
        house.conditions.clear(dataset.tenant, "personal data")


def _counts(dataset: DatasetVersion) -> dict[str, int]:
    return {
        "examples": len(dataset.examples),
        "train": len(dataset.split("train")),
        "validation": len(dataset.split("validation")),
        "evaluation": len(dataset.split("evaluation")),
        "new": sum(example.new for example in dataset.examples),
    }


def _too_little(house: House, dataset: DatasetVersion) -> str | None:
    """Why there is no point in training, if there is none."""
    new, needed = len(_fresh(house, dataset)), house.settings.learning.min_data_threshold
    if new and new >= needed:
        return None
    said = f"{new} new examples, {needed} needed (learning.min_data_threshold)" if new else "nothing new to learn from"
    often = sorted(dataset.set_aside.items(), key=lambda one: -one[1])[:REASONS]
    return said + "".join(f"; {count} set aside: {reason}" for reason, count in often)


def _train(
    house: House,
    lease: Lease,
    state: CycleState,
    dataset: DatasetVersion,
    champion: Champion | None,
    options: Options,
    progress: Progress,
) -> CycleState:
    """Every learner's candidate, each stored as soon as it is trained."""
    for kind in house.settings.training.learners:
        if kind in state.failures or kind in {candidate.learner for candidate in state.candidates}:
            continue
        candidate = _candidate(house, state.result.id, kind, dataset, champion, options, progress)
        if isinstance(candidate, Candidate):
            house.conditions.clear(state.result.tenant, f"learner {kind}")
            state = replace(state, candidates=(*state.candidates, candidate))
        else:
            state = _failed(house, state, kind, candidate)
        _save(house, lease, state)
    return state


def _failed(house: House, state: CycleState, kind: str, error: Exception) -> CycleState:
    """The cycle without this learner's candidate; why is kept with it, and seen in `status`."""
    why = str(error) if isinstance(error, OnwardError) else f"{type(error).__name__}: {error}"
    log.warning("learner failed", learner=kind, cycle=state.result.id, exc_info=error)
    house.conditions.note(state.result.tenant, f"learner {kind}", why)
    return replace(
        state,
        candidates=tuple(candidate for candidate in state.candidates if candidate.learner != kind),
        failures={**state.failures, kind: f"{kind}: {why}"},
    )


def _candidate(
    house: House,
    cycle: str,
    kind: str,
    dataset: DatasetVersion,
    champion: Champion | None,
    options: Options,
    progress: Progress,
) -> Candidate | Exception:
    """What a learner made, stored; or what it raised."""
    with house.storage.blobs.scratch() as scratch:
        folder = scratch / "model"
        try:
            folder.mkdir()
            trained = _train_one(house, cycle, kind, dataset, champion, options, progress)
            trained.model.save(folder)
            report = plain(trained.report)
        except Exception as error:  # noqa: BLE001 - a plug-in may raise anything; the champion stays, the cycle tells
            _check_room(house, error)
            return error
        try:
            return Candidate(kind, house.storage.blobs.put_folder(folder), report)
        except Damaged as error:
            return error


def _check_room(house: House, error: Exception) -> None:
    """A full disk is no learner's failure: the cycle goes on from here when there is room again.

    Raises:
        Unavailable: that is what the error tells.
    """
    cause = error if isinstance(error, OSError) else error.__cause__
    if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
        raise Unavailable(
            f"{house.storage.folder} cannot be written.",
            why=f"{cause.strerror}.",
            mend="Check free space and permissions.",
        ) from error


def _train_one(
    house: House,
    cycle: str,
    kind: str,
    dataset: DatasetVersion,
    champion: Champion | None,
    options: Options,
    progress: Progress,
) -> Trained:
    learner = load_learner(kind, house.settings)
    settings = house.settings.training
    training = Training(
        seed=settings.seed,
        budget=settings.budget_seconds,
        quick=options.quick,
        checkpoints=house.storage.blobs.workbench(cycle) / kind,
        progress=lambda done, total, note: progress(f"train {kind}", done, total, note),
    )
    fit = champion is not None and champion.version.learner == kind and not champion.version.marks
    own = champion.model if champion is not None and fit else None
    tasks = isinstance(learner, FewShotLearner) and learner.learns_tasks
    trained = learner.train(dataset if tasks else dataset.without_tasks, own, training)
    progress(f"train {kind}", 1, 1, "done")
    return trained


def load_model(house: House, version: ModelVersion) -> Model:
    """The model of a version, its artifact verified.

    Raises:
        NotFound, Damaged: the artifact is gone or was changed.
    """
    learner = load_learner(version.learner, house.settings)
    return learner.load(house.storage.blobs.folder(version.artifact))


def _prove(
    house: House,
    lease: Lease,
    state: CycleState,
    dataset: DatasetVersion,
    champion: Champion | None,
    frozen: Sequence[EvaluationSet],
    progress: Progress,
) -> tuple[CycleState, list[Judged]]:
    """Every candidate against the champion on the same frozen sets, best first.

    The chance of promoting any candidate that is no better than the champion stays at or under the stated level,
    however many learners compete.
    """
    settings, tenant = house.settings, state.result.tenant
    new = freeze(dataset, house.evaluation_sets.all(tenant))
    sets = [*bounded(frozen, settings.gate.max_examples), new]
    versions, said = [], []
    for done, candidate in enumerate(state.candidates):
        progress("prove", done, len(state.candidates), candidate.learner)
        version = _version(house, state, candidate, champion)
        try:
            said.append(answers(load_model(house, version), sets))
        except Exception as error:  # noqa: BLE001 - as in `_train`
            state = _failed(house, state, candidate.learner, error)
            _save(house, lease, state)
        else:
            versions.append(version)
    before = None if champion is None else answers(champion.model, sets)
    sets = answerable(sets, [*said, before or []])
    held = None if before is None else score_all(before, sets)
    standing = None if held is None else scorecard(held).overall.accuracy
    judged = []
    for version, answer in zip(versions, said, strict=True):
        scored = score_all(answer, sets)
        verdict = judge(
            scored,
            held,
            audit=dataset.audit,
            gate=settings.gate,
            thresholds=settings.thresholds,
            candidates=len(versions),
            standards=house.registry.standards(state.result.tenant),
            leaving=champion is not None and bool(champion.version.marks),
        )
        card = scorecard(scored)
        proven = replace(version, scorecard=card, verdict=verdict)
        judged.append(Judged(proven, verdict, card.overall.accuracy, standing, recall_by_label(scored)))
    progress("prove", len(judged), len(judged), "done")
    return state, sorted(judged, key=lambda j: (BEST_FIRST.index(j.verdict.decision), -j.accuracy))


def _version(house: House, state: CycleState, candidate: Candidate, champion: Champion | None) -> ModelVersion:
    return ModelVersion(
        number=0,
        tenant=state.result.tenant,
        learner=candidate.learner,
        parent=None if champion is None else champion.version.number,
        dataset=state.result.dataset or "",
        artifact=candidate.artifact,
        config={"recipe": state.recipe, "report": dict(candidate.report)},
        created=house.clock.now(),
        cycle=state.result.id,
    )


def _decide(
    house: House,
    lease: Lease,
    state: CycleState,
    dataset: DatasetVersion,
    judged: Sequence[Judged],
    options: Options,
    began: float,
) -> CycleResult:
    """Act on the verdict on the best candidate: one transaction."""
    best, tenant = judged[0], state.result.tenant
    status = STATUS[best.verdict.decision]
    new_set = freeze(dataset, house.evaluation_sets.all(tenant))
    drifted = _drift(dataset)
    blob = house.evaluation_sets.put(new_set) if status == "promoted" and new_set.examples else ""
    reason = best.verdict.reason

    def work(connection: Connection) -> tuple[CycleResult, str]:
        lease.guard(connection)
        withdrawn = house.experience.withdrawn_now(connection, tenant).names
        if state.recipe != _recipe(house, options.quick, withdrawn, house.registry.alias_now(connection, tenant)):
            raise Busy(
                "While this cycle ran, somebody moved the champion or withdrew consent.",
                mend="Nothing was changed; run it again.",
            )
        versions = [house.registry.register(connection, one.version) for one in judged]
        stopped = held(connection, tenant) if status == "promoted" else None
        finished = _finished(house, state, began, "kept" if stopped else status, stopped.said if stopped else reason)
        result = replace(finished, candidate=versions[0].number, verdict=best.verdict)
        if result.promoted:
            moved = house.registry.move(
                connection, tenant, versions[0].number, by=f"cycle {result.id}", cause="promote", reason=reason
            )
            result = replace(result, finished=moved.at)
            if new_set.examples:
                house.evaluation_sets.freeze(connection, tenant, new_set.name, blob, moved.at)
            result = replace(result, champion=versions[0].number)
        elif not best.verdict.trusted:
            house.experience.quarantine(connection, _suspicious(house, state, dataset, reason))
        house.cycles.save(connection, replace(state, result=result))
        in_service = best.accuracy if result.promoted else best.standing
        figures = Figures(in_service, house.settings.training.learn_rate, drifted, best.recalls)
        return result, _report(house, connection, result, versions, figures)

    result, untold = house.storage.database.write(work)
    _tell_untold(house, tenant, untold)
    house.storage.blobs.clear_workbench(result.id)
    _retain(house, lease, tenant)
    keep_records(house.storage)
    log.info("cycle finished", cycle=result.id, status=result.status, candidate=result.candidate, reason=result.reason)
    return result


def _drift(dataset: DatasetVersion) -> float | None:
    """Whether what is new is of another kind than what was learned before."""
    new = [example.text for example in dataset.examples if example.new]
    return drift_of_texts([example.text for example in dataset.examples if not example.new], new)


def _report(
    house: House,
    connection: Connection,
    result: CycleResult,
    versions: Sequence[ModelVersion] = (),
    figures: Figures | None = None,
) -> str:
    """Tell the tracker, in the transaction that ends the cycle; why, where it cannot be told: that stops nobody."""
    try:
        with connection.begin_nested():
            report_cycle(house.storage.database, connection, result, versions, figures or Figures())
    except Exception as error:  # noqa: BLE001 - a transaction that is lost with it ends in its own error
        log.warning("cycle not reported to the tracker", cycle=result.id, exc_info=error)
        return f"cycle {result.id} is not in it: {error}"
    return ""


def _tell_untold(house: House, tenant: str, why: str) -> None:
    """Say in `status` that the tracker lacks a cycle."""
    if why:
        house.conditions.note(tenant, "tracker", why)
    else:
        house.conditions.clear(tenant, "tracker")


def _retain(house: House, lease: Lease, tenant: str) -> None:
    """What was decided stands, whether or not old things can be dropped."""
    try:
        retain(house.storage, lease, tenant, house.settings.retention, house.clock.now())
    except OnwardError as error:
        log.warning("nothing dropped", tenant=tenant, error=str(error))
        house.conditions.note(tenant, "retention", str(error))
    else:
        house.conditions.clear(tenant, "retention")


def _suspicious(house: House, state: CycleState, dataset: DatasetVersion, reason: str) -> list[dict[str, str]]:
    """The fresh interactions of a batch whose labels cannot be trusted: none of them teaches until released."""
    row = {"tenant": dataset.tenant, "cycle": state.result.id, "at": stamp(house.clock.now()), "reason": reason}
    return [{**row, "interaction": interaction} for interaction in sorted(_fresh(house, dataset))]


def _fresh(house: House, dataset: DatasetVersion) -> set[str]:
    """The interactions that the last cycle with trusted labels has not seen, or not with these labels."""
    last = house.cycles.last_judged(dataset.tenant)
    seen: set[tuple[str, Labels]] = set()
    if last is not None and last.dataset_blob is not None:
        seen = {(i, e.labels) for e in house.datasets.at(last.dataset_blob).examples for i in e.interactions}
    return {i for e in dataset.examples for i in e.interactions if (i, e.labels) not in seen}


def _finished(house: House, state: CycleState, began: float, status: CycleStatus, reason: str) -> CycleResult:
    return replace(
        state.result,
        status=status,
        reason=reason,
        finished=house.clock.now(),
        seconds=time.monotonic() - began,
        champion=house.registry.alias(state.result.tenant),
    )


def _close(
    house: House, lease: Lease, state: CycleState, began: float, status: CycleStatus, reason: str
) -> CycleResult:
    """End a cycle that made no candidate."""
    state = replace(state, result=_finished(house, state, began, status, reason))

    def work(connection: Connection) -> str:
        lease.guard(connection)
        house.cycles.save(connection, state)
        return _report(house, connection, state.result)

    _tell_untold(house, state.result.tenant, house.storage.database.write(work))
    house.storage.blobs.clear_workbench(state.result.id)
    keep_records(house.storage)
    log.info("cycle finished", cycle=state.result.id, status=status, reason=reason)
    return state.result


def _save(house: House, lease: Lease, state: CycleState) -> None:
    def work(connection: Connection) -> None:
        lease.guard(connection)
        house.cycles.save(connection, state)

    house.storage.database.write(work)
