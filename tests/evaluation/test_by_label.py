"""How well each label is found."""

from onward.core import EvaluationSet, Example, Labels, Prediction
from onward.evaluation import recall_by_label, score_all


def example(number: int, intent: str | None, sentiment: str | None = None) -> Example:
    return Example(
        id=f"e{number}",
        text="t",
        labels=Labels(intent=intent, sentiment=sentiment),
        interactions=(f"i{number}",),
        split="evaluation",
    )


def said(intent: str, sentiment: str = "neutral") -> Prediction:
    return Prediction(Labels(intent=intent, sentiment=sentiment), {"intent": 1.0})


def test_recall_over_all_sets() -> None:
    first = EvaluationSet(
        name="a", examples=(example(1, "refund"), example(2, "refund"), example(3, "greeting", "happy"))
    )
    second = EvaluationSet(name="b", examples=(example(4, "refund"), example(5, None, "happy")))
    outcomes = score_all(
        [said("refund"), said("greeting"), said("greeting", "happy"), said("refund"), said("refund", "sad")],
        [first, second],
    )
    assert recall_by_label(outcomes) == {
        "intent": {"refund": 2 / 3, "greeting": 1.0},
        "sentiment": {"happy": 0.5},
    }


def test_nothing_was_asked() -> None:
    assert recall_by_label([]) == {}
