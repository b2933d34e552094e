"""What a smaller network costs and saves."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import Final

import torch
from torch import Tensor, nn

from onward.core import InvalidInput
from onward.learners.continual._checks import check_experience, check_network, check_targets, taking
from onward.learners.continual._experience import Experience
from onward.learners.continual._method import Prepare
from onward.learners.neural import seed_of_torch

PART: Final = 1024


@dataclass(frozen=True, slots=True, eq=False)
class Compressed:
    """A smaller network, and what became of accuracy and size.

    Args:
        student: the smaller network, in evaluation mode; the one that it was made of is as it was.
        teacher_accuracy, student_accuracy: on the held-out examples; the share right, 0..1, or for real targets R²,
            the share of their variance that is explained, at most 1; of targets that are all alike, 1 where all are met
            and 0 where not, as in scikit-learn.
        teacher_parameters, parameters: numbers other than 0 in weights and biases.
        teacher_bytes, bytes: of all parameters and buffers as they lie in memory.
        examples: held out to measure on.

    >>> found = Compressed(nn.Linear(1, 1), 0.95, 0.9, 1000, 100, 4000, 400, examples=200)
    >>> round(found.loss_of_accuracy, 2), found.ratio
    (0.05, 10.0)
    """

    student: nn.Module
    teacher_accuracy: float
    student_accuracy: float
    teacher_parameters: int
    parameters: int
    teacher_bytes: int
    bytes: int
    examples: int

    @property
    def loss_of_accuracy(self) -> float:
        """How much less accurate the smaller one is; below 0 where it is better."""
        return self.teacher_accuracy - self.student_accuracy

    @property
    def ratio(self) -> float:
        """How many times fewer bytes it takes."""
        return self.teacher_bytes / self.bytes


def compared(teacher: nn.Module, student: nn.Module, held_out: Experience, prepare: Prepare) -> Compressed:
    """Both on held-out examples that fit them, see `check_fit`."""
    return Compressed(
        student.eval(),
        accuracy(teacher, held_out, prepare),
        accuracy(student, held_out, prepare),
        _nonzero(teacher),
        _nonzero(student),
        size(teacher),
        size(student),
        len(held_out),
    )


def outputs(network: nn.Module, data: Experience, prepare: Prepare) -> Tensor:
    """(n, ...) in evaluation mode, without gradients; the network is left in the modes it was in.

    One that says `by_task = True` answers for the task of the examples.
    """
    x, more = data.x, (data.task,) if getattr(network, "by_task", False) else ()
    training = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        with torch.no_grad(), taking(network, x):
            return torch.cat([network(prepare(part), *more) for part in x.split(PART)])
    finally:
        for module, mode in training:
            module.training = mode


def check_fit(network: nn.Module, data: Experience, prepare: Prepare, loss: str | None = None) -> None:
    """Refuse examples that a network cannot be taught with or measured on.

    Args:
        loss: by its name; `None`: what the targets call for.

    Raises:
        InvalidInput: they are no experience, empty, no finite numbers, or do not fit the network.
    """
    check_network(network)
    check_experience(data, next((parameter.device for parameter in network.parameters()), None))
    check_targets(outputs(network, first_of(data), prepare), data.y, loss or named_for(data))


def first_of(data: Experience) -> Experience:
    """Its first example."""
    return Experience(data.x[:1], data.y[:1], data.task)


def refuse_shared(network: nn.Module) -> None:
    """Refuse a network whose weights are those of several tasks.

    Raises:
        InvalidInput: masks say which weights are whose.
    """
    if getattr(network, "by_task", False) and hasattr(network, "masks"):
        raise InvalidInput(
            f"A {type(network).__name__} holds the weights of several tasks in one network.",
            why="What is taken from a weight is taken from all tasks that use it.",
            mend="Distil a task into a network of its own: compress(..., student=).",
        )


def named_for(data: Experience) -> str:
    """The loss that targets call for."""
    return "mse" if data.y.is_floating_point() else "cross_entropy"


def accuracy(network: nn.Module, held_out: Experience, prepare: Prepare) -> float:
    """The share right, or R² of real targets."""
    return score(outputs(network, held_out, prepare), held_out.y)


def score(said: Tensor, y: Tensor) -> float:
    """The same of (n, ...) outputs and targets."""
    if not y.is_floating_point():
        return float((said.argmax(1) == y).double().mean())
    y = y.view_as(said).double()
    missed, spread = float((y - said).square().sum()), float((y - y.mean(0)).square().sum())
    return 1 - missed / spread if spread else float(not missed)


def size(network: nn.Module) -> int:
    """Bytes of all parameters and buffers."""
    return sum(tensor.nbytes for tensor in chain(network.parameters(), network.buffers()))


def _nonzero(network: nn.Module) -> int:
    """Numbers other than 0 among parameters; int8 weights count as such."""
    weights = [buffer for buffer in network.buffers() if buffer.dtype == torch.int8]
    return sum(int(tensor.count_nonzero()) for tensor in chain(network.parameters(), weights))


def halves(
    model: nn.Module, data: Experience, held_out: Experience | None, prepare: Prepare, seed: int
) -> tuple[Experience, Experience]:
    """Examples to learn from and others to measure on: a fifth of them, drawn by `seed`, unless they are given.

    Raises:
        InvalidInput: there are too few; or those given do not fit the model, which is looked at before it is taught.
    """
    if held_out is not None:
        check_fit(model, held_out, prepare)
        if named_for(held_out) != named_for(data):
            raise InvalidInput(
                f"Targets to learn from are {data.y.dtype}, those to measure on {held_out.y.dtype}.",
                mend="Give both classes, or both real values.",
            )
        return data, held_out
    if len(data) < 5:
        raise InvalidInput(
            f"{len(data)} examples to learn from and measure on.",
            mend="Give at least 5, or others to measure on as held_out=.",
        )
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(seed_of_torch(seed))).to(data.x.device)
    apart, rest = order.tensor_split([len(data) // 5])
    return Experience(data.x[rest], data.y[rest], data.task), Experience(data.x[apart], data.y[apart], data.task)
