from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from onward.core import InvalidInput
from onward.learners.continual import Experience
from onward.learners.continual.distillation import Lessons, prune

from .networks import digits, teacher


@settings(deadline=None, max_examples=20)
@given(st.floats(0.01, 0.99))
def test_the_smallest_weights_of_all_layers_are_gone(amount):
    found = prune(teacher(), amount, digits()[0], held_out=digits()[1])
    before = torch.cat([layer.weight.flatten() for layer in (teacher()[0], teacher()[2], teacher()[4])])
    after = torch.cat([found.student[at].weight.flatten() for at in (0, 2, 4)])
    gone = after == 0
    assert int(gone.sum()) == round(amount * len(before))
    assert before[gone].abs().max() <= before[~gone].abs().min()
    assert torch.equal(after[~gone], before[~gone])
    assert found.parameters == found.teacher_parameters - int(gone.sum())
    assert found.bytes == found.teacher_bytes
    assert sorted(found.student.state_dict()) == sorted(teacher().state_dict())


def test_lessons_bring_accuracy_back_and_the_zeros_stay():
    learn, held_out = digits()
    bare = prune(teacher(), 0.9, learn, held_out=held_out)
    taught = prune(teacher(), 0.9, learn, held_out=held_out, lessons=Lessons(epochs=5, rate=1e-3))
    assert taught.student_accuracy > bare.student_accuracy + 0.05
    assert taught.loss_of_accuracy < 0.15
    for one, other in zip(bare.student.parameters(), taught.student.parameters(), strict=True):
        if one.ndim == 2:
            assert torch.equal(one == 0, other == 0)


def test_whole_units_take_their_bytes_with_them():
    learn, held_out = digits()
    found = prune(teacher(), 0.5, learn, structured=True, held_out=held_out, lessons=Lessons(epochs=5))
    assert [layer.out_features for layer in found.student if isinstance(layer, nn.Linear)] == [64, 32, 10]
    assert found.ratio > 2
    assert found.loss_of_accuracy < 0.05


def test_real_targets():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 20), nn.Tanh(), nn.Linear(20, 1))
    x = torch.randn(100, 3)
    found = prune(model, 0.3, Experience(x, model(x).detach()[:, 0]), lessons=Lessons(epochs=50, rate=1e-2))
    assert found.teacher_accuracy > 1 - 1e-6
    assert found.student_accuracy > 0.9


@pytest.mark.parametrize("amount", [0, 1, -0.5, float("nan"), "half", True])
def test_refuses_an_amount(amount):
    with pytest.raises(InvalidInput, match="amount"):
        prune(teacher(), amount, digits()[0])


def test_refuses_a_network_without_weights():
    with pytest.raises(InvalidInput, match="no weights"):
        prune(nn.Flatten(), 0.5, digits()[0])


def test_refuses_a_loss_of_no_name():
    with pytest.raises(InvalidInput, match="mse"):
        prune(teacher(), 0.5, digits()[0], loss="hinge")


@pytest.mark.parametrize(
    ("loss", "said"),
    [("mse", "no real values"), (lambda scores, y: scores.sum(1), "The loss does not work")],
)
def test_refuses_a_loss_that_does_not_work(loss, said):
    with pytest.raises(InvalidInput, match=said):
        prune(teacher(), 0.5, digits()[0], loss=loss, lessons=Lessons(epochs=1))


@pytest.mark.parametrize("structured", [True, False])
def test_refuses_weights_that_are_made_of_others(structured):
    model = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(64, 8)), nn.ReLU(), nn.Linear(8, 10))
    with pytest.raises(InvalidInput, match="parametriz"):
        prune(model, 0.5, digits()[0], structured=structured)


def test_a_rest_of_one_example_does_not_stop_a_network_with_batch_norm():
    model = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 2))
    data = Experience(torch.randn(33, 4), torch.arange(33) % 2)
    found = prune(model, 0.5, data, held_out=data, lessons=Lessons(epochs=1, batch_size=32))
    assert int(found.student[1].num_batches_tracked) == 1


def test_what_is_taken_out_of_layers_that_are_used_in_other_ways_stays_out():
    torch.manual_seed(0)

    class Attending(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
            self.head = nn.Linear(8, 2)

        def forward(self, x):
            return self.head(self.attention(x, x, x)[0].mean(1))

    x = torch.randn(60, 5, 8)
    data = Experience(x, (x.mean((1, 2)) > 0).long())
    model = Attending()
    found = prune(model, 0.5, data, lessons=Lessons(epochs=3))
    weights = [found.student.attention.out_proj.weight, found.student.head.weight]
    assert sum(int((weight == 0).sum()) for weight in weights) == round(0.5 * sum(weight.numel() for weight in weights))
    assert not torch.equal(weights[1], model.head.weight)
