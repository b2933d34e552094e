"""The workspace: everything that a user does, in as few words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, overload

import msgspec

from onward.config import FILE_NAME, Settings, known_learners, load_learner, to_toml
from onward.core import (
    DEFAULT_TENANT,
    CycleResult,
    Damaged,
    Feedback,
    Interaction,
    InvalidInput,
    LabelAudit,
    Labels,
    Model,
    ModelVersion,
    NotFound,
    OnwardError,
    Prediction,
    Transition,
    new_id,
)
from onward.evaluation import answerable, answers, judge, score_all, scorecard
from onward.experience import FileContents, check_labels, read_file, read_lines, read_record
from onward.loop import House, Options, Progress, frozen_sets, run_cycle, unwatched
from onward.monitoring import LearningProgressTracker, plot_versions
from onward.monitoring.alerts import Alert, Delivery, Hold, Silence, undelivered
from onward.release import (
    Ailment,
    Pruned,
    Snapshot,
    back_up,
    keep_version,
    open_repository,
)

from ._alerts import Watched, book_of, redeliver, resume, silence, try_channels, watch, watch_after
from ._backups import back_up_to, prune_in, snapshots
from ._doctor import look_at
from ._forget import finish, forget_user
from ._lines import json_line, texts_of
from ._models import Models
from ._records import Comparison, Forgotten, Recorded, Status, Trace
from ._service import promote, restore_version, roll_back
from ._tasks import Asked, Support, lines_of_task, read_support, support_set
from ._trace import stored_dataset, trace

NO_CHAMPION: Final = "Record labelled interactions, then run: onward cycle"


class Workspace:
    """Records, learns, predicts, promotes, takes back. Safe to share between threads; made by `onward.open`.

    Every call takes `tenant`; tenants share nothing but the folder.
    """

    def __init__(self, house: House) -> None:
        self.house = house
        self._models = Models()
        self._trackers: dict[tuple[str, bool], LearningProgressTracker] = {}

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self.house.settings

    @property
    def folder(self) -> Path:
        """Where the workspace lives."""
        return self.house.storage.folder

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the files. Everything acknowledged is durable already; what is buffered is made so.

        Raises:
            Unavailable: as `flush`; the files are let go of all the same.
        """
        self.house.storage.close()

    def flush(self) -> None:
        """Return once everything that was recorded with `durable=False` before is durable.

        Raises:
            Unavailable: something recorded so since the last `flush` could not be stored, and is lost.
        """
        self.house.experience.flush()

    def configure(self, settings: Settings) -> None:
        """Use other settings from now on; onward.toml stays as it is."""
        self.house = replace(self.house, settings=settings)

    def write_settings(self) -> Path:
        """Write all settings, commented, to onward.toml, unless there is one; return its path."""
        file = self.folder / FILE_NAME
        if not file.exists():
            file.touch(mode=0o600)
            file.write_text(to_toml(self.settings), encoding="utf8")
        return file

    # Experience ----------------------------------------------------------------------------------------------------

    def record(
        self,
        text: str,
        *,
        tenant: str = DEFAULT_TENANT,
        id: str | None = None,  # noqa: A002 - the record's own field name
        durable: bool = True,
        **fields: Any,
    ) -> str:
        """Record one interaction; return its id. It is durable when this returns.

        Args:
            text: what the user said.
            tenant: whose it is.
            id: recording the same id twice is recording it once; made up where left out.
            durable: with `False` return as soon as it is buffered in memory: the writer stores it with its next
                commits, in order with everything else; a crash before that loses it; see `flush`.
            fields: `user`, `response`, `intent`, `sentiment`, `entities`, `labels`, `consent`, `source`, `context`,
                `at`, `prediction`, as in `onward.core.Interaction`.

        Raises:
            InvalidInput: saying which field is wrong.
        """
        now = self.house.clock.now()
        line = {"id": id or new_id("in", now), "text": text, "tenant": tenant, **fields}
        record = read_record(msgspec.json.decode(json_line(line)), source="api", tenant=tenant, now=now, seen=Counter())
        if not isinstance(record, Interaction):
            raise InvalidInput("That is feedback.", mend="Give it to `feedback`.")
        if durable:
            self.house.experience.record([record])
        else:
            self.house.experience.buffer([record])
        return record.id

    def record_many(
        self, interactions: Iterable[Interaction | Feedback | Mapping[str, Any]], *, durable: bool = True
    ) -> Recorded:
        """Record interactions and feedback, as records or as dicts like the lines of a file, in one commit.

        With `durable=False` as in `record`; what was known already is then counted as new.
        """
        data = b"\n".join(map(json_line, interactions))
        contents = read_lines(data, source="api", now=self.house.clock.now())
        if durable:
            return self._keep(contents)
        self.house.experience.buffer(contents.interactions, contents.feedback)
        return Recorded(len(contents.interactions), len(contents.feedback), 0, contents.bad)

    def record_file(self, file: str | Path | bytes, *, tenant: str = DEFAULT_TENANT, source: str = "stdin") -> Recorded:
        """Record a JSON Lines or CSV file, or JSON Lines given as bytes. Bad lines are set aside, the rest goes in.

        Raises:
            NotFound, InvalidInput: there is no such file, or it cannot be read at all.
        """
        now = self.house.clock.now()
        if isinstance(file, bytes):
            return self._keep(read_lines(file, source=source, tenant=tenant, now=now))
        return self._keep(read_file(Path(file), tenant=tenant, now=now))

    def _keep(self, contents: FileContents) -> Recorded:
        interactions = self.house.experience.record(contents.interactions)
        feedback = self.house.experience.add_feedback(contents.feedback)
        known = len(contents.interactions) + len(contents.feedback) - interactions - feedback
        return Recorded(interactions, feedback, known, contents.bad)

    def record_task(
        self,
        task: str,
        support: Iterable[Interaction | Mapping[str, Any]],
        queries: Iterable[str | Interaction | Mapping[str, Any]] = (),
        *,
        tenant: str = DEFAULT_TENANT,
        user: str | None = None,
        durable: bool = True,
    ) -> Recorded:
        """Record a few-shot task: what its labels mean, and what is asked of it; more of both may follow.

        Args:
            task: its name; labels of different tasks have nothing to do with each other.
            support: labelled examples, e.g. {"text": "money back", "intent": "refund"}; dicts as in `record_many`.
            queries: texts, or dicts; with labels, or without, to be labelled by feedback later.
            tenant: whose it is.
            user: who said what does not say who said it.
            durable: with `False` as in `record`.
        """
        whose = {"tenant": tenant} | ({} if user is None else {"user": user})
        return self.record_many(lines_of_task(task, support, queries, **whose), durable=durable)

    def feedback(
        self,
        interaction: str,
        *,
        score: float | None = None,
        correction: Labels | Mapping[str, Any] | None = None,
        remark: Mapping[str, Any] | None = None,
        user: str | None = None,
        tenant: str = DEFAULT_TENANT,
        id: str | None = None,  # noqa: A002 - the record's own field name
        durable: bool = True,
    ) -> str:
        """Say something of an interaction; return the feedback's id. It is durable when this returns.

        Args:
            interaction: id of the interaction; it must be recorded.
            score: 0 (bad) to 1 (good); a high one confirms the prediction.
            correction: what the labels should have been, e.g. {"intent": "refund"}.
            remark: anything structured.
            user: who says it.
            tenant: whose interaction it is.
            id: the same id twice is once; made up where left out.
            durable: with `False` as in `record`; then nobody looks whether the interaction is there.

        Raises:
            NotFound: no such interaction.
            InvalidInput: nothing is said, or the score is out of range.
        """
        now = self.house.clock.now()
        line = {
            "id": id or new_id("fb", now),
            "interaction": interaction,
            "tenant": tenant,
            "user": user,
            "score": score,
            "correction": correction,
            "remark": remark or {},
        }
        record = read_record(msgspec.json.decode(json_line(line)), source="api", tenant=tenant, now=now, seen=Counter())
        if isinstance(record, Feedback):
            self._keep_feedback(record, durable=durable)
        return record.id

    def _keep_feedback(self, feedback: Feedback, *, durable: bool) -> None:
        experience = self.house.experience
        if not durable:
            experience.buffer(feedback=[feedback])
            return
        spoken_of = experience.interaction(feedback.tenant, feedback.interaction)
        check_labels(feedback.correction or Labels(), spoken_of.text)
        experience.add_feedback([feedback])

    def forget(
        self, user: str, *, tenant: str = DEFAULT_TENANT, retrain: bool = False, progress: Progress = unwatched
    ) -> Forgotten:
        """Withdraw a user's consent and erase what they said, leaving hashes for the audit.

        Their interactions, the feedback on them and by them, and their name go from records, data sets and evaluation
        sets. Versions that had learned from them are marked. Records under that name that come later are never learned
        from; forgetting again erases those too.

        Args:
            user: who; the name is not stored.
            tenant: whose user.
            retrain: run a cycle at once where the champion had learned from them. A candidate that never did takes its
                place when the gate finds it no worse.
            progress: called with (stage, steps done, steps in all, a short note).

        Raises:
            InvalidInput: nobody is named.
            Unavailable, Damaged: the storage cannot be used. What was done stays done; forget again to finish it.
        """
        try:
            forgotten = forget_user(self.house, tenant, user, progress)
        finally:
            self._models.forget()
        if not retrain or forgotten.unfinished or self.champion(tenant=tenant) not in forgotten.marked_versions:
            return forgotten
        result = self.cycle(tenant=tenant, force=True, reason="a user was forgotten", progress=progress)
        return replace(forgotten, cycle=result)

    def quarantined(self, *, tenant: str = DEFAULT_TENANT) -> dict[str, str]:
        """Interactions that a refused cycle set aside -> the reason."""
        return self.house.experience.quarantined(tenant)

    def release(self, interactions: Sequence[str] | None = None, *, tenant: str = DEFAULT_TENANT) -> int:
        """Let interactions (all where none are named) out of quarantine, a person having looked; return how many.

        Their labels are vouched for by this: no audit asks about them any more.

        Raises:
            InvalidInput: one id stands alone, outside of a list.
        """
        if isinstance(interactions, str):
            raise InvalidInput(f"{interactions!r} is one id.", mend=f"Give a list: [{interactions!r}].")
        return self.house.experience.release(tenant, interactions)

    # Prediction ----------------------------------------------------------------------------------------------------

    @overload
    def predict(  # type: ignore[overload-overlap] # a str is also a sequence of str
        self,
        text: str,
        *,
        task: str | None = ...,
        support: Support | None = ...,
        tenant: str = ...,
        user: str | None = ...,
        record: bool = ...,
        durable: bool = ...,
    ) -> Prediction: ...
    @overload
    def predict(
        self,
        text: Sequence[str],
        *,
        task: str | None = ...,
        support: Support | None = ...,
        tenant: str = ...,
        user: str | None = ...,
        record: bool = ...,
        durable: bool = ...,
    ) -> list[Prediction]: ...
    def predict(
        self,
        text: str | Sequence[str],
        *,
        task: str | None = None,
        support: Support | None = None,
        tenant: str = DEFAULT_TENANT,
        user: str | None = None,
        record: bool = True,
        durable: bool = True,
    ) -> Prediction | list[Prediction]:
        """Ask the champion; record the interactions, so that feedback and `trace` can speak of them by id.

        Args:
            text: one text, or several.
            task: a few-shot task: the champion adapts to its support set first.
            support: labelled examples that teach the task, as in `record_task`, or a file of them. They are recorded
                with the question, and add to what was recorded of the task; without a name they give the task its name.
            tenant: whose champion.
            user: who said it.
            record: with `False` nothing is recorded, and the predictions carry no id.
            durable: with `False` as in `record`.

        Raises:
            NotFound: there is no champion yet; or nothing was recorded that teaches the task.
            InvalidInput: something asked is no text; the champion cannot adapt to tasks; or the support set cannot be
                used.
            Damaged: its artifact was changed.
        """
        texts = texts_of(text)
        number = self.house.registry.alias(tenant)
        if number is None:
            raise NotFound(f"Tenant {tenant!r} has no champion yet.", why=self._last_word(tenant), mend=NO_CHAMPION)
        model, given = self._model(number), tuple[Interaction, ...]()
        if support is not None or task is not None:
            task, given = read_support(self.house, tenant, task, support or (), user)
            model = self._models.adapted(self.house, number, support_set(self.house, tenant, task, given))
        predictions = [replace(p, version=number) for p in model.predict(texts)]
        if record:
            asked = Asked(tenant, user, task, given)
            predictions = self._record_predictions(texts, predictions, asked, durable=durable)
        return predictions[0] if isinstance(text, str) else predictions

    def _last_word(self, tenant: str) -> str:
        cycles = self.cycles(tenant=tenant)
        return f"Its last cycle was {cycles[-1].status}: {cycles[-1].reason}." if cycles else ""

    def _record_predictions(
        self, texts: Sequence[str], predictions: Sequence[Prediction], asked: Asked, *, durable: bool
    ) -> list[Prediction]:
        now = self.house.clock.now()
        kept = [replace(prediction, interaction=new_id("in", now)) for prediction in predictions]
        bare = Interaction(id="", text="", at=now, tenant=asked.tenant, user=asked.user, task=asked.task)
        said = [
            *asked.given,
            *(replace(bare, id=p.interaction or "", text=t, prediction=p) for t, p in zip(texts, kept, strict=True)),
        ]
        if durable:
            self.house.experience.record(said)
        else:
            self.house.experience.buffer(said)
        return kept

    def _model(self, number: int) -> Model:
        return self._models.get(self.house, number)

    # The loop ------------------------------------------------------------------------------------------------------

    def cycle(
        self,
        *,
        tenant: str = DEFAULT_TENANT,
        force: bool = False,
        quick: bool = False,
        reason: str = "asked for",
        progress: Progress = unwatched,
    ) -> CycleResult:
        """Run one cycle: curate, train, prove, promote or keep. See `onward.loop.run_cycle`."""
        with suppress(Damaged):  # what cannot be read stays unfinished, as `doctor` says, and nobody learns from it
            finish(self.house, tenant, progress)
        result = run_cycle(self.house, tenant, Options(force=force, quick=quick, reason=reason), progress)
        watch_after(self.house, tenant, lambda: self.watch(tenant=tenant))
        return result

    def cycles(self, *, tenant: str = DEFAULT_TENANT) -> list[CycleResult]:
        """All cycles, oldest first."""
        return [state.result for state in self.house.cycles.all(tenant)]

    # Versions ------------------------------------------------------------------------------------------------------

    def versions(self, *, tenant: str = DEFAULT_TENANT) -> list[ModelVersion]:
        """All versions, oldest first."""
        return self.house.registry.versions(tenant)

    def version(self, number: int, *, tenant: str | None = None) -> ModelVersion:
        """One version.

        Raises:
            NotFound: there is no such number (for this tenant).
        """
        return self.house.registry.version(number, tenant)

    def champion(self, *, tenant: str = DEFAULT_TENANT, at: datetime | None = None) -> int | None:
        """The number of the version in service, now or at a time; `None` where there is none."""
        if at is None:
            return self.house.registry.alias(tenant)
        if at.tzinfo is None:
            raise InvalidInput("The time has no time zone.", mend="Give an aware datetime.")
        return self.house.registry.champion_at(tenant, at)

    def dropped(self, version: ModelVersion) -> tuple[str, ...]:
        """What retention dropped of a version: "artifact", "data set", both or nothing."""
        artifacts = self.house.storage.blobs
        try:
            artifacts.manifest(version.artifact)
        except NotFound:
            gone: tuple[str, ...] = ("artifact",)
        else:
            gone = ()
        return gone if stored_dataset(self.house, version) is not None else (*gone, "data set")

    def compare(self, first: int, second: int, *, tenant: str = DEFAULT_TENANT) -> Comparison:
        """Score two versions now on every frozen evaluation set; the newest set counts as the new work.

        Raises:
            NotFound: one of them does not exist, or nothing is frozen yet.
        """
        one, two = (self.house.registry.version(number, tenant) for number in (first, second))
        sets = frozen_sets(self.house, tenant)
        if not sets:
            raise NotFound("No evaluation set is frozen yet.", mend="Run: onward cycle")
        sets = [*sets[:-1], replace(sets[-1], new=True)]
        said = [answers(self._model(version.number), sets) for version in (one, two)]
        sets = answerable(sets, said)
        mine, other = (score_all(predictions, sets) for predictions in said)
        dataset = stored_dataset(self.house, two)
        verdict = judge(
            other,
            mine,
            audit=dataset.audit if dataset is not None else LabelAudit(),
            gate=self.settings.gate,
            thresholds=self.settings.thresholds,
            standards=self.house.registry.standards(tenant),
        )
        return Comparison(one, two, scorecard(mine), scorecard(other), verdict)

    def history(self, *, tenant: str = DEFAULT_TENANT) -> list[Transition]:
        """Which version served from when, who or what decided, and why; oldest first."""
        return self.house.registry.history(tenant)

    def trace(self, interaction: str, *, tenant: str = DEFAULT_TENANT) -> Trace:
        """Prediction -> version -> data set version -> the interactions that taught it.

        Raises:
            NotFound: nothing was recorded under this id.
        """
        return trace(self.house, tenant, interaction)

    # Release -------------------------------------------------------------------------------------------------------

    def promote(
        self, number: int, *, by: str = "user", reason: str = "", force: bool = False, tenant: str = DEFAULT_TENANT
    ) -> Transition:
        """Put a version into service in one transaction, once it is seen to load.

        Args:
            number: the version.
            by: who decides; kept for good.
            reason: why; needed with `force`.
            force: promote although the gate did not pass it.
            tenant: whose version.

        Raises:
            InvalidInput: the gate did not pass it and `force` is off; or it is champion already.
            Busy: somebody else moved the champion meanwhile; nothing was changed.
            NotFound, Damaged: it does not exist, or does not load; the champion stays.
        """
        return promote(self.house, number, tenant, by=by, reason=reason, force=force)

    def rollback(
        self, to: int | None = None, *, by: str = "user", reason: str = "", tenant: str = DEFAULT_TENANT
    ) -> Transition:
        """Put the champion's predecessor, or the version `to`, back into service: no training, no copying.

        Raises:
            NotFound: there is nothing to go back to.
            InvalidInput: version `to` was never in service.
            Busy: somebody else moved the champion meanwhile; nothing was changed.
            Damaged: the target does not load; the champion stays.
        """
        return roll_back(self.house, to, tenant, by=by, reason=reason)

    def pin(self, number: int, *, pinned: bool = True, tenant: str = DEFAULT_TENANT) -> ModelVersion:
        """Keep a version's artifact, and what it learned from, from retention; or let it go again.

        Raises:
            NotFound: the tenant has no such version.
        """
        self.house.registry.version(number, tenant)
        version = self.house.registry.pin(number, pinned=pinned)
        keep_version(self.house.storage, number)
        return version

    def back_up_version(self, number: int, folder: Path) -> Path:
        """Write one version, compressed, to a folder; return the file."""
        return back_up(self.house.registry.version(number), self.house.storage.blobs, folder)

    def back_up(self, target: str | Path, *, passphrase: str | None = None, progress: Progress = unwatched) -> Snapshot:
        """Add a snapshot of the whole workspace to a place for back-ups, while it goes on working; see `restore`.

        Everything acknowledged before the call is in it; the database and all it names are of one moment. What the
        place holds already is not written again. A back-up that is cut off does not exist; the next goes on from it.

        Args:
            target: a folder, or an fsspec URL (s3://bucket/path); made where there is none; of this workspace only.
            passphrase: encrypts a new place, and opens an encrypted one.
            progress: called with (stage, steps done, steps in all, a short note).

        Raises:
            InvalidInput: the place holds another workspace's back-ups; or the passphrase is wrong.
            Busy: the place is being pruned.
            Unavailable: it cannot be written.
            MissingExtra: encryption, or the URL, needs what is not installed.
        """
        return back_up_to(self.house, target, passphrase, progress)

    def snapshots(self, target: str | Path, *, passphrase: str | None = None) -> tuple[Snapshot, ...]:
        """The snapshots in a place for back-ups, oldest first.

        Raises:
            NotFound: there are no back-ups.
            InvalidInput: the passphrase is wrong, or needed.
        """
        return snapshots(target, passphrase)

    def prune(
        self, target: str | Path, *, keep: int | None = None, days: int | None = None, passphrase: str | None = None
    ) -> Pruned:
        """Let old snapshots go, and the content that none of the others needs; the newest always stays.

        Args:
            target: a place for back-ups.
            keep: how many of the newest stay.
            days: those younger stay as well.
            passphrase: where it is encrypted.

        Raises:
            InvalidInput: neither `keep` nor `days` is given.
            Busy: a back-up runs.
            Damaged: a snapshot cannot be read; nothing is removed.
        """
        return prune_in(target, self.house.clock, keep=keep, days=days, passphrase=passphrase)

    def doctor(
        self,
        *,
        mend: bool = False,
        source: str | Path | None = None,
        passphrase: str | None = None,
        progress: Progress = unwatched,
    ) -> tuple[Ailment, ...]:
        """Verify everything that is stored; say what is wrong and how to mend it. See `onward.doctor`."""
        repository = None if source is None else open_repository(source, passphrase)
        return look_at(self.house, mend=mend, repository=repository, progress=progress)

    def restore_version(self, file: Path, *, by: str = "user") -> Transition | None:
        """Put the version of a back-up back into its tenant's service, its artifact brought back where it is gone.

        Returns `None` when it is champion already.

        Raises:
            NotFound: there is no such file, or the version was never registered here.
            InvalidInput: the version was never in service.
            Damaged: the file is not a whole, unchanged back-up.
        """
        return restore_version(self.house, file, by=by)

    # Alerts --------------------------------------------------------------------------------------------------------

    def watch(self, *, tenant: str = DEFAULT_TENANT, tracker: LearningProgressTracker | None = None) -> Watched:
        """Look at what is known, raise and clear alerts, do what `[alerts.actions]` allows, send what is due.

        Every `cycle` ends with it, and the scheduler calls it. Looking twice at the same changes nothing.

        Args:
            tenant: whose.
            tracker: what is looked at; the workspace's own where left out. It is told of every alert that changed, as
                is every tracker that `tracker` has given (`ws.tracker().on("alert", call)`).

        Raises:
            Unavailable: the storage cannot be used. A channel that cannot be reached is no error: see `undelivered`.
        """
        listening = [one for (whose, _), one in list(self._trackers.items()) if whose == tenant]
        return watch(self.house, tenant, tracker or self.tracker(tenant=tenant), listening)

    def alerts(self, *, open_only: bool = True, tenant: str = DEFAULT_TENANT) -> list[Alert]:
        """Alerts, oldest first: those that are open, or all there ever were."""
        return book_of(self.house).all(tenant, open_only=open_only)

    def acknowledge(self, alert: str, *, by: str, tenant: str = DEFAULT_TENANT) -> Alert:
        """Note that somebody has seen an alert: it sets nothing off from now on. Of what happened, it is the end.

        Raises:
            NotFound: there is no such alert; the open ones are named.
            InvalidInput: nobody is named.
        """
        return book_of(self.house).acknowledge(tenant, alert, by)

    def silence(
        self,
        seconds: float | timedelta,
        *,
        rule: str | None = None,
        subject: str | None = None,
        by: str = "user",
        tenant: str = DEFAULT_TENANT,
    ) -> Silence:
        """Tell nobody, for so long, of the alerts of a rule, of a subject, or of a rule on a subject; 0 ends that.

        They are kept all the same, set nothing off meanwhile, and are told of afterwards if they are still open.

        Raises:
            InvalidInput: neither is named, there is no such rule, or the time is out of range.
        """
        return silence(self.house, tenant, seconds, rule, subject, by)

    def silences(self, *, tenant: str = DEFAULT_TENANT) -> list[Silence]:
        """The silences that last."""
        return book_of(self.house).silences(tenant)

    def held(self, *, tenant: str = DEFAULT_TENANT) -> Hold | None:
        """What holds back promotions; `None` where nothing does."""
        return book_of(self.house).hold(tenant)

    def resume(self, *, tenant: str = DEFAULT_TENANT) -> bool:
        """Let cycles promote again; return whether something had held them back."""
        return resume(self.house, tenant)

    def undelivered(self, *, tenant: str = DEFAULT_TENANT) -> list[Delivery]:
        """Messages that wait for their channel, or were given up, oldest first."""
        return undelivered(self.house.storage.database, tenant)

    def redeliver(self, *, tenant: str = DEFAULT_TENANT) -> int:
        """Let what waits or was given up be sent with the next `watch`; return how many messages that is."""
        return redeliver(self.house, tenant)

    def test_channels(self, *, tenant: str = DEFAULT_TENANT) -> dict[str, str]:
        """Send a test through every channel at once: channel -> what went wrong; empty where it was taken."""
        return try_channels(self.house, tenant)

    # Standing ------------------------------------------------------------------------------------------------------

    def status(self, *, tenant: str = DEFAULT_TENANT) -> Status:
        """How the workspace stands, and what works only in part."""
        house = self.house
        interactions, feedback = house.experience.counts(tenant)
        last = house.cycles.last(tenant)
        running = house.cycles.unfinished(tenant)
        learners = {kind: self._learner_state(kind) for kind in self.settings.training.learners}
        return Status(
            folder=str(self.folder),
            tenant=tenant,
            champion=house.registry.alias(tenant),
            versions=house.registry.count(tenant),
            interactions=interactions,
            feedback=feedback,
            quarantined=house.experience.held(tenant),
            withdrawn_users=house.experience.withdrawals(tenant),
            last_cycle=last.result if last else None,
            running_cycle=running.result.id if running else None,
            learners=learners,
            degraded=(
                *(f"learner {kind}: {state}" for kind, state in learners.items() if state != "ready"),
                *(f"{c.part}: {c.reason} ({c.times} times since {c.since})" for c in house.conditions.open(tenant)),
                *((f"recording: buffered records were lost: {lost}",) if (lost := house.storage.database.lost) else ()),
            ),
        )

    def tracker(self, *, tenant: str = DEFAULT_TENANT, durable: bool = True) -> LearningProgressTracker:
        """What a tenant's learners and cycles report into: events, metrics, goals, and what they mean.

        Args:
            tenant: whose learning.
            durable: with `False` recording does not wait; see `onward.monitoring.LearningProgressTracker`.
        """
        made = self._trackers.get((tenant, durable))
        if made is None:
            new = LearningProgressTracker(workspace=self, tenant=tenant, durable=durable)
            made = self._trackers.setdefault((tenant, durable), new)  # the same to all, for somebody may listen to it
        return made

    def plot(self, file: str | Path, *, tenant: str = DEFAULT_TENANT) -> Path:
        """Save a picture (.png, .svg, .pdf) of every version's accuracy and of what served when.

        Raises:
            MissingExtra: matplotlib is not installed.
            Unavailable: the file cannot be written.
        """
        names = {one.name: f"work of cycle {n}" for n, one in enumerate(self.house.evaluation_sets.all(tenant), 1)}
        return plot_versions(self.versions(tenant=tenant), self.history(tenant=tenant), Path(file), names)

    def tenants(self) -> list[str]:
        """Every tenant that ever recorded, by name."""
        return self.house.experience.tenants()

    def degraded(self, part: str, reason: str, *, tenant: str = DEFAULT_TENANT) -> None:
        """Note that a part works only in part; `status` shows it until `recovered`."""
        self.house.conditions.note(tenant, part, reason)

    def recovered(self, part: str, *, tenant: str = DEFAULT_TENANT) -> None:
        """Note that a part works again."""
        self.house.conditions.clear(tenant, part)

    def _learner_state(self, kind: str) -> str:
        try:
            load_learner(kind, self.settings)
        except OnwardError as error:
            return str(error)
        return "ready"

    def known_learners(self) -> dict[str, str]:
        """Every learner that can be named in onward.toml -> "module:attribute"."""
        return known_learners(self.settings)
