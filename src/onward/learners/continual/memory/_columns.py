"""Rows of tensors: one column for each part of an example, allocated once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from onward.core import InvalidInput
from onward.learners.continual._checks import is_classes
from onward.learners.continual._experience import check_order
from onward.learners.neural import whole


def rows_for(parts: Mapping[str, Tensor], capacity: int | None, limit: int | None) -> int:
    """How many rows of this kind a number of rows and a number of bytes allow.

    Raises:
        InvalidInput: not a single one.
    """
    each = sum(part[:1].numel() * part.element_size() for part in parts.values())
    if limit is None or not each:
        return capacity or 1
    if each > limit:
        raise InvalidInput(f"An example takes {each:,} bytes, all may take {limit:,}.", mend="Give more bytes.")
    return min(limit // each, capacity or limit)


def check_tensors(parts: Mapping[str, Any]) -> None:
    """Refuse what is no tensor of rows.

    Raises:
        InvalidInput: naming the first one.
    """
    for name, part in parts.items():
        if not isinstance(part, Tensor) or not part.ndim:
            said = f"a tensor {tuple(part.shape)}" if isinstance(part, Tensor) else f"a {type(part).__name__}"
            raise InvalidInput(f"{name} is {said}.", mend="Give a tensor with a row for each example.")


def tasks_of(task: Any, count: int, device: torch.device) -> Tensor:
    """(n,) long tasks, of each example or the same of all.

    Raises:
        InvalidInput: they are no whole numbers.
    """
    if not isinstance(task, Tensor):
        whole(None, task=task)
        return torch.full((count,), int(task), device=device)
    if task.dtype.is_floating_point or task.dtype.is_complex or task.dtype == torch.bool:
        raise InvalidInput(f"task is {task.dtype}.", mend="Give whole numbers.")
    return task.to(device, torch.long)


def names_of(keys: Any, count: int) -> np.ndarray | None:
    """(n,) the key of each example, as it was given; `None` where there are none.

    Raises:
        InvalidInput: it is no collection in order, or not one for each.
    """
    check_order(keys)
    if keys is None:
        return None
    if len(keys) != count:
        raise InvalidInput(f"{len(keys)} keys for {count} examples.", mend="Give a key or None for each.")
    return np.array(keys, dtype=object)


def check_names(names: np.ndarray) -> None:
    """Refuse keys by which nobody could ask to forget.

    Raises:
        InvalidInput: one is neither a text nor `None`.
    """
    for name in names.tolist():
        if not isinstance(name, str | None):
            raise InvalidInput(f"{name!r} is no key of an example.", mend="Give a text for each, e.g. str(number).")


def check_rows(rows: Any, size: int) -> None:
    """Refuse rows of which there is none.

    Raises:
        InvalidInput: they are no tensor (n,) of whole numbers, or there is no such row.
    """
    if not isinstance(rows, Tensor) or rows.ndim != 1 or rows.dtype not in (torch.int32, torch.int64):
        said = f"{rows.dtype} {tuple(rows.shape)}" if isinstance(rows, Tensor) else f"a {type(rows).__name__}"
        raise InvalidInput(f"The rows are {said}.", mend="Give the numbers of rows as a long tensor (n,).")
    if len(rows) and not 0 <= int(rows.min()) <= int(rows.max()) < size:
        raise InvalidInput(
            f"Rows {int(rows.min())}..{int(rows.max())} of {size}.", mend=f"Give rows from 0 to {size - 1}."
        )


def check_parts(columns: Mapping[str, Tensor], parts: Mapping[str, Tensor], count: int) -> None:
    """Refuse what does not fit the columns.

    Raises:
        InvalidInput: a column is missing or new; or a length, a shape or a type is another.
    """
    if columns and parts.keys() != columns.keys():
        raise InvalidInput(
            f"These examples have the columns {', '.join(parts)}, those of the buffer are {', '.join(columns)}.",
            mend="Give the same columns with every example.",
        )
    for name, part in parts.items():
        if not part.ndim or part.shape[0] != count:
            raise InvalidInput(
                f"{name} has the shape {tuple(part.shape)} for {count} examples.", mend="Give a row each."
            )
        column = columns.get(name)
        if column is not None and (part.shape[1:] != column.shape[1:] or part.dtype != column.dtype):
            raise InvalidInput(
                f"{name} has rows {tuple(part.shape[1:])} of {part.dtype}.",
                why=f"Those of the buffer are {tuple(column.shape[1:])} of {column.dtype}.",
                mend="Give rows of one kind, or use another buffer.",
            )


def check_finite(parts: Mapping[str, Tensor]) -> None:
    """Refuse rows that would poison whoever learns from them.

    Raises:
        InvalidInput: one holds NaN or infinity.
    """
    for name, part in parts.items():
        if not part.is_floating_point() or bool(part.sum().isfinite()):  # a sum may overflow: then look at each
            continue
        if not bool(part.isfinite().all()):
            raise InvalidInput(
                f"{name} holds what is no finite number.",
                why="It would come back in every replay.",
                mend="Leave such examples out, or look at why the network gives them.",
            )


def picked(parts: Mapping[str, Tensor], rows: Tensor) -> dict[str, Tensor]:
    """These rows of all parts; a view where they are one stretch."""
    whole = stretch(rows)
    if whole is not None:
        return {name: part[whole] for name, part in parts.items()}
    return {name: part.index_select(0, rows.to(part.device)) for name, part in parts.items()}


def write(columns: Mapping[str, Tensor], slots: Tensor, parts: Mapping[str, Tensor]) -> None:
    """Put rows into different slots of the columns."""
    whole = stretch(slots)
    for name, part in parts.items():
        column = columns[name]
        if whole is not None:
            column[whole].copy_(part)
        else:
            column.index_copy_(0, slots.to(column.device), part.to(column.device))


def stretch(numbers: Tensor) -> slice | None:
    """The slice that different numbers on the CPU are, one after the other, as 4, 5, 6; `None` where they are none.

    >>> from torch import tensor
    >>> stretch(tensor([4, 5, 6])), stretch(tensor([4, 6, 5]))
    (slice(4, 7, None), None)
    """
    values = numbers.numpy()  # which looks at a few numbers in a tenth of the time
    if not len(values):
        return slice(0, 0)
    first, last = int(values[0]), int(values[-1])
    if last - first != len(values) - 1 or not (values[1:] > values[:-1]).all():
        return None
    return slice(first, last + 1)


def groups_of(parts: Mapping[str, Tensor], by: str) -> Tensor:
    """(n,) numbers of the classes of examples, or of their tasks; targets that are no classes go by tasks, too."""
    y = parts["y"]
    return (y if by == "class" and is_classes(y) else parts["task"]).long()


def closed(gone: Tensor) -> tuple[Tensor, Tensor, int]:
    """How to close gaps: which rows move, where to, and how many are left.

    Args:
        gone: (n,) whether each row goes.

    >>> from torch import tensor
    >>> closed(tensor([True, False, True, False]))
    (tensor([3]), tensor([0]), 2)
    """
    left = int((~gone).sum())
    gaps = gone[:left].nonzero().squeeze(1)
    movers = (~gone[left:]).nonzero().squeeze(1) + left
    return movers, gaps, left
