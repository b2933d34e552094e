from __future__ import annotations

import pytest

from onward.core import EvaluationSet, Example, InvalidInput, Labels, Prediction
from onward.evaluation import answerable, score_all

BOTH = Labels(intent="a", entities=())
SETS = [
    EvaluationSet(name=name, examples=(Example(id=name, text=name, labels=BOTH, split="evaluation"),)) for name in "xy"
]


def test_a_head_that_no_model_has_learned_judges_nobody() -> None:
    kept = answerable(SETS, [[Prediction(Labels(intent="b"))], []])
    assert [e.labels for one in kept for e in one.examples] == [Labels(intent="a")] * 2
    assert [one.name for one in kept] == ["x", "y"]


def test_a_head_that_one_model_has_learned_judges_all() -> None:
    kept = answerable(SETS, [[Prediction(Labels(intent="b"))], [Prediction(Labels(entities=()))]])
    assert [e.labels for one in kept for e in one.examples] == [BOTH] * 2


def test_predictions_are_shared_out_in_order() -> None:
    right, wrong = Prediction(BOTH), Prediction(Labels(intent="b", entities=()))
    assert [one.accuracy for one in score_all([right, wrong], SETS)] == [1.0, 0.5]
    with pytest.raises(InvalidInput):
        score_all([right], SETS)
    with pytest.raises(InvalidInput, match="more predictions"):
        score_all([right] * 3, SETS)
