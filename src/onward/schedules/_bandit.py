"""A value picked among a few by what each has brought."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from random import Random
from typing import Any, Final, Literal

from onward.core import InvalidInput

from ._checks import choice, count, measured, number, positive
from ._plateau import BETTER
from ._state import same, saved

POSITION: Final = ("arm", "steps", "last", "weights", "means", "spreads")
BROKEN: Final = -1.0  # improvement where performance is not finite: the limit for a loss that goes to infinity


class Bandit:
    """A `Schedule` that tries each of a few values, then picks most often the one that improves performance most.

    The reward of a value is the improvement of its step as a share of the larger of the two performances, in absolute
    terms; so the scale of a loss does not matter, nor that it shrinks. Picked by Thompson sampling with Gaussian
    priors (Agrawal and Goyal 2013, arXiv 1209.3353), in which past rewards count less and less, for the best rate
    changes as training goes on (Raj and Kalyani 2017, arXiv 1707.09727; Qi, Wang and Zhu 2023, arXiv 2305.10718): for
    each value a number is drawn around its discounted mean reward, and the highest wins. The variance of a reward is
    estimated, one for all values.

    It is greedy: a value that helps only later, such as a high rate early on, is not credited for it (Wu et al. 2018,
    arXiv 1803.02021).

    Args:
        values: at least 2 different finite numbers; each is tried once, in this order.
        better: "lower" for losses, "higher" for accuracies.
        discount: above 0, at most 1: what a reward still counts after one more step. 1 for a best value that never
            changes; about 1 / (1 - discount) steps are remembered.
        seed: of the draws.

    Raises:
        InvalidInput: something else is given.

    >>> rate, loss = Bandit([0.001, 0.1, 1.0]), 1.0
    >>> for _ in range(60):
    ...     loss *= {0.001: 0.999, 0.1: 0.9, 1.0: 1.05}[rate.value]
    ...     _ = rate.step(loss)
    >>> rate.best
    0.1
    """

    def __init__(
        self,
        values: Iterable[float],
        *,
        better: Literal["lower", "higher"] = "lower",
        discount: float = 0.98,
        seed: int = 0,
    ) -> None:
        found = [number(value, "a value") for value in values]
        if len(found) < 2 or len(set(found)) < len(found):
            raise InvalidInput(f"The values are {found}.", mend="Give at least 2, and none twice.")
        self._values = tuple(found)
        self._sign = 1.0 if choice(better, "better", BETTER) == "higher" else -1.0
        self._discount, self._seed = positive(discount, "discount", most=1), count(seed, "seed")
        self._settings = {"values": found, "better": better, "discount": self._discount, "seed": self._seed}
        self._arm = self._steps = 0
        self._last: float | None = None  # newest finite performance
        self._weights = [0.0] * len(found)  # rewards of each value, discounted: how many,
        self._means = [0.0] * len(found)  # their mean,
        self._spreads = [0.0] * len(found)  # and their sum of squares around it

    @property
    def value(self) -> float:
        """To be used now."""
        return self._values[self._arm]

    @property
    def values(self) -> tuple[float, ...]:
        """To pick from."""
        return self._values

    @property
    def best(self) -> float:
        """The value with the highest mean reward so far; the first before any reward."""
        tried = [arm for arm, weight in enumerate(self._weights) if weight > 0]
        return self._values[max(tried, key=self._means.__getitem__, default=0)]

    def step(self, performance: float | None = None) -> float:
        """Take the performance reached with the value; the next value.

        The first is only what the next is held against, so the first value is used for one step more.

        Raises:
            InvalidInput: there is no performance, or it is no number.
        """
        found = measured(performance, "A bandit")
        if self._last is not None:
            self._reward(_improvement(self._sign * self._last, self._sign * found))
            self._steps += 1
            self._arm = self._pick()
        if math.isfinite(found):
            self._last = found
        return self.value

    def _reward(self, reward: float) -> None:
        """Forget a little of everything, then take it in (the update of Welford and West for weights)."""
        self._weights = [self._discount * weight for weight in self._weights]
        self._spreads = [self._discount * spread for spread in self._spreads]
        arm, off = self._arm, reward - self._means[self._arm]
        self._weights[arm] += 1
        self._means[arm] += off / self._weights[arm]
        self._spreads[arm] += off * (reward - self._means[arm])

    def _pick(self) -> int:
        arms = range(len(self._values))
        if self._steps < len(arms):
            return self._steps
        deviation = math.sqrt(sum(self._spreads) / sum(self._weights))
        draw = Random(f"{self._seed} {self._steps}").gauss  # noqa: S311 - of each step its own, so no state to save
        # A value long unused is as uncertain as one reward that counts a millionth: it is tried again.
        widths = [deviation / math.sqrt(max(weight, 1e-6)) for weight in self._weights]
        return max(arms, key=[draw(self._means[arm], widths[arm]) for arm in arms].__getitem__)

    def state_dict(self) -> dict[str, Any]:
        """Its settings, and what it has learned."""
        learned = {key: getattr(self, f"_{key}") for key in POSITION}
        return saved(
            "bandit",
            {**self._settings, "values": list(self._values)},
            **{key: list(found) if isinstance(found, list) else found for key, found in learned.items()},
        )

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where another of the same settings stood.

        Raises:
            InvalidInput: the state is not of such a one.
        """
        arm, steps, last, *learned = same(state, "bandit", self._settings, POSITION)
        if count(arm, "arm") >= len(self._values):
            raise InvalidInput(f"arm is {arm}.", mend=f"Give one below {len(self._values)}.")
        weights, means, spreads = (self._row(row, key) for row, key in zip(learned, POSITION[3:], strict=True))
        last = None if last is None else number(last, "last")
        self._steps, self._last, self._arm = count(steps, "steps"), last, arm
        self._weights, self._means, self._spreads = weights, means, spreads

    def _row(self, row: Any, key: str) -> list[float]:
        if not isinstance(row, list) or len(row) != len(self._values):
            raise InvalidInput(f"{key} is {row!r}.", mend=f"Give a list of {len(self._values)} numbers.")
        least = -2 if key == "means" else 0
        return [number(one, f"one of {key}", least=least) for one in row]


def _improvement(before: float, after: float) -> float:
    """By how much the higher-is-better performance rose, as a share of the larger: -2..2."""
    if not math.isfinite(after):
        return BROKEN
    larger = max(abs(before), abs(after))
    return after / larger - before / larger if larger else 0.0
