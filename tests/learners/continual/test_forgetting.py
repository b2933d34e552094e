"""The detector of forgetting."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import nn

from onward.core import InvalidInput
from onward.learners.continual import ContinualLearner, Experience
from onward.learners.continual._forgetting import ForgettingDetector, outcomes
from onward.learners.continual._noninferiority import surely_not_worse


def pair(lost, won, count=200, right=100):
    """Outcomes before and after."""
    before = np.zeros(count)
    before[: max(right, lost)] = 1
    after = before.copy()
    after[:lost] = 0
    after[count - won :] = 1
    return before, after


def compared(*tasks, **settings):
    pairs = {f"t{at}": pair(*one) for at, one in enumerate(tasks)}
    before, after = ({name: both[side] for name, both in pairs.items()} for side in (0, 1))
    return ForgettingDetector(**settings).compare(before, after)


def test_what_was_lost_is_named_with_how_much_and_how_sure():
    report = compared((30, 5), (0, 0), (3, 3), (0, 20))
    assert report.forgotten == ("t0",)
    lost = report.findings[0]
    assert (lost.lost, lost.won, lost.examples) == (30, 5, 200)
    assert lost.loss == pytest.approx(0.125)
    assert lost.chance == pytest.approx(4 * stats.binomtest(30, 35, 0.5, alternative="greater").pvalue)
    assert [one.kept for one in report.findings] == [False, True, True, True]
    assert not report.kept
    assert compared((0, 0), (3, 3)).kept
    assert report.findings[3].loss == pytest.approx(-0.1)
    assert json.loads(json.dumps(report.to_dict()))["findings"][0]["forgotten"] is True


def test_few_examples_show_neither():
    report = compared((3, 0, 20), (0, 0, 20))
    assert report.forgotten == ()
    assert report.unclear == ("t0", "t1")
    assert compared((0, 0, 59)).kept
    assert not compared((0, 0, 58)).kept


def test_a_loss_within_the_margin_is_borne_however_sure():
    assert compared((40, 0, 1000)).findings[0].chance < 1e-9
    assert compared((40, 0, 1000)).forgotten == ()
    assert compared((40, 0, 1000), margin=0.01).forgotten == ("t0",)


def test_the_level_is_shared_by_all_tasks():
    one = compared((12, 2))
    assert one.findings[0].chance < 0.01
    many = compared((12, 2), *[(0, 0)] * 20)
    assert many.findings[0].chance == pytest.approx(21 * one.findings[0].chance)
    assert compared((12, 2), margin=0.04).forgotten == ("t0",)
    assert compared((12, 2), *[(0, 0)] * 20, margin=0.04).forgotten == ()


def test_equally_good_models_are_hardly_ever_accused():
    random = np.random.default_rng(0)
    detector = ForgettingDetector(margin=0.0)
    alarms = 0
    for _ in range(300):
        sides = [{f"t{at}": (random.random(60) < 0.8).astype(float) for at in range(5)} for _ in range(2)]
        alarms += bool(detector.compare(*sides).forgotten)
    assert alarms <= 0.05 * 300


def level(count, margin, wins):
    """How often a task that lost exactly the margin is called kept: summed over all that can happen."""
    total = 0.0
    for won in range(count + 1):
        for lost in range(count + 1 - won):
            chance = stats.multinomial.pmf(
                [won, lost, count - won - lost], count, [wins, wins + margin, 1 - 2 * wins - margin]
            )
            if chance > 1e-9:
                differences = np.repeat([1.0, -1.0, 0.0], [won, lost, count - won - lost])
                total += chance * (surely_not_worse(differences, margin) <= 0.05)
    return total


@pytest.mark.parametrize(("count", "margin", "wins"), [(30, 0.1, 0.0), (30, 0.1, 0.05), (20, 0.1, 0.4), (20, 0.2, 0.1)])
def test_what_lost_the_margin_is_called_kept_no_more_often_than_the_level(count, margin, wins):
    assert level(count, margin, wins) <= 0.0505


@settings(max_examples=20, deadline=None)
@given(won=st.integers(0, 30), lost=st.integers(0, 30), same=st.integers(1, 150), margin=st.floats(0.01, 0.5))
def test_more_wins_or_a_wider_margin_make_it_surer(won, lost, same, margin):
    def chance(won, lost, margin=margin):
        return surely_not_worse(np.repeat([1.0, -1.0, 0.0], [won, lost, same + 31 - won]), margin)

    assert 0 <= chance(won, lost) <= 1 + 1e-12
    assert chance(won + 1, lost) <= chance(won, lost) + 1e-6
    assert chance(won, lost, margin + 0.05) <= chance(won, lost) + 1e-6


def test_real_outcomes():
    random = np.random.default_rng(0)
    before = {"t": -random.random(100)}
    worse = {"t": before["t"] - 0.2 - 0.1 * random.random(100)}
    report = ForgettingDetector(margin=0.1).compare(before, worse)
    assert report.forgotten == ("t",)
    assert report.findings[0].loss == pytest.approx(0.25, abs=0.02)
    little = {"t": before["t"] + 0.02 * random.normal(size=100)}
    assert ForgettingDetector(margin=0.1).compare(before, little).kept
    assert ForgettingDetector(margin=0.1).compare(before, before).kept
    assert not ForgettingDetector(margin=0).compare(before, before).kept
    constant = {"t": before["t"] - 0.3}
    assert ForgettingDetector(margin=0.1).compare(before, constant).forgotten == ("t",)


def test_outcomes_of_a_learner():
    learner = ContinualLearner(nn.Identity(), scenario="domain")
    x = torch.eye(3)
    assert outcomes(learner, Experience(x, torch.tensor([0, 1, 0]))).tolist() == [1, 1, 0]
    real = ContinualLearner(nn.Identity(), scenario="domain", loss="mse")
    assert outcomes(real, Experience(x, x + torch.tensor([0.0, 3.0, 0.0]))).tolist() == [-3, -3, -3]
    assert outcomes(real, Experience(x[:, :1], x[:, 0] + 2)).tolist() == [-4, -4, -4]
    labels = ContinualLearner(nn.Identity(), loss=nn.functional.mse_loss, scenario="domain")
    assert outcomes(labels, Experience(torch.eye(2), torch.tensor([[1, 0], [0, 0]]))).tolist() == [0, -0.5]


def test_outcomes_of_a_loss_of_ones_own_are_minus_that_loss():
    x, y = torch.randn(6, 3), torch.randint(0, 2, (6, 3)).float()
    labels = ContinualLearner(nn.Identity(), loss=nn.BCEWithLogitsLoss(), scenario="domain")
    rows = [-float(nn.functional.binary_cross_entropy_with_logits(x[at], y[at])) for at in range(6)]
    assert outcomes(labels, Experience(x, y)).tolist() == pytest.approx(rows)
    rates = ContinualLearner(nn.Identity(), loss=nn.PoissonNLLLoss(), scenario="domain")
    sure = outcomes(rates, Experience(torch.tensor([[3.0], [3.0]]).log(), torch.tensor([[3.0], [1.0]])))
    assert sure[0] == pytest.approx(3 * np.log(3) - 3)
    assert sure[1] < sure[0]
    alike = ContinualLearner(nn.Identity(), loss=lambda scores, y: (scores * y).sum() / scores.std(0).sum())
    with pytest.raises(InvalidInput, match="loss of an example alone is no finite number"):
        outcomes(alike, Experience(x, y))


def test_what_was_lost_since_the_best_is_one_more_test():
    ever, now = pair(0, 0, right=150), pair(8, 0, right=150)
    later = {"a": pair(16, 0, right=150)[1], "b": ever[1]}
    before, best = {"a": now[1], "b": ever[1]}, {"a": ever[1], "b": ever[1]}
    report = ForgettingDetector(margin=0.05).compare(before, later, best)
    assert [(one.task, one.since) for one in report.findings] == [("a", "before"), ("b", "before"), ("a", "best")]
    assert report.forgotten == ("a",)
    assert report.unclear == ()
    assert [one.kept for one in report.findings] == [False, True, False]
    alone = ForgettingDetector(margin=0.05).compare({"a": best["a"]}, {"a": later["a"]}).findings[0]
    assert report.findings[2].chance == pytest.approx(3 * alone.chance), "the level is shared by all three"
    assert report.findings[2].chance_kept == alone.chance_kept
    assert ForgettingDetector(margin=0.2).compare(before, later, best).kept
    some = ForgettingDetector(margin=0.1).compare(before, later, best)
    assert some.unclear == ("a",)
    assert json.loads(json.dumps(report.to_dict()))["findings"][2]["since"] == "best"


def test_what_is_the_same_at_best_as_before_is_tested_once():
    before, after = ({"a": one} for one in pair(12, 0))
    detector = ForgettingDetector()
    assert detector.compare(before, after, before) == detector.compare(before, after)


@settings(max_examples=20, deadline=None)
@given(lost=st.integers(0, 30), more=st.integers(0, 30))
def test_no_one_is_kept_who_is_not_kept_since_the_best(lost, more):
    best, before = ({"a": one} for one in pair(lost, 0, right=150))
    after = {"a": pair(lost + more, 0, right=150)[1]}
    detector = ForgettingDetector()
    both = detector.compare(before, after, best).kept
    assert both == (detector.compare(before, after).kept and detector.compare(best, after).kept)


def test_outcomes_at_best_are_of_the_same_tasks():
    with pytest.raises(InvalidInput, match="Tasks at best: b; after: a"):
        ForgettingDetector().compare({"a": [1.0]}, {"a": [1.0]}, {"b": [1.0]})
    with pytest.raises(InvalidInput, match=r"shape \(2,\) at best and \(1,\) after"):
        ForgettingDetector().compare({"a": [1.0]}, {"a": [1.0]}, {"a": [1.0, 1.0]})


@pytest.mark.parametrize(
    ("before", "after", "match"),
    [
        ({}, {}, "Tasks before: none"),
        ({"a": [1.0]}, {"b": [1.0]}, "Tasks before: a; after: b"),
        ({0: [1.0]}, {1: [1.0]}, "Tasks before: 0; after: 1"),
        ({"a": [1.0]}, {"a": [1.0, 0.0]}, r"shape \(1,\) before and \(2,\) after"),
        ({"a": []}, {"a": []}, r"shape \(0,\)"),
        ({"a": [np.nan]}, {"a": [1.0]}, "not finite"),
        ({"a": [[1.0]]}, {"a": [[1.0]]}, "Give one for each example"),
        ({"a": ["yes"]}, {"a": ["no"]}, "are no numbers"),
        ({"a": [[1.0], [1.0, 0.0]]}, {"a": [[1.0], [1.0, 0.0]]}, "are no numbers"),
        ({"a": [1.0 + 1.0j]}, {"a": [1.0]}, "are no numbers"),
        ({1: [1.0], "1": [1.0]}, {1: [0.0], "1": [1.0]}, "called alike"),
        ([[1.0]], [[1.0]], "A list says no outcomes"),
    ],
)
def test_what_cannot_be_compared(before, after, match):
    with pytest.raises(InvalidInput, match=match):
        ForgettingDetector().compare(before, after)


def test_outcomes_may_be_of_any_precision():
    half = {"a": torch.ones(100, dtype=torch.bfloat16)}
    assert ForgettingDetector().compare(half, {"a": torch.ones(100, dtype=torch.bool)}).kept


@pytest.mark.parametrize(
    "settings", [{"margin": -0.1}, {"level": 0}, {"level": 1}, {"level": 1.5}, {"margin": float("nan")}]
)
def test_settings_out_of_range(settings):
    with pytest.raises(InvalidInput):
        ForgettingDetector(**settings)
