"""`onward compare`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import RenderableType

from ._call import Call, command
from ._output import following, table
from ._values import Number
from ._verdict import verdict_table

if TYPE_CHECKING:
    from onward.workspace import Comparison


@command
def compare(call: Call, first: Number, second: Number) -> None:
    """Score two versions now on every evaluation set; the verdict is on the second against the first.

    Example: onward compare 1 2
    """
    with call.open() as workspace:
        comparison = workspace.compare(first, second, tenant=call.tenant)
    call.answer(comparison, _human(call, comparison))


def _human(call: Call, comparison: Comparison) -> Iterator[RenderableType]:
    first, second = comparison.first_scorecard, comparison.second_scorecard
    pairs = zip((first.overall, *first.sets), (second.overall, *second.sets), strict=True)
    rows = [(a.name[:12], a.count, a.accuracy, b.accuracy, f"{b.accuracy - a.accuracy:+.3f}") for a, b in pairs]
    names = [f"Version {version.number}" for version in (comparison.first, comparison.second)]
    yield table("Accuracy", ("Evaluation set", "Examples", *names, "Difference"), rows)
    yield ""
    yield verdict_table(comparison.verdict)
    further = "promote" if comparison.verdict.decision == "promote" else "show"
    yield following(call.again(f"{further} {comparison.second.number}"))
