"""Few-shot tasks in evaluation sets: the task is what is judged."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onward.config import Settings
from onward.core import (
    DatasetVersion,
    EvaluationSet,
    Example,
    FewShotModel,
    InvalidInput,
    LabelAudit,
    Labels,
    Model,
    Prediction,
)
from onward.evaluation import answerable, answers, bounded, freeze, judge, recall_by_label, score_all, scorecard, whole


def example(name, intent="a", **more):
    more.setdefault("split", "evaluation")
    return Example(id=name, text=name, labels=Labels(intent=intent), **more)


def task(name, queries=4, support=2, intent="a"):
    taught = [example(f"{name} s{n}", f"{intent}{n % 2}", task=name, part="support") for n in range(support)]
    asked = [example(f"{name} q{n}", f"{intent}{n % 2}", task=name, part="query") for n in range(queries)]
    return [*taught, *asked]


def set_of(*examples, name="s", new=False):
    return EvaluationSet(name=name, examples=tuple(examples), new=new)


def dataset(*examples):
    return DatasetVersion(id="d1", tenant="t", parent=None, created=datetime(2026, 1, 1, tzinfo=UTC), examples=examples)


@dataclass(frozen=True)
class Scholar:
    """Right about so many queries of each task, in order; says "plain" outside of tasks. It notes what it was taught."""

    right: int = 99

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        return [Prediction(Labels(intent="plain")) for _ in texts]

    def adapt(self, support: Sequence[Example]) -> Model:
        return Taught(tuple(e.text for e in support), self.right)

    def save(self, folder: Path) -> None:
        raise AssertionError


@dataclass(frozen=True)
class Taught:
    support: tuple[str, ...]
    right: int

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        names = {text.split()[0] for text in (*texts, *self.support)}
        assert len(names) == 1, "Asked of a task what another one taught."
        said = [f"a{int(text[-1]) % 2}" if n < self.right else "wrong" for n, text in enumerate(texts)]
        return [Prediction(Labels(intent=intent)) for intent in said]

    def save(self, folder: Path) -> None:
        raise AssertionError


class Plain:
    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        return [Prediction(Labels(intent="plain")) for _ in texts]

    def save(self, folder: Path) -> None:
        raise AssertionError


def outcomes(model, *sets):
    return score_all(answers(model, sets), sets)


def test_what_adapts_is_known_by_its_method() -> None:
    assert isinstance(Scholar(), FewShotModel)
    assert not isinstance(Plain(), FewShotModel)


def test_each_task_is_asked_after_adapting_to_its_own_support_set() -> None:
    mixed = [*task("one"), example("p1", "plain"), *task("two"), example("p2", "x")]
    for order in (mixed, mixed[::-1]):
        (found,) = outcomes(Scholar(), set_of(*order))
        assert found.heads["task"].right.tolist() == [1.0, 1.0]
        assert dict(zip(found.examples, found.scores.tolist(), strict=True)) == {
            "p1": 1.0,
            "p2": 0.0,
            "task one": 1.0,
            "task two": 1.0,
        }


def test_the_unit_is_the_task_and_its_score_the_share_right() -> None:
    (found,) = outcomes(Scholar(right=3), set_of(*task("one", 4), *task("two", 6), *task("three", 3)))
    assert found.scores.tolist() == [0.75, 0.5, 1.0]
    assert found.heads["task"].where.tolist() == [0, 1, 2]
    assert found.accuracy == 0.75
    assert "intent" not in found.heads
    assert recall_by_label([found]) == {}
    card = scorecard([found]).overall
    assert (card.count, card.accuracy, card.heads["task"].count, card.heads["task"].f1) == (3, 0.75, 3, 0.75)


def test_a_model_that_cannot_adapt_says_nothing_of_tasks() -> None:
    sets = [set_of(example("p", "plain"), *task("one"))]
    said = answers(Plain(), sets)
    assert [p.labels.intent for p in said] == ["plain", None, None, None, None]
    (alone,) = score_all(said, answerable(sets, [said]))
    assert (alone.examples, "task" in alone.heads) == (("p",), False)
    rival = answers(Scholar(), sets)
    (found,) = score_all(said, answerable(sets, [said, rival]))
    assert found.heads["task"].right.tolist() == [0.0]


def test_plain_heads_and_those_of_tasks_are_learned_apart() -> None:
    sets = [set_of(example("p"), *task("one"))]
    only_tasks = [Prediction(Labels()), *[Prediction(Labels(intent="a0"))] * 4]
    (found,) = answerable(sets, [only_tasks])
    assert [e.labels.heads for e in found.examples] == [(), *[("intent",)] * 6]


def test_a_model_must_answer_everything() -> None:
    class Mute(Plain):
        def predict(self, texts):
            return []

    with pytest.raises(InvalidInput, match="0 predictions for 1"):
        answers(Mute(), [set_of(example("p"))])
    with pytest.raises(InvalidInput):
        score_all([Prediction(Labels())], [set_of(*task("one"))])


# Frozen sets -----------------------------------------------------------------------------------------------------------


def test_a_set_freezes_whole_tasks_that_can_be_judged_by_themselves() -> None:
    version = dataset(
        *task("whole"),
        *task("untaught", support=0),
        *task("unasked", queries=0),
        *[replace(e, trusted=e.part == "query") for e in task("distrusted")],
        *[replace(e, split="train") for e in task("learned")],
    )
    found = freeze(version, [])
    assert {e.task for e in found.examples} == {"whole"}
    assert len(found.examples) == 6


def test_later_queries_are_frozen_with_the_support_set_as_it_is_then() -> None:
    first = freeze(dataset(*task("one")), [])
    more = [example("one s9", "a0", task="one", part="support"), example("one q9", "a1", task="one", part="query")]
    second = freeze(dataset(*task("one"), *more), [first])
    assert [e.id for e in second.examples] == ["one s0", "one s1", "one s9", "one q9"]
    assert freeze(dataset(*task("one"), *more), [first, second]).examples == ()
    support_alone = example("one s10", "a0", task="one", part="support")
    assert freeze(dataset(*task("one"), *more, support_alone), [first, second]).examples == ()


def test_what_is_left_of_a_task_judges_only_where_it_is_whole() -> None:
    kept = whole(e for e in [*task("one"), *task("two"), example("p")] if "two s" not in e.id)
    assert {e.task for e in kept} == {"one", None}


@given(st.integers(1, 12))
def test_a_sample_holds_whole_tasks_and_counts_each_as_one(limit: int) -> None:
    one = set_of(*(e for n in range(6) for e in task(f"t{n}")), *(example(f"p{n}") for n in range(6)))
    (found,) = bounded([one], limit)
    kept = [e.task for e in found.examples if e.task is not None]
    assert all(kept.count(name) == 6 for name in kept)
    assert len({e.unit for e in found.examples}) == min(limit, 12)
    (larger,) = bounded([one], limit + 1)
    assert {e.id for e in found.examples} <= {e.id for e in larger.examples}


def test_a_sample_of_both_keeps_both() -> None:
    one = set_of(*(e for n in range(8) for e in task(f"t{n}")), *(example(f"p{n}") for n in range(8)))
    (found,) = bounded([one], 8)
    assert len({e.task for e in found.examples} - {None}) == 4


# The gate ----------------------------------------------------------------------------------------------------------------


def verdict(candidate, champion, *sets):
    sets = list(sets)
    scored = [None if model is None else outcomes(model, *sets) for model in (candidate, champion)]
    gate, thresholds = Settings().gate, Settings().thresholds
    return judge(scored[0] or [], scored[1], audit=LabelAudit(), gate=gate, thresholds=thresholds)


def figures(decided):
    return {check.name: check for check in decided.checks}


def many(count, queries=4):
    return [e for n in range(count) for e in task(f"t{n}", queries)]


def test_evidence_counts_tasks_not_queries() -> None:
    few = verdict(Scholar(), None, set_of(*many(14, queries=40), new=True))
    assert not figures(few)["evidence"].passed
    assert figures(few)["evidence"].figure == 14
    assert verdict(Scholar(), None, set_of(*many(15), new=True)).decision == "promote"


def test_the_first_version_must_beat_the_most_frequent_label_of_each_task() -> None:
    decided = verdict(Scholar(right=2), None, set_of(*many(40), new=True))
    assert not figures(decided)["better"].passed
    assert "0.500 -> 0.500" in figures(decided)["better"].reason


def test_a_floor_for_tasks() -> None:
    low = figures(verdict(Scholar(right=2), None, set_of(*many(40), new=True)))["threshold task"]
    assert (low.passed, low.figure, low.bound) == (False, 0.5, 0.7)


def test_the_paired_test_is_over_tasks() -> None:
    """Five tasks of a hundred queries all won are five wins, not five hundred."""
    five = set_of(*many(5, queries=100), *(example(f"p{n}", "plain") for n in range(20)), new=True)
    decided = figures(verdict(Scholar(), Scholar(right=50), five))
    assert decided["better"].figure == pytest.approx(2 * 2.0**-5)
    assert not decided["better"].passed


def test_better_on_tasks_is_promoted_and_worse_is_refused() -> None:
    sets = [set_of(*many(60), name="old"), set_of(*many(20), name="new", new=True)]
    assert verdict(Scholar(), Scholar(right=3), *sets).decision == "promote"
    worse = verdict(Scholar(right=3), Scholar(), *sets)
    assert worse.decision == "refuse"
    failed = {check.name for check in worse.checks if not check.passed}
    assert {"not worse", "forgetting old"} <= failed
    assert verdict(Scholar(), Scholar(), *sets).decision == "keep"


def test_intents_of_different_tasks_are_never_taken_for_one() -> None:
    sets = [set_of(*many(60), name="old"), set_of(*many(20), name="new", new=True)]
    assert not any(check.name.startswith("intent") for check in verdict(Scholar(), Scholar(right=3), *sets).checks)


def test_tasks_and_plain_examples_are_judged_side_by_side() -> None:
    mixed = set_of(*many(20), *(example(f"p{n}", "plain") for n in range(20)), new=True)
    decided = figures(verdict(Scholar(right=3), Scholar(), mixed))
    assert {"not worse intent", "not worse task"} <= decided.keys()
    assert decided["not worse intent"].passed
    assert not decided["not worse task"].passed


def test_a_score_is_between_none_and_all() -> None:
    (found,) = outcomes(Scholar(right=1), set_of(*many(9, queries=7)))
    assert np.all((found.scores >= 0) & (found.scores <= 1))
    assert found.heads["task"].usual.tolist() == pytest.approx([4 / 7] * 9)
