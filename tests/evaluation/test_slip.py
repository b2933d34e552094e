from __future__ import annotations

from dataclasses import replace

import pytest

from onward.config import Settings
from onward.core import Entity, EvaluationSet, Example, HeadScore, Labels, Prediction, SetScore
from onward.evaluation import Outcomes, bounded, score, scorecard
from onward.evaluation._slip import slipped, slipped_intents

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


def slips(*rights: int, count: int = 100, once: float = 0.95) -> dict[str, bool]:
    """Check -> whether it passes, where sets of so many examples have so many right now."""
    parts = [outcomes(f"set{at}", right, count) for at, right in enumerate(rights)]
    found = slipped(parts, {part.name: reached(part.name, once) for part in parts}, GATE)
    assert all(finding.otherwise == "refuse" for finding in found)
    return {finding.check.name: finding.check.passed for finding in found}


def test_a_set_may_not_pay_for_what_the_others_gain() -> None:
    assert slips(100, 100, 100, 75) == {"slip": True, "slip set3": False}


def test_every_set_that_slipped_is_told() -> None:
    assert slips(100, 70, 100, 70, 100, 100, 100, 100) == {"slip": True, "slip set1": False, "slip set3": False}


def test_of_sets_that_hold_the_one_that_lost_most_is_told() -> None:
    assert slips(96, 93, 95) == {"slip": True, "slip set1": True}


def test_what_may_be_chance_on_a_set_passes_and_the_more_sets_the_more_may_be() -> None:
    assert slips(100, 87) == {"slip": True, "slip set1": True}
    assert slips(100, 84) == {"slip": True, "slip set1": False}
    assert slips(84, *[100] * 49) == {"slip": True, "slip set0": True}
    assert slips(80, *[100] * 49) == {"slip": True, "slip set0": False}


def test_small_sets_are_judged_with_their_neighbours() -> None:
    assert slips(30, 30, 20, 20, count=30) == {"slip": False, "slip set2..set3": False}


def test_on_many_examples_a_slip_of_the_bound_alone_passes() -> None:
    assert slips(2_000, 1_800, count=2_000) == {"slip": True, "slip set1": True}
    assert slips(2_000, 1_790, count=2_000) == {"slip": True, "slip set1": False}


def test_a_head_that_nobody_could_answer_once_is_left_out() -> None:
    parts = [outcomes("one", 50, 100), outcomes("two", 95, 100)]
    unanswered = SetScore("one", 100, 0.0, {})
    (finding,) = slipped(parts, {"one": unanswered, "two": reached("two", 0.95)}, GATE)
    assert finding.check.passed


INTENTS = tuple("abcdefgh")


def of_intents(found: dict[str, int], each: int, *, name: str = "one", new: bool = False) -> Outcomes:
    """So many examples of every intent; all are found, or so many."""
    rows = [(intent, n < found.get(intent, each)) for intent in INTENTS for n in range(each)]
    examples = tuple(
        Example(id=f"{name}{n:04}", text=str(n), labels=Labels(intent=intent), split="evaluation")
        for n, (intent, _) in enumerate(rows)
    )
    said = [Prediction(Labels(intent=intent if right else "?")) for intent, right in rows]
    return score(said, EvaluationSet(name=name, examples=examples, new=new))


def once(*parts: Outcomes) -> dict[str, SetScore]:
    return {part.name: part for part in scorecard(parts).sets}


def intents(found: dict[str, int], each: int, before: dict[str, int]) -> dict[str, bool]:
    frozen = once(of_intents(before, each, new=True))
    judged = slipped_intents([of_intents(found, each)], frozen, GATE)
    assert all(finding.otherwise == "refuse" for finding in judged)
    return {finding.check.name: finding.check.passed for finding in judged}


def test_an_intent_may_not_be_lost_bit_by_bit() -> None:
    assert intents({"a": 17, "c": 5}, 20, {"a": 19, "c": 19}) == {"slip intent c": False}


def test_what_may_be_chance_on_an_intent_passes() -> None:
    """At most as many may be missed as would be, once in 20 for 8 intents, where each is missed 5 % more often."""
    assert intents({"c": 11}, 20, {"c": 17}) == {"slip intent c": True}  # 30 points are more than the bound
    assert intents({"c": 10}, 20, {"c": 17}) == {"slip intent c": False}


def test_of_an_intent_no_more_than_the_bound_may_be_lost_however_many_examples_there_are() -> None:
    assert intents({"c": 750}, 1000, {}) == {"slip intent c": True}
    assert intents({"c": 749}, 1000, {}) == {"slip intent c": False}


def test_the_intents_of_all_sets_are_judged_together() -> None:
    frozen = once(of_intents({}, 5, name="one", new=True), of_intents({"c": 4}, 5, name="two", new=True))
    parts = [of_intents({"c": 1}, 5, name=name) for name in ("one", "two")]
    (finding,) = slipped_intents(parts, frozen, GATE)
    assert finding.check.figure == pytest.approx(0.9 - 0.2)
    assert not finding.check.passed
    assert slipped_intents(parts[:1], frozen, GATE) == [], "5 examples are too few"


def test_of_a_set_that_is_sampled_as_large_a_share_was_found() -> None:
    frozen = once(of_intents({"c": 15}, 20, new=True))
    (finding,) = slipped_intents([of_intents({"c": 2}, 10)], frozen, GATE)
    assert finding.check.figure == pytest.approx(0.75 - 0.2)


def test_intents_of_new_work_and_of_unknown_sets_are_left_out() -> None:
    frozen = once(of_intents({}, 20, new=True))
    lost = {"c": 0}
    assert slipped_intents([of_intents(lost, 20, new=True)], frozen, GATE) == []
    assert slipped_intents([of_intents(lost, 20, name="two")], frozen, GATE) == []
    assert slipped_intents([of_intents(lost, 20)], {"one": SetScore("one", 160, 0.0, {})}, GATE) == []
    assert slipped_intents([of_intents(lost, 20)], once(of_intents({}, 20)), GATE) == [], "it was not new then"


def test_exactly_the_bound_may_be_lost_whatever_the_figures() -> None:
    for before in range(5, 101, 5):
        (finding,) = slipped([outcomes("one", before - 5, 100)], {"one": reached("one", before / 100)}, GATE)
        assert finding.check.passed, before


def skewed(name: str) -> EvaluationSet:
    """Six intents that are common and sixty that are rare."""
    intents = [f"common{n}" for n in range(6) for _ in range(80)] + [f"rare{n}" for n in range(60) for _ in range(2)]
    examples = [
        Example(id=f"{name} {n:04}", text=str(n), labels=Labels(intent=intent), split="evaluation")
        for n, intent in enumerate(intents)
    ]
    return EvaluationSet(name=name, examples=tuple(examples))


def good_at_what_is_common(one: EvaluationSet) -> Outcomes:
    said = [e.labels.intent if str(e.labels.intent).startswith("common") else "?" for e in one.examples]
    return score([Prediction(Labels(intent=intent)) for intent in said], one)


def test_a_model_that_answers_as_then_has_not_slipped_on_a_sample_that_holds_more_of_the_rare() -> None:
    sets = [skewed(name) for name in ("one", "two", "three")]
    frozen = once(*(good_at_what_is_common(replace(one, new=True)) for one in sets))
    sampled = [good_at_what_is_common(one) for one in bounded(sets, 400)]
    assert sampled[0].accuracy < frozen["one"].accuracy - 0.3
    findings = slipped(sampled, frozen, GATE)
    assert [finding.check.figure for finding in findings] == pytest.approx([0.0, 0.0])


def test_a_figure_without_labels_stands_for_all_of_them() -> None:
    """As in what was recorded before labels were."""
    (finding,) = slipped([outcomes("one", 70, 80)], {"one": reached("one", 0.9)}, GATE)
    assert finding.check.figure == pytest.approx(0.9 - 70 / 80)


def test_examples_of_a_head_that_nobody_could_answer_then_are_no_evidence() -> None:
    """Two of ten answers are wrong, and not twenty of a hundred."""
    more = tuple(
        Example(id=f"more{n}", text=str(n), labels=Labels(sentiment="positive"), split="evaluation") for n in range(90)
    )
    ten = tuple(Example(id=f"{n}", text=str(n), labels=Labels(intent="a"), split="evaluation") for n in range(10))
    said = [Prediction(Labels(intent="b" if n < 2 else "a", sentiment="positive")) for n in range(100)]
    part = score(said, EvaluationSet(name="two", examples=(*ten, *more)))
    standards = {"one": reached("one", 1.0), "two": reached("two", 1.0)}
    findings = slipped([outcomes("one", 100, 100), part], standards, GATE)
    assert [finding.check.passed for finding in findings] == [True]
    assert "on 110 examples" in findings[0].check.reason


def entities(name: str, *, found: int) -> Outcomes:
    """Sixty texts with one entity each but the first, of whose sixty so many are found."""
    wanted = [tuple(Entity(at, at + 1, "city") for at in range(60 if n == 0 else 1)) for n in range(60)]
    examples = [
        Example(id=f"{name}{n:04}", text="x" * 60, labels=Labels(entities=one), split="evaluation")
        for n, one in enumerate(wanted)
    ]
    said = [Prediction(Labels(entities=one[:found])) for one in wanted]
    return score(said, EvaluationSet(name=name, examples=tuple(examples)))


def test_one_long_text_is_one_example_however_many_entities_are_lost_in_it() -> None:
    names = ("one", "two", "three")
    frozen = once(*(replace(entities(name, found=60), new=True) for name in names))
    parts = [entities(name, found=30 if name == "one" else 60) for name in names]
    _, worst = slipped(parts, frozen, GATE)
    assert worst.check.name == "slip one"
    assert worst.check.figure > 0.14
    assert "which may be chance" in worst.check.reason
    assert worst.check.passed
