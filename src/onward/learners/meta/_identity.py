"""What a learner is, in words: so that nobody goes on with what belongs to another."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, Final, cast

from onward.core import InvalidInput

from . import algorithms
from .algorithms import Algorithm
from .engine import Params

ADDRESS: Final = re.compile(r" at 0x[0-9a-f]+")
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
    return Named(type(algorithm).__name__, {n: v if isinstance(v, PLAIN) else text(v) for n, v in changed.items()})


def _default(field: Field[Any]) -> Any:
    return field.default_factory() if field.default_factory is not MISSING else field.default


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


def text(value: object) -> str:
    """What a thing says of itself, without where in memory it is."""
    return ADDRESS.sub("", repr(value))


def shapes(params: Params) -> dict[str, str]:
    """Shape and type of each parameter."""
    return {f"parameter {name}": f"{tuple(value.shape)} {value.dtype}" for name, value in params.items()}


def refuse_foreign(found: Mapping[str, str], own: Mapping[str, str], folder: Path) -> None:
    """Say where a record was made by something else than what reads it.

    Raises:
        InvalidInput: naming what differs.
    """
    wrong = sorted(name for name in found.keys() | own.keys() if found.get(name) != own.get(name))
    if not wrong:
        return
    first = wrong[0]
    raise InvalidInput(
        f"{folder} belongs to another training: {', '.join(wrong)} {'differs' if len(wrong) == 1 else 'differ'}.",
        why=f"There {first} is {found.get(first, 'not there')}, here {own.get(first, 'not there')}.",
        mend="Go on with the same settings, or choose another folder.",
    )
