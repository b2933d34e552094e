from __future__ import annotations

import copy

import pytest
import torch

from onward.core import InvalidInput
from onward.learners.neural import Adam, check_optimizer, optimizer_of

LAYOUTS = {
    "plain": lambda numbers: numbers.clone(),
    "transposed": lambda numbers: numbers.transpose(0, 1).contiguous().transpose(0, 1),
    "channels last": lambda numbers: numbers.contiguous(memory_format=torch.channels_last),
    "with gaps": lambda numbers: torch.cat([numbers, numbers], dim=-1)[..., : numbers.shape[-1]],
    "one for many": lambda numbers: numbers[:1].clone().expand_as(numbers),
}


def steps(made: torch.optim.Optimizer, weight: torch.Tensor, slopes: list[torch.Tensor]) -> torch.Tensor:
    for slope in slopes:
        weight.grad = slope
        made.step()
    return weight.detach().clone()


@pytest.mark.parametrize("kind", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("slope", LAYOUTS)
@pytest.mark.parametrize("weight", [name for name in LAYOUTS if name != "one for many"])
def test_it_is_adam_however_numbers_lie_in_memory(weight: str, slope: str, kind: torch.dtype) -> None:
    torch.manual_seed(0)
    start = torch.randn(4, 3, 5, 2, dtype=kind)
    slopes = [LAYOUTS[slope](torch.randn(4, 3, 5, 2, dtype=kind)) for _ in range(3)]
    plain = start.clone().requires_grad_()
    wanted = steps(
        torch.optim.Adam([plain], lr=0.1, foreach=False),
        plain,
        [one.clone(memory_format=torch.contiguous_format) for one in slopes],
    )
    own = LAYOUTS[weight](start).requires_grad_()
    got = steps(Adam([own], lr=0.1), own, slopes)
    assert (got - wanted).abs().max() <= (0.02 if kind is torch.bfloat16 else 1e-6)


def test_numbers_beside_a_view_stay() -> None:
    whole = torch.zeros(3, 6)
    weight = whole[:, :4].requires_grad_()
    weight.grad = torch.ones(3, 4)
    Adam([weight], lr=0.1).step()
    assert torch.equal(whole[:, 4:], torch.zeros(3, 2))
    assert torch.allclose(weight, torch.full((3, 4), -0.1))


def test_a_copy_goes_on_as_the_original() -> None:
    weight = torch.zeros(3, 2).requires_grad_()
    made = Adam([weight], lr=0.1)
    weight.grad = torch.ones(3, 2)
    made.step()
    other_weight, other = copy.deepcopy((weight, made))
    slope = torch.arange(6.0).view(2, 3).t()
    assert torch.equal(steps(other, other_weight, [slope]), steps(made, weight, [slope.clone()]))
    assert other.param_groups[0]["fused"]


def test_complex_numbers_and_what_has_no_gradient_are_left_to_torch() -> None:
    weight, still = torch.zeros(2, dtype=torch.complex64).requires_grad_(), torch.ones(2).requires_grad_()
    weight.grad = torch.ones(2, dtype=torch.complex64)
    Adam([weight, still], lr=0.1).step()
    assert torch.allclose(weight.real, torch.full((2,), -0.1))
    assert torch.equal(still, torch.ones(2))


def test_names() -> None:
    weight = torch.zeros(2).requires_grad_()
    assert isinstance(optimizer_of("adam", [weight], 0.5), Adam)
    assert optimizer_of("sgd", [weight], 0.5).param_groups[0]["lr"] == 0.5
    assert optimizer_of(lambda them: torch.optim.SGD(them, lr=0.2), [weight], 0.5).param_groups[0]["lr"] == 0.2
    with pytest.raises(InvalidInput, match=r"No optimiser is called 'adamw'.*adam, sgd"):
        check_optimizer("adamw")


def test_what_wants_the_loss_itself_is_refused() -> None:
    with pytest.raises(InvalidInput, match="LBFGS asks for the loss several times"):
        optimizer_of(torch.optim.LBFGS, [torch.zeros(2).requires_grad_()], 0.1)
    with pytest.raises(InvalidInput, match="A list is no optimiser"):
        optimizer_of(list, [torch.zeros(2)], 0.1)  # type: ignore[arg-type]


@pytest.mark.parametrize("weight", ["transposed", "channels last"])
def test_moments_that_lie_another_way_are_laid_out_anew(weight: str) -> None:
    torch.manual_seed(0)
    start, slopes = torch.randn(4, 3, 5, 2), [torch.randn(4, 3, 5, 2) for _ in range(4)]
    own, whole = (LAYOUTS[weight](start).requires_grad_() for _ in range(2))
    one = Adam([own], lr=0.1)
    steps(one, own, slopes[:2])
    kept = one.state_dict()
    kept["state"][0] |= {name: kept["state"][0][name].contiguous() for name in ("exp_avg", "exp_avg_sq")}
    other = Adam([own], lr=0.1)
    other.load_state_dict(kept)
    assert torch.equal(steps(other, own, slopes[2:]), steps(Adam([whole], lr=0.1), whole, slopes))


def test_a_parameter_that_is_laid_out_anew_goes_on_as_it_was() -> None:
    torch.manual_seed(0)
    start, slopes = torch.randn(4, 3, 5, 2), [torch.randn(4, 3, 5, 2) for _ in range(4)]
    plain, moved = start.clone().requires_grad_(), start.clone().requires_grad_()
    wanted = steps(torch.optim.Adam([plain], lr=0.1, foreach=False), plain, slopes)
    made = Adam([moved], lr=0.1)
    steps(made, moved, slopes[:2])
    moved.data = moved.data.contiguous(memory_format=torch.channels_last)
    steps(made, moved, slopes[2:3])
    moved.data = LAYOUTS["with gaps"](moved.data)
    assert torch.allclose(steps(made, moved, slopes[3:]), wanted, atol=1e-6)


def test_hooks_of_a_step_run_once() -> None:
    weight, seen = torch.zeros(2).requires_grad_(), []
    torch.optim.Adam([weight], lr=0.1)
    made = Adam([weight], lr=0.1)
    made.register_step_post_hook(lambda *_: seen.append(1))
    weight.grad = torch.ones(2)
    made.step()
    assert seen == [1]
