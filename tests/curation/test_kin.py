"""Near-equal tasks stand on one side of the split; others go their own ways."""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from onward.config import Settings, settings_from
from onward.core import DatasetVersion, Example, Interaction, Labels
from onward.curation import curate
from onward.curation._kin import near_equal

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
HALF = settings_from({"training": {"validation_split": 0.49}})


def taught(task: str, texts: Iterable[str], part: str = "support") -> list[Interaction]:
    return [
        Interaction(id=f"{task} {part} {text}", text=text, at=NOON, labels=Labels(intent=text[0]), task=task, part=part)  # type: ignore[arg-type]
        for text in texts
    ]


def made(interactions: list[Interaction], options: Settings = HALF, **past: DatasetVersion) -> DatasetVersion:
    return curate([(one, []) for one in interactions], tenant="default", now=NOON, settings=options, **past).dataset


def sides(dataset: DatasetVersion) -> dict[str | None, str]:
    found = {(example.task, example.split) for example in dataset.examples}
    assert len(found) == len(dict(found))  # tasks stay whole
    return dict(found)


def words(number: int, count: int = 6) -> list[str]:
    return [f"{word} of shop {number}" for word in ("apples", "bread", "cheese", "dates", "eggs", "figs")[:count]]


def growing(number: int) -> list[Interaction]:
    """A support set that grows from question to question, each state of it under another name."""
    return [one for size in range(1, 7) for one in taught(f"{number}-{size}", words(number, size))]


def test_states_of_one_support_set_stand_on_one_side() -> None:
    dataset = made([one for number in range(30) for one in growing(number)])
    side = sides(dataset)
    shops = [{side[f"{number}-{size}"] for size in range(1, 7)} for number in range(30)]
    assert all(len(shop) == 1 for shop in shops)
    assert {one for shop in shops for one in shop} == {"evaluation", "validation", "train"}
    judged = {example.text for example in dataset.split("evaluation")}
    assert judged.isdisjoint(example.text for example in dataset.split("train"))


def test_the_share_held_out_stays_what_it_was() -> None:
    """Which task of a group counts says nothing of where it stands."""
    side = sides(made([one for number in range(400) for one in growing(number)[-15:]]))
    held = sum(split != "train" for split in side.values()) / len(side)
    assert 0.4 < held < 0.58


def test_a_state_that_is_new_follows_what_was_decided() -> None:
    first = [one for number in range(30) for one in taught(f"{number}-a", words(number, 5))]
    before = made(first)
    later = [*first, *(one for number in range(30) for one in taught(f"{number}-b", words(number, 6)))]
    frozen = {example.id: example for example in before.split("evaluation")}
    for past in ({"champion": before}, {"judged": before}, {"champion": before, "frozen": frozen}):
        side = sides(made(later, settings_from({"training": {"validation_split": 0.1}}), **past))  # type: ignore[arg-type]
        assert all(side[f"{number}-b"] == side[f"{number}-a"] == sides(before)[f"{number}-a"] for number in range(30))


def test_a_greeting_in_common_makes_no_kin() -> None:
    tasks = [one for number in range(40) for one in taught(f"t{number}", ["hello there", *words(number)])]
    alone = [one for number in range(40) for one in taught(f"t{number}", words(number))]
    assert sides(made(tasks)) == sides(made(alone))
    assert len(set(sides(made(tasks)).values())) > 1


def test_queries_in_common_make_kin_as_well() -> None:
    found = near_equal(examples({"one": "abcd", "two": "efgh"}, {"one": "xy", "two": "xz", "three": "uv"}))
    assert found == [["one", "two"]]


def examples(support: dict[str, str], query: dict[str, str]) -> list[Example]:
    return [
        Example(id=task + text, text=text, labels=Labels(intent="i"), split="train", task=task, part=part)  # type: ignore[arg-type]
        for part, tasks in (("support", support), ("query", query))
        for task, texts in tasks.items()
        for text in texts
    ]


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(st.sampled_from("ABCDEFGH"), st.text("abcdef", min_size=1, max_size=6), max_size=8),
    st.integers(0, 9),
)
def test_it_is_what_it_says_in_any_order(support: dict[str, str], order: int) -> None:
    rows = examples(support, {})
    random.Random(order).shuffle(rows)
    kin = {task: {task} for task in support}
    for one, texts in support.items():
        for other, others in support.items():
            mine, theirs = set(texts), set(others)
            if 2 * len(mine & theirs) >= min(len(mine), len(theirs)):
                joined = kin[one] | kin[other]
                for task in joined:
                    kin[task] = joined
    expected = sorted({tuple(sorted(group)) for group in kin.values() if len(group) > 1})
    assert [tuple(group) for group in near_equal(rows)] == expected


def test_many_states_and_many_tasks_of_one_text() -> None:
    states = {f"s{at:04}": [f"text {n}" for n in range(at + 1)] for at in range(600)}
    rows = [
        Example(id=task + text, text=text, labels=Labels(intent="i"), split="train", task=task, part="support")
        for task, texts in states.items()
        for text in texts[-40:]
    ]
    assert near_equal(rows) == [sorted(states)]
