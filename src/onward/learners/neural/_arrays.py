"""What users have, as tensors: arrays, labels, columns of tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from onward.core import InvalidInput, NotFound

Codes = np.ndarray[Any, np.dtype[np.int64]]
Column = np.ndarray[Any, Any]


def inputs_of(x: Any) -> Tensor:
    """A tensor; real numbers of an array or a list become torch's default dtype, for which networks are made.

    Raises:
        InvalidInput: they are no numbers, or not finite.
    """
    if isinstance(x, Tensor):
        inputs = x.detach()
    else:
        array = _array(x.toarray() if hasattr(x, "toarray") else x)
        if array.dtype.kind not in "fiub":
            raise InvalidInput(f"The inputs are of dtype {array.dtype}.", mend="Give numbers, in rows of equal length.")
        inputs = torch.as_tensor(np.ascontiguousarray(array))
        inputs = inputs.to(torch.get_default_dtype()) if array.dtype.kind == "f" else inputs
    inputs = inputs.reshape(1) if inputs.ndim == 0 else inputs
    if inputs.is_floating_point() and not (finite := inputs.isfinite()).all():
        bad = len(inputs) - int(finite.flatten(1).all(1).sum() if inputs.ndim > 1 else finite.sum())
        raise InvalidInput(
            f"{bad} of {len(inputs)} inputs hold NaN or infinity.", mend="Leave them out, or fill them in."
        )
    return inputs


def classes_of(y: Any) -> tuple[tuple[Hashable, ...], Codes]:
    """The labels in order, and for each example the number of its own.

    Raises:
        InvalidInput: there is not one label an example, or they cannot be told apart.
    """
    array = _array(y.detach().cpu() if isinstance(y, Tensor) else y)
    if array.ndim != 1:
        raise InvalidInput(f"The labels have shape {array.shape}.", mend="Give one label an example: (n,).")
    if array.dtype.kind == "O":
        array = _of_one_kind(array)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        bad = len(array) - np.count_nonzero(np.isfinite(array))
        raise InvalidInput(f"{bad} of {len(array)} labels are NaN or infinite.", mend="Leave those examples out.")
    labels, codes = np.unique(array, return_inverse=True)
    return tuple(labels.tolist()), codes


def _array(values: Any) -> np.ndarray[Any, Any]:
    """An array in the byte order of this machine, as torch wants it."""
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise InvalidInput("The rows differ in length.", mend="Give numbers, in rows of equal length.") from error
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def _of_one_kind(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    for kind, dtype in ((str, np.str_), (int | np.integer, np.int64)):
        if all(isinstance(label, kind) for label in array):
            return array.astype(dtype)
    raise InvalidInput("The labels are neither all texts nor all whole numbers.", mend="Give labels of one kind.")


def column_names(frame: Any) -> list[Hashable]:
    """What the columns are called, texts or not, whatever kind of frame it is.

    Raises:
        InvalidInput: it has none.

    >>> column_names({"size": [1, 2], "bug": [0, 1]})
    ['size', 'bug']
    """
    for told in ("column_names", "columns", "keys"):
        names = getattr(frame, told, None)
        if names is not None:
            return list(names() if callable(names) else names)
    names = getattr(getattr(frame, "dtype", None), "names", None)
    if names is None:
        raise InvalidInput(
            f"A {type(frame).__name__} gives no columns by name.", mend="Give a frame, or a mapping of name to column."
        )
    return list(names)


def columns_of(frame: Any, wanted: Sequence[Hashable], names: Sequence[Hashable]) -> dict[Hashable, Column]:
    """Some columns of a frame, each (n,).

    Raises:
        NotFound: one is not among its names.
        InvalidInput: one is there more than once, cannot be read, or is of more than one value a row; or they differ in
            length.
    """
    there = Counter(names)
    for name in wanted:
        if not there[name]:
            raise NotFound(f"There is no column {name!r}.", mend="Name one of these.", options=map(str, names))
        if there[name] > 1:
            raise InvalidInput(
                f"There are {there[name]} columns {name!r}.", mend="Give each a name of its own, or leave it out."
            )
    columns = {name: _column(frame, name) for name in wanted}
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise InvalidInput(f"The columns differ in length: {lengths}.", mend="Give one value a row.")
    return columns


def _column(frame: Any, name: Hashable) -> Column:
    try:
        column = np.asarray(frame[name])
    except (TypeError, ValueError, LookupError) as error:
        raise InvalidInput(
            f"Column {name!r} of a {type(frame).__name__} cannot be read: {error}.",
            mend="Give a frame that gives its columns by name; a lazy one is collected first.",
        ) from error
    if column.ndim != 1:
        raise InvalidInput(f"Column {name!r} has shape {column.shape}.", mend="Give one value a row: (n,).")
    return column


def numbers_of(columns: Mapping[Hashable, Column], wanted: Sequence[Hashable]) -> Column:
    """Columns side by side (n, d), all of finite numbers; times and complex numbers are none.

    Raises:
        InvalidInput: one is not.
    """
    found = []
    for name in wanted:
        column = columns[name]
        try:
            found.append(_real(column))
        except (TypeError, ValueError) as error:
            raise InvalidInput(
                f"Column {name!r} is not all numbers: {error}.", mend="Encode it, or leave it out."
            ) from error
        bad = len(column) - np.count_nonzero(np.isfinite(found[-1]))
        if bad:
            raise InvalidInput(
                f"{bad} of {len(column)} values of column {name!r} are NaN or infinite.",
                mend="Fill them in, or leave those rows out.",
            )
    return np.stack(found, 1)


def _real(column: Column) -> Column:
    if column.dtype.kind in "mMc":
        raise TypeError(f"it is of dtype {column.dtype}")
    return column.astype(np.float64)
