"""A smaller student learns from a trained network."""

from __future__ import annotations

from math import inf
from numbers import Real

from torch import Tensor, nn

from onward.core import InvalidInput
from onward.learners.continual._checks import check_network
from onward.learners.continual._experience import Experience
from onward.learners.neural import above, is_number, share

from ._loss import distillation_loss
from ._measure import Compressed, check_fit, compared, first_of, halves, outputs
from ._narrow import smallest
from ._teach import Lessons, teach


def compress(
    model: nn.Module,
    data: Experience,
    student: nn.Module | None = None,
    *,
    held_out: Experience | None = None,
    ratio: float = 5.0,
    temperature: float = 3.0,
    alpha: float = 0.7,
    lessons: Lessons = Lessons(),  # noqa: B008 - frozen
) -> Compressed:
    """Distil a classifier or regressor into a smaller network, and say what that costs.

    The student learns with Adam from the scores of the teacher and from the targets, see `distillation_loss`.

    Args:
        model: the teacher; it stays as it is. One that answers by task, as a `ProgressiveNetwork` or what `PackNet`
            serves, teaches the task of `data`.
        data: examples to learn from, on the device of the model; the targets are classes or real numbers.
        student: the network to train, in place. `None`: the strongest units of each hidden layer of a Sequential,
            see `narrowed`.
        held_out: examples to measure on; `None`: a fifth of `data`, which is then not learned from.
        ratio: how many times fewer parameters a student made here has at least, above 1.
        temperature: above 0.
        alpha: share of the teacher in the loss, 0..1.
        lessons: how the student is trained; its seed draws what is held out, too.

    Raises:
        InvalidInput: no student can be made of the model, its outputs differ from the student's, or a value is out of
            its range.

    >>> import torch
    >>> _ = torch.manual_seed(0)
    >>> teacher = nn.Sequential(nn.Linear(2, 40), nn.ReLU(), nn.Linear(40, 2))
    >>> x = torch.randn(200, 2)
    >>> found = compress(teacher, Experience(x, teacher(x).argmax(1)), ratio=4, lessons=Lessons(epochs=5))
    >>> found.teacher_parameters, found.parameters
    (202, 47)
    """
    above(temperature=temperature)
    share(alpha=alpha)
    if student is None:
        student = smallest(model, _above_1(ratio))
    check_network(student)
    check_fit(model, data, lessons.prepare)
    learn, measure = halves(model, data, held_out, lessons.prepare, lessons.seed)
    soft = outputs(model, learn, lessons.prepare)
    found = outputs(student, first_of(learn), lessons.prepare)
    if found.shape[1:] != soft.shape[1:]:
        raise InvalidInput(
            f"The student gives {tuple(found.shape[1:])} for an example, the teacher {tuple(soft.shape[1:])}.",
            mend="Give the student as many outputs as the teacher.",
        )

    def loss(said: Tensor, rows: Tensor) -> Tensor:
        return distillation_loss(said, soft[rows], learn.y[rows], temperature, alpha)

    teach(student, learn.x, loss, lessons)
    return compared(model, student, measure, lessons.prepare)


def _above_1(ratio: float) -> float:
    if not (is_number(ratio, Real) and 1 < ratio < inf):
        raise InvalidInput(f"ratio is {ratio!r}.", mend="Give a finite number above 1.")
    return ratio
