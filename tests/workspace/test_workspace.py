from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from tests.conversations import lines

import onward
from onward.core import Damaged, Interaction, InvalidInput, Labels, ManualClock, NotFound
from onward.workspace import Workspace

FOUR = ("order_status", "refund", "greeting", "gift_card")


@pytest.fixture
def taught(workspace: Workspace, clock: ManualClock) -> Workspace:
    """Two promoted versions: three intents, then four."""
    workspace.record_many(lines(300))
    workspace.cycle()
    clock.advance(timedelta(days=1))
    workspace.record_many(lines(300, intents=FOUR, seed=1))
    workspace.cycle()
    clock.advance(timedelta(days=1))
    assert workspace.champion() == 2
    return workspace


def test_open_makes_a_folder_and_says_where_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="init"):
        onward.open(tmp_path / "none", create=False)
    with onward.open(tmp_path / "some") as ws:
        assert ws.folder.is_dir()
        assert "[gate]" in ws.write_settings().read_text()
    (tmp_path / "some" / "onward.toml").write_text("[gate]\nmax_loss = 7\n")
    with pytest.raises(InvalidInput, match=r"gate\.max_loss"):
        onward.open(tmp_path / "some")


def test_settings_file_is_never_overwritten(workspace: Workspace) -> None:
    file = workspace.write_settings()
    file.write_text("# mine\n")
    assert workspace.write_settings().read_text() == "# mine\n"


def test_record_returns_an_id_and_the_same_id_is_once(workspace: Workspace) -> None:
    name = workspace.record("hello", user="u1", intent="greeting", entities=[{"start": 0, "end": 5, "label": "WORD"}])
    kept = workspace.house.experience.interaction("default", name)
    assert kept.labels.intent == "greeting"
    assert kept.user == "u1"
    assert workspace.record("other", id=name) == name
    assert workspace.house.experience.interaction("default", name).text == "hello"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"entities": [{"start": 0, "end": 99, "label": "X"}]}, "spans 0 to 99"),
        ({"colour": "red"}, "Keys unknown for an interaction: colour"),
        ({"intent": 3}, "Expected `str"),
        ({"context": {"x": object()}}, "Not JSON"),
        ({"context": {"user_satisfaction": float("nan")}}, "Not JSON"),
        ({"response": b"hello"}, "Not JSON"),
        ({"at": "yesterday"}, "Invalid RFC3339"),
        ({"id": "x" * 999}, "printable"),
    ],
)
def test_a_bad_record_says_which_field(workspace: Workspace, fields: dict[str, object], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        workspace.record("hello there", **fields)  # type: ignore[arg-type]


def test_record_many_takes_records_and_dicts(workspace: Workspace, clock: ManualClock) -> None:
    made = Interaction(id="one", text="hi", at=clock.now(), labels=Labels(intent="greeting"))
    recorded = workspace.record_many(
        [made, {"id": "two", "text": "ho"}, {"interaction": "one", "score": 1.0}, {"no": 1}]
    )
    assert (recorded.interactions, recorded.feedback, recorded.known, len(recorded.bad)) == (2, 1, 0, 1)
    assert workspace.house.experience.interaction("default", "one") == made
    assert workspace.record_many([made]).known == 1


def test_feedback_on_nothing_is_not_found(workspace: Workspace) -> None:
    with pytest.raises(NotFound, match="No interaction 'nope'"):
        workspace.feedback("nope", score=1.0)
    name = workspace.record("hello")
    with pytest.raises(InvalidInput, match="says nothing"):
        workspace.feedback(name)
    with pytest.raises(InvalidInput, match="The score is 2"):
        workspace.feedback(name, score=2)
    with pytest.raises(InvalidInput, match="Not JSON"):
        workspace.feedback(name, score=float("nan"), remark={"why": "obvious"})
    with pytest.raises(InvalidInput, match="intent"):
        workspace.feedback(name, correction={"intent": 5})
    workspace.feedback(name, correction={"intent": "greeting"}, remark={"why": "obvious"}, user="agent")
    assert workspace.trace(name).feedback[0].correction == Labels(intent="greeting")


@pytest.mark.parametrize(
    ("correction", "said"),
    [({"intnt": "x"}, "intnt"), ({}, "says nothing"), ({"intent": " "}, "blank"),
     ({"entities": [{"start": 0, "end": 99, "label": "X"}]}, "spans 0 to 99")],
)  # fmt: skip
def test_a_correction_that_cannot_be_meant_is_refused(
    workspace: Workspace, correction: dict[str, object], said: str
) -> None:
    name = workspace.record("hello")
    with pytest.raises(InvalidInput, match=said):
        workspace.feedback(name, correction=correction)


def test_keys_inside_labels_are_known_too(workspace: Workspace) -> None:
    lines = [{"text": "q", "labels": {"intnt": "x"}}, {"text": "p", "prediction": {"labels": {"mood": "x"}}}]
    reasons = [bad.reason for bad in workspace.record_many(lines).bad]
    assert "intnt" in reasons[0]
    assert "mood" in reasons[1]


def test_without_a_champion_the_last_cycle_says_why(workspace: Workspace) -> None:
    workspace.record_many(lines(20))
    workspace.cycle()
    with pytest.raises(NotFound, match="last cycle was skipped: 20 new examples, 50 needed"):
        workspace.predict("hello")


def test_predict_without_a_champion_names_the_command(workspace: Workspace) -> None:
    with pytest.raises(NotFound, match="onward cycle"):
        workspace.predict("hello")


def test_predictions_are_recorded_and_traced(taught: Workspace, clock: ManualClock) -> None:
    answer = taught.predict("where is my parcel today please", user="u5")
    assert answer.version == 2
    trace = taught.trace(answer.interaction)
    assert trace.interaction.user == "u5"
    assert trace.interaction.prediction.labels == answer.labels
    assert trace.version.number == 2
    assert trace.service.cause == "promote"
    assert trace.dataset == trace.version.dataset
    assert trace.interactions_taught_from > 300
    assert trace.teachers[0].likeness >= trace.teachers[-1].likeness > 0
    assert {teacher.intent for teacher in trace.teachers} == {answer.labels.intent}
    assert trace.taught == ()
    teacher = taught.trace(trace.teachers[0].interaction)
    assert 2 in teacher.taught
    assert teacher.version is None


def test_predict_many_in_one_commit_or_none(taught: Workspace) -> None:
    before = taught.status().interactions
    answers = taught.predict(["hello there", "refund this chair"])
    assert taught.status().interactions == before + 2
    assert len({answer.interaction for answer in answers}) == 2
    assert taught.predict(["hello there"], record=False)[0].interaction is None
    assert taught.predict([]) == []
    assert taught.status().interactions == before + 2


def test_numbers_may_be_numpys(workspace: Workspace) -> None:
    name = workspace.record("hello", context={"length": np.int64(5)}, user=np.str_("u1"))
    workspace.feedback(name, score=np.float32(0.5))
    assert workspace.house.experience.interaction("default", name).context == {"length": 5}
    assert workspace.house.experience.feedback("default", name)[0].score == 0.5
    with pytest.raises(InvalidInput, match="Not JSON"):
        workspace.record("hello", context={"length": np.ones(2)})
    with pytest.raises(InvalidInput, match="Not JSON"):
        workspace.record("hello", context={"length": np.float64("nan")})


@pytest.mark.parametrize("asked", [None, 5, b"where", ["where", None], [["where"]]])
def test_only_texts_can_be_asked(taught: Workspace, asked: Any) -> None:
    before = taught.house.experience.counts("default")
    with pytest.raises(InvalidInput, match=r"is no text\. Ask with a str"):
        taught.predict(asked)
    assert taught.house.experience.counts("default") == before


def test_a_confirmed_prediction_teaches_and_an_unconfirmed_one_never(taught: Workspace) -> None:
    sure = taught.predict("hello team kindly ref77 nice to meet you all here")
    silent = taught.predict("hi team soon ref78 how do you do over there")
    taught.feedback(sure.interaction, score=1.0)
    result = taught.cycle(force=True)
    examples = taught.house.datasets.get("default", result.dataset).examples
    teachers = {i for e in examples for i in e.interactions}
    assert sure.interaction in teachers
    assert silent.interaction not in teachers


def test_rollback_and_promote_leave_a_trail(taught: Workspace, clock: ManualClock) -> None:
    start = clock.now()
    back = taught.rollback(by="anna", reason="too many refunds")
    assert (back.previous, back.version, back.by) == (2, 1, "anna")
    assert taught.predict("hello", record=False).version == 1
    clock.advance(timedelta(hours=1))
    taught.promote(2, by="anna")
    causes = [(t.cause, t.version) for t in taught.history()]
    assert causes == [("promote", 1), ("promote", 2), ("rollback", 1), ("promote", 2)]
    assert taught.champion(at=start + timedelta(minutes=1)) == 1
    assert taught.champion(at=start + timedelta(hours=1)) == 2
    assert taught.champion(at=start - timedelta(days=9)) is None
    with pytest.raises(InvalidInput, match="time zone"):
        taught.champion(at=start.replace(tzinfo=None))


def test_rollback_to_a_damaged_version_keeps_the_champion(taught: Workspace) -> None:
    artifact = taught.version(1).artifact
    file = taught.folder / "artifacts" / artifact[:2] / artifact / "files" / "weights.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(Damaged):
        taught.rollback()
    assert taught.champion() == 2
    assert len(taught.history()) == 2


def test_rollback_with_nothing_before_names_the_option(workspace: Workspace) -> None:
    with pytest.raises(NotFound, match="--to"):
        workspace.rollback()


def test_only_what_the_gate_passed_is_promoted_without_force(taught: Workspace) -> None:
    taught.record_many(lines(200, intents=FOUR, seed=3, flipped=0.5, source="evil"))
    refused = taught.cycle()
    assert refused.status == "refused"
    with pytest.raises(InvalidInput, match="--force"):
        taught.promote(refused.candidate)
    with pytest.raises(InvalidInput, match="--force"):
        taught.promote(refused.candidate, force=True)
    assert taught.promote(refused.candidate, force=True, reason="I know").version == refused.candidate
    with pytest.raises(InvalidInput, match="already"):
        taught.promote(refused.candidate, force=True, reason="again")
    with pytest.raises(NotFound, match="versions"):
        taught.promote(99)


def test_one_id_alone_is_not_let_out_letter_by_letter(workspace: Workspace) -> None:
    with pytest.raises(InvalidInput, match=r"Give a list: \['day3-0001'\]"):
        workspace.release("day3-0001")


def test_the_champion_is_not_promoted_again_and_zero_is_no_version_to_go_back_to(taught: Workspace) -> None:
    with pytest.raises(InvalidInput, match="Version 2 is champion already"):
        taught.promote(2)
    with pytest.raises(InvalidInput, match="Version 0 was never in service"):
        taught.rollback(to=0)
    assert taught.champion() == 2


def test_compare_scores_both_on_the_same_sets(taught: Workspace) -> None:
    found = taught.compare(1, 2)
    assert found.second_scorecard.overall.accuracy > found.first_scorecard.overall.accuracy
    assert [s.name for s in found.first_scorecard.sets] == [s.name for s in found.second_scorecard.sets]
    assert found.verdict.decision == "promote"
    assert taught.compare(2, 1).verdict.decision == "refuse"
    with pytest.raises(NotFound):
        taught.compare(1, 9)


def test_compare_without_frozen_sets(workspace: Workspace) -> None:
    with pytest.raises(NotFound):
        workspace.compare(1, 2)


@pytest.mark.parametrize("user", ["", " ", None, 5])
def test_nobody_cannot_be_forgotten(taught: Workspace, user: Any) -> None:
    with pytest.raises(InvalidInput, match="is no user"):
        taught.forget(user)
    assert not taught.house.experience.withdrawn("default").names


def test_forgetting_a_user(taught: Workspace) -> None:
    forgotten = taught.forget("u3")
    assert forgotten.interactions > 10
    assert forgotten.marked_versions == (1, 2)
    assert "withdrew consent" in taught.version(1).marks[0]
    assert "u3" not in taught.version(1).marks[0]
    taught.record_many(lines(200, intents=FOUR, seed=5))
    result = taught.cycle()
    gone = taught.house.experience.withdrawn_interactions("default")
    teachers = {i for e in taught.house.datasets.get("default", result.dataset).examples for i in e.interactions}
    assert gone
    assert gone.isdisjoint(teachers)
    assert taught.status().withdrawn_users == 1


def test_back_up_and_restore(taught: Workspace, tmp_path: Path) -> None:
    file = taught.back_up_version(1, tmp_path / "backups")
    artifact = taught.version(1).artifact
    taught.house.storage.blobs.drop_folder(artifact)
    with pytest.raises(NotFound):
        taught.rollback()
    assert taught.restore_version(file).version == 1
    assert taught.restore_version(file) is None
    assert taught.predict("hello there", record=False).labels.intent == "greeting"


def test_a_back_up_of_another_workspace_is_refused(
    taught: Workspace, make_workspace: Callable[..., Workspace], tmp_path: Path
) -> None:
    other = make_workspace("other")
    other.record_many(lines(300, seed=8))
    other.cycle()
    file = other.back_up_version(1, tmp_path / "backups")
    with pytest.raises(NotFound, match="another workspace"):
        taught.restore_version(file)


def test_the_model_cache_follows_the_champion(taught: Workspace) -> None:
    assert taught.predict("hello", record=False).version == 2
    with onward.open(taught.folder, settings=taught.settings) as other:
        other.rollback()
    assert taught.predict("hello", record=False).version == 1


def test_threads_share_a_workspace(taught: Workspace) -> None:
    answers: list[int] = []

    def ask() -> None:
        answers.extend(p.version for p in taught.predict(["hello there", "refund this chair"]))

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [2] * 32


def test_status_tells_how_it_stands(taught: Workspace) -> None:
    status = taught.status()
    assert (status.champion, status.versions, status.last_cycle.status) == (2, 2, "promoted")
    assert status.learners == {"linear": "ready"}
    assert status.degraded == ()
    taught.degraded("analyzer", "timed out")
    taught.degraded("analyzer", "timed out again")
    assert "analyzer: timed out again (2 times" in taught.status().degraded[0]
    taught.recovered("analyzer")
    assert taught.status().degraded == ()


def test_pinning(taught: Workspace) -> None:
    assert taught.pin(1).pinned
    assert not taught.pin(1, pinned=False).pinned


def test_plot(taught: Workspace, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    assert taught.plot(tmp_path / "learning.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(onward.OnwardError, match="cannot be written"):
        taught.plot(tmp_path / "learning.nope")


def test_a_closed_workspace_says_so(tmp_path: Path) -> None:
    ws = onward.open(tmp_path / "closed")
    ws.record("hello")
    ws.close()
    with pytest.raises(onward.OnwardError, match="closed"):
        ws.record("hello")


@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.text(max_size=50),
    user=st.none() | st.text(max_size=10),
    intent=st.none() | st.text(max_size=10) | st.integers(),
    score=st.none() | st.floats(),
)
def test_whatever_is_recorded_is_kept_or_explained(
    workspace: Workspace, text: str, user: str | None, intent: object, score: float | None
) -> None:
    try:
        name = workspace.record(text, user=user, intent=intent)
        workspace.feedback(name, score=score)
    except onward.OnwardError as error:
        assert all((error.what, error.mend))  # noqa: PT017 - either is a good outcome
    else:
        assert workspace.house.experience.interaction("default", name).text == text
