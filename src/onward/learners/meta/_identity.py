"""What a learner is, in words: so that nobody goes on with what belongs to another."""

from __future__ import annotations

import hashlib
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from typing import Any, Final, cast

import torch
from torch import Tensor

from onward.core import InvalidInput
from onward.learners.neural import plain_number, text

from . import algorithms
from .algorithms import Algorithm
from .engine import Params

PLAIN: Final = (str, int, float, bool, type(None))


@dataclass(frozen=True, slots=True)
class Named:
    """An algorithm by the name of its class and those of its settings that are not its defaults."""

    kind: str
    settings: dict[str, Any]


def named(algorithm: object) -> Named:
    """What to call an algorithm.

    >>> named(algorithms.MAML(inner_steps=3))
    Named(kind='MAML', settings={'inner_steps': 3})
    """
    if not is_dataclass(algorithm) or isinstance(algorithm, type):
        return Named(text(algorithm), {})
    values = {field.name: (getattr(algorithm, field.name), _default(field)) for field in fields(algorithm)}
    changed = {name: value for name, (value, default) in values.items() if value != default}
    return Named(type(algorithm).__name__, {n: _plain(v) for n, v in changed.items()})


def _plain(value: Any) -> Any:
    value = plain_number(value)
    return value if isinstance(value, PLAIN) else text(value)


def _default(field: Field[Any]) -> Any:
    return field.default_factory() if field.default_factory is not MISSING else field.default


def digests(frozen: Params) -> dict[str, str]:
    """What parameters and buffers that stay as they are hold, in short."""
    return {f"frozen {name}": digest(value) for name, value in frozen.items()}


def digest(value: Tensor) -> str:
    """Shape, type and contents of a tensor, in short."""
    data = value.cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()
    return f"{tuple(value.shape)} {value.dtype} {hashlib.sha256(data).hexdigest()[:16]}"


def algorithm_of(name: Named) -> Algorithm:
    """The algorithm of a name.

    Raises:
        InvalidInput: it is none of ours.

    >>> algorithm_of(Named("Reptile", {}))
    Reptile(...)
    """
    kind = getattr(algorithms, name.kind, None)
    if not isinstance(kind, type):
        raise InvalidInput(f"{name.kind} is no algorithm that Onward brings.", mend="Hand the algorithm in.")
    try:
        return cast("Algorithm", kind(**name.settings))
    except TypeError as error:
        raise InvalidInput(f"{name} cannot be made: {error}.", mend="Hand the algorithm in.") from error
