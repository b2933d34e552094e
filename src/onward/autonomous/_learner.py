"""The autonomous learner: watches conversations, learns in cycles, takes back. A thin facade over a workspace."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from onward.config import Settings, settings_from
from onward.core import CycleResult, OnwardError, log, new_id
from onward.workspace import Workspace, open_workspace

from ._analysis import Analysis, Service, method_of, understood
from ._heard import Heard, hear
from ._records import ConversationMetadata, LearningCycleResult, LearningMetrics, ValidationResult
from ._rules import linguistic_features, read_by_rules

RECENT: Final = 10
ANSWER_SECONDS: Final = 2.0
TRAINED: Final = frozenset({"promoted", "kept", "refused"})


def create_autonomous_learner(
    spacy_analyzer: object | None = None,
    memory_service: object | None = None,
    model_backup_dir: Path | None = None,
    *,
    workspace: Workspace | str | Path = ".onward",
    settings: Mapping[str, Any] | Settings | None = None,
) -> AutonomousLearner:
    """Make an autonomous learner.

    Args:
        spacy_analyzer: says intent, sentiment and entities of a text: an object with `analyze(text)`, a function, or a
            spaCy pipeline, plain or asynchronous. Without one the champion is asked.
        memory_service: told of every exchange: an object with `remember(tenant_id, metadata)`, or a function.
        model_backup_dir: where back-ups of model versions go; the workspace's `backups` folder where left out.
        workspace: an open workspace, or where one is or will be.
        settings: as in `onward.open`; only for a workspace that is opened here.

    Raises:
        InvalidInput: a service cannot be asked, or the settings are wrong.
    """
    opened = workspace if isinstance(workspace, Workspace) else open_workspace(workspace, settings=settings)
    return AutonomousLearner(
        opened,
        analyze=None if spacy_analyzer is None else method_of(spacy_analyzer, "analyze"),
        remember=None if memory_service is None else method_of(memory_service, "remember"),
        backups=model_backup_dir or opened.folder / "backups",
    )


class AutonomousLearner:
    """Collects what is said, learns from it in cycles. Made by `create_autonomous_learner`."""

    def __init__(
        self,
        workspace: Workspace,
        *,
        analyze: Callable[..., Any] | None,
        remember: Callable[..., Any] | None,
        backups: Path,
    ) -> None:
        self.workspace = workspace
        self.learning_config = ConfigSection(workspace, "learning")
        self.training_config = ConfigSection(workspace, "training")
        self.thresholds = ConfigSection(workspace, "thresholds")
        self.training_pipeline = TrainingPipeline(workspace, backups)
        self._analyzer = None if analyze is None else Service(analyze, ANSWER_SECONDS)
        self._champion = Service(self._ask_champion, ANSWER_SECONDS)
        self._memory = None if remember is None else Service(remember, ANSWER_SECONDS)
        self._writing: set[asyncio.Task[None]] = set()

    async def collect_conversation_metadata(
        self,
        tenant_id: str,
        user_text: str,
        assistant_response: str | None = None,
        user_id: str | None = None,
        user_feedback: Mapping[str, Any] | None = None,
    ) -> ConversationMetadata:
        """Understand one exchange and record it.

        Never raises and never blocks the event loop: the analyzer is given two seconds, in a thread, before rules take
        its place; recording goes on in the background (`flush` waits for it). Whatever fails, and whatever is handed in
        wrongly, is noted in `status`. What rules said is told, but never recorded as a prediction: it teaches nothing.

        Args:
            tenant_id: whose conversation it is.
            user_text: what the user said.
            assistant_response: what was answered.
            user_id: who said it.
            user_feedback: `satisfaction_score` and `response_quality` (0..1), `correction` ({"intent": ...}).
        """
        heard = hear(tenant_id, user_text, user_feedback)
        tenant_id, user_text, feedback = heard.tenant, heard.text, heard.feedback
        analysis, degraded = await self._read(tenant_id, user_text)
        satisfaction, quality = feedback.get("satisfaction_score"), feedback.get("response_quality")
        correction = feedback.get("correction")
        confirm = self.workspace.settings.curation.confirm_score
        metadata = ConversationMetadata(
            conversation_id=new_id("in", self.workspace.house.clock.now()),
            user_id=user_id,
            intent_detected=analysis.intent,
            sentiment_detected=analysis.sentiment,
            persona_selected=analysis.persona,
            user_satisfaction=satisfaction,
            response_quality=quality,
            entities_extracted=tuple((user_text[e.start : e.end], e.label) for e in analysis.entities or ()),
            linguistic_features=linguistic_features(user_text),
            feedback_provided=bool(feedback),
            correction_needed=bool(correction) or (satisfaction is not None and satisfaction < 1 - confirm),
            degraded=degraded,
        )
        keep = self._keep(heard, assistant_response, analysis, metadata)
        task = asyncio.create_task(keep)
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)
        return metadata

    async def flush(self) -> None:
        """Wait until everything collected so far is durable."""
        await asyncio.gather(*self._writing)

    async def trigger_learning_cycle(self, tenant_id: str, force_training: bool = False) -> LearningCycleResult:
        """Run one cycle for a tenant, in a thread.

        Args:
            tenant_id: whose interactions.
            force_training: train even with less than `min_data_threshold` new examples.
        """
        await self.flush()
        return await asyncio.to_thread(self.training_pipeline.run, tenant_id, force=force_training)

    async def get_learning_metrics(self) -> LearningMetrics:
        """Counts and times of all cycles of all tenants."""
        return await asyncio.to_thread(_metrics, self.workspace)

    async def _read(self, tenant: str, text: str) -> tuple[Analysis, str]:
        """The analysis, and why it is a rule-based one where it is."""
        try:
            if self._analyzer is not None:
                analysis = understood(await self._analyzer.ask(text), text)
            else:
                analysis = understood(await self._champion.ask(text, tenant), text)
            await asyncio.to_thread(self.workspace.recovered, "analyzer", tenant=tenant)
        except Exception as error:  # noqa: BLE001 - somebody else's analyzer may raise anything; the talk goes on
            reason = f"{type(error).__name__}: {error}"
            await asyncio.to_thread(self._note, tenant, "analyzer", reason)
            return read_by_rules(text), reason
        return analysis, ""

    def _ask_champion(self, text: str, tenant: str) -> object:
        return self.workspace.predict(text, tenant=tenant, record=False)

    async def _keep(
        self, heard: Heard, response: str | None, analysis: Analysis, metadata: ConversationMetadata
    ) -> None:
        problems = list(heard.problems)
        try:
            if heard.recordable:
                lines = _lines(heard, response, analysis, metadata)
                recorded = await asyncio.to_thread(self.workspace.record_many, lines)
                problems += [line.reason for line in recorded.bad]
            if self._memory is not None:
                await self._memory.ask(heard.tenant, metadata.to_dict())
        except Exception as error:  # noqa: BLE001 - collecting never disturbs the conversation it watches
            problems.append(f"{type(error).__name__}: {error}")
        if problems:
            await asyncio.to_thread(self._note, heard.tenant, "collecting", problems[0])

    def _note(self, tenant: str, part: str, reason: str) -> None:
        log.warning("degraded", tenant=tenant, part=part, reason=reason)
        try:
            self.workspace.degraded(part, reason, tenant=tenant)
        except OnwardError:
            log.exception("cannot note", tenant=tenant, part=part)


class TrainingPipeline:
    """Cycles with a back-up before each, and the way back."""

    def __init__(self, workspace: Workspace, backups: Path) -> None:
        self.workspace, self.backups = workspace, backups

    def run(self, tenant: str, *, force: bool = False) -> LearningCycleResult:
        """One cycle, the champion backed up first; never raises what the loop can say."""
        try:
            before = self._back_up(tenant)
            result = self.workspace.cycle(tenant=tenant, force=force, reason="autonomous learner")
            backup = before or self._back_up(tenant)
        except OnwardError as error:
            return LearningCycleResult(
                cycle_id="", status="failed", model_improved=False, reason=error.what, error_message=str(error)
            )
        return LearningCycleResult(
            cycle_id=result.id,
            status=result.status,
            model_improved=result.promoted,
            reason=result.reason,
            error_message=result.reason if result.status == "failed" else None,
            validation=self._validation(result),
            backup_path=backup,
        )

    async def rollback_model(self, backup_path: Path | None) -> bool:
        """Put the version of a back-up back into service; whether that version serves afterwards."""
        if backup_path is None:
            return False
        try:
            await asyncio.to_thread(self.workspace.restore_version, Path(backup_path), by="autonomous learner")
        except OnwardError as error:
            log.warning("rollback refused", file=str(backup_path), reason=str(error))
            return False
        return True

    def _back_up(self, tenant: str) -> Path | None:
        champion = self.workspace.champion(tenant=tenant)
        if champion is None:
            return None
        self._drop_old()
        return self.workspace.back_up_version(champion, self.backups)

    def _drop_old(self) -> None:
        days = self.workspace.settings.learning.backup_retention_days
        oldest = self.workspace.house.clock.now() - timedelta(days=days)
        for file in self.backups.glob("onward-v*.tar.gz"):
            if file.stat().st_mtime < oldest.timestamp():
                file.unlink()

    def _validation(self, result: CycleResult) -> ValidationResult | None:
        if result.candidate is None:
            return None
        scorecard = self.workspace.version(result.candidate).scorecard
        threshold = self.workspace.settings.learning.validation_threshold
        return None if scorecard is None else ValidationResult.of(scorecard, threshold)


class ConfigSection(MutableMapping[str, Any]):
    """One table of the settings as a dict: every change is checked, and holds from the next cycle on."""

    def __init__(self, workspace: Workspace, section: str) -> None:
        self._workspace, self._section = workspace, section

    def _values(self) -> dict[str, Any]:
        return dict(getattr(self._workspace.settings, self._section).model_dump())

    def _put(self, values: Mapping[str, Any]) -> None:
        whole = {**self._workspace.settings.model_dump(), self._section: values}
        self._workspace.configure(settings_from(whole))

    def __getitem__(self, name: str) -> Any:
        return self._values()[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self._put({**self._values(), name: value})

    def __delitem__(self, name: str) -> None:
        values = self._values()
        del values[name]
        self._put(values)

    def __iter__(self) -> Iterator[str]:
        return iter(self._values())

    def __len__(self) -> int:
        return len(self._values())


def _lines(
    heard: Heard, response: str | None, analysis: Analysis, metadata: ConversationMetadata
) -> list[dict[str, Any]]:
    """The exchange, and what the user said of it, as the lines of a file."""
    name = metadata.conversation_id
    exchange = {
        "id": name,
        "tenant": heard.tenant,
        "text": heard.text,
        "response": response,
        "user": metadata.user_id,
        "source": "conversation",
        "prediction": None if metadata.degraded else {"labels": analysis.labels, "version": analysis.version},
        "context": {"response_quality": metadata.response_quality, "degraded": metadata.degraded},
    }
    if not heard.feedback:
        return [exchange]
    said = {
        "interaction": name,
        "tenant": heard.tenant,
        "user": metadata.user_id,
        "score": metadata.user_satisfaction,
        "correction": heard.feedback.get("correction"),
        "remark": {"response_quality": metadata.response_quality},
    }
    return [exchange, said]


def _metrics(workspace: Workspace) -> LearningMetrics:
    cycles = [cycle for tenant in workspace.tenants() for cycle in workspace.cycles(tenant=tenant)]
    cycles.sort(key=lambda cycle: cycle.started)
    ended = [cycle for cycle in cycles if cycle.status != "running"]
    failed = [cycle for cycle in ended if cycle.status in ("failed", "abandoned")]
    times = [cycle.seconds for cycle in ended if cycle.status in TRAINED]
    return LearningMetrics(
        total_cycles=len(ended),
        successful_cycles=len(ended) - len(failed),
        failed_cycles=len(failed),
        model_improvements=sum(cycle.promoted for cycle in ended),
        average_training_time=sum(times) / len(times) if times else 0.0,
        recent_cycles=tuple(ended[-RECENT:]),
        last_cycle=ended[-1].finished if ended else None,
    )
