"""Streams from arrays: some classes at a time, or stretches of rows."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence, Sized
from dataclasses import replace
from numbers import Real
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from onward.core import InvalidInput
from onward.learners.continual._experience import check_order
from onward.learners.continual._heads import Kind
from onward.learners.neural import classes_of, device_of, inputs_of, is_number, whole

from ._build import Cut, Holding, build
from ._parts import Examples, Rows, is_real, targets_of
from ._stream import Stream

Encoder = Callable[[Any], Any]
"""Texts, or whatever the examples are -> (n, d) array, tensor or sparse matrix."""
Test = float | tuple[Any, Any]
"""A share to hold out, or (x, y)."""
Groups = Sequence[Sequence[int]]
SHOWN: Final = 3


def from_arrays(  # noqa: PLR0913 - the data, how it is cut, and what is held out
    x: Any,
    y: Any,
    experiences: int | Sequence[Sequence[Hashable]] = 5,
    *,
    kind: Kind | None = None,
    test: Test = 0.2,
    validation: float = 0.0,
    shuffle: bool = True,
    encoder: Encoder | None = None,
    keys: Sequence[str] | None = None,
    seed: int = 0,
    device: torch.device | str | None = None,
) -> Stream:
    """Experiences of some classes each; of real targets, stretches of rows in the order given.

    Args:
        x: (n, ...) array, tensor or sparse matrix; anything else, such as texts, with an `encoder`. A tensor keeps its
            type, so bytes stay bytes: let the learner's `prepare` scale them.
        y: (n,) class labels, whole numbers or texts; or (n, ...) real targets (any floating type).
        experiences: into how many to cut, as alike in size as can be; or the labels of each. Labels that are named
            nowhere are an error.
        kind: "class" and "task": class numbers are those of all labels, sorted; "domain": of those in the
            experience, in its order, as in "split MNIST: is it the first of its two digits". "class" where left out,
            "domain" of real targets, which allow nothing else.
        test: share of each experience, of each class alike; or (x, y) with examples of their own.
        validation: share of what is left, likewise.
        shuffle: draw the order of the classes; otherwise it is that of the labels, sorted. Named groups stay as
            they are.
        encoder: makes numbers of examples; called once, with all of them.
        keys: a text for each example, by which methods can be told to forget it.
        seed: of the order of the classes and of what is held out.
        device: where examples are kept; that of `x` where left out.

    Raises:
        InvalidInput: the examples hold NaN or infinity; x, y and keys differ in length; a class is in no experience or
            in two; or there are more experiences than classes or rows, or too few examples in one.

    >>> x, y = torch.randn(100, 8), torch.arange(100) % 10
    >>> stream = from_arrays(x, y, 5, shuffle=False)
    >>> [one.classes for one in stream]
    [(0, 1), (2, 3), (4, 5), (6, 7), (8, 9)]
    >>> from_arrays(x, y, [["a", "b"]])
    Traceback (most recent call last):
        ...
    onward.core._errors.InvalidInput: No example has the class 'a'. Name classes of `y`.
    """
    share: Any = test if is_number(test, Real) else None
    holding = Holding(0.0 if share is None else float(share), validation, seed)
    data = examples_of(x, y, keys, encoder, device)
    held = _tested(test, encoder, device, data.labels) if share is None else None
    if data.y.is_floating_point():
        return _stretches(data, held, experiences, kind, holding)
    groups = _groups(data.labels, experiences, np.random.default_rng([seed, 0]) if shuffle else None)
    names = [_named([data.labels[number] for number in group]) for group in groups]
    relative = kind == "domain"
    cut, tested = _cut(data, groups, relative), None if held is None else _cut(held, groups, relative)
    outputs = max(map(len, groups)) if relative else len(data.labels)
    return build(cut, names, kind or "class", outputs, holding, tested)


def examples_of(
    x: Any,
    y: Any,
    keys: Sequence[str] | None,
    encoder: Encoder | None,
    device: torch.device | str | None,
    labels: tuple[Hashable, ...] | None = None,
    *,
    numbered: bool = False,
) -> Examples:
    """Tensors of arrays.

    Args:
        labels: of the classes where they are known already.
        numbered: take class numbers as they are.

    Raises:
        InvalidInput: lengths differ, something is no finite number, a class is not among the labels, keys are in no
            order, or there is no such device.
    """
    inputs = inputs_of(x if encoder is None else encoder(x))
    inputs = inputs if device is None else inputs.to(device_of(device))
    check_order(keys)
    if not is_rows(y):
        raise InvalidInput(f"y is {y!r}.", mend="Give one target for each example.")
    counts = {len(inputs), len(y), len(inputs) if keys is None else len(keys)}
    if counts == {0}:
        raise InvalidInput("There are no examples.", mend="Give at least one.")
    if len(counts) > 1:
        told = "" if keys is None else f" and {len(keys)} keys"
        raise InvalidInput(
            f"There are {len(inputs)} examples, {len(y)} targets{told}.", mend="Give one target for each example."
        )
    kept = None if keys is None else list(keys)
    if is_real(y):
        return Examples(inputs, targets_of(y).to(inputs.device), kept)
    if numbered:
        if not isinstance(y, Tensor) and np.asarray(y).dtype.kind not in "iub":
            raise InvalidInput(
                f"y is of dtype {np.asarray(y).dtype}.", mend="Number the classes from 0, or give reals."
            )
        return Examples(inputs, inputs_of(y).long().to(inputs.device), kept)
    own, codes = classes_of(y)
    if labels is not None:
        codes = _among(labels, own)[codes]
    return Examples(inputs, torch.from_numpy(codes).to(inputs.device), kept, own if labels is None else labels)


def is_rows(given: Any) -> bool:
    """Whether it has a length: an array of no dimension has none."""
    return isinstance(given, Sized) and bool(getattr(given, "ndim", 1))


def _tested(test: Any, encoder: Encoder | None, device: torch.device | str | None, labels: Any) -> Examples:
    return examples_of(*pair_of(test, "Give as test= a share, or a pair (x, y)."), None, encoder, device, labels)


def pair_of(given: Any, mend: str) -> tuple[Any, Any]:
    """The two things that it holds.

    Raises:
        InvalidInput: it does not hold two; with what to give instead.
    """
    try:
        x, y = given
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"A {type(given).__name__} is no pair (x, y).", mend=mend) from error
    return x, y


def _among(labels: Sequence[Hashable], own: Sequence[Hashable]) -> Rows:
    """The number in `labels` of each own label."""
    number = {label: at for at, label in enumerate(labels)}
    unknown = [label for label in own if label not in number]
    if unknown:
        raise InvalidInput(
            f"Nothing to learn has the class {unknown[0]!r}, and the test has it.", mend="Leave those tests out."
        )
    return np.array([number[label] for label in own], np.int64)


def _groups(labels: Sequence[Hashable], experiences: Any, random: np.random.Generator | None) -> Groups:
    """Class numbers of each experience.

    Args:
        random: what draws their order.
    """
    if not isinstance(experiences, Iterable):
        whole(1, experiences=experiences)
        if experiences > len(labels):
            raise InvalidInput(
                f"{len(labels)} classes do not fill {experiences} experiences.", mend=f"Ask for {len(labels)} at most."
            )
        order = np.arange(len(labels)) if random is None else random.permutation(len(labels))
        return [group.tolist() for group in np.array_split(order, experiences)]
    number = {label: at for at, label in enumerate(labels)}
    named = [_listed(group) for group in experiences]
    told = [label for group in named for label in group]
    for label in told:
        if label not in number:
            raise InvalidInput(f"No example has the class {label!r}.", mend="Name classes of `y`.")
        if told.count(label) > 1:
            raise InvalidInput(f"The class {label!r} is in two experiences.", mend="Name each once.")
    left = [label for label in labels if label not in set(told)]
    if left:
        raise InvalidInput(f"The class {left[0]!r} is in no experience.", mend="Name it, or leave its examples out.")
    return [[number[label] for label in group] for group in named]


def _listed(group: Any) -> list[Hashable]:
    if isinstance(group, str) or not isinstance(group, Iterable):
        raise InvalidInput(
            f"{group!r} is no group of classes.", mend="Name those of each experience, e.g. [[0, 1], [2, 3]]."
        )
    return list(group)


def _rows(y: Tensor, groups: Groups) -> list[Rows]:
    codes = y.cpu().numpy()
    return [np.flatnonzero(np.isin(codes, group)) for group in groups]


def _cut(data: Examples, groups: Groups, relative: bool) -> Cut:
    """Rows of each group of classes; with each class's place in its group as its number where that is asked for."""
    rows = _rows(data.y, groups)
    if not relative:
        return Cut(data, rows)
    place = torch.empty(len(data.labels), dtype=torch.int64)
    for group in groups:
        place[group] = torch.arange(len(group))
    return Cut(replace(data, y=place.to(data.y.device)[data.y], labels=()), rows)


def _stretches(data: Examples, held: Examples | None, experiences: Any, kind: Kind | None, holding: Holding) -> Stream:
    """Rows in order, cut into so many experiences."""
    if kind not in (None, "domain"):
        raise InvalidInput(f"Real targets have no kind {kind!r}.", mend="Leave it out.", options=("domain",))
    whole(1, experiences=experiences)
    cut, tested = _even(data, experiences), None if held is None else _even(held, experiences)
    names = [str(at) for at in range(experiences)]
    return build(cut, names, "domain", data.y[0].numel(), holding, tested)


def _even(data: Examples, experiences: int) -> Cut:
    return Cut(data, np.array_split(np.arange(len(data.x)), experiences))


def _named(labels: Sequence[Hashable]) -> str:
    told = ", ".join(map(str, labels[:SHOWN]))
    return told if len(labels) <= SHOWN else f"{told}, ... ({len(labels)} classes)"
