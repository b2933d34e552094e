"""How to train on a task: a configuration, and what is predicted to be the best one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any, Final

from onward.core import InvalidInput
from onward.learners.neural import is_number, plain_number, plain_numbers

Scalar = float | int | str | bool
LARGEST: Final = 2**53  # whole numbers that a float holds


@dataclass(frozen=True, slots=True)
class Strategy:
    """A configuration to train a task with. As it stands, the defaults that are returned where nothing is known.

    Args:
        learning_rate: above 0.
        batch_size: examples in a batch, at least 1.
        num_epochs: passes over the support set, at least 1.
        regularization: weight decay, at least 0.
        architecture_params: names to numbers, texts or truth values, e.g. {"hidden": 64}.
        confidence: in 0..1; see `StrategyPredictor`. It is no part of the configuration.

    Raises:
        InvalidInput: a value is not in its range.

    >>> Strategy(learning_rate=0.1, architecture_params={"hidden": 32}).to_dict()
    {'learning_rate': 0.1, 'batch_size': 32, 'num_epochs': 50, 'regularization': 0.0001,
     'architecture_params': {'hidden': 32}, 'confidence': 0.0}
    """

    learning_rate: float = 0.01
    batch_size: int = 32
    num_epochs: int = 50
    regularization: float = 1e-4
    architecture_params: Mapping[str, Scalar] = field(default_factory=dict)
    confidence: float = 0.0

    def __post_init__(self) -> None:
        for name, least, kind in (
            ("learning_rate", None, Real),
            ("batch_size", 1, Integral),
            ("num_epochs", 1, Integral),
            ("regularization", 0, Real),
            ("confidence", 0, Real),
        ):
            _check(name, getattr(self, name), least, kind)
        if self.confidence > 1:
            raise _refused("confidence", self.confidence)
        given: Any = self.architecture_params
        if not isinstance(given, Mapping) or not all(isinstance(name, str) for name in given):
            raise _refused("architecture_params", given)
        plain = {name: plain_number(value) for name, value in sorted(given.items())}
        for name, value in plain.items():
            if not _is_scalar(value):
                raise _refused(f"architecture_params[{name!r}]", value)
        object.__setattr__(self, "architecture_params", plain)
        plain_numbers(self)

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain JSON values."""
        return {**self.configuration(), "confidence": self.confidence}

    def configuration(self) -> dict[str, Any]:
        """What to train with: all but the confidence."""
        return {
            "learning_rate": self.learning_rate,
            "batch_size": self.batch_size,
            "num_epochs": self.num_epochs,
            "regularization": self.regularization,
            "architecture_params": dict(self.architecture_params),
        }


def strategy_of(configuration: Mapping[str, Any] | Strategy, defaults: Strategy) -> Strategy:
    """A configuration as a strategy without confidence; what it lacks is taken from the defaults.

    Raises:
        InvalidInput: it is no mapping, has a key that no strategy has, or a value out of range.
    """
    if not isinstance(configuration, Mapping | Strategy):
        raise InvalidInput(
            f"{configuration!r:.80} is no configuration.",
            mend="Give a Strategy, or a mapping of some of its settings.",
            options=defaults.configuration(),
        )
    told = configuration.configuration() if isinstance(configuration, Strategy) else dict(configuration)
    known = defaults.configuration()
    told.pop("confidence", None)
    if unknown := sorted(map(str, set(told) - set(known))):
        raise InvalidInput(
            f"No strategy has {', '.join(unknown)}.",
            mend="Put what is your own into architecture_params.",
            options=known,
        )
    return Strategy(**{**known, **told})


def _check(name: str, value: Any, least: float | None, kind: type) -> None:
    """None: above 0."""
    if not is_number(value, kind) or not _in_range(value, least):
        raise _refused(name, value)


def _in_range(value: Any, least: float | None) -> bool:
    above = value > 0 if least is None else value >= least
    return bool(above and value <= LARGEST)


def _is_scalar(value: Any) -> bool:
    if isinstance(value, str):
        return True
    return isinstance(value, int | float) and math.isfinite(value) and abs(value) <= LARGEST


def _refused(name: str, value: Any) -> InvalidInput:
    return InvalidInput(
        f"A strategy cannot have {name} {value!r}.",
        mend="Give a learning_rate above 0, whole batch_size and num_epochs of at least 1, regularization of at least "
        "0, confidence in 0..1, and architecture_params from names to numbers, texts or truth values.",
    )
