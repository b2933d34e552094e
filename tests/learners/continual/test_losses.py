"""What a loss says of each example alone."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - what everybody calls it
from torch import Tensor, nn

from onward.core import InvalidInput
from onward.learners.continual._losses import LOSSES, LossFunction, each, squared_error

CLASSES = torch.tensor([0, 2, 1, 2, 0])
REAL = torch.linspace(0, 1, 15).view(5, 3)


def rates(scores: Tensor, y: Tensor) -> Tensor:
    return F.poisson_nll_loss(scores, y)


@pytest.mark.parametrize(
    ("loss", "y"),
    [
        (LOSSES["cross_entropy"], CLASSES),
        (F.cross_entropy, REAL),
        (nn.CrossEntropyLoss(label_smoothing=0.1), CLASSES),
        (squared_error, REAL),
        (nn.BCEWithLogitsLoss(), REAL),
        (rates, REAL),
    ],
)
def test_the_mean_of_each_is_the_loss_of_all_and_each_is_that_of_its_row(loss: LossFunction, y: Tensor) -> None:
    scores = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    found = each(loss, scores, y)
    assert found.shape == (5,)
    torch.testing.assert_close(found.mean(), loss(scores, y))
    for at, one in enumerate(found):
        torch.testing.assert_close(one, loss(scores[[at]], y[[at]]))


def test_classes_of_several_places_and_rows_without_a_dimension() -> None:
    scores, y = torch.randn(4, 3, 2), torch.tensor([[0, 1], [2, 1], [1, 1], [0, 0]])
    torch.testing.assert_close(each(F.cross_entropy, scores, y).mean(), F.cross_entropy(scores, y))
    assert each(squared_error, torch.zeros(3), torch.tensor([1.0, 2.0, 0.0])).tolist() == [1, 4, 0]


def test_a_loss_may_take_away_the_dimension_that_has_one() -> None:
    def squeezed(scores: Tensor, y: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(scores.squeeze(), y)

    scores, y = torch.randn(4, 1), torch.tensor([0.0, 1.0, 1.0, 0.0])
    torch.testing.assert_close(each(squeezed, scores, y).mean(), squeezed(scores, y))


def test_classes_that_do_not_count_have_no_part_in_it() -> None:
    scores = torch.tensor([[0.0, -torch.inf, 0.0]])
    assert each(F.cross_entropy, scores, torch.tensor([2])).tolist() == pytest.approx([0.6931], abs=1e-4)


@pytest.mark.parametrize("loss", [squared_error, nn.BCEWithLogitsLoss()])
def test_of_no_examples_there_are_no_losses(loss: LossFunction) -> None:
    assert each(loss, torch.zeros(0, 3), torch.zeros(0, 3)).shape == (0,)


def test_gradients_flow() -> None:
    scores = torch.zeros(3, 2, requires_grad=True)
    each(nn.BCEWithLogitsLoss(), scores, torch.ones(3, 2)).sum().backward()
    assert scores.grad is not None
    assert scores.grad.tolist() == [[-0.25, -0.25]] * 3


@pytest.mark.parametrize(
    ("loss", "why"),
    [
        (nn.BCEWithLogitsLoss(reduction="none"), r"gives a tensor \(2, 3\)"),
        (lambda scores, y: F.mse_loss(scores, y) + scores[2, 0], "index 2 is out of bounds"),
    ],
)
def test_what_says_nothing_of_an_example_alone_is_refused(loss: LossFunction, why: str) -> None:
    with pytest.raises(InvalidInput, match=f"does not work on an example alone.*{why}"):
        each(loss, torch.zeros(2, 3), torch.zeros(2, 3))
