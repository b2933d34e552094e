"""Choosing a strength: from what is new alone."""

import math
from functools import partial

import pytest
import torch
from tests.learners.continual.streams import digits
from torch import nn

from onward.core import InvalidInput
from onward.learners.continual import EWC, ContinualLearner, Experience
from onward.learners.continual._strength import choose_strength


def halves(at):
    lesson = digits()[at]
    return [Experience(lesson.x[part::2], lesson.y[part::2], lesson.task) for part in (0, 1)]


def make(strength, rate, optimizer="adam", made=None):
    torch.manual_seed(0)
    if made is not None:
        made.append((strength, rate))
    net = nn.Sequential(nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10))
    return ContinualLearner(
        net,
        [EWC(strength)],
        scenario="task",
        rate=rate,
        batch_size=32,
        optimizer=optimizer,
        fresh_optimizer=True,
    )


def test_the_strength_decays_until_the_new_is_learned():
    first, then = halves(0), halves(1)
    begun = choose_strength(make, *first, strongest=1e9, rates=[1e-2], epochs=8)
    assert (begun.strength, begun.met, len(begun.trials)) == (1e9, True, 1)
    state = begun.learner.state_dict()
    found = choose_strength(
        make, *then, strongest=1e9, rates=[1e-2], since=state, epochs=8, margin=0.05, decay=0.1, tries=14
    )
    assert found.met
    assert 1 < len(found.trials) < 14
    assert [trial.strength for trial in found.trials] == pytest.approx(
        [1e9 * 0.1**at for at in range(len(found.trials))]
    )
    assert found.trials[-1].score >= 0.95 * found.plastic > max(trial.score for trial in found.trials[:-1])
    assert found.learner.learned == 2
    assert found.learner.evaluate(then[1])["accuracy"] == found.trials[-1].score
    plain = make(0.0, 1e-2)
    plain.load_state_dict(state)
    plain.learn(then[0], epochs=8)
    assert found.learner.evaluate(first[1])["accuracy"] >= plain.evaluate(first[1])["accuracy"]


def test_the_rate_is_that_of_the_best_plastic_learning():
    made = []

    def recorded(strength, rate):
        return make(strength, rate, made=made)

    found = choose_strength(recorded, *halves(0), strongest=1.0, rates=[1e-6, 1e-2, 1e-5], epochs=4)
    assert found.rate == 1e-2
    assert made == [(0.0, 1e-6), (0.0, 1e-2), (0.0, 1e-5), (1.0, 1e-2)]
    assert found.plastic > 0.9


def steep(strength, rate):
    return make(strength, rate, optimizer="sgd")


def test_the_rates_may_come_one_by_one():
    made = []
    choose_strength(partial(make, made=made), *halves(0), strongest=1.0, rates=iter([1e-3, 1e-2]))
    assert made[:2] == [(0.0, 1e-3), (0.0, 1e-2)]


def test_a_strength_that_diverges_is_too_strong():
    state = choose_strength(steep, *halves(0), strongest=1.0, rates=[0.1], epochs=4).learner.state_dict()
    settings = {"strongest": 1e12, "rates": [0.1], "since": state, "epochs": 4, "decay": 1e-4}
    found = choose_strength(steep, *halves(1), tries=5, **settings)
    assert found.trials[0].score == -math.inf
    assert found.met
    with pytest.raises(InvalidInput, match="diverge"):
        choose_strength(steep, *halves(1), tries=1, **settings)


def test_after_all_tries_the_weakest_stands():
    state = choose_strength(make, *halves(0), strongest=1.0, rates=[1e-2], epochs=8).learner.state_dict()
    found = choose_strength(
        make, *halves(1), strongest=1e12, rates=[1e-2], since=state, epochs=8, margin=0.0, decay=0.9, tries=2
    )
    assert not found.met
    assert [trial.strength for trial in found.trials] == pytest.approx([1e12, 9e11])


def test_real_targets_go_by_their_loss():
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(64, 3, generator=generator)
    lessons = [Experience(x, x @ torch.tensor(way)) for way in ([1.0, -2.0, 0.5], [-1.0, 2.0, 0.5])]

    def regression(strength, rate):
        torch.manual_seed(0)
        return ContinualLearner(
            nn.Linear(3, 1),
            [EWC(strength)],
            loss="mse",
            scenario="domain",
            rate=rate,
            batch_size=16,
            fresh_optimizer=True,
        )

    settings = {"rates": [0.05], "epochs": 10, "decay": 0.01, "tries": 8}
    state = choose_strength(regression, lessons[0], lessons[0], strongest=1e6, **settings).learner.state_dict()
    found = choose_strength(regression, lessons[1], lessons[1], strongest=1e6, since=state, **settings)
    assert found.met
    assert len(found.trials) > 1
    assert -found.trials[-1].score <= 1.2 * -found.plastic < -found.trials[0].score


@pytest.mark.parametrize(
    "settings",
    [
        {"strongest": 0},
        {"strongest": math.inf},
        {"rates": []},
        {"rates": [0.1, -1]},
        {"rates": 0.1},
        {"decay": 1.0},
        {"decay": 0.0},
        {"margin": 1.5},
        {"tries": 0},
        {"epochs": 0},
    ],
)
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(InvalidInput):
        choose_strength(make, *halves(0), **{"strongest": 1.0, **settings})


def test_a_rate_that_diverges_is_none():
    found = choose_strength(steep, *halves(0), strongest=1.0, rates=[1e30, 0.1, 1e31], epochs=4)
    assert (found.rate, found.met) == (0.1, True)
    with pytest.raises(InvalidInput, match="diverged"):
        choose_strength(steep, *halves(0), strongest=1.0, rates=[1e30, 1e31], epochs=4)
