"""What examples are worth, against autograd and against the papers' formulas written out."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - what everybody calls it
from torch import Tensor, nn

from onward.core import InvalidInput
from onward.learners.continual.memory import (
    Buffer,
    GradientMagnitude,
    Herding,
    Policy,
    Scored,
    Uncertainty,
    View,
    merits_for,
    policy_of,
    view_of,
)
from onward.learners.continual.memory._merit import entropies, errors, gradient_norms, herding, margins


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def net(bias: bool = True, outputs: int = 4) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, outputs, bias=bias)).double()


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("classes", [True, False])
def test_gradient_norms_are_those_of_autograd(bias: bool, classes: bool) -> None:
    network, x = net(bias), torch.randn(12, 6, dtype=torch.float64)
    y = torch.arange(12) % 4 if classes else torch.randn(12, 4, dtype=torch.float64)
    view = view_of(network, torch.no_grad()(network), x, y)
    expected = []
    for one, target in zip(x, y, strict=True):
        out = network(one[None])
        loss = F.cross_entropy(out, target[None]) if classes else (out - target).square().sum() / 2
        parts = torch.autograd.grad(loss, list(network[2].parameters()))
        expected.append(torch.cat([part.flatten() for part in parts]).norm())
    torch.testing.assert_close(gradient_norms(view), torch.stack(expected))


def test_outputs_that_do_not_count_change_nothing() -> None:
    logits, y = torch.randn(9, 3), torch.arange(9) % 3
    masked = torch.cat([logits, torch.full((9, 2), -torch.inf)], 1)
    features = torch.randn(9, 5)
    for measure in (errors, gradient_norms, entropies, margins):
        torch.testing.assert_close(measure(View(masked, y, features)), measure(View(logits, y, features)))


def test_uncertainty_is_that_of_the_likeliest() -> None:
    logits = torch.tensor([[9.0, 0, 0], [1.0, 1, -50], [0.0, 0, 0]])
    view = View(logits, torch.zeros(3, dtype=torch.long))
    p = logits.softmax(1)
    torch.testing.assert_close(entropies(view), -(p * p.log()).sum(1), atol=1e-5, rtol=1e-5)
    assert entropies(view).argsort().tolist() == [0, 1, 2]
    torch.testing.assert_close(margins(view), torch.tensor([1 - (p[0, 0] - p[0, 1]), 1.0, 1.0]))
    assert margins(View(torch.zeros(2, 1), torch.zeros(2, dtype=torch.long))).tolist() == [0, 0]


def plain_herding(features: Tensor, count: int) -> list[int]:
    """Algorithm 4 of iCaRL, word by word."""
    features = features / features.norm(dim=1, keepdim=True)
    mean, chosen = features.mean(0), []
    for k in range(1, count + 1):
        distances = [
            float((mean - (features[[*chosen, at]].sum(0)) / k).norm()) if at not in chosen else float("inf")
            for at in range(len(features))
        ]
        chosen.append(min(range(len(features)), key=distances.__getitem__))
    return chosen


def test_herding_is_that_of_icarl() -> None:
    features, y = torch.randn(30, 5, generator=chance(), dtype=torch.float32), torch.arange(30) % 3
    places = herding(View(torch.zeros(30, 3), y, features), 6)
    for number in range(3):
        rows = (y == number).nonzero().squeeze(1)
        expected = plain_herding(features[rows], 6)
        assert places[rows].argsort(stable=True)[:6].tolist() == expected
        assert sorted(places[rows].tolist()) == [0, 1, 2, 3, 4, 5, 6, 6, 6, 6]


def test_herded_classes_keep_the_first_of_their_order_as_more_come() -> None:
    buffer, features = Buffer(12, Herding()), torch.randn(40, 5, generator=chance())
    for task in range(2):
        y = torch.arange(40) % 2 + 2 * task
        merit = Herding().merits(View(torch.zeros(40, 4), y, features), 12)
        x = torch.arange(40).view(-1, 1) + 40 * task
        buffer.add(x, y, task, chance(), merit=merit)
        for number in y.unique().tolist():
            rows = (y == number).nonzero().squeeze(1)
            best = rows[plain_herding(features[rows], 12 // (2 + 2 * task))] + 40 * task
            held = buffer.contents()
            assert sorted(held.x[held.y == number, 0].tolist()) == sorted(best.tolist())
    assert set(buffer.counts().values()) == {3}


@pytest.mark.parametrize("policy", [GradientMagnitude(drawn=False), Uncertainty(drawn=False)])
def test_the_highest_stay_where_nothing_is_drawn(policy: Policy) -> None:
    buffer, merit = Buffer(6, policy), torch.rand(60, generator=chance())
    y = torch.arange(60) % 2
    for rows in torch.arange(60).split(20):
        buffer.add(rows.view(-1, 1), y[rows], 0, chance(), merit=merit[rows])
    best = [at for c in range(2) for at in merit.masked_fill(y != c, -1).topk(3).indices.tolist()]
    assert sorted(buffer.contents().x[:, 0].tolist()) == sorted(best)


def test_chances_are_in_proportion_to_merits() -> None:
    """Of two examples where one stays: as often as its merit says."""
    generator, merit, kept = chance(), torch.tensor([1.0, 3.0]), torch.zeros(2)
    for _ in range(1500):
        buffer = Buffer(1, GradientMagnitude())
        buffer.add(torch.arange(2).view(-1, 1), torch.zeros(2, dtype=torch.long), 0, generator, merit=merit)
        kept[buffer.contents().x] += 1
    assert abs(float(kept[1]) / 1500 - 0.75) < 0.05


def test_merits_of_nothing_are_drawn_last() -> None:
    buffer = Buffer(2, Uncertainty())
    merit = torch.tensor([0.0, 1.0, 0.0, 2.0])
    buffer.add(torch.arange(4).view(-1, 1), torch.zeros(4, dtype=torch.long), 0, chance(), merit=merit)
    assert sorted(buffer.contents().x[:, 0].tolist()) == [1, 3]


def test_a_network_without_a_last_linear_layer_is_told_what_else_there_is() -> None:
    x, y = torch.randn(4, 3), torch.arange(4) % 3
    view = view_of(nn.Tanh(), nn.Tanh(), x, y)
    assert view.features is None
    assert errors(view).shape == (4,)
    for measure in (gradient_norms, lambda found: herding(found, 2)):
        with pytest.raises(InvalidInput, match='measure="error"'):
            measure(view)
    twice = nn.Sequential(layer := nn.Linear(3, 3), layer)
    assert view_of(twice, torch.no_grad()(twice), x, y).features is None


@pytest.mark.parametrize("policy", ["herding", "gradient_magnitude"])
def test_what_diverged_picks_nothing(policy: str) -> None:
    network = net()
    network[0].weight.data.fill_(torch.nan)
    with pytest.raises(InvalidInput, match="diverged"):
        merits_for(
            Buffer(2, policy), network, torch.no_grad()(network), torch.randn(4, 6).double(), torch.arange(4) % 3
        )


def test_looking_leaves_no_hook_behind() -> None:
    network = net()

    def fail(x: Tensor) -> Tensor:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        view_of(network, fail, torch.zeros(1, 6), torch.zeros(1))
    assert not any(module._forward_pre_hooks for module in network.modules())


def test_real_targets_have_no_uncertainty() -> None:
    view = View(torch.zeros(2, 1), torch.zeros(2, 1))
    for measure in (entropies, margins):
        with pytest.raises(InvalidInput, match="gradient_magnitude"):
            measure(view)


@pytest.mark.parametrize(
    "make", [lambda: GradientMagnitude("x"), lambda: Uncertainty("x"), lambda: Uncertainty(by="x")]
)  # type: ignore[arg-type]
def test_unknown_names_are_refused(make: object) -> None:
    with pytest.raises(InvalidInput, match="Known"):
        make()  # type: ignore[operator]


def test_only_some_policies_ask() -> None:
    asking = {
        name
        for name in ("gradient_magnitude", "uncertainty", "herding", "random", "reservoir")
        if isinstance(policy_of(name), Scored)
    }
    assert asking == {"gradient_magnitude", "uncertainty", "herding"}


@pytest.mark.parametrize("policy", [Herding(), GradientMagnitude(drawn=False)])
def test_a_bound_in_bytes_is_known_before_the_first_example(policy: Policy) -> None:
    network, x, y = nn.Linear(4, 2), torch.randn(120, 4, generator=chance()), torch.arange(120) % 2
    each = 16 + 8 + 8
    scores = torch.no_grad()(network)
    for held, more, kept in ((None, {}, each), (torch.zeros(1, 9), {}, each + 20), (None, {"logits": x}, each + 16)):
        merits = [
            merits_for(buffer, network, scores, x, y, held, **more)
            for buffer in (Buffer(50, policy), Buffer(bytes=50 * kept + 3, policy=policy))
        ]
        assert torch.equal(*merits)
    with pytest.raises(InvalidInput, match="An example takes 32 bytes"):
        merits_for(Buffer(bytes=31, policy=policy), network, scores, x, y)
