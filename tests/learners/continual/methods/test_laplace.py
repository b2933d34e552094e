"""The Kronecker-factored Laplace approximation."""

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from tests.learners.continual.streams import digits, network, same
from torch import nn

from onward.core import InvalidInput
from onward.learners.continual import ContinualLearner, Experience, KroneckerLaplace, PackNet
from onward.learners.continual._heads import Heads
from onward.learners.continual._losses import loss_of
from onward.learners.continual._method import Course, unchanged


def course_of(net):
    return Course(net.double(), loss_of("cross_entropy"), Heads("domain"), unchanged, torch.Generator(), 8)


def wander(course):
    with torch.no_grad():
        for value in course.network.parameters():
            value.add_(torch.randn(value.shape, dtype=value.dtype), alpha=0.3)


def pulled(hooks, course):
    for value in course.network.parameters():
        value.grad = None
    hooks.gradients(None)
    return {name: value.grad for name, value in course.network.named_parameters()}


def test_the_pull_is_the_gradient_of_the_quadratic_form():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 2, 2), nn.BatchNorm2d(2), nn.Tanh(), nn.Flatten(), nn.Linear(8, 3))
    course = course_of(net)
    hooks = KroneckerLaplace(3.0, kind="empirical").start(course)
    x, y = torch.randn(20, 1, 3, 3).double(), torch.randint(3, (20,))
    hooks.end(Experience(x, y))
    before = {name: value.detach().clone() for name, value in net.named_parameters()}
    wander(course)
    state = hooks.state()
    assert sorted(state["layers"]) == ["0.weight", "4.weight"]
    assert sorted(state["weight"]) == ["1.bias", "1.weight"]
    now = dict(net.named_parameters())
    moved = {name: now[name] - before[name] for name in now}
    penalty = sum((state["weight"][name] * moved[name].square()).sum() for name in state["weight"])
    for at in ("0", "4"):
        layer = state["layers"][f"{at}.weight"]
        d = torch.cat([moved[f"{at}.weight"].flatten(1), moved[f"{at}.bias"][:, None]], 1).flatten()
        penalty = penalty + d @ torch.kron(layer["outputs"], layer["inputs"]) @ d
    expected = torch.autograd.grad(1.5 * penalty, list(now.values()))
    found = pulled(hooks, course)
    for name, value in zip(now, expected, strict=True):
        assert torch.allclose(found[name], value, atol=1e-12), name


def test_logistic_regression_with_one_example_has_its_true_hessian():
    """There the Fisher information is the Hessian, and one example makes it a Kronecker product."""
    torch.manual_seed(0)
    net = nn.Linear(3, 4, bias=False)
    course = course_of(net)
    hooks = KroneckerLaplace(1.0, kind="exact").start(course)
    x = torch.randn(1, 3).double()
    hooks.end(Experience(x, torch.tensor([2])))
    at = net.weight.detach().clone()
    hessian = torch.func.hessian(lambda w: F.cross_entropy(x @ w.t(), torch.tensor([2])))(at).reshape(12, 12)
    wander(course)
    expected = (hessian @ (net.weight.detach() - at).flatten()).view(4, 3)
    assert torch.allclose(pulled(hooks, course)["weight"], expected, atol=1e-12)


def learner(*methods, scenario="task"):
    return ContinualLearner(
        network(dropout=0.1), methods or [KroneckerLaplace(20.0, examples=100)], scenario=scenario, batch_size=32
    )


def test_goes_on_bit_for_bit(tmp_path):
    whole, cut = learner(), learner()
    for lesson in digits()[:3]:
        whole.learn(lesson, steps=12)
    for lesson in digits()[:2]:
        cut.learn(lesson, steps=12)
    cut.save(tmp_path)
    other = learner()
    assert other.resume(tmp_path) == 2
    other.learn(digits()[2], steps=12)
    same(whole, other)


def test_old_tasks_are_kept_and_nothing_grows():
    """Odd or even, of other digits each time: the same outputs must serve all of them."""
    one, plain = (
        ContinualLearner(network(outputs=2), [KroneckerLaplace(strength)], scenario="domain", batch_size=32, rate=3e-3)
        for strength in (30.0, 0.0)
    )
    stream = [Experience(lesson.x, lesson.y % 2) for lesson in digits()]
    sizes = []
    for at in range(10):
        for each in (one, plain):
            each.learn(stream[at % 5], epochs=10 if at < 5 else 1)
        layers = one.state_dict()["methods"][0]["layers"]
        sizes.append(sum(held[part].numel() for held in layers.values() for part in ("inputs", "outputs")))
        if at == 4:
            kept, lost = (sum(each.evaluate(part)["accuracy"] for part in stream) / 5 for each in (one, plain))
            assert kept > lost + 0.04
    assert len(set(sizes)) == 1


def test_what_another_method_freezes_is_no_obstacle():
    one = learner(PackNet(), KroneckerLaplace(10.0))
    for lesson in digits()[:3]:
        one.learn(lesson, epochs=2)
    assert all(value.isfinite().all() for value in one.network.parameters())


@pytest.mark.parametrize("settings", [{"strength": -1}, {"kind": "none"}, {"examples": 0}])
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(InvalidInput):
        KroneckerLaplace(**settings)
