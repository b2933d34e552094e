"""What a student is to become like."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 - what everybody calls it
from torch import Tensor

from onward.core import InvalidInput
from onward.learners.neural import above, share


def soft_loss(log_student: Tensor, log_teacher: Tensor) -> Tensor:
    """Kullback-Leibler divergence of distributions along the last dimension, summed over it, mean over the others.

    Args:
        log_student, log_teacher: (..., C) logarithms; where the teacher's is -inf the student's does not count.
    """
    chances = log_teacher.exp()
    impossible = chances == 0
    surprise = log_teacher.masked_fill(impossible, 0) - log_student.masked_fill(impossible, 0)
    return (chances * surprise).sum(-1).mean()


def distillation_loss(
    student: Tensor, teacher: Tensor, y: Tensor, temperature: float = 3.0, alpha: float = 0.7
) -> Tensor:
    """Learn from a teacher's scores and from the targets (Hinton, Vinyals and Dean 2015, arXiv:1503.02531).

    For classes: `alpha * temperature**2 * KL(teacher || student) + (1 - alpha) * cross-entropy`, both distributions
    softened by the temperature; its square keeps the two gradients in proportion whatever the temperature. For real
    targets: `alpha` of the squared error to the teacher and `1 - alpha` of that to the targets.

    Args:
        student: (n, C) scores; gradients flow into them alone.
        teacher: (n, C) scores; -inf where an output does not count.
        y: (n,) classes, or (n, ...) real targets.
        temperature: above 0.
        alpha: share of the teacher, 0..1.

    Returns:
        A scalar, the mean over the examples.

    Raises:
        InvalidInput: shapes differ, or a value is out of its range.

    >>> import torch
    >>> scores, y = torch.tensor([[2.0, -1.0]]), torch.tensor([0])
    >>> round(float(distillation_loss(scores, scores, y, alpha=1.0)), 4)
    0.0
    """
    above(temperature=temperature)
    share(alpha=alpha)
    real = y.is_floating_point()
    if student.shape != teacher.shape or len(y) != len(student) or (real and y.numel() != student.numel()):
        raise InvalidInput(
            f"Scores {tuple(student.shape)}, the teacher's {tuple(teacher.shape)}, targets {tuple(y.shape)}.",
            mend="Give both scores, and a target, for the same examples.",
        )
    teacher = teacher.detach()
    if real:
        return alpha * F.mse_loss(student, teacher) + (1 - alpha) * F.mse_loss(student, y.view_as(student))
    soft = soft_loss(F.log_softmax(student / temperature, -1), F.log_softmax(teacher / temperature, -1))
    try:
        hard = F.cross_entropy(student, y)
    except torch.OutOfMemoryError:
        raise
    except (IndexError, RuntimeError) as error:
        raise InvalidInput(
            f"Targets {y.dtype} of shape {tuple(y.shape)} are no classes for scores {tuple(student.shape)}.",
            why=f"{error}.",
            mend="Give class numbers (n,) from 0, each with a score; or real targets.",
        ) from error
    if alpha == 1:  # the other part may be infinite: where the target's own output does not count
        return temperature**2 * soft
    return alpha * temperature**2 * soft + (1 - alpha) * hard
