"""What is recorded stays as it was, once, and can be read back."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from onward.core import (
    Entity,
    Feedback,
    Gone,
    Interaction,
    InvalidInput,
    Labels,
    Mark,
    NotFound,
    Prediction,
    Unavailable,
)
from onward.experience import Experience, read_lines
from onward.storage import Database, stamp

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with closing(Database(tmp_path / "onward.db")) as made:
        yield made


@pytest.fixture
def experience(database: Database) -> Experience:
    return Experience(database)


def said(name: str, **fields: Any) -> Interaction:
    return Interaction(**{"id": name, "text": f"text {name}", "at": NOON, "tenant": "t", **fields})


def judged(name: str, interaction: str = "a", **fields: Any) -> Feedback:
    return Feedback(**{"id": name, "interaction": interaction, "at": NOON, "tenant": "t", "score": 1.0, **fields})


def test_interactions_come_back_whole_and_in_order(experience: Experience) -> None:
    recorded = [
        said("c", labels=Labels("x", "y", (Entity(0, 4, "E"),)), context={"a": [1, {"b": None}]}, user="ann"),
        said("a", prediction=Prediction(Labels("x"), {"intent": 0.5}, 3, "a"), consent=False, response="r"),
        said("b", text="\0 \u2028 \U0001f600", at=NOON + timedelta(days=-1), source="mail"),
    ]
    assert experience.record(recorded) == 3
    assert experience.interactions("t") == recorded
    assert experience.interaction("t", "c") == recorded[0]
    assert experience.interactions("other") == []


def test_what_is_new_since_a_mark_comes_latest_first_with_its_feedback(experience: Experience) -> None:
    assert experience.newest("t") == Mark()
    labels = Labels(intent="refund")
    experience.record([said(f"{n:04d}", labels=labels) for n in range(1200)])
    experience.record([replace(said("other", labels=labels), tenant="other")])
    before = experience.newest("t")
    assert before == Mark(1200, 0)
    experience.record([said("n1", labels=labels), said("n2")])
    experience.add_feedback([judged("f3", "n2"), judged("f2", "0007"), judged("f1", "n2"), judged("f4", "nowhere")])
    now = experience.newest("t")
    assert [(i.id, [f.id for f in said]) for i, said in experience.recent("t", before, now)] == [
        ("n2", ["f3", "f1"]),
        ("n1", []),
    ]
    everything = [i.id for i, _ in experience.recent("t", Mark(), now)]
    assert everything == ["n2", "n1", *(f"{n:04d}" for n in reversed(range(1200)))]
    assert experience.spoken_of("t", before) == {"0007"}
    assert experience.unmatched("t", before) == 1
    assert experience.unmatched("t", now) == 0


def test_what_nobody_labelled_or_spoke_of_is_passed_over_and_counted(experience: Experience) -> None:
    names = [f"{n:04d}" for n in range(1100)]
    taught = {"0001": Labels(entities=()), "0500": Labels(sentiment="positive"), "1099": Labels(intent="refund")}
    decoy = {"labels": {"entities": None, "intent": None, "sentiment": None}, "prediction": None}
    predicted = Prediction(Labels(intent="refund"))
    experience.record([said(n, labels=taught.get(n, Labels()), context=decoy, prediction=predicted) for n in names])
    experience.add_feedback([judged("f", "0700")])
    recent = experience.recent("t", Mark(), experience.newest("t"))
    found = iter(recent)
    assert next(found)[0].id == "1099"
    assert recent.passed == 498
    assert [i.id for i, _ in found] == ["0700", "0500", "0001"]
    assert recent.passed == 1096
    assert [i.id for i, _ in experience.recent("t", Mark(), Mark())] == []


def test_what_is_buffered_is_stored_in_order_and_found(experience: Experience) -> None:
    experience.buffer([said("a"), said("b")], [judged("f", "a")])
    experience.buffer([said("a", text="too late"), said("c")])
    assert experience.interaction("t", "c").id == "c"  # whoever looks for what is buffered waits for it
    experience.flush()
    assert experience.interactions("t") == [said("a"), said("b"), said("c")]
    assert [one.id for one in experience.feedback("t")] == ["f"]
    assert experience.counts("t") == (3, 1)
    with pytest.raises(InvalidInput, match="text"):
        experience.buffer([said("d", text="\ud800")])
    experience.flush()
    assert experience.counts("t") == (3, 1)


def test_exchanges_are_found_by_id_however_many(experience: Experience) -> None:
    experience.record([said(f"{n:04d}") for n in range(1200)])
    experience.add_feedback([judged("f", "0600")])
    found = list(experience.exchanges("t", {f"{n:04d}" for n in range(1100)} | {"gone"}))
    assert [i.id for i, _ in found] == [f"{n:04d}" for n in range(1100)]
    assert [(i.id, [f.id for f in heard]) for i, heard in found if heard] == [("0600", ["f"])]
    assert list(experience.exchanges("other", {"0001"})) == []


def test_entities_are_put_in_order(experience: Experience) -> None:
    experience.record([said("a", labels=Labels(entities=(Entity(2, 4, "B"), Entity(0, 1, "A"))))])
    assert experience.interaction("t", "a").labels.entities == (Entity(0, 1, "A"), Entity(2, 4, "B"))


def test_the_first_record_under_an_id_stands(experience: Experience) -> None:
    first = said("a")
    assert experience.record([first, replace(first, text="second")]) == 1
    assert experience.record([replace(first, text="third"), said("b")]) == 1
    assert experience.interactions("t") == [first, said("b")]
    assert experience.add_feedback([judged("f"), judged("f", score=0.0)]) == 1
    assert experience.add_feedback([judged("f", score=0.5)]) == 0
    assert experience.feedback("t") == [judged("f")]


def test_the_same_id_of_two_tenants_is_two_records(experience: Experience) -> None:
    assert experience.record([said("a"), said("a", tenant="u", text="mine")]) == 2
    assert experience.interaction("u", "a").text == "mine"
    assert experience.interaction("t", "a").text == "text a"
    assert experience.tenants() == ["t", "u"]


def test_nothing_is_nothing(experience: Experience) -> None:
    assert experience.record([]) == experience.add_feedback([]) == 0
    assert experience.counts("t") == (0, 0)
    assert experience.tenants() == []


def test_feedback_may_come_before_its_interaction(experience: Experience) -> None:
    experience.add_feedback([judged("f1", "late"), judged("f2", "other"), judged("f3", "late", correction=Labels("x"))])
    assert [one.id for one in experience.feedback("t", "late")] == ["f1", "f3"]
    assert [one.id for one in experience.feedback("t")] == ["f1", "f2", "f3"]
    assert experience.feedback("other", "late") == []
    experience.record([said("late")])
    assert experience.counts("t") == (1, 3)


def test_what_was_not_recorded_is_not_found(experience: Experience) -> None:
    experience.record([said("a")])
    for tenant, name in (("t", "b"), ("u", "a")):
        with pytest.raises(NotFound, match=f"{name!r} was recorded for tenant {tenant!r}"):
            experience.interaction(tenant, name)
    with pytest.raises(InvalidInput):
        experience.interaction("t", "\udcff")


BAD_INTERACTIONS = {
    "no id": said(""),
    "long id": said("a" * 201),
    "unprintable id": said("a\u200b\n"),
    "no tenant": said("x", tenant=""),
    "no time zone": said("x", at=datetime(2026, 3, 1)),  # noqa: DTZ001
    "long text": said("x", text="a" * 100_001),
    "surrogate text": said("x", text="\ud800"),
    "surrogate response": said("x", response="\ud800"),
    "surrogate user": said("x", user="\ud800"),
    "surrogate source": said("x", source="\ud800"),
    "surrogate intent": said("x", labels=Labels("\ud800")),
    "surrogate context": said("x", context={"a": "\ud800"}),
    "entity outside": said("x", text="abc", labels=Labels(entities=(Entity(1, 4, "E"),))),
    "no JSON": said("x", context={"a": object()}),
    "deep": said("x", context={"a": json.loads("[" * 60 + "]" * 60)}),
    "endless": said("x", context=(endless := {})),
    "nan confidence": said("x", prediction=Prediction(Labels("a"), {"intent": float("nan")})),
}
endless["a"] = endless


@pytest.mark.parametrize("wrong", BAD_INTERACTIONS)
def test_with_one_bad_interaction_none_is_stored(experience: Experience, wrong: str) -> None:
    with pytest.raises(InvalidInput):
        experience.record([said("a"), BAD_INTERACTIONS[wrong], said("b")])
    assert experience.interactions("t") == []


@pytest.mark.parametrize(
    "wrong",
    [
        judged(""),
        judged("f", ""),
        judged("f", tenant=""),
        judged("f", at=datetime(2026, 3, 1)),  # noqa: DTZ001
        judged("f", score=None),
        judged("f", score=1.5),
        judged("f", score=float("nan")),
        judged("f", user="\ud800"),
        judged("f", correction=Labels("\ud800")),
        judged("f", remark={"a": {1, 2}, "b": object()}),
        judged("f", remark={"a": json.loads("[" * 60 + "]" * 60)}),
    ],
)
def test_with_one_bad_feedback_none_is_stored(experience: Experience, wrong: Feedback) -> None:
    with pytest.raises(InvalidInput):
        experience.add_feedback([judged("a"), wrong])
    assert experience.feedback("t") == []


@pytest.mark.parametrize("score", [0.0, 1.0, None])
def test_feedback_says_at_least_one_thing(experience: Experience, score: float | None) -> None:
    assert experience.add_feedback([judged("f", score=score, remark={"a": 1})]) == 1
    assert experience.add_feedback([judged("g", score=score, correction=Labels(entities=()))]) == 1


def test_the_same_file_twice_is_recorded_once(experience: Experience) -> None:
    data = b'{"text": "a"}\n{"text": "a"}\n{"interaction": "i", "score": 1}\n'
    for new in ((2, 1), (0, 0)):
        contents = read_lines(data, source="chat", tenant="t", now=NOON)
        assert (experience.record(contents.interactions), experience.add_feedback(contents.feedback)) == new
    more = read_lines(data + b'{"text": "a"}', source="chat", tenant="t", now=NOON + timedelta(days=1))
    assert experience.record(more.interactions) == 1


def test_many_threads_recording_the_same_ids_record_each_once(experience: Experience) -> None:
    with ThreadPoolExecutor(8) as pool:
        new = pool.map(lambda n: experience.record([said(str(i)) for i in range(n, n + 20)]), range(20))
        assert sum(new) == 39
    assert sorted(int(one.id) for one in experience.interactions("t")) == list(range(39))


def test_a_withdrawal_names_all_of_a_users_interactions_then_and_later(experience: Experience) -> None:
    experience.record([said("a", user="ann"), said("b", user="bob"), said("c"), said("d", user="ann", tenant="u")])
    first = experience.withdraw("t", "ann", NOON)
    assert first.gone == Gone(said=frozenset("a"))
    experience.record([said("e", user="ann")])
    assert experience.withdraw("t", "ann", NOON + timedelta(days=1)).gone == Gone(said=frozenset("ae"))
    assert experience.withdraw("t", "nobody", NOON).gone == Gone()
    withdrawn = experience.withdrawn("t")
    assert len(withdrawn) == 2
    assert [name in withdrawn for name in ("ann", "nobody", first.user, "bob", None, 7)] == [True] * 3 + [False] * 3
    assert "ann" not in str(withdrawn)
    assert experience.withdrawn_interactions("t") == {"a", "e"}
    assert len(experience.withdrawn("u")) == len(experience.withdrawn_interactions("u")) == 0
    assert "ann" not in experience.withdrawn("u")


def test_quarantine_keeps_the_first_reason_until_released(database: Database, experience: Experience) -> None:
    def row(name: str, reason: str, tenant: str = "t") -> dict[str, str]:
        return {"tenant": tenant, "interaction": name, "cycle": "cy_1", "at": stamp(NOON), "reason": reason}

    database.write(lambda c: experience.quarantine(c, [row("a", "odd"), row("b", "odd"), row("c", "odd", "u")]))
    database.write(lambda c: experience.quarantine(c, iter([row("a", "odder")])))
    database.write(lambda c: experience.quarantine(c, []))
    assert experience.quarantined("t") == {"a": "odd", "b": "odd"}
    assert experience.release("t", ["a", "c", "unknown"]) == 1
    assert experience.release("t", []) == 0
    assert experience.quarantined("t") == {"b": "odd"}
    assert experience.release("t") == 1
    assert experience.quarantined("t") == {}
    assert experience.quarantined("u") == {"c": "odd"}


def test_quarantine_is_part_of_the_callers_transaction(database: Database, experience: Experience) -> None:
    def work(connection: Any) -> None:
        row = {"tenant": "t", "interaction": "a", "cycle": "c", "at": stamp(NOON), "reason": "r"}
        experience.quarantine(connection, [row])
        raise InvalidInput("no")

    with pytest.raises(InvalidInput):
        database.write(work)
    assert experience.quarantined("t") == {}


def test_more_names_than_a_statement_holds_can_be_released(experience: Experience) -> None:
    assert experience.release("t", [str(n) for n in range(40_000)]) == 0


def test_a_full_disk_is_said_and_nothing_of_the_batch_is_stored(database: Database, experience: Experience) -> None:
    pages = database.write(lambda c: c.exec_driver_sql("PRAGMA page_count").scalar())
    database.write(lambda c: c.exec_driver_sql(f"PRAGMA max_page_count={int(pages or 0) + 5}").scalar())
    with pytest.raises(Unavailable, match="full"):
        experience.record([said(str(n), text="x" * 3000) for n in range(40)])
    assert experience.counts("t") == (0, 0)
