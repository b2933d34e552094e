"""Column by column: every test that was asked for, as entries of a report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from ._figures import (
    Figures,
    Numbers,
    chi_square,
    jensen_shannon,
    kolmogorov_smirnov,
    missing_share,
    stability_index,
    wasserstein,
)
from ._records import ColumnDrift, Kind
from ._reference import Reference
from ._summary import CategorySummary, count_categories
from ._tables import Table

NUMERIC: Final = ("ks", "wasserstein", "psi", "js", "chi2")
CATEGORICAL: Final = ("chi2", "psi", "js")
BINNED: Final = {"psi": stability_index, "js": jensen_shannon, "chi2": chi_square}

Asked = Mapping[str, tuple[str, ...]]  # column -> methods
Counts = tuple[int, int, int, int]  # present before, now; missing before, now


def column_tests(before: Reference, table: Table, asked: Asked) -> list[ColumnDrift]:
    """All tests of single columns, in the order of the columns."""
    tests: dict[str, list[ColumnDrift]] = {name: [] for name, methods in asked.items() if methods}
    for one in [*_numeric(before, table, asked), *_categorical(before, table, asked)]:
        tests[one.column].append(one)
    return [one for found in tests.values() for one in found]


def _numeric(before: Reference, table: Table, asked: Asked) -> Iterator[ColumnDrift]:
    names = [name for name in before.numbers.names if asked.get(name)]
    if not names:
        return
    summary = before.numbers.of(names)
    now = Numbers(summary, table.numbers_of(names))
    held = (summary.rows, now.rows, summary.missing, now.missing)
    counts: list[Counts] = list(zip(*(one.tolist() for one in held), strict=True))
    for method in NUMERIC:
        users = [i for i, name in enumerate(names) if method in asked[name]]
        if users:
            figures = Figures(*(figure[users] for figure in _figures(method, now)))
            yield from _rows([names[i] for i in users], "numeric", method, figures, [counts[i] for i in users])
    gone = [i for i, (_, _, a, b) in enumerate(counts) if a + b]
    yield from _gone([names[i] for i in gone], "numeric", [counts[i] for i in gone])


def _figures(method: str, now: Numbers) -> Figures:
    match method:
        case "ks":
            return kolmogorov_smirnov(now)
        case "wasserstein":
            return wasserstein(now)
        case _:
            return BINNED[method](*now.bins)


def _categorical(before: Reference, table: Table, asked: Asked) -> Iterator[ColumnDrift]:
    for summary in before.categories:
        if asked.get(summary.name):
            yield from _category(summary, table.categories_of(summary.name), asked[summary.name])


def _category(summary: CategorySummary, values: list[str | None], methods: tuple[str, ...]) -> Iterator[ColumnDrift]:
    import numpy as np

    old, new, missing = count_categories(summary, values)
    counts = [(summary.rows, len(values) - missing, summary.missing, missing)]
    cells = np.array([old], float), np.array([new], float)
    for method in methods:
        yield from _rows([summary.name], "categorical", method, BINNED[method](*cells), counts)
    if summary.missing + missing:
        yield from _gone([summary.name], "categorical", counts)


def _gone(names: Sequence[str], kind: Kind, counts: Sequence[Counts]) -> Iterator[ColumnDrift]:
    """What is missing, as a test of its own."""
    import numpy as np

    if names:
        before, now, gone_before, gone_now = np.array(counts, float).T
        figures = missing_share((gone_before, before + gone_before), (gone_now, now + gone_now))
        yield from _rows(names, kind, "missing", figures, counts)


def _rows(
    names: Sequence[str], kind: Kind, method: str, figures: Figures, counts: Sequence[Counts]
) -> Iterator[ColumnDrift]:
    found = zip(*(figure.tolist() for figure in figures), strict=True)
    for name, (statistic, effect, chance), (n, m, a, b) in zip(names, found, counts, strict=True):
        yield ColumnDrift(
            name, kind, method, statistic, effect, 0.0, chance, chance, False, n, m, a / (n + a), b / (m + b)
        )
