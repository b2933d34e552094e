"""Any schedule at the wheel of an optimizer."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from numbers import Real
from typing import Any, Final, Protocol

from onward.core import InvalidInput

from ._checks import count
from ._schedule import Schedule
from ._state import same, saved

PART: Final = re.compile(r"(?P<name>\w+)\[(?P<at>\d+)\]")


class Optimizer(Protocol):
    """What is asked of an optimizer; those of torch have it."""

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """Settings, a mapping for each group of parameters."""
        ...


def drive(
    optimizer: Optimizer, schedule: Schedule, parameter: str = "lr", *, groups: Iterable[int] | None = None
) -> Driven:
    """Let a schedule set a parameter of an optimizer: now, at each step, and when a state is loaded.

    Where torch has the scheduler, use torch's own; this is for those that it has not, and for parameters other than
    the learning rate.

    Args:
        optimizer: anything with `param_groups` as torch's optimizers have them.
        schedule: gives the values.
        parameter: a number in every group: "lr", "weight_decay", "momentum", "betas[0]" ...
        groups: numbers of the groups to set; None: all, with those added later.

    Raises:
        InvalidInput: that is no optimizer or no schedule, or there is no such parameter or group.

    >>> from types import SimpleNamespace
    >>> from onward.schedules import exponential_decay
    >>> optimizer = SimpleNamespace(param_groups=[{"lr": 0.0, "betas": (0.9, 0.999)}])  # or torch.optim.Adam(...)
    >>> driven = drive(optimizer, exponential_decay(0.1, rate=0.5, steps=1))
    >>> optimizer.param_groups[0]["lr"], driven.step(), optimizer.param_groups[0]["lr"]
    (0.1, 0.05, 0.05)
    """
    return Driven(optimizer, schedule, parameter, None if groups is None else tuple(groups))


class Driven:
    """A schedule that sets a parameter of an optimizer; itself a `Schedule`. `drive` makes it.

    >>> from types import SimpleNamespace
    >>> from onward.schedules import Plateau
    >>> optimizer = SimpleNamespace(param_groups=[{"weight_decay": 0.0}])
    >>> driven = drive(optimizer, Plateau(0.01, patience=0), "weight_decay")
    >>> [driven.step(loss) for loss in (2.0, 2.0)], optimizer.param_groups
    ([0.01, 0.001], [{'weight_decay': 0.001}])
    """

    def __init__(
        self, optimizer: Optimizer, schedule: Schedule, parameter: str, groups: tuple[int, ...] | None
    ) -> None:
        if not isinstance(getattr(optimizer, "param_groups", None), list) or not optimizer.param_groups:
            raise InvalidInput(
                f"A {type(optimizer).__name__} has no param_groups.", mend="Give an optimizer such as torch.optim.SGD."
            )
        if isinstance(schedule, type) or not all(hasattr(schedule, name) for name in ("value", "step")):
            raise InvalidInput(
                f"{schedule!r:.80} is no schedule.",
                mend="Give what has a value and a step(), such as exponential_decay(0.1, rate=0.5, steps=10), or "
                "Curve(function).",
            )
        self._optimizer, self._schedule, self._parameter = optimizer, schedule, parameter
        self._groups = groups if groups is None else tuple(count(group, "a group") for group in groups)
        self._check()
        self._set()

    @property
    def value(self) -> float:
        """What the parameter was last set to."""
        return self._schedule.value

    def step(self, performance: float | None = None) -> float:
        """Let the schedule take a step, and set the parameter.

        Raises:
            InvalidInput: as the schedule's.
        """
        self._schedule.step(performance)
        return self._set()

    def state_dict(self) -> dict[str, Any]:
        """The schedule's, and what it drives."""
        return saved("drive", self._settings(), schedule=self._schedule.state_dict())

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Load the schedule's state, and set the parameter.

        Raises:
            InvalidInput: another parameter or other groups were driven, or as the schedule's.
        """
        (found,) = same(state, "drive", self._settings(), ("schedule",))
        self._schedule.load_state_dict(found)
        self._set()

    def _settings(self) -> dict[str, Any]:
        return {"parameter": self._parameter, "groups": None if self._groups is None else list(self._groups)}

    def _chosen(self) -> list[dict[str, Any]]:
        groups = self._optimizer.param_groups
        return groups if self._groups is None else [groups[at] for at in self._groups]

    def _check(self) -> None:
        last = len(self._optimizer.param_groups) - 1
        if self._groups is not None and (not self._groups or max(self._groups) > last):
            raise InvalidInput(f"groups is {list(self._groups)}.", mend=f"Give some of 0 to {last}.")
        known = set.intersection(*(set(_numbers(group)) for group in self._chosen()))
        if self._parameter not in known:
            raise InvalidInput(
                f"No number in the groups is called {self._parameter!r}.", mend="Use a known one.", options=known
            )

    def _set(self) -> float:
        value, part = self._schedule.value, PART.fullmatch(self._parameter)
        for group in self._chosen():
            if part is None:
                group[self._parameter] = _replaced(group[self._parameter], value)
                continue
            old = group[part["name"]]
            group[part["name"]] = tuple(
                _replaced(one, value) if at == int(part["at"]) else one for at, one in enumerate(old)
            )
        return value


def _numbers(group: Mapping[str, Any]) -> list[str]:
    """Names of what a schedule can set in a group."""
    names = [name for name, value in group.items() if _settable(value)]
    pairs = ((name, value) for name, value in group.items() if name != "params" and isinstance(value, tuple | list))
    return names + [f"{name}[{at}]" for name, parts in pairs for at, part in enumerate(parts) if _settable(part)]


def _settable(value: Any) -> bool:
    number = isinstance(value, Real) and not isinstance(value, bool)
    return number or (hasattr(value, "fill_") and getattr(value, "ndim", None) == 0)


def _replaced(old: Any, value: float) -> Any:
    """The value, in place where a compiled or captured step holds on to a tensor."""
    return old.fill_(value) if hasattr(old, "fill_") else value
