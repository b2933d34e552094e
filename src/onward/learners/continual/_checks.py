"""What a learner is told, looked at before anything changes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from onward.core import InvalidInput

from ._experience import Experience
from ._method import Course, Hooks, Method


def check_network(network: Any) -> None:
    """Refuse what is no torch module.

    Raises:
        InvalidInput: it is none.
    """
    if not isinstance(network, nn.Module):
        raise InvalidInput(f"{network!r} is no torch module.", mend="Give a network, e.g. nn.Sequential(...).")


def check_functions(**given: Any) -> None:
    """Refuse what is neither a function nor `None`.

    Raises:
        InvalidInput: naming it.
    """
    for name, one in given.items():
        if one is not None and not callable(one):
            raise InvalidInput(f"{name} is {one!r}.", mend="Give a function of a tensor (n, ...).")


def methods_of(given: Any) -> tuple[Method, ...]:
    """The methods, one after the other.

    Raises:
        InvalidInput: something is no method, or a class that was not called.
    """
    methods = tuple(given) if isinstance(given, Iterable) else (given,)
    for method in methods:
        if isinstance(method, type) or not callable(getattr(method, "start", None)):
            raise InvalidInput(
                f"{method!r} is no method of continual learning.", mend="Give methods, e.g. [EWC(100.0)]."
            )
    return methods


def keys_of(given: Collection[str]) -> frozenset[str]:
    """The keys of examples that are to be forgotten.

    Raises:
        InvalidInput: it is one text, whose letters would be taken for keys; or one of them is no text.
    """
    mend = "Give a set or a list of texts, as in Experience(..., keys=)."
    if isinstance(given, str | bytes) or not isinstance(given, Iterable):
        raise InvalidInput(f"{given!r} is no collection of keys.", mend=mend)
    keys = list(given)
    for key in keys:
        if not isinstance(key, str):
            raise InvalidInput(f"{key!r} is no key of an example.", mend=mend)
    return frozenset(keys)


def check_experience(experience: Experience, device: torch.device | None) -> None:
    """Refuse an experience that cannot be learned.

    Args:
        device: where it has to be; `None`: anywhere.

    Raises:
        InvalidInput: it is none, empty, elsewhere, or holds what is no number.
    """
    given: Any = experience
    if not isinstance(given, Experience):
        raise InvalidInput(f"A {type(given).__name__} is no experience.", mend="Give Experience(x, y).")
    if not len(experience):
        raise InvalidInput("The experience has no examples.", mend="Give at least one.")
    if device is not None and experience.x.device != device:
        raise InvalidInput(
            f"The examples are on {experience.x.device}, the network is on {device}.", mend="Move one to the other."
        )
    for name, values in (("x", experience.x), ("y", experience.y)):
        if values.is_floating_point() and not _finite(values):
            raise InvalidInput(f"{name} holds what is no finite number.", mend="Leave such examples out.")
    if not experience.y.is_floating_point() and int(experience.y.min()) < 0:
        raise InvalidInput(f"y holds the class {int(experience.y.min())}.", mend="Number classes from 0.")


def _finite(values: Tensor) -> bool:
    """Whether all are finite: if their sum is, which is quickly had; else by looking at each."""
    return bool(values.sum().isfinite()) or bool(values.isfinite().all())


@contextmanager
def taking(network: nn.Module, x: Tensor) -> Iterator[None]:
    """Where a network is asked about (n, ...) examples.

    Raises:
        InvalidInput: it takes no such examples, or gives no tensor for them.
    """
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, TypeError, ValueError, IndexError) as error:
        raise InvalidInput(
            f"A {type(network).__name__} takes no examples of shape {tuple(x.shape[1:])}, {x.dtype}.",
            why=f"{error}.",
            mend="Look at its first layer, let prepare= make its inputs of them, and let forward return one tensor.",
        ) from error


def asked(course: Course, network: nn.Module, x: Tensor, task: int | Tensor | None = None) -> Tensor:
    """(n, C) raw outputs of (n, ...) examples.

    Raises:
        InvalidInput: the network takes no such examples, or gives no tensor with a row for each.
    """
    with taking(network, x):
        said: Any = course.outputs(x, network, task)
    if not said.ndim or len(said) != len(x):
        raise InvalidInput(
            f"The network gives a tensor {tuple(said.shape)} for {len(x)} examples.",
            mend="Let its forward return a row for each: (n, C).",
        )
    answer: Tensor = said
    return answer


def answered(network: nn.Module, inputs: Tensor) -> Tensor:
    """(n, C) outputs of a batch that is learned from.

    Raises:
        InvalidInput: it has one example, and the network norms over a batch.
    """
    try:
        outputs: Tensor = network(inputs)
    except ValueError as error:
        if len(inputs) > 1:
            raise
        raise InvalidInput(
            "The network takes no batch of one example.",
            why=f"{error}.",
            mend="Give more examples at a time, or norm by layers or groups instead of batches.",
        ) from error
    return outputs


def check_targets(outputs: Tensor, y: Tensor, named: object) -> None:
    """Refuse targets that do not fit a network's outputs. Under a loss of one's own whole numbers are classes.

    Args:
        outputs: (1, C) of one example.
        named: the loss, as it was given.

    Raises:
        InvalidInput: they do not.
    """
    if named == "cross_entropy":
        if outputs.ndim != 2 or y.ndim != 1 or y.is_floating_point():
            raise InvalidInput(
                f"Targets {y.dtype} of shape {tuple(y.shape)} are no classes for outputs {tuple(outputs.shape)}.",
                mend='Give class numbers of shape (n,), or loss="mse" for real targets.',
            )
        _check_classes(outputs, y)
    elif named != "mse" and is_classes(y):
        if outputs.ndim == 2 and outputs.shape[1] == 1:
            raise InvalidInput(
                "Whole numbers are classes, and the network has one output for all of them.",
                why="The class that is predicted is that of the largest output.",
                mend="Give it an output for each class; or, to learn a number, give y.float().",
            )
        _check_classes(outputs, y)
    elif named == "mse" and not y.is_floating_point():
        raise InvalidInput(f"Targets {y.dtype} are no real values.", mend='Give y.float(), or loss="cross_entropy".')
    elif named == "mse" and y[:1].numel() != outputs.numel():
        raise InvalidInput(
            f"Targets of shape {tuple(y.shape[1:])} do not fit outputs of shape {tuple(outputs.shape[1:])}.",
            mend="Give as many targets for each example as the network gives.",
        )


def _check_classes(outputs: Tensor, y: Tensor) -> None:
    if int(y.max()) >= outputs.shape[1]:
        raise InvalidInput(
            f"Class {int(y.max())} has no output: the network has {outputs.shape[1]}, numbered from 0.",
            mend="Give the network an output for every class that may come.",
        )


def check_scores(outputs: Tensor, x: Tensor) -> None:
    """Refuse outputs of (n, ...) examples that are no scores of classes.

    Raises:
        InvalidInput: each example has one number.
    """
    if outputs.ndim < 2:
        raise InvalidInput(
            f"Examples of shape {tuple(x.shape)} get outputs {tuple(outputs.shape)}, no scores (n, C) of classes.",
            mend="Give a single example as x[None]; for real values ask `scores`.",
        )


def is_classes(y: Tensor) -> bool:
    """Whether targets are one class for each example."""
    return y.ndim == 1 and not y.is_floating_point()


def check_methods(hooks: Sequence[Hooks]) -> None:
    """Refuse methods that exclude each other.

    Raises:
        InvalidInput: two of them learn in closed form, or two serve; or one learns so and another chooses from what.
    """
    if any(hook.instead for hook in hooks) and any(hook.material for hook in hooks):
        raise InvalidInput(
            "A head in closed form sees each example once, and another method says which are learned.",
            mend="Use it without Joint or NoLearning.",
        )
    for name in ("instead", "serve"):
        if sum(getattr(hook, name) is not None for hook in hooks) > 1:
            why = "learn in closed form" if name == "instead" else "bring a network to predict with"
            raise InvalidInput(f"Two of the methods {why}.", mend="Choose one of them.")
