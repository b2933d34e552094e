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


def taken_apart(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
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
    return _taken(value, name, tensors, {_place(other) for other in tensors.values()})


def _taken(value: Any, name: str, tensors: dict[str, Tensor], places: set[int]) -> Any:  # noqa: PLR0911 - one for each kind
    """The same, where it is known in which places of memory the tensors lie."""
    match value:
        case Tensor():
            tensors[name] = _apart(value.detach().cpu().contiguous(), places)
            return {"tensor": name}
        case np.ndarray() if value.dtype.kind in "biuf":
            tensors[name] = _apart(torch.from_numpy(np.ascontiguousarray(value)), places)
            return {"array": name}
        case np.generic():
            return _taken(value.item(), name, tensors, places)
        case None | bool() | str():
            return value
        case int():
            return value if abs(value) < WHOLE else {"int": str(value)}
        case float():
            return value if isfinite(value) else {"float": str(value)}
        case Mapping():
            return {"dict": [_pair(pair, f"{name}/{at}", tensors, places) for at, pair in enumerate(value.items())]}
        case list() | tuple():
            parts = [_taken(part, f"{name}/{at}", tensors, places) for at, part in enumerate(value)]
            return {"list" if isinstance(value, list) else "tuple": parts}
    raise InvalidInput(
        f"A {type(value).__name__} cannot be kept in a checkpoint.",
        why="Nothing is pickled: a state may hold dicts, lists, texts, numbers, tensors and arrays.",
        mend="Return only such things from `state_dict`.",
    )


def _place(value: Tensor) -> int:
    return value.untyped_storage().data_ptr()


def _apart(value: Tensor, places: set[int]) -> Tensor:
    """The tensor in memory of its own: safetensors keeps none that share it, as tied weights do."""
    whole = value.untyped_storage().nbytes() == value.nbytes
    own = value if whole and _place(value) not in places else value.clone()
    places.add(_place(own))
    return own


def _pair(pair: tuple[Any, Any], name: str, tensors: dict[str, Tensor], places: set[int]) -> list[Any]:
    key, value = pair
    if not isinstance(key, str | int):
        raise InvalidInput(f"A key {key!r} cannot be kept in a checkpoint.", mend="Use texts or whole numbers.")
    return [key, _taken(value, name, tensors, places)]


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
