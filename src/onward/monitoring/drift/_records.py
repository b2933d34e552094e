"""What a drift report says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from onward.core import plain

Kind = Literal["numeric", "categorical", "table", "text"]


@dataclass(frozen=True, slots=True)
class ColumnDrift:
    """One test of one column, or of the whole table.

    Args:
        column: its name; `WHOLE` where all columns are tested together.
        kind: numeric, categorical, table (all columns together) or text.
        method: the test: ks, wasserstein, psi, js, chi2, missing, mmd or classifier.
        statistic: what the test looks at, in its own units (Wasserstein: those of the column).
        effect: how large the change is, 0 = none, whatever the number of rows; `EFFECTS` says what each means.
        min_effect: the smallest effect that counts as drift.
        p_value: chance of a statistic this large or larger without drift, 0..1.
        p_adjusted: the same, corrected for all tests of the report.
        drifted: `p_adjusted` is at most the level, and `effect` at least `min_effect`.
        rows_before: values present in the reference.
        rows_now: values present in the current data.
        missing_before: share of missing values in the reference, 0..1.
        missing_now: share of missing values in the current data, 0..1.
    """

    column: str
    kind: Kind
    method: str
    statistic: float
    effect: float
    min_effect: float
    p_value: float
    p_adjusted: float
    drifted: bool
    rows_before: int
    rows_now: int
    missing_before: float = 0.0
    missing_now: float = 0.0


@dataclass(frozen=True, slots=True)
class DriftReport:
    """What `drift` and `text_drift` found.

    Args:
        columns: one entry for each test, in the order of the reference's columns.
        level: what `p_adjusted` is held against, 0..1.
        correction: bh, holm or none.
        share_drifted: share of the columns of which at least one test says that they drifted, 0..1.
        tolerated: the share of columns that may drift, 0..1.
        drifted: `share_drifted` is above `tolerated`.
    """

    columns: tuple[ColumnDrift, ...]
    level: float
    correction: str
    share_drifted: float
    tolerated: float
    drifted: bool

    @property
    def drifted_columns(self) -> tuple[str, ...]:
        """The names of the columns that drifted, each once, in order."""
        return tuple(dict.fromkeys(one.column for one in self.columns if one.drifted))

    def to_dict(self) -> dict[str, Any]:
        """The report as plain dicts, lists, strings and numbers: what JSON takes."""
        found: dict[str, Any] = plain(self)
        return found

    def table(self) -> list[dict[str, Any]]:
        """One flat dict for each test, drifted and large effects first: `pandas.DataFrame(report.table())`."""
        order = sorted(self.columns, key=lambda one: (not one.drifted, one.p_adjusted, -one.effect))
        return [plain(one) for one in order]


def report(columns: tuple[ColumnDrift, ...], level: float, correction: str, tolerated: float) -> DriftReport:
    """The report over all tests; a column counts once."""
    names = {one.column for one in columns}
    share = len({one.column for one in columns if one.drifted}) / len(names)
    return DriftReport(columns, level, correction, share, tolerated, share > tolerated)
