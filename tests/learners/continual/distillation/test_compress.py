from __future__ import annotations

import copy
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from onward.core import InvalidInput
from onward.learners.continual import Experience
from onward.learners.continual.distillation import Lessons, compress, prune

from .networks import digits, teacher


def test_digits_within_a_few_points_with_five_times_fewer_parameters():
    learn, held_out = digits()
    found = compress(teacher(), learn, held_out=held_out, lessons=Lessons(epochs=12, rate=3e-3))
    assert found.teacher_accuracy > 0.95
    assert found.loss_of_accuracy < 0.03
    assert found.teacher_parameters >= 5 * found.parameters
    assert found.teacher_bytes == 4 * 17226
    assert found.bytes == 4 * sum(value.numel() for value in found.student.parameters())
    assert found.ratio >= 5
    assert found.examples == 397
    right = float((found.student(held_out.x).argmax(1) == held_out.y).double().mean())
    assert found.student_accuracy == right


def test_the_teacher_stays_as_it_is_and_the_same_seed_gives_the_same_student():
    before = {name: value.clone() for name, value in teacher().state_dict().items()}
    learn, _ = digits()
    random = torch.get_rng_state()
    one, other = (compress(teacher(), learn, lessons=Lessons(epochs=1, seed=seed)) for seed in (3, np.int64(3)))
    assert torch.equal(torch.get_rng_state(), random)
    assert one.examples == 280
    for name, value in one.student.state_dict().items():
        assert torch.equal(value, other.student.state_dict()[name])
    assert all(torch.equal(value, before[name]) for name, value in teacher().state_dict().items())


def test_a_student_of_ones_own_learns_what_the_teacher_says_and_not_the_targets():
    learn, held_out = digits()
    torch.manual_seed(0)
    student = nn.Sequential(nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 10))
    shuffled = Experience(learn.x, learn.y.flip(0))
    found = compress(teacher(), shuffled, student, held_out=held_out, alpha=1.0, lessons=Lessons(epochs=12, rate=3e-3))
    assert found.student is student
    assert found.student_accuracy > 0.9


def test_a_regressor_is_judged_by_the_variance_it_explains():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 50), nn.Tanh(), nn.Linear(50, 2))
    x = torch.randn(400, 3)
    y = model(x).detach()
    found = compress(model, Experience(x, y), lessons=Lessons(epochs=30, rate=1e-2))
    assert found.teacher_accuracy == pytest.approx(1)
    assert 0.9 < found.student_accuracy < 1


def test_examples_are_prepared():
    learn, held_out = digits()
    whole = Experience((learn.x * 16).to(torch.uint8), learn.y)
    lessons = Lessons(epochs=2, prepare=lambda x: x.float() / 16)
    found = compress(
        teacher(), whole, held_out=Experience((held_out.x * 16).to(torch.uint8), held_out.y), lessons=lessons
    )
    assert found.teacher_accuracy > 0.95


def test_refuses_a_student_with_other_outputs():
    learn, _ = digits()
    with pytest.raises(InvalidInput, match="as many outputs"):
        compress(teacher(), learn, nn.Linear(64, 9))


def test_refuses_a_model_that_no_student_can_be_made_of():
    learn, _ = digits()
    with pytest.raises(InvalidInput, match="student="):
        compress(nn.Linear(64, 10), learn)


@pytest.mark.parametrize(
    "wrong",
    [
        {"ratio": 1.0},
        {"ratio": "5"},
        {"ratio": float("inf")},
        {"student": "small"},
        {"temperature": -1},
        {"alpha": 2},
        {"held_out": Experience(torch.zeros(0, 64), torch.zeros(0).long())},
    ],
)
def test_refuses_what_is_out_of_range(wrong):
    with pytest.raises(InvalidInput):
        compress(teacher(), digits()[0], **wrong)


@pytest.mark.parametrize("wrong", [{"epochs": -1}, {"rate": 0}, {"batch_size": 0}, {"seed": 0.5}])
def test_refuses_lessons_that_cannot_be_given(wrong):
    with pytest.raises(InvalidInput):
        Lessons(**wrong)


def test_refuses_classes_that_the_teacher_has_no_output_for():
    with pytest.raises(InvalidInput, match="Class 5 has no output"):
        compress(nn.Linear(3, 5), Experience(torch.zeros(9, 3), torch.full((9,), 5)), nn.Linear(3, 5))


@pytest.mark.parametrize("epochs", [1, 3])
def test_says_that_the_training_diverged(epochs):
    with pytest.raises(InvalidInput, match="diverged"):
        compress(teacher(), digits()[0], lessons=Lessons(epochs=epochs, rate=1e38, batch_size=2000))


@pytest.mark.parametrize(
    ("held_out", "said"),
    [
        (lambda x, y: Experience(x * torch.nan, y), "no finite number"),
        (lambda x, y: Experience(x[:, :3], y), "takes no examples"),
        (lambda x, y: Experience(x, torch.randn(len(x), 10)), "Targets to learn from"),
        (lambda x, y: (x, y), "no experience"),
    ],
)
def test_a_student_is_not_taught_where_it_could_not_be_measured(held_out, said):
    student = nn.Linear(64, 10)
    before = student.weight.clone()
    learn, _ = digits()
    with pytest.raises(InvalidInput, match=said):
        compress(teacher(), learn, student, held_out=held_out(learn.x, learn.y), lessons=Lessons(epochs=1))
    assert torch.equal(student.weight, before)


def test_teaching_needs_gradients_and_takes_them():
    learn, held_out = digits()
    lessons = Lessons(epochs=2, seed=2**70)
    with torch.no_grad():
        quiet = compress(teacher(), learn, held_out=held_out, lessons=lessons)
    same = compress(teacher(), learn, held_out=held_out, lessons=lessons)
    assert quiet.student_accuracy == same.student_accuracy > 0.5


def test_a_batch_norm_over_one_example_is_refused_in_words():
    student = nn.Sequential(nn.Linear(64, 4), nn.BatchNorm1d(4), nn.Linear(4, 10))
    with pytest.raises(InvalidInput, match="no batch of one example"):
        compress(teacher(), digits()[0], student, lessons=Lessons(epochs=1, batch_size=1))


def test_targets_that_are_all_alike_are_met_or_not():
    x = torch.randn(9, 3)
    for bias, accuracy in ((1.0, 1.0), (2.0, 0.0)):
        model = nn.Linear(3, 1)
        nn.init.zeros_(model.weight)
        nn.init.constant_(model.bias, bias)
        found = compress(model, Experience(x, torch.ones(9)), nn.Linear(3, 1), lessons=Lessons(epochs=0))
        assert (found.teacher_accuracy, found.student_accuracy, found.examples) == (accuracy, 0, 1)


def test_four_examples_are_too_few():
    with pytest.raises(InvalidInput, match="at least 5"):
        compress(teacher(), Experience(torch.zeros(4, 64), torch.zeros(4).long()))


def test_the_student_of_a_frozen_teacher_is_trained_throughout():
    frozen = copy.deepcopy(teacher()).requires_grad_(False)
    student = compress(frozen, digits()[0], lessons=Lessons(epochs=1)).student
    assert all(value.requires_grad for value in student.parameters())
    assert not torch.equal(student[-1].bias, frozen[-1].bias)


@pytest.mark.parametrize(
    "remedy", [lambda model, **more: compress(model, student=model, **more), partial(prune, amount=0.5)]
)
def test_lessons_that_could_train_nothing_are_refused(remedy):
    frozen = copy.deepcopy(teacher()).requires_grad_(False)
    with pytest.raises(InvalidInput, match="No parameter is trained"):
        remedy(frozen, data=digits()[0], lessons=Lessons(epochs=1))
