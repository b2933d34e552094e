from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert

import onward
from onward.config import settings_from
from onward.core import (
    Busy,
    CycleResult,
    DatasetVersion,
    Labels,
    ManualClock,
    Model,
    Prediction,
    Trained,
    Training,
)
from onward.storage import hold, schema
from onward.workspace import Workspace
from tests.conftest import LINEAR
from tests.conversations import lines

THREE = ("order_status", "refund", "greeting")
FOUR = (*THREE, "gift_card")


def test_the_first_cycle_makes_a_champion(workspace: Workspace) -> None:
    workspace.record_many(lines(300))
    result = workspace.cycle()
    assert result.status == "promoted"
    assert result.champion == result.candidate == workspace.champion() == 1
    assert workspace.predict("refund my purchase please").labels.intent == "refund"
    assert "better than always answering" in result.reason


def test_too_little_is_skipped_unless_forced(workspace: Workspace) -> None:
    workspace.record_many(lines(20))
    skipped = workspace.cycle()
    assert skipped.status == "skipped"
    assert "50 needed" in skipped.reason
    forced = workspace.cycle(force=True)
    assert forced.status == "kept"
    assert "too little evidence" in forced.reason
    assert workspace.champion() is None


def test_nothing_fresh_is_skipped(workspace: Workspace) -> None:
    workspace.record_many(lines(300))
    workspace.cycle()
    assert workspace.cycle().status == "skipped"


def test_a_skipped_cycle_says_why_what_was_recorded_does_not_teach(workspace: Workspace) -> None:
    workspace.record_many([{"text": f"where is parcel number {n}"} for n in range(30)])
    workspace.record("?!", intent="refund")
    said = "30 set aside: no label that people gave or confirmed; 1 set aside: text has no letters or digits"
    assert workspace.cycle().reason == f"nothing new to learn from; {said}"
    workspace.record_many(lines(20))
    assert workspace.cycle().reason.endswith(f"50 needed (learning.min_data_threshold); {said}")


def test_new_intents_are_learned_and_old_ones_kept(workspace: Workspace, clock: ManualClock) -> None:
    workspace.record_many(lines(300))
    workspace.cycle()
    clock.advance(timedelta(days=1))
    workspace.record_many(lines(300, intents=FOUR, seed=1))
    result = workspace.cycle()
    assert result.status == "promoted"
    assert workspace.predict("redeem my voucher number", record=False).labels.intent == "gift_card"
    assert workspace.predict("where is my parcel", record=False).labels.intent == "order_status"
    assert any(check.name.startswith("forgetting") for check in result.verdict.checks)


def test_a_poisoned_day_is_refused_and_set_aside(workspace: Workspace, clock: ManualClock) -> None:
    workspace.record_many(lines(400))
    workspace.cycle()
    before = workspace.predict([line["text"] for line in lines(50)], record=False)
    clock.advance(timedelta(days=1))
    workspace.record_many(lines(200, seed=1, flipped=0.4, source="evil"))
    result = workspace.cycle()
    assert result.status == "refused"
    assert "contradicted" in result.reason
    assert workspace.champion() == 1
    assert workspace.predict([line["text"] for line in lines(50)], record=False) == before
    quarantined = workspace.quarantined()
    assert quarantined
    assert all(name.startswith("evil") for name in quarantined)
    clock.advance(timedelta(days=1))
    workspace.record_many(lines(200, intents=FOUR, seed=2))
    after = workspace.cycle()
    assert after.status == "promoted"
    teachers = {i for e in workspace.house.datasets.get("default", after.dataset).examples for i in e.interactions}
    assert not teachers & set(quarantined)


def test_a_person_can_release_what_was_quarantined(workspace: Workspace) -> None:
    workspace.record_many(lines(400))
    workspace.cycle()
    workspace.record_many(lines(200, seed=1, flipped=0.4, source="evil"))
    workspace.cycle()
    some = sorted(workspace.quarantined())[:3]
    assert workspace.release(some) == 3
    assert set(some).isdisjoint(workspace.quarantined())
    assert workspace.release() > 100
    assert workspace.quarantined() == {}


def taught(ws: Workspace, result: CycleResult) -> set[str]:
    return {i for e in ws.house.datasets.get("default", result.dataset).examples for i in e.interactions}


def mark(ws: Workspace) -> int:
    return ws.house.cycles.last_judged("default").mark.interaction


def test_what_a_cycle_has_looked_at_is_not_read_again(workspace: Workspace) -> None:
    silent = [{"id": f"silent-{n}", "text": f"order number {n} has no label"} for n in range(100)]
    workspace.record_many([*silent, *lines(300)])
    first = workspace.cycle()
    assert first.counts["set aside"] == 100
    assert first.set_aside == {"no label that people gave or confirmed": 100}
    assert mark(workspace) == 400
    workspace.record_many(lines(100, intents=FOUR, seed=1))
    second = workspace.cycle(force=True)
    assert second.counts["set aside"] == 0
    assert len(taught(workspace, first) - taught(workspace, second)) == 0
    assert len(taught(workspace, second)) > 390


def test_feedback_that_comes_late_is_heard(workspace: Workspace) -> None:
    silent = [{"id": f"silent-{n}", "text": f"balance of voucher {n}"} for n in range(60)]
    workspace.record_many([*silent, *lines(300)])
    first = workspace.cycle()
    assert not any(name.startswith("silent") for name in taught(workspace, first))
    dataset = workspace.house.datasets.get("default", first.dataset)
    changed = dataset.split("train")[0].interactions[0]
    for line in silent:
        workspace.feedback(line["id"], correction={"intent": "gift_card"})
    workspace.feedback(changed, correction={"intent": "changed"})
    second = workspace.cycle(force=True)
    assert {line["id"] for line in silent} <= taught(workspace, second)
    examples = workspace.house.datasets.get("default", second.dataset).examples
    assert {e.labels.intent for e in examples if changed in e.interactions} == {"changed"}


def test_what_is_released_and_what_other_settings_let_through_is_looked_at_again(
    make_workspace: Callable[..., Workspace],
) -> None:
    ws = make_workspace()
    poor = [{**line, "context": {"user_satisfaction": 0.2}} for line in lines(60, seed=5, source="poor")]
    ws.record_many([*lines(400), *poor])
    assert not any(name.startswith("poor") for name in taught(ws, ws.cycle()))
    ws.record_many(lines(200, seed=1, flipped=0.4, source="evil"))
    assert ws.cycle().status == "refused"
    ws.record_many(lines(100, seed=2))
    ws.cycle(force=True)
    ws.release(["evil-1-0", "evil-1-1"])
    released = ws.cycle(force=True)
    assert {"evil-1-0", "evil-1-1"} <= taught(ws, released)
    assert not any(name.startswith("poor") for name in taught(ws, released))
    ws.configure(settings_from({**LINEAR, "learning": {"quality_threshold": 0.5}}))
    assert any(name.startswith("poor") for name in taught(ws, ws.cycle(force=True)))


def test_a_backlog_is_learned_bit_by_bit(make_workspace: Callable[..., Workspace], clock: ManualClock) -> None:
    ws = make_workspace(learning={"max_training_examples": 200})
    ws.record_many(lines(700))
    seen: set[str] = set()
    for _ in range(4):
        result = ws.cycle(force=True)
        clock.advance(timedelta(days=1))
        seen |= taught(ws, result)
        assert mark(ws) == (0 if result.counts["deferred"] else 700)
    assert not result.counts["deferred"]
    assert len(seen) > 690


def test_the_same_cycle_twice_gives_the_same_artifact(make_workspace: Callable[..., Workspace]) -> None:
    made = []
    for name in ("one", "two"):
        ws = make_workspace(name)
        ws.record_many(lines(300) if name == "one" else reversed(lines(300)))
        made.append(ws.version(ws.cycle().candidate))
    assert made[0].dataset == made[1].dataset
    assert made[0].artifact == made[1].artifact
    assert made[0].scorecard == made[1].scorecard


def test_an_evaluation_example_never_trains_later(workspace: Workspace, clock: ManualClock) -> None:
    judged: set[str] = set()
    for day in range(4):
        workspace.record_many(lines(200, intents=FOUR[: 3 + day // 2], seed=day % 3, source=f"day{day}"))
        result = workspace.cycle()
        clock.advance(timedelta(days=1))
        if result.dataset is None:
            continue
        examples = workspace.house.datasets.get("default", result.dataset).examples
        assert judged.isdisjoint(e.id for e in examples if e.split != "evaluation")
        judged |= {e.id for e in examples if e.split == "evaluation"}
    assert judged


def test_one_cycle_at_a_time(workspace: Workspace, clock: ManualClock) -> None:
    workspace.record_many(lines(300))
    with hold(workspace.house.storage.database, "cycle:default", clock), pytest.raises(Busy, match="worked on"):
        workspace.cycle()
    assert workspace.cycle(tenant="other").status == "skipped"
    assert workspace.cycle().status == "promoted"


def test_cycles_of_several_tenants_run_side_by_side(workspace: Workspace) -> None:
    tenants = ["a", "b", "c"]
    for tenant in tenants:
        workspace.record_many({**line, "tenant": tenant} for line in lines(200))
    with ThreadPoolExecutor(3) as pool:
        results = list(pool.map(lambda tenant: workspace.cycle(tenant=tenant), tenants))
    assert [result.status for result in results] == ["promoted"] * 3
    assert len({result.champion for result in results}) == 3


@dataclass
class Stubborn:
    """A learner that fails as told, and otherwise answers one thing."""

    error: Exception | None = None

    def train(self, dataset: DatasetVersion, champion: Model | None, training: Training) -> Trained:
        if self.error:
            raise self.error
        return Trained(Answer(), {})

    def load(self, folder: Path) -> Model:
        return Answer()


class Answer:
    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        return [Prediction(Labels(intent="refund")) for _ in texts]

    def save(self, folder: Path) -> None:
        (folder / "answer.txt").write_text("refund")


def always_refund(settings: onward.Settings) -> Stubborn:
    return Stubborn()


def broken(settings: onward.Settings) -> Stubborn:
    return Stubborn(RuntimeError("boom"))


PLUGINS = {"always": "tests.test_loop:always_refund", "broken": "tests.test_loop:broken"}


def test_a_broken_learner_leaves_the_others_in_the_race(make_workspace: Callable[..., Workspace]) -> None:
    ws = make_workspace(training={"learners": ["broken", "linear", "always"]}, plugins=PLUGINS)
    ws.record_many(lines(300))
    result = ws.cycle()
    assert result.status == "promoted"
    assert ws.version(result.champion).learner == "linear"
    assert {version.learner for version in ws.versions()} == {"linear", "always"}
    assert "boom" in ws.house.cycles.get(result.id).failures["broken"]
    assert any("broken" in line and "boom" in line for line in ws.status().degraded)


def test_without_any_candidate_the_cycle_fails_and_says_why(make_workspace: Callable[..., Workspace]) -> None:
    ws = make_workspace(training={"learners": ["broken", "nobody"]}, plugins=PLUGINS)
    ws.record_many(lines(300))
    result = ws.cycle()
    assert result.status == "failed"
    assert "boom" in result.reason
    assert "'nobody'" in result.reason
    assert "linear" in result.reason


class Unplugged(BaseException):
    """The process dies here."""


def unplugged_after(stage: str) -> Callable[[str, int, int, str], None]:
    def progress(name: str, done: int, total: int, note: str) -> None:
        if name == stage:
            raise Unplugged

    return progress


@pytest.mark.parametrize("stage", ["curate", "train linear", "prove"])
def test_an_interrupted_cycle_is_resumed_under_its_own_name(
    make_workspace: Callable[..., Workspace], stage: str
) -> None:
    ws = make_workspace("interrupted")
    ws.record_many(lines(300))
    with pytest.raises(Unplugged):
        ws.cycle(progress=unplugged_after(stage))
    assert ws.champion() is None
    left = ws.status().running_cycle
    assert left is not None
    resumed = ws.cycle()
    assert (resumed.id, resumed.status) == (left, "promoted")
    straight = make_workspace("straight")
    straight.record_many(lines(300))
    assert ws.version(1).artifact == straight.version(straight.cycle().candidate).artifact
    assert not list((ws.folder / "cycles").iterdir())


def test_a_cycle_left_under_other_settings_is_abandoned(tmp_path: Path, clock: ManualClock) -> None:
    with onward.open(tmp_path, settings={"training": {"learners": ["linear"]}}, clock=clock) as ws:
        ws.record_many(lines(300))
        with pytest.raises(Unplugged):
            ws.cycle(progress=unplugged_after("prove"))
        left = ws.status().running_cycle
    clock.advance(timedelta(seconds=1))
    with onward.open(tmp_path, settings={"training": {"learners": ["linear"], "seed": 9}}, clock=clock) as ws:
        assert ws.cycle().status == "promoted"
        assert {c.id: c.status for c in ws.cycles()}[left] == "abandoned"


def test_a_cycle_left_under_another_champion_is_abandoned(workspace: Workspace) -> None:
    workspace.record_many(lines(300))
    workspace.cycle()
    workspace.record_many(lines(300, intents=FOUR, seed=1))
    assert workspace.cycle().promoted
    workspace.record_many(lines(100, intents=FOUR, seed=2))
    with pytest.raises(Unplugged):
        workspace.cycle(force=True, progress=unplugged_after("prove"))
    left = workspace.status().running_cycle
    workspace.rollback(reason="it misroutes refunds")
    result = workspace.cycle(force=True)
    assert {c.id: c.status for c in workspace.cycles()}[left] == "abandoned"
    assert workspace.version(result.candidate).parent == 1


def test_what_cannot_be_read_stops_retention_and_nothing_else(workspace: Workspace) -> None:
    workspace.record_many(lines(300))
    workspace.cycle()
    texts = dict.fromkeys(("dataset", "artifact", "cycle", "created"), "")
    broken = insert(schema.versions).values(tenant="other", pinned=False, body="{", **texts)
    workspace.house.storage.database.write(lambda c: c.execute(broken))
    workspace.record_many(lines(300, intents=FOUR, seed=1))
    assert workspace.cycle().promoted
    assert any(line.startswith("retention: ") for line in workspace.status().degraded)


def test_a_cycle_that_lost_its_lease_changes_nothing(workspace: Workspace, clock: ManualClock) -> None:
    workspace.record_many(lines(300))
    database = workspace.house.storage.database

    def taken_over(name: str, done: int, total: int, note: str) -> None:
        if name == "prove" and done == 0:
            database.write(lambda c: c.exec_driver_sql("UPDATE leases SET token = token + 1"))

    with pytest.raises(Busy, match="lost to another holder"):
        workspace.cycle(progress=taken_over)
    assert workspace.champion() is None
    assert workspace.versions() == []


def test_retention_drops_old_artifacts_only(make_workspace: Callable[..., Workspace], clock: ManualClock) -> None:
    ws = make_workspace(retention={"keep_versions": 1, "keep_days": 0})
    for day in range(4):
        ws.record_many(lines(150, intents=FOUR[: 3 + day % 2], seed=day, source=f"d{day}"))
        ws.cycle(force=True)
        clock.advance(timedelta(days=1))
    kept = [v.number for v in ws.versions() if (ws.folder / "artifacts" / v.artifact[:2] / v.artifact).exists()]
    assert ws.champion() in kept
    assert len(kept) < len(ws.versions())


def test_entities_that_no_learner_learns_do_not_stand_in_the_way(workspace: Workspace) -> None:
    workspace.record_many({**line, "entities": [{"start": 0, "end": 2, "label": "X"}]} for line in lines(300))
    result = workspace.cycle()
    assert result.status == "promoted"
    assert set(workspace.version(result.champion).scorecard.overall.heads) == {"intent"}


def test_a_record_that_says_nothing_of_consent(make_workspace: Callable[..., Workspace]) -> None:
    ws = make_workspace(curation={"require_consent": True})
    ws.record_many(lines(200))
    assert ws.cycle().status == "skipped"
    ws.record_many({**line, "consent": True} for line in lines(200, seed=1))
    assert ws.cycle().status == "promoted"


def test_tenants_share_artifacts_without_losing_them(
    make_workspace: Callable[..., Workspace], clock: ManualClock
) -> None:
    ws = make_workspace(retention={"keep_versions": 1, "keep_days": 0})
    for tenant in ("a", "b"):
        ws.record_many({**line, "tenant": tenant} for line in lines(200))
        assert ws.cycle(tenant=tenant).status == "promoted"
    assert len({version.artifact for tenant in "ab" for version in ws.versions(tenant=tenant)}) == 1
    for day in range(3):
        clock.advance(timedelta(days=1))
        ws.record_many({**line, "tenant": "a"} for line in lines(150, intents=FOUR, seed=day + 1, source=f"d{day}"))
        ws.cycle(tenant="a", force=True)
    ws = make_workspace()  # nothing is in its memory
    assert ws.predict("hello team", tenant="b", record=False).labels.intent == "greeting"


def test_quick_updates_the_champion(workspace: Workspace, clock: ManualClock) -> None:
    workspace.record_many(lines(300))
    workspace.cycle()
    clock.advance(timedelta(days=1))
    workspace.record_many(lines(200, intents=FOUR, seed=1))
    result = workspace.cycle(quick=True)
    assert result.status == "promoted"
    assert workspace.version(result.champion).config["report"]["quick"] is True
    assert workspace.predict("redeem my voucher number", record=False).labels.intent == "gift_card"


def test_a_damaged_champion_stops_the_cycle_with_a_mend(workspace: Workspace) -> None:
    workspace.record_many(lines(300))
    result = workspace.cycle()
    artifact = workspace.version(result.champion).artifact
    shutil.rmtree(workspace.folder / "artifacts" / artifact[:2] / artifact)
    workspace.record_many(lines(200, seed=1))
    with pytest.raises(onward.OnwardError, match="Restore a back-up"):
        workspace.cycle()
    assert workspace.champion() == result.champion
