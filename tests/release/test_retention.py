"""Which artifacts may be dropped."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onward.config import RetentionSettings
from onward.core import ModelVersion, Transition
from onward.release import expendable, predecessor

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def version(number: int, days: float = 1000, artifact: str | None = None, **fields: Any) -> ModelVersion:
    return ModelVersion(
        number=number,
        tenant="t",
        learner="linear",
        parent=None,
        dataset="d",
        artifact=artifact or f"artifact {number}",
        config={},
        created=NOON - timedelta(days=days),
        cycle="c",
        **fields,
    )


def moves(*steps: tuple[str, int]) -> list[Transition]:
    previous: int | None = None
    made = []
    for sequence, (cause, number) in enumerate(steps):
        made.append(
            Transition(
                sequence=sequence,
                tenant="t",
                alias="champion",
                version=number,
                previous=previous,
                at=NOON,
                by="a",
                cause=cause,
                reason="r",
            )
        )
        previous = number
    return made


def numbers(
    versions: list[ModelVersion], history: list[Transition], champion: int | None, keep: int = 1, days: int = 90
) -> list[int]:
    limits = RetentionSettings(keep_versions=keep, keep_days=days)
    return [one.number for one in expendable(versions, history, champion, limits, NOON)]


def test_old_versions_beyond_the_newest_are_expendable() -> None:
    versions = [version(number) for number in range(1, 6)]
    assert numbers(versions, [], None, keep=2) == [1, 2, 3]
    assert numbers(versions[::-1], [], None, keep=2) == [3, 2, 1]
    assert numbers(versions, [], None, keep=5) == []
    assert numbers([], [], None) == []


@pytest.mark.parametrize(("age", "dropped"), [(0, []), (89.9, []), (90, [1]), (91, [1])])
def test_versions_younger_than_keep_days_are_kept(age: float, dropped: list[int]) -> None:
    assert numbers([version(1, age), version(2)], [], None) == dropped


def test_keeping_for_ever_works() -> None:
    assert numbers([version(1), version(2)], [], None, days=10**12) == []


def test_champion_predecessor_and_pinned_are_kept() -> None:
    versions = [version(1), version(2), version(3, pinned=True), version(4), version(5)]
    history = moves(("promote", 1), ("promote", 2))
    assert numbers(versions, history, 2) == [4]
    assert numbers(versions, history, 2, keep=1, days=0) == [4]


def test_an_artifact_shared_with_a_kept_version_is_kept() -> None:
    versions = [version(1, artifact="same"), version(2), version(3, artifact="same")]
    assert numbers(versions, [], None) == [2]


def test_the_predecessor_is_what_the_last_promotion_replaced() -> None:
    assert predecessor([], None) is None
    assert predecessor([], 1) is None
    assert predecessor(moves(("promote", 1)), 1) is None
    assert predecessor(moves(("promote", 1), ("promote", 2), ("promote", 3)), 3) == 2
    back = moves(("promote", 1), ("promote", 2), ("promote", 3), ("rollback", 2))
    assert predecessor(back, 2) == 1
    assert predecessor([*back, *moves(("rollback", 9))], 9) is None
    again = moves(("promote", 1), ("promote", 2), ("rollback", 1), ("promote", 3), ("promote", 1))
    assert predecessor(again, 1) == 3


@given(st.data())
def test_what_must_stay_is_never_expendable(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 12))
    artifacts = st.sampled_from("abcdef")
    versions = [
        version(n, data.draw(st.floats(0, 200)), data.draw(artifacts), pinned=data.draw(st.booleans()))
        for n in range(1, count + 1)
    ]
    steps = data.draw(st.lists(st.tuples(st.sampled_from(["promote", "rollback"]), st.integers(1, count)), max_size=8))
    history = moves(*[step for n, step in enumerate(steps) if n == 0 or steps[n - 1][1] != step[1]])
    champion = history[-1].version if history else None
    keep, days = data.draw(st.integers(1, 5)), data.draw(st.integers(0, 200))
    dropped = set(numbers(versions, history, champion, keep, days))
    stays = {champion, predecessor(history, champion)} | set(range(count - keep + 1, count + 1))
    stays |= {one.number for one in versions if one.pinned or one.created > NOON - timedelta(days=days)}
    assert not dropped & stays
    kept = {one.artifact for one in versions if one.number not in dropped}
    assert not kept & {one.artifact for one in versions if one.number in dropped}
    needed = {one.artifact for one in versions if one.number in stays}
    assert {one.number for one in versions if one.artifact not in needed} <= dropped  # and nothing else is kept
