"""What a file says, held against the very checks that recording holds values against."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from typing import Any, Final

import msgspec

from onward.core import InvalidInput

from ._check import check_name, check_number, check_step, check_time, is_event, metadata_body, refuse
from ._goals import GoalProgress, new_goal
from ._metrics import source_of
from ._records import Kind, Measurement, Source

FORMAT: Final = "onward learning data 1"
NO_REPORT: Final = msgspec.Raw(b"null")
GOAL: Final = {field.name for field in fields(GoalProgress)}

Stands = tuple[int, float | None, float | None]
Notes = list[tuple[str, str, dict[str, Any]]]


class Beside(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What a file says beside its measurements. The report is for people; nobody reads it back."""

    format: str
    goals: dict[str, dict[str, Any]]
    experiments: dict[str, dict[str, Any]]
    standings: dict[str, Stands]
    report: msgspec.Raw = NO_REPORT


def admit(measurements: Iterable[Measurement]) -> list[Measurement]:
    """Measurements as recording would have made them.

    Raises:
        InvalidInput: recording would have refused one.
    """
    found = []
    for number, one in enumerate(measurements):
        try:
            found.append(_admitted(one))
        except InvalidInput as error:
            why = f"It is measurement {number}, counted from 0."
            raise InvalidInput(error.what, why=why, mend=error.mend, options=error.options) from error
    return found


def _admitted(one: Measurement) -> Measurement:
    check = CHECKS.get(one.source.kind)
    if check is None:
        raise InvalidInput(f"A kind is {one.source.kind!r}.", mend="Choose one.", options=CHECKS)
    for name, text in (("task", one.source.task), ("client", one.source.client), ("body", one.body)):
        if not isinstance(text, str):
            raise InvalidInput(f"The {name} is {text!r}.", mend="Give a text.")
    return check(one._replace(time=check_time(one.time), step=check_step(one.step)))


def _event(one: Measurement) -> Measurement:
    values = (one.value, one.rate, one.step, one.convergence)
    if not is_event(*values):
        raise refuse(*values)
    source = _plain_source(one, "task_type")
    return one._replace(source=source, body=_body(one.body))


def _metric(one: Measurement) -> Measurement:
    source = source_of(one.source.name, one.value, one.source.task or None, one.source.client or None)
    return _bare(one._replace(source=source), but=("step", "body"))._replace(body=_body(one.body))


def _moment_of_goal(one: Measurement) -> Measurement:
    return _bare(one._replace(source=_plain_source(one, "goal_id"), value=check_number("value", one.value)))


def _moment_of_convergence(one: Measurement) -> Measurement:
    as_event = (0.0, 1.0, 0, one.value)
    if not is_event(*as_event):
        raise refuse(*as_event)
    return _bare(one._replace(source=_plain_source(one, "task_type")))


CHECKS: Final[Mapping[Kind, Callable[[Measurement], Measurement]]] = {
    "task": _event,
    "metric": _metric,
    "goal": _moment_of_goal,
    "convergence": _moment_of_convergence,
}


def _plain_source(one: Measurement, what: str) -> Source:
    """The source of what is told apart by neither task nor client."""
    if one.source.task or one.source.client:
        raise InvalidInput(f"A {one.source.kind} has a task or a client.", mend="Give them to metrics only.")
    return Source(one.source.kind, check_name(what, one.source.name))


def _bare(one: Measurement, but: tuple[str, ...] = ()) -> Measurement:
    """A measurement that has nothing more than a value."""
    for name in {"step", "rate", "convergence", "body"}.difference(but):
        if getattr(one, name) not in {None, ""}:
            raise InvalidInput(f"A {one.source.kind} has a {name}.", mend="Leave it out.")
    return one


def _body(text: str) -> str:
    return metadata_body(msgspec.json.decode(text, type=dict[str, Any])) if text else ""


def admit_notes(said: Beside) -> Notes:
    """The notes of a file as a store takes them: kind, name, record.

    Raises:
        InvalidInput, ValueError: the file is none of ours, or recording would have refused one.
    """
    if said.format != FORMAT:
        raise ValueError(f"its format is {said.format!r}, not {FORMAT!r}")
    goals = [("goal", name, _goal(name, body)) for name, body in said.goals.items()]
    return goals + [("experiment", check_name("name", name), body) for name, body in said.experiments.items()]


def _goal(name: str, body: dict[str, Any]) -> dict[str, Any]:
    if body.keys() != GOAL or body["goal_id"] != name:
        raise InvalidInput(f"Goal {name!r} is no goal's record.", mend=f"Give {', '.join(sorted(GOAL))}.")
    goal = msgspec.convert(body, GoalProgress)
    time = check_time(goal.creation_time)
    new_goal(goal.goal_id, goal.goal_description, goal.target_performance, goal.direction, time)
    if goal.completion_time is not None:
        check_time(goal.completion_time)
    more = (goal.current_performance, goal.estimated_completion_time, *(goal.estimated_completion_interval or ()))
    for number in more:
        check_number(f"A number of goal {name!r}", number or 0.0)
    if not 0 <= goal.completion_percentage <= 100:
        raise InvalidInput(f"completion_percentage is {goal.completion_percentage}.", mend="Give 0 to 100.")
    return goal.to_dict()


def admit_standings(said: Beside, measurements: Iterable[Measurement]) -> dict[str, Stands]:
    """How the tasks of these measurements stand. Events that memory dropped, and tasks with them, are not counted.

    Raises:
        InvalidInput: what is said is no standing.
    """
    counts = Counter(one.source.name for one in measurements if one.source.kind == "task")
    return {name: _stands(name, *stands, counts[name]) for name, stands in said.standings.items() if name in counts}


def _stands(name: str, examined: int, level: float | None, within: float | None, count: int) -> Stands:
    check_step(examined)
    if (level is None) != (within is None) or (within or 0.0) < 0:
        raise InvalidInput(f"{name!r} stands at {level} within {within}.", mend="Give both, or neither.")
    for number in (level, within):
        check_number(f"The standing of {name!r}", number or 0.0)
    return min(examined, count), level, within
