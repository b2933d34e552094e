from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from onward.core import InvalidInput
from onward.learners.continual.distillation import distillation_loss

SEEDS = st.integers(0, 2**31)


def naive(student: list[list[float]], teacher: list[list[float]], y: list[int], t: float, alpha: float) -> float:
    def softmax(row: list[float], t: float) -> list[float]:
        powers = [math.exp(value / t) for value in row]
        return [power / sum(powers) for power in powers]

    total = 0.0
    for own, other, right in zip(student, teacher, y, strict=True):
        p, q = softmax(other, t), softmax(own, t)
        soft = sum(a * math.log(a / b) for a, b in zip(p, q, strict=True) if a > 0)
        total += alpha * t * t * soft - (1 - alpha) * math.log(softmax(own, 1.0)[right])
    return total / len(y)


@settings(deadline=None)
@given(SEEDS, st.floats(0.5, 10), st.floats(0, 1))
def test_is_hintons_formula(seed, temperature, alpha):
    generator = torch.Generator().manual_seed(seed)
    student, teacher = torch.randn(2, 5, 4, generator=generator, dtype=torch.float64)
    y = torch.randint(4, (5,), generator=generator)
    found = distillation_loss(student, teacher, y, temperature, alpha)
    expected = naive(student.tolist(), teacher.tolist(), y.tolist(), temperature, alpha)
    assert float(found) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@given(SEEDS)
def test_the_square_of_the_temperature_keeps_the_gradient_of_soft_targets_in_proportion(seed):
    """Hinton et al. 2015, section 2.1: for hot distributions of scores of mean 0, d/dz -> (z - v) / C."""
    generator = torch.Generator().manual_seed(seed)
    student, teacher = torch.randn(2, 1, 6, generator=generator, dtype=torch.float64)
    student, teacher = (student - student.mean()).requires_grad_(), teacher - teacher.mean()
    distillation_loss(student, teacher, torch.tensor([0]), 1e4, 1.0).backward()
    torch.testing.assert_close(student.grad, (student - teacher).detach() / 6, atol=1e-3, rtol=0)


def test_an_output_that_does_not_count_for_the_teacher_gives_finite_gradients():
    student = torch.tensor([[0.5, -1.0, 2.0]], requires_grad=True)
    teacher = torch.tensor([[1.0, 0.0, -torch.inf]])
    loss = distillation_loss(
        student.masked_fill(torch.tensor([False, False, True]), -torch.inf), teacher, torch.tensor([1])
    )
    alone = distillation_loss(student[:, :2], teacher[:, :2], torch.tensor([1]))
    loss.backward()
    torch.testing.assert_close(loss, alone)
    assert student.grad.isfinite().all()
    assert student.grad[0, 2] == 0


def test_real_targets_are_learned_from_the_teachers_values():
    student, teacher, y = torch.tensor([[1.0], [2.0]]), torch.tensor([[2.0], [2.0]]), torch.tensor([3.0, 2.0])
    assert float(distillation_loss(student, teacher, y, alpha=0.75)) == pytest.approx(0.75 * 0.5 + 0.25 * 2)


@pytest.mark.parametrize(
    "wrong",
    [
        {"temperature": 0.0},
        {"temperature": float("nan")},
        {"alpha": 1.5},
        {"alpha": "much"},
        {"y": torch.zeros(3).long()},
    ],
)
def test_refuses(wrong):
    asked = {"student": torch.zeros(2, 3), "teacher": torch.zeros(2, 3), "y": torch.zeros(2).long()} | wrong
    with pytest.raises(InvalidInput):
        distillation_loss(**asked)


def test_refuses_scores_of_other_shapes():
    with pytest.raises(InvalidInput, match="Scores"):
        distillation_loss(torch.zeros(2, 3), torch.zeros(2, 4), torch.zeros(2).long())


@pytest.mark.parametrize("y", [torch.tensor([0, 7]), torch.tensor([[0, 1], [1, 0]])])
def test_targets_that_are_no_classes_are_refused(y: torch.Tensor) -> None:
    with pytest.raises(InvalidInput, match=r"no classes for scores \(2, 3\)"):
        distillation_loss(torch.zeros(2, 3), torch.zeros(2, 3), y)


def test_real_targets_of_another_shape_are_refused() -> None:
    with pytest.raises(InvalidInput, match="targets"):
        distillation_loss(torch.zeros(3, 2), torch.zeros(3, 2), torch.zeros(3, 4))


def test_the_teacher_alone_is_followed_where_the_target_does_not_count() -> None:
    masked = torch.tensor([[-torch.inf, 1.0, 0.0]])
    found = distillation_loss(masked, masked.flip(1).roll(1, 1), torch.tensor([0]), alpha=1.0)
    assert found.isfinite()
