"""Weights or units that matter least are taken out."""

from __future__ import annotations

import copy
from numbers import Real

import torch
from torch import Tensor, nn
from torch.nn.utils import prune as pruning
from torch.nn.utils.parametrize import is_parametrized

from onward.core import InvalidInput
from onward.learners.continual._experience import Experience
from onward.learners.continual._losses import LossFunction, loss_of, loss_on
from onward.learners.neural import is_number

from ._measure import Compressed, check_fit, compared, halves, named_for, refuse_shared
from ._narrow import is_weighted, narrowed
from ._teach import Lessons, teach


def prune(
    model: nn.Module,
    amount: float,
    data: Experience,
    *,
    structured: bool = False,
    held_out: Experience | None = None,
    loss: str | LossFunction | None = None,
    lessons: Lessons = Lessons(epochs=0),  # noqa: B008 - frozen
) -> Compressed:
    """A copy without its weakest weights, or units, and what that costs.

    Unstructured: the smallest weights of all linear and convolution layers together become 0 for good (Han et al.
    2015, arXiv:1506.02626). They still take their bytes in memory: what shrinks is the number of parameters, and the
    file once it is packed. Structured: whole units of a Sequential go, see `narrowed`, and with them bytes and time.

    Args:
        model: it stays as it is; one that answers by task is measured on the task of the examples.
        amount: share of the weights, or of the units of each hidden layer, to take out; above 0 and below 1.
        data: examples; a fifth is held out to measure on.
        structured: take out units.
        held_out: examples to measure on instead.
        loss: of lessons; `None`: cross-entropy of classes, squared error of real targets.
        lessons: how to learn again what was lost; its seed draws what is held out, too.

    Raises:
        InvalidInput: there is nothing to prune, tasks share the weights by masks, or a value is out of its range.

    >>> import torch
    >>> from onward.learners.continual import Experience
    >>> model = nn.Sequential(nn.Linear(10, 20), nn.ReLU(), nn.Linear(20, 2))
    >>> x = torch.randn(50, 10)
    >>> found = prune(model, 0.5, Experience(x, model(x).argmax(1)))
    >>> found.teacher_parameters, found.parameters
    (262, 142)
    """
    if not (is_number(amount, Real) and 0 < amount < 1):
        raise InvalidInput(f"amount is {amount!r}.", mend="Give a number above 0 and below 1.")
    function = None if loss is None else loss_of(loss)
    refuse_shared(model)
    check_fit(model, data, lessons.prepare, loss if isinstance(loss, str) else None)
    learn, measure = halves(model, data, held_out, lessons.prepare, lessons.seed)
    chosen = function or loss_of(named_for(data))
    student = narrowed(model, 1 - amount) if structured else copy.deepcopy(model)
    taken = [] if structured else _taken(student, amount)

    def of(said: Tensor, rows: Tensor) -> Tensor:
        return loss_on(chosen, said, learn.y[rows])

    teach(student, learn.x, of, lessons, lambda: _empty(taken))
    return compared(model, student, measure, lessons.prepare)


def _taken(student: nn.Module, amount: float) -> list[tuple[Tensor, Tensor]]:
    """Its weights, and which of them are the smallest; these are 0 from now on."""
    layers = [module for module in student.modules() if is_weighted(module)]
    if not layers:
        raise InvalidInput(
            f"A {type(student).__name__} has no weights to prune.",
            why="Those of linear and convolution layers are.",
            mend="Use compress with a smaller student=.",
        )
    for layer in layers:
        if is_parametrized(layer):
            raise InvalidInput(
                f"The weights of a {type(layer).__name__} are made of others, and cannot be pruned.",
                mend="Take that away first: torch.nn.utils.parametrize.remove_parametrizations.",
            )
    pairs = [(layer, "weight") for layer in layers]
    pruning.global_unstructured(pairs, pruning.L1Unstructured, amount=amount)
    gone = [layer.get_buffer("weight_mask") == 0 for layer in layers]
    for layer in layers:
        pruning.remove(layer, "weight")
    return [(layer.weight, where) for layer, where in zip(layers, gone, strict=True)]


@torch.no_grad()
def _empty(taken: list[tuple[Tensor, Tensor]]) -> None:
    """What was taken out stays out, whatever a step did; the layers may be used in any way."""
    for weight, gone in taken:
        weight.masked_fill_(gone, 0)
