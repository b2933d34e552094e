"""What Onward takes where nobody says a method: of the small digits, less than 5 points are forgotten in every scenario."""

import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

from onward.core import InvalidInput
from onward.learners.continual import (
    ContinualLearner,
    Experience,
    ExperienceReplay,
    Method,
    Retention,
    follow,
    recommended,
)
from onward.learners.continual.scenarios import from_arrays, permuted


def retention(kind: str, method: Method | None = None, memory: int = 200) -> Retention:
    data = load_digits()
    stream = from_arrays(data.data / 16, data.target, experiences=5, kind=kind, seed=0)
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(64, 100), nn.ReLU(), nn.Linear(100, 2 if kind == "domain" else 10))
    learner = ContinualLearner(net, method or recommended(memory), scenario=kind, batch_size=32)
    return follow(learner, stream, lambda one: learner.learn(one, epochs=10))


@pytest.mark.parametrize(("kind", "reached"), [("task", 0.98), ("domain", 0.93), ("class", 0.91)])
def test_less_than_five_points_are_forgotten(kind: str, reached: float) -> None:
    found = retention(kind)
    assert found.forgetting < 0.05
    assert found.average > reached


def test_less_is_forgotten_than_by_plain_replay() -> None:
    assert retention("class").forgetting < retention("class", ExperienceReplay(200)).forgetting


def test_permuted_pictures_are_kept() -> None:
    data = load_digits()
    stream = permuted(torch.tensor(data.data / 16).float().view(-1, 8, 8), data.target, 3, seed=0)
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 200), nn.ReLU(), nn.Linear(200, 10))
    learner = ContinualLearner(net, scenario="domain", batch_size=32)
    assert follow(learner, stream, lambda one: learner.learn(one, epochs=10)).forgetting < 0.05


def test_is_what_a_learner_takes_where_nobody_says_a_method() -> None:
    net = nn.Linear(2, 2)
    assert ContinualLearner(net).methods == (recommended(2000),)
    assert ContinualLearner(net, loss="mse", scenario="domain").methods == (recommended(),)
    assert recommended(7, batch_size=3).batch_size == 3


def stream_that_turns(seed: int) -> list[Experience]:
    """Twelve days of what is seen alike: on the first six, what is larger than 0 is of class 1, then of class 0."""
    chance = torch.Generator().manual_seed(seed)
    days = [torch.randn(40, 2, generator=chance) for _ in range(12)]
    return [Experience(x, (x[:, 0] > 0).long() ^ (at >= 6)) for at, x in enumerate(days)]


def right_on_the_last_days(seed: int, method: Method) -> float:
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 2))
    learner, right = ContinualLearner(net, method, scenario="domain", batch_size=20, rate=1e-2), []
    for day in stream_that_turns(seed):
        right.append(float((learner.predict(day.x) == day.y).double().mean()))
        learner.learn(day, epochs=10)
    return sum(right[8:]) / 4


@pytest.mark.parametrize("seed", range(3))
def test_where_the_truth_turns_what_was_learned_last_counts(seed: int) -> None:
    follows = right_on_the_last_days(seed, recommended(200, drifting=True))
    assert follows > 0.85
    assert follows > right_on_the_last_days(seed, recommended(200)) + 0.1


@pytest.mark.parametrize("drifting", [False, True])
@pytest.mark.parametrize("loss", ["mse", nn.HuberLoss(), nn.functional.binary_cross_entropy_with_logits])
def test_real_targets_are_divided_by_tasks(drifting: bool, loss: object) -> None:
    learner = ContinualLearner(nn.Linear(2, 1), recommended(8, drifting=drifting), loss=loss, scenario="domain")
    for task in range(2):
        learner.learn(Experience(torch.randn(40, 2), torch.rand(40, 1), task))
    (state,) = learner.state_dict()["methods"]
    assert state["memory"]["rows"]["task"].bincount().tolist() == [4, 4]


def test_no_room_is_refused() -> None:
    with pytest.raises(InvalidInput, match="memory"):
        recommended(0)
