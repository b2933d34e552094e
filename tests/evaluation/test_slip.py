from __future__ import annotations

import pytest

from onward.config import Settings
from onward.core import EvaluationSet, Example, HeadScore, Labels, Prediction, SetScore
from onward.evaluation import Outcomes, score
from onward.evaluation._slip import slipped

GATE = Settings().gate


def reached(name: str, accuracy: float) -> SetScore:
    return SetScore(name, 100, accuracy, {"intent": HeadScore(100, accuracy, accuracy, accuracy, accuracy)})


def outcomes(name: str, right: int, count: int, *, new: bool = False) -> Outcomes:
    examples = tuple(
        Example(id=f"{name}{n:04}", text=str(n), labels=Labels(intent="a"), split="evaluation") for n in range(count)
    )
    said = [Prediction(Labels(intent="a" if n < right else "b")) for n in range(count)]
    return score(said, EvaluationSet(name=name, examples=examples, new=new))


@pytest.mark.parametrize(("right", "passed"), [(95, True), (91, True), (90, True), (89, False), (60, False)])
def test_it_refuses_more_than_the_bound_below_what_was_reached(right: int, passed: bool) -> None:
    (finding,) = slipped([outcomes("one", right, 100)], {"one": reached("one", 0.95)}, GATE)
    assert finding.check.passed is passed
    assert finding.check.figure == pytest.approx(0.95 - right / 100)
    assert finding.otherwise == "refuse"


def test_sets_are_weighed_by_their_examples() -> None:
    parts = [outcomes("one", 200, 200), outcomes("two", 10, 20)]
    (finding,) = slipped(parts, {"one": reached("one", 1.0), "two": reached("two", 1.0)}, GATE)
    assert finding.check.figure == pytest.approx(10 / 220)
    assert finding.check.passed


def test_new_work_unknown_sets_and_too_few_examples_are_left_out() -> None:
    assert slipped([outcomes("one", 0, 100, new=True)], {"one": reached("one", 1.0)}, GATE) == []
    assert slipped([outcomes("one", 0, 100)], {}, GATE) == []
    assert slipped([outcomes("one", 0, GATE.min_set - 1)], {"one": reached("one", 1.0)}, GATE) == []
