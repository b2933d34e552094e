"""The continual text learner in a workspace: promoted, rolled back, refused, and made to forget a user."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

import onward
from onward.core import DatasetVersion, Labels, ManualClock, Model, Prediction, Trained, Training
from onward.workspace import Workspace
from tests.conversations import lines

pytest.importorskip("torch")

from onward.learners.text.continual import ContinualTextLearner, ContinualTextModel, create
from onward.learners.text.continual._state import remembered

THREE = ("order_status", "refund", "greeting")
FOUR = (*THREE, "gift_card")
CONTINUAL = {"training": {"learners": ["continual"]}}
Make = Callable[..., Workspace]


def model_of(ws: Workspace, number: int | None) -> ContinualTextModel:
    assert number is not None
    version = ws.version(number)
    return ContinualTextLearner().load(ws.house.storage.blobs.folder(version.artifact))


def saved(model: Model, folder: Path) -> dict[str, bytes]:
    folder.mkdir()
    model.save(folder)
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def buffer_of(ws: Workspace, number: int | None) -> set[str]:
    return {key for head in model_of(ws, number).heads.values() for key in remembered(head)}


def days(ws: Workspace, clock: ManualClock) -> None:
    """Two promotions: three intents, then a fourth."""
    ws.record_many(lines(300))
    assert ws.cycle().promoted
    clock.advance(timedelta(days=1))
    ws.record_many(lines(300, intents=FOUR, seed=1))
    assert ws.cycle().promoted
    clock.advance(timedelta(days=1))


def test_the_candidate_goes_on_from_the_champion_and_a_rollback_takes_the_buffer_back_too(
    make_workspace: Make, clock: ManualClock, tmp_path: Path
) -> None:
    ws = make_workspace(**CONTINUAL)
    days(ws, clock)
    assert ws.version(2).config["report"]["quick"]
    first, second = buffer_of(ws, 1), buffer_of(ws, 2)
    assert first < second
    ws.rollback(reason="it misroutes refunds")
    ws.record_many(lines(200, intents=FOUR, seed=2))
    third = ws.version(ws.cycle(force=True).candidate)
    assert third.parent == 1
    dataset = ws.house.datasets.get("default", third.dataset)
    straight = create(ws.settings).train(
        dataset.without_tasks, model_of(ws, 1), Training(seed=ws.settings.training.seed)
    )
    assert saved(straight.model, tmp_path / "straight") == saved(model_of(ws, third.number), tmp_path / "third")
    learned = {e.id for e in dataset.examples if e.new and e.split != "evaluation"}
    assert buffer_of(ws, third.number) == first | learned


class Unplugged(BaseException):
    """The process dies here."""


def test_a_cycle_killed_while_it_trains_ends_in_the_same_artifact(make_workspace: Make, clock: ManualClock) -> None:
    artifacts = []

    def die(stage: str, done: int, total: int, note: str) -> None:
        if stage == "train continual" and 0 < done < total:
            raise Unplugged

    for name in ("straight", "killed"):
        ws = make_workspace(name, **CONTINUAL)
        days(ws, clock)
        ws.record_many(lines(200, intents=FOUR, seed=3))
        if name == "killed":
            with pytest.raises(Unplugged):
                ws.cycle(force=True, progress=die)
        artifacts.append(ws.version(ws.cycle(force=True).candidate).artifact)
    assert artifacts[0] == artifacts[1]


def test_who_withdraws_consent_is_in_no_later_buffer(make_workspace: Make, clock: ManualClock) -> None:
    ws = make_workspace(**CONTINUAL)
    ws.record_many({**line, "user": f"u{n % 5}"} for n, line in enumerate(lines(300)))
    assert ws.cycle().promoted
    examples = ws.house.datasets.get("default", ws.version(1).dataset).examples
    theirs = {e.id for e in examples if all(int(i.rpartition("-")[2]) % 5 == 3 for i in e.interactions)}
    assert theirs & buffer_of(ws, 1)
    clock.advance(timedelta(days=1))
    ws.record_many(lines(300, intents=FOUR, seed=1))
    assert ws.cycle().promoted
    assert theirs & buffer_of(ws, 2)
    said = ws.forget("u3")
    assert said.marked_versions == (1, 2)
    clock.advance(timedelta(days=1))
    ws.record_many(lines(200, intents=FOUR, seed=2))
    third = ws.version(ws.cycle(force=True).candidate)
    assert third.config["report"]["quick"] is False
    assert not theirs & buffer_of(ws, third.number)
    clock.advance(timedelta(days=1))
    ws.record_many(lines(200, intents=FOUR, seed=4))
    fourth = ws.version(ws.cycle(force=True).candidate)
    assert not theirs & buffer_of(ws, fourth.number)


@dataclass(frozen=True)
class Forgetful:
    """Right about everything but one old intent of one kind of text."""

    model: Model

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        said = self.model.predict(texts)
        return [
            Prediction(Labels(intent="greeting")) if "first year" in t else p for t, p in zip(texts, said, strict=True)
        ]

    def save(self, folder: Path) -> None:
        self.model.save(folder)


@dataclass(frozen=True)
class ForgetfulLearner:
    learner: ContinualTextLearner

    def train(self, dataset: DatasetVersion, champion: Model | None, training: Training) -> Trained:
        known = champion.model if isinstance(champion, Forgetful) else champion
        return self.learner.train(dataset, known, training)

    def load(self, folder: Path) -> Model:
        model = self.learner.load(folder)
        return Forgetful(model) if "lost" in model.heads["intent"].labels else model


def forgetful(settings: onward.Settings) -> ForgetfulLearner:
    return ForgetfulLearner(create(settings))


def test_a_candidate_that_forgets_one_older_set_is_refused(make_workspace: Make, clock: ManualClock) -> None:
    """Much better on new work, and as good on most of the old: one frozen set is enough to refuse it."""
    ws = make_workspace(
        training={"learners": ["forgetful"], "validation_split": 0.4},
        plugins={"forgetful": "tests.test_continual_in_the_loop:forgetful"},
        thresholds={"accuracy": 0, "intent": 0},
        gate={"max_intent_loss": 1.0, "min_set": 20},
    )
    kinds = ((("order_status", "refund"), "first"), (("greeting",), "second"), (("gift_card",), "third"))
    for intents, year in kinds:
        some = [line for line in lines(300, intents=FOUR) if line["intent"] in intents]
        ws.record_many({**line, "id": f"{year} {line['id']}", "text": f"{line['text']}, {year} year"} for line in some)
        assert ws.cycle(force=True).promoted
        clock.advance(timedelta(days=1))
    lost = lines(200, intents=("greeting",), seed=7)
    ws.record_many({**line, "text": f"{line['text']}, lost and found", "intent": "lost"} for line in lost)
    result = ws.cycle(force=True)
    assert result.status == "refused"
    assert ws.champion() == 3
    assert result.verdict is not None
    checks = {check.name: check for check in result.verdict.checks}
    assert checks["better"].passed
    forgotten = [check for name, check in checks.items() if name.startswith("forgetting")]
    assert [check.passed for check in forgotten] == [False, *[True] * (len(forgotten) - 1)]
    assert len(forgotten) >= 2
    assert result.reason == forgotten[0].reason
