"""The records: what they answer about themselves."""

from dataclasses import FrozenInstanceError
from datetime import UTC, datetime, timedelta

import pytest

from onward.core import (
    Check,
    CycleResult,
    DatasetVersion,
    Entity,
    Example,
    LabelAudit,
    Labels,
    ManualClock,
    SystemClock,
    Verdict,
    silent,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_an_empty_tuple_of_entities_is_a_saying() -> None:
    assert Labels(entities=()).heads == ("entities",)
    assert Labels().heads == ()
    assert Labels("a", "b", ()).heads == ("intent", "sentiment", "entities")


def test_labels_stand_over_others_only_where_they_speak() -> None:
    entity = Entity(0, 1, "X")
    assert Labels(entities=()).over(Labels("a", "b", (entity,))) == Labels("a", "b", ())
    assert Labels().over(Labels("a", "b", (entity,))) == Labels("a", "b", (entity,))
    assert Labels("c", "d").over(Labels("a", "b")) == Labels("c", "d")


def test_records_do_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        Labels().intent = "x"  # type: ignore[misc]


def test_splits_of_a_data_set_version() -> None:
    examples = tuple(
        Example(id=str(n), text="t", labels=Labels("a"), split="train" if n < 3 else "evaluation", new=n % 2 == 0)
        for n in range(5)
    )
    dataset = DatasetVersion(id="d", tenant="t", parent=None, created=NOON, examples=examples)
    assert [e.id for e in dataset.split("train")] == ["0", "1", "2"]
    assert [e.id for e in dataset.split("train", new=True)] == ["0", "2"]
    assert [e.id for e in dataset.split("evaluation", new=False)] == ["3"]
    assert dataset.split("validation") == ()


def test_the_share_contradicted_of_nothing_is_none() -> None:
    assert LabelAudit().share == 0
    assert LabelAudit(judged=4, contradicted=1).share == 0.25


def test_reasons_are_of_the_failed_checks_where_any_failed() -> None:
    good, bad = Check("a", True, 1, 0, "good"), Check("b", False, 0, 1, "bad")
    assert Verdict("refuse", (good, bad)).reasons == ("bad",)
    assert Verdict("promote", (good,)).reasons == ("good",)


def test_only_promoted_is_promoted() -> None:
    assert CycleResult(id="c", tenant="t", status="promoted", started=NOON).promoted
    assert not CycleResult(id="c", tenant="t", status="kept", started=NOON).promoted


def test_clocks_answer_in_utc() -> None:
    clock = ManualClock(NOON)
    clock.advance(timedelta(hours=1))
    assert clock.now() == NOON + timedelta(hours=1)
    assert SystemClock().now().utcoffset() == timedelta(0)
    assert ManualClock().now().utcoffset() == timedelta(0)


def test_silent_progress_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    silent(1, 2, "note")
    assert capsys.readouterr() == ("", "")
