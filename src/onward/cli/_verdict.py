"""Verdicts and scorecards as tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from rich.table import Table
from rich.text import Text

import onward

from ._output import table

HEADS: Final = ("intent", "sentiment", "entities")
TELLING: Final = frozenset({"evidence", "trust", "threshold accuracy", "better", "slip"})
COLOURS: Final = {"promote": "green", "keep": "yellow", "refuse": "red"}


def verdict_table(verdict: onward.Verdict, *, brief: bool = False) -> Table:
    """Every check of the gate, or only those that tell most: its figure, its bound, whether it passed, and why."""
    shown = [c for c in verdict.checks if not brief or not c.passed or c.name in TELLING or "forgetting" in c.name]
    rows: list[Sequence[object]] = [(c.name, c.figure, c.bound, passed(ok=c.passed), c.reason) for c in shown]
    if brief:
        rows.append((f"{len(verdict.checks) - len(shown)} more", None, None, passed(ok=True), "onward show tells all"))
    return table(f"Verdict: {verdict.decision}", ("Check", "Figure", "Bound", "", "Reason"), rows)


def passed(*, ok: bool) -> Text:
    """Pass or fail."""
    return Text("pass", style="green") if ok else Text("fail", style="bold red")


def decision(version: onward.ModelVersion) -> Text | None:
    """What the gate decided on a version."""
    if version.verdict is None:
        return None
    return Text(version.verdict.decision, style=COLOURS[version.verdict.decision])


def accuracies(version: onward.ModelVersion) -> list[float | None]:
    """Accuracy over all, then of each head, 0..1; `None` where it was not measured."""
    if version.scorecard is None:
        return [None] * (1 + len(HEADS))
    overall = version.scorecard.overall
    return [overall.accuracy, *(overall.heads[h].accuracy if h in overall.heads else None for h in HEADS)]


def scorecard_table(version: onward.ModelVersion) -> Iterator[Table]:
    """The figures of a version on every evaluation set, if it was judged."""
    card = version.scorecard
    if card is None:
        return
    rows = [
        (one.name[:12], head, score.count, score.accuracy, score.precision, score.recall, score.f1)
        for one in (card.overall, *card.sets)
        for head, score in one.heads.items()
    ]
    columns = ("Evaluation set", "Head", "Examples", "Accuracy", "Precision", "Recall", "F1")
    yield table("Scorecard", columns, rows)
