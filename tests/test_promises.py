"""What must never happen, whatever order things come in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

import onward
from onward.core import Busy, DatasetVersion, InvalidInput, ManualClock, Model, Prediction, Trained, Training
from onward.loop import frozen_sets
from onward.workspace import Workspace
from tests.conversations import lines

FOUR = ("order_status", "refund", "greeting", "gift_card")


def taught_by(ws: Workspace, number: int) -> set[str]:
    return {i for e in ws.house.datasets.get("default", ws.version(number).dataset).examples for i in e.interactions}


@pytest.fixture
def serving(workspace: Workspace, clock: ManualClock) -> Workspace:
    workspace.record_many(lines(400))
    assert workspace.cycle().status == "promoted"
    clock.advance(timedelta(days=1))
    return workspace


def test_poison_sent_again_under_other_ids_is_refused_again(serving: Workspace, clock: ManualClock) -> None:
    poison = lines(200, seed=1, flipped=0.4, source="evil")
    serving.record_many(poison)
    assert serving.cycle().status == "refused"
    clock.advance(timedelta(days=1))
    serving.record_many({**line, "id": f"again-{line['id']}"} for line in poison)
    result = serving.cycle()
    assert result.status in {"refused", "kept"}
    assert serving.champion() == 1
    clock.advance(timedelta(days=1))
    serving.record_many(lines(300, intents=FOUR, seed=2))
    after = serving.cycle(force=True)
    assert not any("evil" in name for name in taught_by(serving, after.champion))


def test_corrections_can_be_poison_too(serving: Workspace, clock: ManualClock) -> None:
    wrong = {"order_status": "refund", "refund": "greeting", "greeting": "order_status"}
    said = lines(400)[:150]
    serving.record_many(
        {"id": f"bad-{line['id']}", "interaction": line["id"], "correction": {"intent": wrong[line["intent"]]}}
        for line in said
    )
    result = serving.cycle()
    assert result.status == "refused"
    assert set(serving.quarantined()) <= {line["id"] for line in said}
    assert len(serving.quarantined()) > 100
    assert serving.champion() == 1


def test_honest_corrections_alone_start_a_cycle(serving: Workspace) -> None:
    said = [line for line in lines(400) if line["intent"] == "refund"][:80]
    serving.record_many({"interaction": line["id"], "correction": {"intent": "money_back"}} for line in said)
    assert serving.cycle().status != "skipped"


def test_what_the_gate_refused_never_serves_by_a_side_door(serving: Workspace, tmp_path: Path) -> None:
    serving.record_many(lines(200, seed=1, flipped=0.4, source="evil"))
    refused = serving.cycle().candidate
    with pytest.raises(InvalidInput):
        serving.rollback(to=refused)
    file = serving.back_up_version(refused, tmp_path)
    with pytest.raises(InvalidInput):
        serving.restore_version(file)
    assert serving.champion() == 1


def during(stage: str, act: Callable[[], object]) -> Callable[[str, int, int, str], None]:
    done = []

    def progress(name: str, *_: object) -> None:
        if name == stage and not done:
            done.append(act())

    return progress


def test_a_rollback_during_a_cycle_stands(serving: Workspace, clock: ManualClock) -> None:
    serving.record_many(lines(300, intents=FOUR, seed=1))
    assert serving.cycle().champion == 2
    clock.advance(timedelta(days=1))
    serving.record_many(lines(300, intents=FOUR, seed=2))
    with pytest.raises(Busy, match="somebody moved the champion"):
        serving.cycle(force=True, progress=during("prove", serving.rollback))
    assert serving.champion() == 1
    resumed = serving.cycle(force=True)
    assert serving.version(resumed.candidate).parent == 1


def test_whoever_withdraws_during_a_cycle_teaches_nothing(workspace: Workspace) -> None:
    workspace.record_many(lines(300))
    with pytest.raises(Busy, match="withdrew consent"):
        workspace.cycle(progress=during("train linear", lambda: workspace.forget("u3")))
    result = workspace.cycle()
    assert result.status == "promoted"
    gone = workspace.house.experience.withdrawn_interactions("default")
    assert gone
    assert gone.isdisjoint(taught_by(workspace, result.champion))


def test_what_a_person_released_teaches_and_is_not_taken_again(serving: Workspace, clock: ManualClock) -> None:
    serving.record_many(lines(200, seed=1, flipped=0.4, source="odd"))
    assert serving.cycle().status == "refused"
    released = serving.release()
    assert released > 100
    result = serving.cycle()
    assert result.status != "skipped"
    assert serving.quarantined() == {}
    assert any(name.startswith("odd") for name in taught_by(serving, result.candidate))


class Mute:
    """A model that answers too little, or not at all."""

    def __init__(self, error: bool) -> None:
        self.error = error

    def train(self, dataset: DatasetVersion, champion: Model | None, training: Training) -> Trained:
        return Trained(self, {})

    def load(self, folder: Path) -> Model:
        return self

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        if self.error:
            raise RuntimeError("cannot answer")
        return []

    def save(self, folder: Path) -> None:
        (folder / "nothing.txt").write_text("")


def mute(settings: onward.Settings) -> Mute:
    return Mute(error=False)


def raising(settings: onward.Settings) -> Mute:
    return Mute(error=True)


@pytest.mark.parametrize("name", ["mute", "raising"])
def test_a_model_that_cannot_answer_stands_in_nobodys_way(make_workspace: Callable[..., Workspace], name: str) -> None:
    plugins = {name: f"tests.test_promises:{name}"}
    alone = make_workspace("alone", training={"learners": [name]}, plugins=plugins)
    alone.record_many(lines(200))
    assert alone.cycle().status == "failed"
    both = make_workspace("both", training={"learners": [name, "linear"]}, plugins=plugins)
    both.record_many(lines(200))
    assert both.cycle().status == "promoted"


def test_the_bound_on_evaluation_examples_makes_no_old_ones_new(
    make_workspace: Callable[..., Workspace], clock: ManualClock
) -> None:
    ws = make_workspace(gate={"max_examples": 20})
    ws.record_many(lines(400))
    assert ws.cycle().status == "promoted"
    clock.advance(timedelta(days=1))
    ws.record_many(lines(60, seed=1))
    verdict = ws.cycle(force=True).verdict
    evidence = next(check for check in verdict.checks if check.name == "evidence")
    assert evidence.figure < 25


def test_competing_learners_share_the_level(make_workspace: Callable[..., Workspace]) -> None:
    ws = make_workspace(
        training={"learners": ["linear", "twin"]}, plugins={"twin": "onward.learners.text.linear:create"}
    )
    ws.record_many(lines(300))
    verdict = ws.cycle().verdict
    assert next(check for check in verdict.checks if check.name == "better").bound == pytest.approx(0.025)


def test_every_later_candidate_is_held_against_what_was_once_reached(serving: Workspace) -> None:
    serving.record_many(lines(300, intents=FOUR, seed=1))
    assert serving.cycle().status == "promoted"
    serving.record_many(lines(300, intents=FOUR, seed=2))
    assert len(_frozen_ids(serving)) >= 60
    checks = [check.name for check in serving.cycle(force=True).verdict.checks]
    assert "slip" in checks
    assert any(name.startswith("slip intent ") for name in checks)


def test_whoever_withdrew_judges_nothing_either(serving: Workspace) -> None:
    before = _frozen_ids(serving)
    serving.forget("u3")
    gone = serving.house.experience.withdrawn_interactions("default")
    assert gone & before
    assert _frozen_ids(serving) == before - gone


def _frozen_ids(ws: Workspace) -> set[str]:
    return {i for one in frozen_sets(ws.house, "default") for e in one.examples for i in e.interactions}
