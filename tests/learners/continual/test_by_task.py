"""A network that tells tasks apart is told the task of every example."""

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from tests.learners.continual.importance.plain import close, moments
from tests.learners.continual.streams import digits
from torch import Tensor, nn

from onward.learners.continual import (
    EWC,
    ContinualLearner,
    Course,
    Experience,
    FineTuning,
    Hooks,
    KroneckerLaplace,
    MemoryAwareSynapses,
    Method,
    Progressive,
    ProgressiveNetwork,
    Step,
    SynapticIntelligence,
)


class Shifted(nn.Module):
    by_task = True

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(1, 2)

    def forward(self, x: Tensor, task: Tensor | int | None = None) -> Tensor:
        shift = torch.as_tensor(-1.0 if task is None else task, dtype=x.dtype)
        return 0 * self.layer(x) + shift.expand(len(x))[:, None]


def test_predicting_hands_over_the_task() -> None:
    one = ContinualLearner(Shifted(), scenario="task")
    x, y = torch.rand(3, 1), torch.tensor([0, 1, 0])
    for task in range(3):
        one.learn(Experience(x, y, task=task))
    assert one.scores(x, 2).tolist() == [[2.0, 2.0]] * 3
    many = torch.rand(2500, 1)
    tasks = torch.arange(2500) % 3
    assert torch.equal(one.scores(many, tasks)[:, 0], tasks.float())


def test_other_networks_are_not_asked_about_it() -> None:
    torch.manual_seed(0)
    one = ContinualLearner(nn.Linear(64, 10), scenario="task")
    one.learn(digits()[0])
    assert one.scores(digits()[0].x, 0).shape == (len(digits()[0]), 10)


class Of(nn.Module):
    """What a network that tells tasks apart says of one task."""

    def __init__(self, network: nn.Module, task: int) -> None:
        super().__init__()
        self.network, self.task = network, task

    def forward(self, x: Tensor) -> Tensor:
        said: Tensor = self.network(x, self.task)
        return said


class Watched:
    """Learns what no method says: the gradient of each step's loss, the task named, times the way that it took."""

    def __init__(self) -> None:
        self.paid: dict[str, Tensor] = {}
        self.begun: dict[str, Tensor] = {}

    def start(self, course: Course) -> Hooks:
        slopes: dict[str, Tensor] = {}
        places: dict[str, Tensor] = {}

        def measure(step: Step) -> None:
            known = course.parameters()
            loss = course.loss(course.heads.scores(course.network(step.x, step.task), step.task), step.y)
            slopes.update(zip(known, torch.autograd.grad(loss, list(known.values())), strict=True))
            places.update({name: value.detach().clone() for name, value in known.items()})
            for name, value in places.items():
                self.begun.setdefault(name, value)

        def stepped(step: Step) -> None:
            for name, value in course.parameters().items():
                self.paid[name] = self.paid.get(name, 0) - slopes[name] * (value.detach() - places[name])

        return Hooks(measure=measure, stepped=stepped)


def lesson(task: int) -> Experience:
    generator = torch.Generator().manual_seed(task)
    x = torch.randn(24, 4, dtype=torch.double, generator=generator)
    return Experience(x, torch.randint(2, (24,), generator=generator) + 2 * task, task)


def grown(method: Method, watched: Method) -> tuple[ContinualLearner, dict[str, Any]]:
    """Three columns, of which the last hears the others, and what the method keeps of the last."""
    torch.manual_seed(0)
    net = ProgressiveNetwork(nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 6))).double()
    methods = [Progressive(), watched, method]
    learner = ContinualLearner(net, methods, scenario="task", optimizer="sgd", rate=0.1, batch_size=8)
    for task in range(3):
        learner.learn(lesson(task), epochs=3)
    return learner, learner.state_dict()["methods"][2]


def newest(values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value for name, value in values.items() if name.startswith("columns.2")}


def own_classes(outputs: Tensor) -> Tensor:
    return outputs + torch.tensor([-torch.inf] * 4 + [0.0] * 2)


@pytest.mark.parametrize("online", [False, True])
def test_the_fisher_information_of_a_column_is_that_of_what_it_answers(online: bool) -> None:
    learner, state = grown(EWC(1.0, online=online, kind="empirical"), FineTuning())
    data = lesson(2)

    def losses(outputs: Tensor, row: int) -> list[tuple[int, Tensor]]:
        return [(1, nn.functional.cross_entropy(own_classes(outputs), data.y[row : row + 1]))]

    true = {name.removeprefix("network."): v for name, v in moments(Of(learner.network, 2), data.x, losses).items()}
    assert len(true) > 6
    close(newest(state["weight"]), true)


def test_the_synapses_of_a_column_are_aware_of_what_it_answers() -> None:
    learner, state = grown(MemoryAwareSynapses(1.0), FineTuning())

    def norms(outputs: Tensor, row: int) -> list[tuple[int, Tensor]]:
        return [(1, outputs[:, 4:].square().sum())]

    true = moments(Of(learner.network, 2), lesson(2).x, norms, torch.abs)
    close(newest(state["weight"]), {name.removeprefix("network."): value for name, value in true.items()})


def test_the_path_of_a_column_is_that_of_what_it_answers() -> None:
    watched = Watched()
    learner, state = grown(SynapticIntelligence(1.0, damping=0.01), watched)
    for name, value in learner.network.named_parameters():
        move = learner.network.state_dict()[name] - watched.begun[name]
        earned = watched.paid[name] / (move.square() + 0.01)
        torch.testing.assert_close(state["weight"][name], earned.clamp_min(0), rtol=1e-9, atol=1e-12)
        assert value.shape == earned.shape


def test_the_layers_of_a_column_are_held_by_what_it_answers() -> None:
    learner, state = grown(KroneckerLaplace(1.0, kind="empirical"), FineTuning())
    data = lesson(2)
    slope = own_classes(learner.network(data.x, 2)).softmax(1) - nn.functional.one_hot(data.y, 6)
    rows = torch.cat([data.x, torch.ones(24, 1)], 1)
    layers = state["layers"]
    torch.testing.assert_close(layers["columns.2.stages.1.0.weight"]["outputs"], slope.T @ slope / 24)
    torch.testing.assert_close(layers["columns.2.laterals.1.out.weight"]["outputs"], slope.T @ slope / 24)
    torch.testing.assert_close(layers["columns.2.stages.0.0.weight"]["inputs"], rows.T @ rows / 24)
    scales = newest(state["weight"])
    assert sorted(scales) == [f"columns.2.laterals.1.scales.{elder}" for elder in "01"]
    assert min(map(float, scales.values())) > 0
