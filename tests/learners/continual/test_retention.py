"""Figures of retention."""

import json
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from onward.core import InvalidInput
from onward.learners.continual import ContinualLearner, FineTuning
from onward.learners.continual._retention import Retention, follow
from onward.learners.continual.scenarios import from_arrays, permuted

THREE = Retention(
    ((0.9, 0.2, 0.3), (0.95, 0.8, 0.25), (0.6, 0.85, 0.7)), before=(0.1, 0.15, 0.2), joint=(0.9, 0.9, 0.9)
)


def test_figures_by_hand():
    assert THREE.average == pytest.approx((0.6 + 0.85 + 0.7) / 3)
    assert THREE.learned == (0.9, 0.8, 0.7)
    assert THREE.learning_accuracy == pytest.approx(0.8)
    assert THREE.forgotten == pytest.approx((0.35, -0.05))
    assert THREE.forgetting == pytest.approx(0.15)
    assert THREE.backward_transfer == pytest.approx((-0.3 + 0.05) / 2)
    assert THREE.forward_transfer == pytest.approx(((0.2 - 0.15) + (0.25 - 0.2)) / 2)
    assert THREE.intransigence == pytest.approx(0.1)
    assert THREE.incremental == pytest.approx((0.9 + 0.875 + 2.15 / 3) / 3)
    assert THREE.retained == pytest.approx((0.6 / 0.9, 0.85 / 0.8, 1))


def test_one_experience_and_no_references():
    one = Retention(((0.5,),))
    assert (one.forgetting, one.backward_transfer, one.average, len(one)) == (0, 0, 0.5, 1)
    assert math.isnan(one.forward_transfer)
    assert math.isnan(one.intransigence)
    assert set(one.figures()) == {"average", "incremental", "learning_accuracy", "forgetting", "backward_transfer"}


number = st.floats(-10, 1)


@given(st.integers(1, 5).flatmap(lambda n: st.lists(st.lists(number, min_size=n, max_size=n), min_size=n, max_size=n)))
def test_there_and_back_as_json(rows):
    scores = tuple(tuple(v if j <= i else math.nan for j, v in enumerate(row)) for i, row in enumerate(rows))
    for retention in (Retention(tuple(map(tuple, rows)), tuple(rows[0])), Retention(scores, names=("a",) * len(rows))):
        back = Retention.from_dict(json.loads(json.dumps(retention.to_dict(), allow_nan=False)))
        assert repr(back) == repr(retention)
        assert back.forgetting >= -back.backward_transfer - 1e-9


@pytest.mark.parametrize(
    "scores", [(), ((0.1, 0.2),), ((0.1, 0.2), (0.3,)), ((math.nan,),), ((0.1, math.nan), (0.2, math.nan))]
)
def test_what_cannot_be(scores):
    with pytest.raises(InvalidInput):
        Retention(scores)
    with pytest.raises(InvalidInput, match="figures of retention"):
        Retention.from_dict({"scores": 3})
    with pytest.raises(InvalidInput, match="2 x 2"):
        Retention(((0.1, 0.2), (0.3, 0.4)), before=(0.1,))


def blobs(classes=4, each=40):
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(classes * each) % classes
    return 4 * torch.eye(classes)[y] + 0.5 * torch.randn(len(y), classes, generator=generator), y


@pytest.mark.parametrize("kind", ["task", "domain", "class"])
def test_a_learner_is_followed(kind):
    stream = from_arrays(*blobs(), 2, kind=kind, shuffle=False)
    torch.manual_seed(0)
    learner = ContinualLearner(nn.Linear(4, stream.outputs), [FineTuning()], scenario=kind, rate=0.1, batch_size=16)
    retention = follow(learner, stream, lambda one: learner.learn(one, epochs=10))
    assert retention.learned == (1, 1)
    assert retention.names == stream.names
    assert retention.last == tuple(learner.evaluate(test)["accuracy"] for test in stream.test)
    assert math.isnan(retention.scores[0][1]) == (kind == "task")
    assert (retention.before is None) == (kind == "task")
    if kind == "class":
        assert retention.scores[0][1] == 0
        assert retention.forgetting > 0.5
    if kind == "task":
        assert retention.average == 1


def test_real_targets_score_by_their_loss():
    x = torch.randn(200, 3, generator=torch.Generator().manual_seed(0))
    stream = permuted(x, x @ torch.tensor([1.0, -2.0, 0.5]), 2, seed=3)
    learner = ContinualLearner(nn.Linear(3, 1), [FineTuning()], scenario="domain", loss="mse", rate=0.05, batch_size=16)
    retention = follow(learner, stream, lambda one: learner.learn(one, epochs=20), joint=(0, 0))
    assert retention.last == tuple(-learner.evaluate(test)["loss"] for test in stream.test)
    assert retention.backward_transfer < -1
    assert retention.intransigence == pytest.approx(0, abs=0.05)
    assert follow(learner, stream, before=False).before is None


def test_what_cannot_be_followed():
    stream = from_arrays(*blobs(), 2)
    learner = ContinualLearner(nn.Linear(4, 4), [FineTuning()])
    for wrong in ([*stream], stream.train[0], 3):
        with pytest.raises(InvalidInput, match=rf"A {type(wrong).__name__} is no stream\. Give a Stream"):
            follow(learner, wrong)
    with pytest.raises(InvalidInput, match=r"A Linear is no learner\. Give a ContinualLearner"):
        follow(nn.Linear(4, 4), stream)
    assert learner.learned == 0
