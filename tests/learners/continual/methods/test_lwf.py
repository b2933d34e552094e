"""Learning without forgetting: the formula, and that less is forgotten."""

from pathlib import Path

import pytest
import torch
from tests.learners.continual.streams import digits, network, same
from torch import Tensor, nn

from onward.core import InvalidInput
from onward.learners.continual import ContinualLearner, Experience, Hooks, Progressive, ProgressiveNetwork
from onward.learners.continual.methods._lwf import LearningWithoutForgetting


class Noting:
    """Notes the gradient of each step, and what the network gave."""

    def __init__(self) -> None:
        self.gradients: list[dict[str, Tensor]] = []
        self.steps: list[object] = []

    def start(self, course: object) -> Hooks:
        def look(step: object) -> None:
            self.gradients.append({name: value.grad.clone() for name, value in course.network.named_parameters()})
            self.steps.append(step)

        return Hooks(measure=look)


def learner(*methods: object, **settings: object) -> ContinualLearner:
    return ContinualLearner(network(), methods, **{"rate": 2e-3, "batch_size": 32, "seed": 1, **settings})


def soft(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Cross-entropy of softened distributions, example by example: what the authors write."""
    total = torch.zeros(())
    for own, other in zip(student, teacher, strict=True):
        chances = torch.exp(other / temperature) / torch.exp(other / temperature).sum()
        total = (
            total
            - (
                chances * torch.log(torch.exp(own / temperature) / torch.exp(own / temperature).sum())[: len(chances)]
            ).sum()
        )
    return temperature**2 * total / len(student)


@pytest.mark.parametrize("scenario", ["task", "class", "domain"])
@pytest.mark.parametrize(("alpha", "squared"), [(None, True), (0.4, True), (None, False)])
def test_a_step_follows_the_gradient_of_the_formula(scenario: str, alpha: float | None, squared: bool) -> None:
    first, second, third = digits()[:3]
    noting = Noting()
    one = learner(LearningWithoutForgetting(1.5, alpha, squared), noting, scenario=scenario)
    one.learn(first)
    one.learn(second)
    teacher = network()
    teacher.load_state_dict(one.network.state_dict())
    noting.gradients.clear()
    noting.steps.clear()
    one.learn(third, steps=1)
    (step,) = noting.steps
    student = network()
    student.load_state_dict(teacher.state_dict())
    now, then = student(step.x), teacher(step.x).detach()
    share = 2 / 3 if alpha is None else alpha
    if scenario == "task":
        new = nn.functional.cross_entropy(now[:, 4:6], step.y - 4)
        old = (soft(now[:, :2], then[:, :2], 1.5) + soft(now[:, 2:4], then[:, 2:4], 1.5)) / 2
    elif scenario == "class":
        new = nn.functional.cross_entropy(now[:, :6], step.y)
        old = soft(now[:, :6], then[:, :4], 1.5)
    else:
        new, old = nn.functional.cross_entropy(now, step.y), soft(now, then, 1.5)
    ((1 - share) * new + share * (old if squared else old / 1.5**2)).backward()
    for name, value in student.named_parameters():
        torch.testing.assert_close(noting.gradients[0][name], value.grad, atol=1e-6, rtol=1e-4)


def test_a_step_holds_no_more_than_the_outputs_of_every_task() -> None:
    tasks = [Experience(torch.randn(4, 3), torch.randint(2, (4,)) + 2 * at, task=at) for at in range(40)]
    one = ContinualLearner(nn.Linear(3, 80), LearningWithoutForgetting(), scenario="task", batch_size=4)
    for task in tasks[:-1]:
        one.learn(task)
    held: list[int] = []

    def hold(value: Tensor) -> Tensor:
        held.append(value.numel())
        return value

    with torch.autograd.graph.saved_tensors_hooks(hold, lambda value: value):
        one.learn(tasks[-1], steps=1)
    assert max(held) <= 4 * 80


def test_the_first_experience_is_plain_learning() -> None:
    one, plain = learner(LearningWithoutForgetting()), learner()
    one.learn(digits()[0])
    plain.learn(digits()[0])
    for mine, theirs in zip(one.network.parameters(), plain.network.parameters(), strict=True):
        assert torch.equal(mine, theirs)


@pytest.mark.parametrize(("scenario", "rate", "gain"), [("task", 2e-2, 0.02), ("class", 5e-3, 0.1)])
def test_forgets_less_than_fine_tuning(scenario: str, rate: float, gain: float) -> None:
    said = []
    for methods in ([LearningWithoutForgetting()], []):
        one = learner(*methods, scenario=scenario, rate=rate)
        for experience in digits():
            one.learn(experience, epochs=15)
        said.append(sum(one.evaluate(e)["accuracy"] for e in digits()) / 5)
    assert said[0] > said[1] + gain


def test_real_targets_are_held_to_by_their_squares() -> None:
    torch.manual_seed(0)
    noting = Noting()
    net = nn.Linear(3, 2)
    one = ContinualLearner(net, [LearningWithoutForgetting(alpha=0.25), noting], loss="mse", scenario="domain")
    x, y = torch.randn(8, 3), torch.randn(8, 2)
    one.learn(Experience(x, y), epochs=2)
    then = net(x).detach()
    one.learn(Experience(x, y + 1), steps=2)
    one.learn(Experience(x, y), steps=1)
    step = noting.steps[2]
    torch.testing.assert_close(step.outputs.detach(), then[step.index])
    student = nn.Linear(3, 2)
    expected = 0.75 * 2 * (then[step.index] - step.y).T @ step.x / 16
    torch.testing.assert_close(noting.gradients[2]["weight"], expected)
    assert student.weight.shape == expected.shape


def test_goes_on_bit_for_bit(tmp_path: Path) -> None:
    def made() -> ContinualLearner:
        return ContinualLearner(network(0.3), [LearningWithoutForgetting()], scenario="task", batch_size=32)

    whole, halves = made(), made()
    for one in (whole, halves):
        one.learn(digits()[0])
        one.learn(digits()[1])
    halves.save(tmp_path)
    other = made()
    assert other.resume(tmp_path) == 2
    for one in (whole, other):
        one.learn(digits()[2], epochs=2)
    same(whole, other)


def test_columns_have_nothing_to_be_taught_of_old_tasks() -> None:
    columns = ProgressiveNetwork(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)))
    with pytest.raises(InvalidInput, match="network with columns"):
        ContinualLearner(columns, [Progressive(), LearningWithoutForgetting()], scenario="task")


@pytest.mark.parametrize("wrong", [{"temperature": 0}, {"temperature": float("inf")}, {"alpha": 1.1}, {"alpha": "all"}])
def test_refuses(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidInput):
        LearningWithoutForgetting(**wrong)
