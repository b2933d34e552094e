"""States as JSON and tensors: what `state_dict` of an optimiser or a distribution gives, taken apart and put back."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from onward.core import Damaged, InvalidInput

WHOLE: Final = 2**53
"""Up to here every reader of JSON knows whole numbers."""


def taken_apart(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:  # noqa: PLR0911 - one for each kind
    """A value as JSON, its tensors and arrays under names that begin with `name`.

    Args:
        value: dicts, lists, tuples, texts, numbers, tensors and arrays, within one another.
        tensors: they are added here, on the CPU.

    Raises:
        InvalidInput: it holds something else.

    >>> found = {}
    >>> taken_apart({"rate": 0.1, 0: (1, torch.ones(2))}, "it", found), sorted(found)
    ({'dict': [['rate', 0.1], [0, {'tuple': [1, {'tensor': 'it/1/1'}]}]]}, ['it/1/1'])
    """
    match value:
        case Tensor():
            tensors[name] = _apart(value.detach().cpu().contiguous(), tensors)
            return {"tensor": name}
        case np.ndarray() if value.dtype.kind in "biuf":
            tensors[name] = torch.from_numpy(np.ascontiguousarray(value))
            return {"array": name}
        case np.generic():
            return taken_apart(value.item(), name, tensors)
        case None | bool() | str():
            return value
        case int():
            return value if abs(value) < WHOLE else {"int": str(value)}
        case float():
            return value if isfinite(value) else {"float": str(value)}
        case Mapping():
            return {"dict": [_pair(at, pair, name, tensors) for at, pair in enumerate(value.items())]}
        case list() | tuple():
            parts = [taken_apart(part, f"{name}/{at}", tensors) for at, part in enumerate(value)]
            return {"list" if isinstance(value, list) else "tuple": parts}
    raise InvalidInput(
        f"A {type(value).__name__} cannot be kept in a checkpoint.",
        why="Nothing is pickled: a state may hold dicts, lists, texts, numbers, tensors and arrays.",
        mend="Return only such things from `state_dict`.",
    )


def _apart(value: Tensor, tensors: Mapping[str, Tensor]) -> Tensor:
    """The tensor in memory of its own: safetensors keeps none that share it, as tied weights do."""
    own = value.untyped_storage()
    shared = any(other.untyped_storage().data_ptr() == own.data_ptr() for other in tensors.values())
    return value.clone() if shared or own.nbytes() != value.nbytes else value


def _pair(at: int, pair: tuple[Any, Any], name: str, tensors: dict[str, Tensor]) -> list[Any]:
    key, value = pair
    if not isinstance(key, str | int):
        raise InvalidInput(f"A key {key!r} cannot be kept in a checkpoint.", mend="Use texts or whole numbers.")
    return [key, taken_apart(value, f"{name}/{at}", tensors)]


def put_together(said: Any, tensors: Mapping[str, Tensor]) -> Any:  # noqa: PLR0911 - one for each kind
    """The way back.

    Raises:
        Damaged: it is not what `taken_apart` gave.

    >>> put_together({"tuple": [1, {"float": "inf"}]}, {})
    (1, inf)
    """
    if not isinstance(said, dict):
        return said
    try:
        ((kind, held),) = said.items()
        match kind:
            case "tensor":
                return tensors[held]
            case "array":
                return tensors[held].numpy()
            case "int":
                return int(held)
            case "float":
                return float(held)
            case "dict":
                return {key: put_together(value, tensors) for key, value in held}
            case "list":
                return [put_together(part, tensors) for part in held]
            case "tuple":
                return tuple(put_together(part, tensors) for part in held)
    except (KeyError, TypeError, ValueError) as error:
        raise Damaged("A stored state is not whole.", why=f"{error}.", mend="Restore a back-up.") from error
    raise Damaged("A stored state is not whole.", why=f"It holds a {kind!r}.", mend="Restore a back-up.")
