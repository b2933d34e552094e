"""Goals: what a learner is to reach, how far it is, and when it will be there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, get_args

from onward.core import InvalidInput
from onward.monitoring.statistics import Reach, time_to_reach

from ._check import check_name, check_number
from ._summary import Floats

Direction = Literal["maximize", "minimize"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GoalProgress:
    """A goal, and how far it is.

    Args:
        goal_id: its name.
        goal_description: what it is, in words.
        creation_time: POSIX seconds.
        target_performance: what is to be reached.
        direction: whether higher or lower is better.
        current_performance: the last value; `None` before the first.
        completion_percentage: 0..100; 100 once it is reached, whatever comes after. On the way, current / target where
            higher is better, target / current where lower is; 0 where the two have different signs.
        estimated_completion_time: POSIX seconds, where the trend leads there.
        estimated_completion_interval: between when and when, by the trend's own confidence interval; the later end
            is `None` where it may as well never be.
        is_completed: whether it was ever reached.
        completion_time: when it first was.

    >>> goal = GoalProgress(goal_id="a", goal_description="", creation_time=0, target_performance=0.9)
    >>> goal.after(0.45, 60.0).completion_percentage
    50.0
    """

    goal_id: str
    goal_description: str
    creation_time: float
    target_performance: float
    direction: Direction = "maximize"
    current_performance: float | None = None
    completion_percentage: float = 0.0
    estimated_completion_time: float | None = None
    estimated_completion_interval: tuple[float, float | None] | None = None
    is_completed: bool = False
    completion_time: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Every field, as JSON holds it."""
        return asdict(self)

    def after(self, performance: float, time: float) -> GoalProgress:
        """As it stands once this was reached at this time."""
        maximize = self.direction == "maximize"
        reached = performance >= self.target_performance if maximize else performance <= self.target_performance
        done = self.is_completed or reached
        return replace(
            self,
            current_performance=performance,
            completion_percentage=100.0 if done else self._percentage(performance),
            is_completed=done,
            completion_time=time if reached and not self.is_completed else self.completion_time,
        )

    def _percentage(self, performance: float) -> float:
        part, whole = performance, self.target_performance
        if self.direction == "minimize":
            part, whole = whole, part
        if whole < 0:  # both below zero: the one nearer to zero is the greater
            part, whole = whole, part
        return min(100.0, max(0.0, 100.0 * part / whole)) if whole else 0.0

    def estimated(self, times: Floats, values: Floats) -> GoalProgress:
        """With an estimate of when it is reached, from its history."""
        if self.is_completed:
            return self
        reach: Reach = time_to_reach(values, times, self.target_performance, direction=self.direction)
        return replace(self, estimated_completion_time=reach.at, estimated_completion_interval=reach.interval)


def new_goal(goal_id: str, description: str, target: float, direction: str, time: float) -> GoalProgress:
    """A goal that nothing is known of yet.

    Raises:
        InvalidInput: the name is empty, the target no finite number, or there is no such direction.
    """
    if direction not in get_args(Direction):
        raise InvalidInput(f"direction is {direction!r}.", mend="Choose one.", options=get_args(Direction))
    return GoalProgress(
        goal_id=check_name("goal_id", goal_id),
        goal_description=str(description),
        creation_time=time,
        target_performance=check_number("target_performance", target),
        direction="maximize" if direction == "maximize" else "minimize",
    )


def goal_of(body: Mapping[str, Any]) -> GoalProgress:
    """A goal from what `to_dict` made of it."""
    interval = body.get("estimated_completion_interval")
    return GoalProgress(**{**body, "estimated_completion_interval": None if interval is None else tuple(interval)})
