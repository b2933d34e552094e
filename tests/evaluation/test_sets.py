from collections import Counter
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onward.core import DatasetVersion, Entity, EvaluationSet, Example, InvalidInput, Labels
from onward.evaluation import bounded, freeze


def example(name, **changes):
    return Example(**{"id": name, "text": name, "labels": Labels(intent="a"), "split": "evaluation", **changes})


def dataset(*examples):
    return DatasetVersion(id="d1", tenant="t", parent=None, created=datetime(2026, 1, 1, tzinfo=UTC), examples=examples)


def evaluation_set(name, size, intents=3, *, new=False):
    examples = (example(f"{name}-{at}", labels=Labels(intent=f"i{at % intents}")) for at in range(size))
    return EvaluationSet(name=name, examples=tuple(examples), new=new)


def test_freezing_takes_what_is_trusted_of_the_evaluation_split_and_not_frozen_yet():
    frozen = EvaluationSet(name="d0", examples=(example("known"),))
    version = dataset(
        example("known"),
        example("fresh"),
        example("late", new=False),
        example("doubtful", trusted=False),
        example("silent", labels=Labels()),
        example("learned", split="train"),
        example("tuned", split="validation"),
    )
    found = freeze(version, [frozen])
    assert [one.id for one in found.examples] == ["fresh", "late"]
    assert (found.name, found.new) == ("d1", True)
    assert freeze(version, [frozen, found]).examples == ()


def test_nothing_is_sampled_below_the_limit():
    sets = [evaluation_set("a", 10), evaluation_set("b", 10, new=True)]
    assert bounded(sets, 20) == sets
    assert bounded([], 5) == []


def test_the_oldest_sets_are_sampled_and_stay_visible():
    sets = [evaluation_set(f"s{at}", 100) for at in range(4)] + [evaluation_set("new", 100, new=True)]
    found = bounded(sets, 300)
    assert [len(one.examples) for one in found] == [30, 30, 40, 100, 100]
    assert [one.name for one in found] == [one.name for one in sets]
    assert found[-1] is sets[-1]


def test_a_sample_keeps_every_label_and_the_proportions():
    labels = [Labels(intent="often")] * 80 + [Labels(intent="seldom")] * 20 + [Labels(sentiment="once")]
    labels += [Labels(entities=(Entity(0, 1, "x"),)), Labels(entities=())]
    one = EvaluationSet(name="s", examples=tuple(example(f"e{at}", labels=each) for at, each in enumerate(labels)))
    (found,) = bounded([one], 53)
    counts = Counter(each.labels for each in found.examples)
    assert len(counts) == 5
    assert counts[Labels(intent="often")] == pytest.approx(40, abs=2)
    assert counts[Labels(intent="seldom")] == pytest.approx(10, abs=2)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 40), max_size=8), st.integers(1, 120))
def test_the_limit_holds_and_smaller_samples_are_part_of_larger_ones(sizes, limit):
    sets = [evaluation_set(f"s{at}", size) for at, size in enumerate(sizes)]
    found = bounded(sets, limit)
    assert sum(len(one.examples) for one in found) == min(limit, sum(sizes))
    larger = {each.id for one in bounded(sets[:1], limit + 5) for each in one.examples}
    assert {each.id for one in bounded(sets[:1], limit) for each in one.examples} <= larger
    assert bounded(sets, limit) == found


def test_a_limit_below_one_is_refused():
    with pytest.raises(InvalidInput, match="At most 0"):
        bounded([evaluation_set("a", 1)], 0)
