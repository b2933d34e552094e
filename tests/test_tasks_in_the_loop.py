"""Few-shot tasks once around the loop, and again: recorded, promoted, asked, refused, taken back, resumed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import onward
from onward.core import Interaction, InvalidInput, Labels, ManualClock, NotFound
from onward.monitoring.tracker import DurableStore, Source
from onward.workspace import Workspace
from tests.conversations import lines
from tests.tasks import task, vocabulary

pytest.importorskip("torch")

WORDS, OTHER_WORDS = vocabulary(), vocabulary(seed=1)
TASKS: dict[str, Any] = {
    "training": {"learners": ["few-shot"], "validation_split": 0.45},
    "learning": {"min_data_threshold": 20},
}


def record(ws: Workspace, count: int, prefix: str = "t", words: list[list[str]] = WORDS, **more: Any) -> None:
    for number in range(count):
        ws.record_task(f"{prefix}{number}", *task(f"{prefix}{number}", words, **more))


def right(ws: Workspace, name: str, words: list[list[str]] = WORDS, **more: Any) -> float:
    _, queries = task(name, words)
    said = ws.predict([line["text"] for line in queries], record=False, **more)
    return sum(p.labels.intent == line["intent"] for p, line in zip(said, queries, strict=True)) / len(queries)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with one version that was promoted on tasks. Read only."""
    folder = tmp_path_factory.mktemp("tasks") / "shop"
    with onward.open(folder, settings=TASKS, clock=ManualClock()) as ws:
        record(ws, 60)
        result = ws.cycle()
        assert result.status == "promoted", result.reason
        assert "always answering the most frequent label" in result.reason
    return folder


@pytest.fixture
def ws(shop: Path, tmp_path: Path, clock: ManualClock) -> Iterator[Workspace]:
    """A copy of it."""
    clock.advance(timedelta(days=1))
    with onward.open(shutil.copytree(shop, tmp_path / "shop"), settings=TASKS, clock=clock) as opened:
        yield opened


def test_tasks_are_judged_whole(ws: Workspace) -> None:
    version = ws.version(1)
    dataset = ws.house.datasets.get("default", version.dataset)
    by_split = {s: {e.task for e in dataset.split(s)} for s in ("train", "validation", "evaluation")}
    assert sum(map(len, by_split.values())) == 60
    (frozen,) = ws.house.evaluation_sets.all("default")
    assert {e.task for e in frozen.examples} == by_split["evaluation"]
    assert version.scorecard is not None
    assert version.scorecard.overall.heads.keys() == {"task"}
    assert version.scorecard.overall.heads["task"].count == len(by_split["evaluation"]) >= 15
    assert version.scorecard.overall.accuracy > 0.9


def test_the_learning_curve_is_in_the_tracker(ws: Workspace) -> None:
    report = ws.version(1).config["report"]
    kept = DurableStore(ws.house.storage.database, "default").summaries("metric")
    for name, curve in (("training_loss", "losses"), ("validation_score", "validation")):
        assert kept[Source("metric", name, "task", "few-shot")].size == len(report[curve]) == report["epochs"] > 0
    assert kept[Source("metric", "accuracy", "task", "few-shot")].last > 0.9


def test_a_task_is_asked_by_its_name(ws: Workspace) -> None:
    assert right(ws, "t3", task="t3") > 0.9
    with pytest.raises(NotFound, match="'nowhere'"):
        ws.predict("hello", task="nowhere")


def test_a_support_set_comes_with_the_question_and_is_kept(ws: Workspace) -> None:
    support, queries = task("new", WORDS)
    bare = [{key: line[key] for key in ("text", "intent")} for line in support]
    said = ws.predict([line["text"] for line in queries], support=bare, user="ann")
    assert sum(p.labels.intent == q["intent"] for p, q in zip(said, queries, strict=True)) >= 11
    asked = ws.house.experience.interaction("default", said[0].interaction or "")
    assert (asked.part, asked.user) == ("query", "ann")
    assert asked.task is not None
    assert ws.predict(queries[0]["text"], task=asked.task, record=False).labels == said[0].labels
    before = ws.status().interactions
    ws.predict(queries[0]["text"], support=bare[::-1], user="ann")
    assert ws.status().interactions == before + 1  # the support set was known
    assert len(ws.house.experience.support("default", asked.task)) == 6


def test_nothing_is_kept_where_that_is_asked(ws: Workspace) -> None:
    support, queries = task("new", WORDS)
    before = ws.status().interactions
    assert ws.predict(queries[0]["text"], support=support, record=False).interaction is None
    assert ws.status().interactions == before


def test_support_examples_add_to_what_was_recorded(ws: Workspace) -> None:
    label = "entirely new"
    more = [{"text": "zanzibar quokka fjord", "intent": label}]
    assert ws.predict("quokka fjord", task="t5", support=more).labels.intent == label
    assert ws.predict("quokka fjord", task="t5").labels.intent == label  # it was recorded
    assert right(ws, "t5", task="t5") > 0.9


@pytest.mark.parametrize(
    ("support", "match"),
    [
        ([], "no support|Nobody has recorded"),
        ([{"text": "no label"}], "has no label"),
        ([{"text": "x", "intent": "a", "task": "other"}], "another tenant, task or part"),
        ([{"text": "x", "intent": "a", "part": "query"}], "part is 'query'"),
        ([{"text": "x", "intent": "a", "tenant": "else"}], "another tenant, task or part"),
        ([{"intent": "a"}], "No `text`"),
        ([{"interaction": "i", "score": 1}], "feedback|unknown"),
        (["text"], "is no record"),
        ([{"text": "x", "intent": "a", "consent": False}], "Nothing in the support set"),
    ],
)
def test_a_support_set_that_cannot_be_used(ws: Workspace, support: list[Any], match: str) -> None:
    before = ws.status().interactions
    with pytest.raises((InvalidInput, NotFound), match=match):
        ws.predict("hello", support=support)
    assert ws.status().interactions == before


def test_an_id_that_says_something_else_already_teaches_nothing_unseen(ws: Workspace) -> None:
    support = [{"id": "1", "text": "zanzibar quokka", "intent": "x"}]
    ws.predict("a quokka", support=support)
    ws.predict("a quokka", support=support)  # the same again
    before = ws.status().interactions
    for other in (
        [{"id": "1", "text": "fjord lagoon", "intent": "x"}],
        [{"id": "2", "text": "fjord", "intent": "x"}, {"id": "2", "text": "lagoon", "intent": "y"}],
    ):
        with pytest.raises(InvalidInput, match=r"the id '[12]', which says something else already.*Leave the ids out"):
            ws.predict("a lagoon", support=other)
    task_of_1 = ws.house.experience.interaction("default", "1").task
    with pytest.raises(InvalidInput, match="by feedback"):
        ws.predict("a quokka", task=task_of_1, support=[{**support[0], "intent": "y"}])
    assert ws.status().interactions == before


def test_one_text_is_no_list_of_queries(ws: Workspace) -> None:
    with pytest.raises(InvalidInput, match="one text"):
        ws.record_task("t", [{"text": "a", "intent": "x"}], "where is it")


def test_tasks_without_intents_stop_no_cycle(ws: Workspace) -> None:
    record(ws, 60, "n", OTHER_WORDS)
    for number in range(12):
        support = [{"text": f"good{number}", "sentiment": "up"}, {"text": f"bad{number}", "sentiment": "down"}]
        ws.record_task(f"mood {number}", support, [{"text": f"what a lovely day{number}", "sentiment": "up"}])
    assert ws.cycle().status == "promoted"


def test_a_support_set_is_read_from_a_file(ws: Workspace, tmp_path: Path) -> None:
    support, _ = task("new", WORDS)
    file = tmp_path / "support.csv"
    file.write_text("text,intent\n" + "\n".join(f"{line['text']},{line['intent']}" for line in support))
    assert right(ws, "new", support=file) > 0.9
    assert right(ws, "new", support=str(file)) > 0.9


def test_interactions_do_as_support(ws: Workspace, clock: ManualClock) -> None:
    support, _ = task("new", WORDS)
    given = [
        Interaction(id=s["id"], text=s["text"], at=clock.now(), labels=Labels(intent=s["intent"])) for s in support
    ]
    assert right(ws, "new", support=given) > 0.9
    assert right(ws, "new", support=(one for one in given)) > 0.9


def test_corrections_of_a_support_example_count_from_the_next_question_on(ws: Workspace) -> None:
    support, _ = task("t8", WORDS)
    for line in support:
        ws.feedback(line["id"], correction={"intent": f"better {line['intent']}"})
    assert ws.predict(support[0]["text"], task="t8").labels.intent == f"better {support[0]['intent']}"


def test_support_of_somebody_forgotten_teaches_no_more(ws: Workspace) -> None:
    ws.record_task("mine", [{"text": "zanzibar quokka", "intent": "x"}], user="ann")
    ws.record_task("mine", [{"text": "fjord lagoon", "intent": "y"}], user="bob")
    assert ws.predict("zanzibar quokka", task="mine").labels.intent == "x"
    ws.forget("ann")
    assert not ws._models._adapted  # nor are their words kept in memory
    assert ws.predict("zanzibar quokka", task="mine").labels.intent == "y"
    ws.forget("bob")
    with pytest.raises(InvalidInput, match="may be learned from"):
        ws.predict("zanzibar quokka", task="mine")


def test_tasks_survive_a_lost_database(ws: Workspace, clock: ManualClock) -> None:
    folder, before = ws.folder, right(ws, "t3", task="t3")
    ws.close()
    (folder / "onward.db").unlink()
    assert onward.doctor(folder, mend=True, clock=clock)[0].mended
    with onward.open(folder, settings=TASKS, clock=clock) as back:
        assert len(back.house.experience.support("default", "t3")) == 6
        assert right(back, "t3", task="t3") == before


def test_models_that_adapted_are_kept(ws: Workspace) -> None:
    support, _ = task("new", WORDS)
    for number in range(80):
        ws.predict("hello", support=[*support, {"text": f"extra{number} thing", "intent": "a"}], record=False)
    kept = ws._models._adapted
    assert len(kept) == 64
    before = list(kept)
    ws.predict("hello", support=[*support, {"text": "extra79 thing", "intent": "a"}], record=False)
    assert list(kept) == before


def test_many_threads_ask_at_once(ws: Workspace) -> None:
    def ask(number: int) -> float:
        return right(ws, f"t{number}", task=f"t{number}")

    with ThreadPoolExecutor(8) as pool:
        assert min(pool.map(ask, range(24))) > 0.7


def test_feedback_on_answers_teaches_and_is_traced(ws: Workspace) -> None:
    support, queries = task("new", WORDS)
    said = ws.predict([line["text"] for line in queries], support=support)
    traced = ws.trace(said[0].interaction or "")
    assert traced.version is not None
    assert {teacher.interaction for teacher in traced.teachers} == {
        line["id"] for line in support if line["intent"] == said[0].labels.intent
    }
    for answer, line in zip(said, queries, strict=True):
        ws.feedback(answer.interaction or "", correction={"intent": line["intent"]})
    record(ws, 40, "more", OTHER_WORDS)
    result = ws.cycle()
    dataset = ws.house.datasets.get("default", result.dataset or "")
    mine = [e for e in dataset.examples if e.task == traced.interaction.task]
    assert len(mine) == 18
    assert {e.part for e in mine} == {"support", "query"}
    if {e.split for e in mine} != {"evaluation"}:
        assert ws.trace(said[0].interaction or "").taught == (result.candidate,)


def test_trace_shows_the_support_set_as_it_was(ws: Workspace) -> None:
    ws.record_task("mine", [{"text": "zanzibar quokka", "intent": "x", "id": "first"}])
    answer = ws.predict("a quokka", task="mine")
    ws.record_task("mine", [{"text": "another quokka", "intent": "x", "id": "second"}])
    assert [t.interaction for t in ws.trace(answer.interaction or "").teachers] == ["first"]
    ws.feedback("first", correction={"intent": "y"})
    assert ws.trace(answer.interaction or "").teachers == ()


def test_new_tasks_are_learned_and_old_ones_kept(ws: Workspace) -> None:
    record(ws, 60, "n", OTHER_WORDS)
    result = ws.cycle()
    assert result.status == "promoted", result.reason
    assert result.champion == 2
    names = {check.name for check in result.verdict.checks}
    assert {"better", "not worse", "threshold task"} <= names
    assert any(name.startswith("forgetting") for name in names)
    assert right(ws, "t3", task="t3") > 0.9
    moved = ws.rollback(reason="it was too clever")
    assert (moved.version, ws.champion()) == (1, 1)
    assert right(ws, "t3", task="t3") > 0.9


def test_a_candidate_that_is_no_better_is_kept_from_service(ws: Workspace) -> None:
    record(ws, 40, "same")
    result = ws.cycle()
    assert result.status == "kept", result.reason
    assert "examples of new work" in result.reason
    assert ws.champion() == 1


def test_poisoned_tasks_are_refused_and_set_aside(ws: Workspace) -> None:
    before = right(ws, "t3", task="t3")
    record(ws, 40, "evil", flipped=0.5)
    result = ws.cycle()
    assert result.status == "refused"
    assert "contradicted" in result.reason
    assert len(ws.quarantined()) > 700
    assert right(ws, "t3", task="t3") == before
    with pytest.raises(InvalidInput, match="quarantined"):
        ws.predict("hello", task="evil3")
    record(ws, 60, "n", OTHER_WORDS)
    after = ws.cycle()
    assert after.status == "promoted", after.reason
    taught = {i for e in ws.house.datasets.get("default", after.dataset or "").examples for i in e.interactions}
    assert not taught & set(ws.quarantined())


class Unplugged(BaseException):
    """The process dies here."""


def artifact(ws: Workspace) -> str:
    return ws.version(ws.versions()[-1].number).artifact


def test_a_training_that_was_cut_off_is_resumed_bit_for_bit(make_workspace: Callable[..., Workspace]) -> None:
    cut = make_workspace("cut", **TASKS)
    record(cut, 60)

    def unplug(stage: str, done: int, total: int, note: str) -> None:
        if stage == "train few-shot" and done == 2:
            raise Unplugged

    with pytest.raises(Unplugged):
        cut.cycle(progress=unplug)
    assert cut.champion() is None
    assert cut.cycle().status == "promoted"
    assert cut.version(1).config["report"]["resumed"] == 2
    straight = make_workspace("straight", **TASKS)
    record(straight, 60)
    straight.cycle()
    assert artifact(cut) == artifact(straight)


KILLED = """
import os, signal, sys
import onward
settings = {settings!r}
def kill(stage, done, total, note):
    if stage == "train few-shot" and done == 1:
        os.kill(os.getpid(), signal.SIGKILL)
with onward.open({folder!r}, settings=settings) as ws:
    ws.cycle(progress=kill)
"""


def test_kill_9_in_a_training_loses_nothing(make_workspace: Callable[..., Workspace], tmp_path: Path) -> None:
    with onward.open(tmp_path / "killed", settings=TASKS) as ws:
        record(ws, 60)
    program = KILLED.format(settings=TASKS, folder=str(tmp_path / "killed"))
    died = subprocess.run([sys.executable, "-c", program], check=False, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert died.returncode == -signal.SIGKILL
    with onward.open(tmp_path / "killed", settings=TASKS) as ws:
        assert ws.champion() is None
        assert ws.cycle().status == "promoted"
        assert ws.version(1).config["report"]["resumed"] == 1
        resumed = artifact(ws)
    straight = make_workspace("straight", **TASKS)
    record(straight, 60)
    straight.cycle()
    assert resumed == artifact(straight)


# Beside learners that know no tasks ---------------------------------------------------------------------------------------


def test_learners_that_know_no_tasks_never_see_one(make_workspace: Callable[..., Workspace]) -> None:
    settings = {"training": {"learners": ["linear"], "validation_split": 0.45}}
    mixed, plain = make_workspace("mixed", **settings), make_workspace("plain", **settings)
    for ws in (mixed, plain):
        ws.record_many(lines(150))
    record(mixed, 40)
    results = [ws.cycle() for ws in (mixed, plain)]
    assert [result.status for result in results] == ["promoted"] * 2
    assert artifact(mixed) == artifact(plain)
    assert mixed.version(1).scorecard.overall == plain.version(1).scorecard.overall
    assert "task" not in mixed.version(1).scorecard.overall.heads
    with pytest.raises(InvalidInput, match=r"cannot adapt to tasks.*linear.*few-shot"):
        mixed.predict("hello", task="t1")


def test_a_champion_that_knows_no_tasks_is_succeeded_by_one_that_does(make_workspace: Callable[..., Workspace]) -> None:
    ws = make_workspace("both", **{**TASKS, "training": {"learners": ["linear"], "validation_split": 0.45}})
    ws.record_many(lines(150))
    record(ws, 40)
    assert ws.cycle().status == "promoted"
    ws.configure(onward.Settings(**{**TASKS, "training": {"learners": ["few-shot"], "validation_split": 0.45}}))
    ws.record_many(lines(100, seed=1))
    record(ws, 20, "more")
    result = ws.cycle()
    assert result.status == "promoted", result.reason
    heads = ws.version(2).scorecard.overall.heads
    assert heads.keys() == {"intent", "task"}
    assert ws.predict("refund my purchase please", record=False).labels.intent == "refund"
    assert right(ws, "t3", task="t3") > 0.9
    compared = ws.compare(1, 2)
    assert compared.first_scorecard.overall.heads["task"].accuracy == 0
    assert compared.verdict.decision == "promote"


# Records ----------------------------------------------------------------------------------------------------------------------


def test_tasks_are_recorded_from_a_file(workspace: Workspace, tmp_path: Path) -> None:
    rows = [
        {"text": "money back", "intent": "a", "task": "t", "part": "support"},
        {"text": "where is it", "task": "t"},
        {"text": "no label", "task": "t", "part": "support"},
        {"text": "lost", "part": "query"},
        {"text": "odd", "task": "t", "part": "other"},
        {"text": "odd", "task": "", "intent": "a"},
    ]
    recorded = workspace.record_file("\n".join(map(json.dumps, rows)).encode())
    assert (recorded.interactions, [line.number for line in recorded.bad]) == (2, [3, 4, 5, 6])
    assert {one.part for one in workspace.house.experience.interactions("default")} == {"support", "query"}


def test_a_task_recorded_twice_is_recorded_once(workspace: Workspace) -> None:
    support, _ = task("t", WORDS)
    bare = [{key: line[key] for key in ("text", "intent")} for line in support]
    first = workspace.record_task("t", bare, ["what is this", {"text": "labelled", "intent": "a"}])
    assert (first.interactions, first.known) == (8, 0)
    again = workspace.record_task("t", bare, ["what is this", {"text": "labelled", "intent": "a"}])
    assert (again.interactions, again.known) == (0, 8)
    other = workspace.record_task("another", bare)
    assert other.interactions == 6
    assert len(workspace.house.experience.support("default", "t")) == 6
    assert workspace.house.experience.support("other tenant", "t") == []


def test_support_is_found_as_soon_as_it_is_recorded(workspace: Workspace) -> None:
    experience = workspace.house.experience
    assert experience.support("default", "t") == []
    workspace.record("a", task="t", part="support", intent="x", id="1")
    workspace.record("b", context={"quoted": '"part":"support"'}, id="2", task="t")
    assert experience.support("default", "t") == ["1"]
    workspace.record("c", task="t", part="support", intent="x", id="3", durable=False)
    workspace.record("d", task="u", part="support", intent="x", id="4", durable=False)
    assert experience.support("default", "u") == ["4"]
    assert experience.support("default", "t") == ["1", "3"]
    assert experience.support("default", "t", before="3") == ["1"]
    assert experience.support("default", "t", before="nothing") == []
