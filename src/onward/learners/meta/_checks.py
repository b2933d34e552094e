"""What a learner is told, looked at before anything changes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sized
from numbers import Integral, Real
from typing import Any, Final

from torch import Tensor

from onward.core import InvalidInput
from onward.learners.neural import above, is_number, whole

from .engine import Params
from .tasks import MetaLearningTask, TaskBatch

POLICIES: Final = ("raise", "skip")


def check_settings(outer_rate: object, clip: object, diverged: object, seed: object, at_once: object) -> None:
    """Refuse settings of a learner that cannot be used.

    Raises:
        InvalidInput: naming the first one.
    """
    if diverged not in POLICIES:
        raise InvalidInput(f"diverged is {diverged!r}.", mend="Choose one.", options=POLICIES)
    above(outer_rate=outer_rate, **({} if clip is None else {"clip": clip}))
    whole(None, seed=seed)
    if at_once is not None:
        whole(1, at_once=at_once)


def check_algorithm(algorithm: Any, loss: object = None, options: Collection[str] = ()) -> None:
    """Refuse what is no algorithm, and a loss that it cannot have.

    Args:
        options: names that would do instead.

    Raises:
        InvalidInput: it is none, or compares classes and is to learn real targets.
    """
    if isinstance(algorithm, type) or not callable(getattr(algorithm, "meta_gradient", None)):
        mend = f"Give one with its settings, such as MAML(inner_steps=3){', or name one' if options else ''}."
        raise InvalidInput(f"{algorithm!r:.80} is no algorithm.", mend=mend, options=options)
    if algorithm.embeds and loss == "mse":
        raise InvalidInput(
            f"{type(algorithm).__name__} compares classes, and loss='mse' is for real targets.",
            mend="Leave the loss out, or take MAML or Reptile.",
        )


def check_tasks(tasks: Any) -> None:
    """Refuse what is no list of tasks.

    Raises:
        InvalidInput: it is a single one, something else, or empty.
    """
    whole = isinstance(tasks, TaskBatch) or (
        isinstance(tasks, Sized) and isinstance(tasks, Iterable) and all(isinstance(t, MetaLearningTask) for t in tasks)
    )
    if not whole:
        raise InvalidInput(
            f"A {type(tasks).__name__} is no list of tasks.", mend="Give MetaLearningTask(...) in a list."
        )
    if not len(tasks):
        raise InvalidInput("There are no tasks.", mend="Give at least one.")


def check_rate(factor: object, step: int) -> None:
    """Refuse a factor of the outer rate that a schedule gave.

    Raises:
        InvalidInput: it is below 0, or not finite.
    """
    if not (_above(factor) or (is_number(factor, Real) and factor == 0)):
        raise InvalidInput(
            f"outer_schedule gave {factor!r} at step {step}.",
            why="It is no finite factor of at least 0.",
            mend="Look at the schedule.",
        )


def check_adapting(steps: Any, rate: object) -> None:
    """Refuse steps and rates that cannot adapt.

    Raises:
        InvalidInput: they cannot.
    """
    whole = steps is None or (is_number(steps, Integral) and steps >= 0)
    if not whole or not (rate is None or _above(rate)):
        raise InvalidInput(
            f"{steps!r} steps at a rate of {rate!r} cannot adapt.",
            mend="Give 0 steps or more, and a finite rate above 0.",
        )


def check_parameters(values: Mapping[str, Tensor], own: Params) -> None:
    """Refuse what are not the meta-parameters of a learner.

    Raises:
        InvalidInput: names or shapes are others.
    """
    found = {name: tuple(getattr(value, "shape", ("no tensor",))) for name, value in values.items()}
    expected = {name: tuple(value.shape) for name, value in own.items()}
    if found != expected:
        wrong = sorted(str(n) for n in found.keys() | expected.keys() if found.get(n) != expected.get(n))
        raise InvalidInput(
            f"These are not the meta-parameters of this learner, look at {', '.join(wrong)}.",
            why="They belong to another network or algorithm.",
            mend="Give what `meta_parameters` of such a learner gave.",
        )


def parts_of(state: Mapping[str, Any]) -> tuple[Mapping[str, Tensor], dict[str, Any], int]:
    """Meta-parameters, the optimiser's state and the step of a learner's state.

    Raises:
        InvalidInput: it is no such state.
    """
    try:
        meta, optimizer, step = state["meta"], state["optimizer"], int(state["step"])
        return {str(name): value for name, value in meta.items()}, dict(optimizer), step
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidInput(
            f"This is no state of a learner: {error!r}.", mend="Give what `state_dict()` returned."
        ) from error


def _above(value: Any) -> bool:
    return is_number(value, Real) and bool(0 < value < float("inf"))
