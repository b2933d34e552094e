from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.conversations import lines

import onward
from onward import create_autonomous_learner
from onward.autonomous import AutonomousLearner, ConversationMetadata
from onward.core import Entity, InvalidInput, Labels, Prediction
from onward.workspace import Workspace

FEEDBACK = {"satisfaction_score": 0.9, "response_quality": 0.8}


@pytest.fixture
async def learner(workspace: Workspace, tmp_path: Path) -> AsyncIterator[AutonomousLearner]:
    made = create_autonomous_learner(model_backup_dir=tmp_path / "backups", workspace=workspace)
    yield made
    await made.flush()


async def test_the_documented_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ONWARD_TRAINING__LEARNERS", '["linear"]')
    known = {line["text"]: line for line in lines(150)}
    learner = create_autonomous_learner(
        spacy_analyzer=lambda text: {"intent": known[text]["intent"], "sentiment": "neutral", "entities": []},
        memory_service=lambda tenant, metadata: None,
        model_backup_dir=Path("backups"),
    )
    for text in known:
        meta = await learner.collect_conversation_metadata(
            tenant_id="t", user_text=text, assistant_response="Let me look.", user_id="u", user_feedback=FEEDBACK
        )
        assert isinstance(meta, ConversationMetadata)
    learner.learning_config.update({"min_data_threshold": 100, "quality_threshold": 0.8})
    result = await learner.trigger_learning_cycle("t", force_training=True)
    assert isinstance(result.model_improved, bool)
    assert result.cycle_id.startswith("cy_")
    assert result.status in {"promoted", "kept", "refused"}
    assert result.error_message is None
    assert 0 <= result.validation.accuracy <= 1
    metrics = await learner.get_learning_metrics()
    assert metrics.total_cycles == metrics["total_cycles"] == 1
    assert metrics.successful_cycles == 1
    assert metrics.failed_cycles == 0
    assert metrics.model_improvements == int(result.model_improved)
    assert metrics.average_training_time > 0
    assert metrics.recent_cycles[-1].id == result.cycle_id
    assert metrics.last_cycle is not None
    assert set(metrics) == set(dict(metrics))
    assert len(metrics) == 7
    with pytest.raises(KeyError):
        metrics["to_dict"]
    ok = await learner.training_pipeline.rollback_model(result.backup_path)
    assert ok is (result.backup_path is not None)
    assert (tmp_path / ".onward" / "onward.db").exists()
    learner.workspace.close()


async def test_metadata_says_all_that_is_documented(learner: AutonomousLearner) -> None:
    meta = await learner.collect_conversation_metadata(
        tenant_id="t",
        user_text="Hello, is my PARCEL late?",
        assistant_response="No.",
        user_id="u",
        user_feedback=FEEDBACK,
    )
    told = meta.to_dict()
    for name in [
        "conversation_id",
        "user_id",
        "intent_detected",
        "sentiment_detected",
        "persona_selected",
        "user_satisfaction",
        "response_quality",
        "entities_extracted",
        "linguistic_features",
        "feedback_provided",
        "correction_needed",
    ]:
        assert told[name] == getattr(meta, name)
    assert (meta.user_satisfaction, meta.response_quality, meta.feedback_provided) == (0.9, 0.8, True)
    assert meta.linguistic_features["words"] == 5
    assert not meta.correction_needed
    bad = await learner.collect_conversation_metadata(
        tenant_id="t", user_text="wrong", user_feedback={"satisfaction_score": 0.1}
    )
    assert bad.correction_needed


class Analyzer:
    """Answers in every shape that is understood."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def analyze(self, text: str) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize(
    "answer",
    [
        {"intent": "refund", "sentiment": "negative", "entities": [("lamp", "PRODUCT")]},
        {"intent": "refund", "sentiment": "negative", "entities": [{"start": 4, "end": 8, "label": "PRODUCT"}]},
        Prediction(Labels("refund", "negative", (Entity(4, 8, "PRODUCT"),))),
        SimpleNamespace(intent="refund", sentiment="negative", entities=[Entity(4, 8, "PRODUCT")]),
    ],
)
async def test_analyzers_of_many_shapes(workspace: Workspace, answer: Any) -> None:
    learner = create_autonomous_learner(spacy_analyzer=Analyzer(answer), workspace=workspace)
    meta = await learner.collect_conversation_metadata(tenant_id="t", user_text="the lamp is broken")
    assert (meta.intent_detected, meta.sentiment_detected) == ("refund", "negative")
    assert meta.entities_extracted == (("lamp", "PRODUCT"),)
    assert meta.degraded == ""
    await learner.flush()


async def test_an_asynchronous_analyzer(workspace: Workspace) -> None:
    async def analyze(text: str) -> dict[str, str]:
        await asyncio.sleep(0)
        return {"intent": "refund"}

    learner = create_autonomous_learner(spacy_analyzer=analyze, workspace=workspace)
    meta = await learner.collect_conversation_metadata(tenant_id="t", user_text="money back")
    assert meta.intent_detected == "refund"
    await learner.flush()


async def test_a_spacy_pipeline_is_an_analyzer(workspace: Workspace) -> None:
    spacy = pytest.importorskip("spacy")
    nlp = spacy.blank("en")
    ruler = nlp.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": "CITY", "pattern": "Oslo"}])
    learner = create_autonomous_learner(spacy_analyzer=nlp, workspace=workspace)
    meta = await learner.collect_conversation_metadata(tenant_id="t", user_text="ship it to Oslo")
    assert meta.entities_extracted == (("Oslo", "CITY"),)
    await learner.flush()


@pytest.mark.parametrize("answer", [RuntimeError("model gone"), 42, {"entities": [1]}])
async def test_a_failing_analyzer_is_replaced_by_rules_and_seen_in_status(workspace: Workspace, answer: Any) -> None:
    analyzer = Analyzer(answer)
    learner = create_autonomous_learner(spacy_analyzer=analyzer, workspace=workspace)
    meta = await learner.collect_conversation_metadata(tenant_id="t", user_text="Hello, terrible service")
    assert (meta.intent_detected, meta.sentiment_detected) == ("greeting", "negative")
    assert meta.degraded
    await learner.flush()
    assert any(line.startswith("analyzer") for line in workspace.status(tenant="t").degraded)
    kept = workspace.trace(meta.conversation_id, tenant="t").interaction
    assert kept.context["degraded"] == meta.degraded
    analyzer.answer = {"intent": "greeting"}
    await learner.collect_conversation_metadata(tenant_id="t", user_text="Hello again")
    assert workspace.status(tenant="t").degraded == ()
    await learner.flush()


async def test_a_hanging_analyzer_costs_the_conversation_nothing(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("onward.autonomous._learner.ANSWER_SECONDS", 0.05)
    let_go = threading.Event()
    learner = create_autonomous_learner(spacy_analyzer=lambda text: let_go.wait(20), workspace=workspace)
    told = [await learner.collect_conversation_metadata(tenant_id="t", user_text=f"hello {n}") for n in range(8)]
    assert all("Timeout" in meta.degraded for meta in told)
    assert "unanswered" in told[-1].degraded
    await learner.flush()
    assert workspace.status(tenant="t").interactions == 8
    let_go.set()


async def test_collecting_does_not_block_the_event_loop(workspace: Workspace) -> None:
    learner = create_autonomous_learner(spacy_analyzer=lambda text: time.sleep(0.3) or {}, workspace=workspace)
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.01)

    ticking = asyncio.create_task(tick())
    await learner.collect_conversation_metadata(tenant_id="t", user_text="hello")
    ticking.cancel()
    assert ticks > 3
    await learner.flush()


@pytest.mark.parametrize("text", ["", "\x00", "\ud800", "x" * 200_000])
async def test_collecting_never_raises(learner: AutonomousLearner, text: str) -> None:
    meta = await learner.collect_conversation_metadata(
        tenant_id="t", user_text=text, user_feedback={"satisfaction_score": "a lot", "correction": 7}
    )
    assert meta.user_satisfaction is None
    await learner.flush()


async def test_what_cannot_be_recorded_is_seen_in_status(learner: AutonomousLearner) -> None:
    await learner.collect_conversation_metadata(tenant_id="t", user_text="x" * 200_000)
    await learner.flush()
    assert any("collecting" in line for line in learner.workspace.status(tenant="t").degraded)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"user_feedback": "good"}, "it is a str"),
        ({"user_feedback": {"satisfaction_score": 90}}, "satisfaction_score is 90"),
        ({"user_feedback": {"satisfaction": 0.9}}, "satisfaction is unknown"),
        ({"user_text": None}, "user_text is a NoneType"),
        ({"tenant_id": None}, "tenant_id is None"),
    ],
)
async def test_what_is_handed_in_wrongly_is_seen_in_status(
    learner: AutonomousLearner, wrong: dict[str, Any], said: str
) -> None:
    await learner.collect_conversation_metadata(**{"tenant_id": "t", "user_text": "hello", **wrong})
    await learner.flush()
    tenant = wrong.get("tenant_id", "t") or "default"
    assert any(said in line for line in learner.workspace.status(tenant=tenant).degraded)
    recorded = learner.workspace.status(tenant=tenant).interactions
    assert recorded == (0 if {"user_text", "tenant_id"} & set(wrong) else 1)


async def test_what_rules_said_never_teaches(workspace: Workspace) -> None:
    learner = create_autonomous_learner(spacy_analyzer=Analyzer(RuntimeError("gone")), workspace=workspace)
    for line in lines(80):
        await learner.collect_conversation_metadata("t", line["text"], user_feedback={"satisfaction_score": 1.0})
    result = await learner.trigger_learning_cycle("t", force_training=True)
    assert result.status == "failed"
    assert workspace.champion(tenant="t") is None
    told = await learner.collect_conversation_metadata(
        "t", "hello", user_feedback={"correction": {"intent": "greeting"}}
    )
    await learner.flush()
    assert workspace.trace(told.conversation_id, tenant="t").feedback[0].correction == Labels(intent="greeting")


async def test_memory_is_told_and_may_fail(workspace: Workspace) -> None:
    told: list[tuple[str, dict[str, Any]]] = []

    class Memory:
        async def remember(self, tenant: str, metadata: dict[str, Any]) -> None:
            told.append((tenant, metadata))
            raise ConnectionError("memory is down")

    learner = create_autonomous_learner(memory_service=Memory(), workspace=workspace)
    meta = await learner.collect_conversation_metadata(tenant_id="t", user_text="hello")
    await learner.flush()
    assert told == [("t", meta.to_dict())]
    assert any("memory is down" in line for line in workspace.status(tenant="t").degraded)


def test_a_service_that_cannot_be_asked_is_refused(workspace: Workspace) -> None:
    with pytest.raises(InvalidInput, match="analyze"):
        create_autonomous_learner(spacy_analyzer=7, workspace=workspace)


async def test_it_learns_improves_and_rolls_back(learner: AutonomousLearner, tmp_path: Path) -> None:
    ws = learner.workspace
    ws.record_many({**line, "tenant": "t"} for line in lines(300))
    first = await learner.trigger_learning_cycle("t")
    assert first.model_improved
    assert first.validation.passed_threshold
    assert first.validation.intent_accuracy > 0.9
    assert first.validation.sentiment_accuracy == 0
    assert first.backup_path.parent == tmp_path / "backups"
    ws.record_many(
        {**line, "tenant": "t"}
        for line in lines(300, intents=("order_status", "refund", "greeting", "gift_card"), seed=1)
    )
    second = await learner.trigger_learning_cycle("t")
    assert second.model_improved
    assert ws.champion(tenant="t") == 2
    meta = await learner.collect_conversation_metadata(tenant_id="t", user_text="redeem my voucher number please")
    assert meta.intent_detected == "gift_card"
    await learner.flush()
    traced = ws.trace(meta.conversation_id, tenant="t")
    assert traced.version is not None
    assert traced.version.number == 2
    assert traced.teachers[0].intent == "gift_card"
    assert await learner.training_pipeline.rollback_model(second.backup_path)
    assert ws.champion(tenant="t") == 1
    assert not await learner.training_pipeline.rollback_model(tmp_path / "nothing.tar.gz")
    assert not await learner.training_pipeline.rollback_model(None)
    assert ws.champion(tenant="t") == 1


async def test_a_cycle_that_cannot_run_is_told_not_raised(learner: AutonomousLearner) -> None:
    skipped = await learner.trigger_learning_cycle("t")
    assert (skipped.status, skipped.model_improved, skipped.error_message) == ("skipped", False, None)
    learner.training_config["learners"] = ("nobody",)
    learner.workspace.record_many({**line, "tenant": "t"} for line in lines(100))
    failed = await learner.trigger_learning_cycle("t")
    assert failed.status == "failed"
    assert "nobody" in failed.error_message
    learner.workspace.close()
    closed = await learner.trigger_learning_cycle("t")
    assert closed.status == "failed"
    assert "closed" in closed.error_message


async def test_old_back_ups_go(learner: AutonomousLearner) -> None:
    learner.learning_config["backup_retention_days"] = 0
    ws = learner.workspace
    ws.record_many({**line, "tenant": "t"} for line in lines(300))
    first = await learner.trigger_learning_cycle("t")
    assert first.backup_path.exists()
    old = first.backup_path.with_name("onward-v0-old.tar.gz")
    old.write_bytes(b"")
    os.utime(old, (0, 0))
    await learner.trigger_learning_cycle("t")
    assert not old.exists()


def test_configuration_is_checked_and_holds(workspace: Workspace) -> None:
    learner = create_autonomous_learner(workspace=workspace)
    config = learner.learning_config
    defaults = {
        "min_data_threshold": 50, "quality_threshold": 0.7, "validation_threshold": 0.85,
        "max_training_examples": 1000, "backup_retention_days": 30,
    }  # fmt: skip
    assert {name: config[name] for name in defaults} == defaults
    config.update({"min_data_threshold": 100, "quality_threshold": 0.8})
    assert (config["min_data_threshold"], workspace.settings.learning.quality_threshold) == (100, 0.8)
    with pytest.raises(InvalidInput, match=r"learning\.quality_threshold"):
        config["quality_threshold"] = 7
    with pytest.raises(InvalidInput, match="min_data_threshold"):
        config["min_data_treshold"] = 7
    del config["quality_threshold"]
    assert config["quality_threshold"] == 0.7
    assert len(config) == len(list(config))
    training = learner.training_config
    assert [training[n] for n in ("n_iter", "batch_size", "dropout", "learn_rate", "validation_split")] == [
        10,
        32,
        0.2,
        0.001,
        0.2,
    ]
    assert dict(learner.thresholds) == {
        "accuracy": 0.85,
        "intent": 0.80,
        "sentiment": 0.75,
        "entity": 0.70,
        "task": 0.70,
    }


def test_the_front_door_names_it() -> None:
    assert onward.create_autonomous_learner is create_autonomous_learner
