"""Current data against a reference: which columns drifted, by how much, and how surely."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from numbers import Real
from typing import Any, Final

from onward.core import InvalidInput

from ._columns import CATEGORICAL, NUMERIC, column_tests
from ._correct import corrected
from ._encode import encode_rows
from ._records import ColumnDrift, DriftReport, Kind, report
from ._reference import Reference
from ._tables import Table, read_table
from ._whole import domain_classifier, enough, forest, mmd

WHOLE: Final = "(all columns)"
TOGETHER: Final = ("mmd", "classifier")
EFFECTS: Final[Mapping[str, float]] = {
    "ks": 0.1,
    "wasserstein": 0.1,
    "psi": 0.1,
    "js": 0.1,
    "chi2": 0.1,
    "missing": 0.05,
    "mmd": 0.0,
    "classifier": 0.05,
}
SHORT: Final = {"auto", "all", *NUMERIC, *CATEGORICAL, *TOGETHER}


def drift(
    reference: Reference | Any,
    current: Any,
    *,
    method: str | Sequence[str] | Mapping[str, str] = "auto",
    correction: str = "bh",
    level: float = 0.05,
    min_effect: float | Mapping[str, float] | None = None,
    tolerated: float = 0.0,
    columns: Sequence[str] | None = None,
    seed: int = 0,
) -> DriftReport:
    """Compare current data with a reference.

    A column drifted when its corrected p-value is at most `level` *and* its effect is at least `min_effect`. The
    p-value speaks with few rows, where figures move by chance; the effect with many, where every p-value is small.

    Args:
        reference: what `Reference.of` or `Reference.load` gave, or a table (summarised on the spot).
        current: a table with the same columns: a dict, a 2-D array or a frame.
        method: one for all columns, several, or one by name of the column. "auto": Kolmogorov-Smirnov for numbers and
            chi-square for categories; "all": every test of single columns; "ks", "wasserstein" (numbers), "psi", "js",
            "chi2" (both); "mmd", "classifier": all columns together, on the reference's sample and as many current
            rows. Where values are missing on either side, their shares are compared as the method "missing".
        correction: over all tests of the report: "bh" (Benjamini-Hochberg), "holm" or "none".
        level: 0..1; chance of a false alarm after the correction.
        min_effect: smallest effect that counts, for all methods or by method; `EFFECTS` where left out; 0 for p-values
            alone.
        tolerated: share of columns that may drift before the report says `drifted`, 0..1.
        columns: compare these only.
        seed: of samples and shuffles.

    Raises:
        InvalidInput: an unknown method, correction or column; a `min_effect` below 0; a table that cannot be
            read; columns that are missing, are too many or have changed between numbers and categories.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> before = Reference.of({"age": rng.normal(40, 10, 2000), "size": rng.normal(0, 1, 2000)})
    >>> found = drift(before, {"age": rng.normal(50, 10, 500), "size": rng.normal(0, 1, 500)})
    >>> found.drifted_columns
    ('age',)
    >>> [(one.column, one.method, one.drifted) for one in found.columns]
    [('age', 'ks', True), ('size', 'ks', False)]
    """
    before = reference if isinstance(reference, Reference) else Reference.of(reference, columns=columns, seed=seed)
    picked = before.columns if columns is None else _known(before, columns)
    table = read_table(
        current,
        names=before.columns if _width(current) == len(before.columns) else None,
        columns=columns,
        categorical=[one.name for one in before.categories],
    )
    _check(before, table, picked)
    single, together = _asked(before, picked, method)
    tests = [*column_tests(before, table, single), *_together(before, table, together, seed)]
    return decided(tests, correction=correction, level=level, min_effect=min_effect, tolerated=tolerated)


def decided(
    tests: Sequence[ColumnDrift],
    *,
    correction: str,
    level: float,
    min_effect: float | Mapping[str, float] | None,
    tolerated: float,
) -> DriftReport:
    """The tests with corrected p-values and a decision each, as a report."""
    import numpy as np

    if not (0 < level < 1 and 0 <= tolerated <= 1):
        raise InvalidInput(f"Level {level} and tolerated {tolerated} are shares, 0..1.")
    least = _least(min_effect)
    adjusted = corrected(np.array([one.p_value for one in tests]), correction)
    done = []
    for one, chance in zip(tests, adjusted.tolist(), strict=True):
        bound = least[one.method]
        drifted = chance <= level and one.effect >= bound
        done.append(replace(one, p_adjusted=chance, min_effect=bound, drifted=drifted))
    return report(tuple(done), level, correction, tolerated)


def _least(min_effect: float | Mapping[str, float] | None) -> dict[str, float]:
    """The smallest effect that counts, by method."""
    if min_effect is None:
        return dict(EFFECTS)
    given: dict[str, Any] = dict(min_effect) if isinstance(min_effect, Mapping) else dict.fromkeys(EFFECTS, min_effect)
    unknown = [str(name) for name in given if name not in EFFECTS]
    if unknown:
        raise InvalidInput(f"min_effect has no method {', '.join(unknown)}.", options=EFFECTS)
    wrong = [bound for bound in given.values() if not (isinstance(bound, Real) and float(bound) >= 0)]
    if wrong:
        raise InvalidInput(f"min_effect is {wrong[0]!r}.", mend="Give numbers of at least 0.")
    return {**EFFECTS, **given}


def _width(table: Any) -> int:
    shape: Sequence[int] = getattr(table, "shape", ())
    return int(shape[1]) if len(shape) == 2 else -1


def _known(before: Reference, columns: Sequence[str]) -> tuple[str, ...]:
    absent = [name for name in columns if name not in before.columns]
    if absent or not columns:
        raise InvalidInput(f"The reference has no column {', '.join(absent)}.", options=before.columns)
    return tuple(name for name in before.columns if name in columns)


def _check(before: Reference, table: Table, picked: tuple[str, ...]) -> None:
    lacking = [name for name in picked if name not in table.columns]
    if lacking:
        raise InvalidInput(
            f"The current data lacks columns of the reference: {', '.join(lacking)}.",
            mend="Mend their source, or name those to compare with columns=.",
        )
    beyond = [name for name in table.columns if name not in picked]
    if beyond:
        raise InvalidInput(
            f"The current data has columns that the reference has not: {', '.join(beyond)}.",
            mend="Make a new reference, or name those to compare with columns=.",
        )
    changed = [name for name in picked if (name in table.numeric) != (name in before.numbers.names)]
    if changed:
        raise InvalidInput(
            f"Were numbers in the reference and are texts now: {', '.join(changed)}.",
            mend="Mend their source; where they are categories, make the reference with categorical=.",
        )


def _asked(
    before: Reference, picked: tuple[str, ...], method: str | Sequence[str] | Mapping[str, str]
) -> tuple[dict[str, tuple[str, ...]], tuple[str, ...]]:
    """Methods by column, and those for all columns together."""
    if isinstance(method, Mapping):
        _known(before, tuple(method))
        by_column: dict[str, tuple[str, ...]] = {name: (method.get(name, "auto"),) for name in picked}
    else:
        named = (method,) if isinstance(method, str) else tuple(method)
        by_column = dict.fromkeys(picked, named)
    every = [one for named in by_column.values() for one in named]
    unknown = sorted({one for one in every if one not in SHORT})
    if unknown or not every:
        raise InvalidInput(f"There is no method {', '.join(unknown) or 'in an empty list'}.", options=SHORT)
    together = tuple(dict.fromkeys(one for one in every if one in TOGETHER))
    return {name: _methods(before, name, named) for name, named in by_column.items()}, together


def _methods(before: Reference, name: str, named: Iterable[str]) -> tuple[str, ...]:
    known = NUMERIC if name in before.numbers.names else CATEGORICAL
    auto = {"auto": known[:1], "all": known}
    chosen = tuple(dict.fromkeys(one for asked in named if asked not in TOGETHER for one in auto.get(asked, (asked,))))
    wrong = [one for one in chosen if one not in known]
    if wrong:
        raise InvalidInput(f"{', '.join(wrong)} cannot test the categories of {name}.", options=known)
    return chosen


def _together(before: Reference, table: Table, methods: tuple[str, ...], seed: int) -> Iterator[ColumnDrift]:
    """All columns of the reference as one, on its sample and as many current rows."""
    import numpy as np

    if not methods:
        return
    if len(table.columns) < len(before.columns):
        raise InvalidInput(f"{', '.join(methods)} compares all columns of the reference.", mend="Leave out columns=.")
    rng = np.random.default_rng(seed)
    kept = min(table.rows, max(len(before.sample), 1))
    rows = np.sort(rng.choice(table.rows, kept, replace=False))
    points = encode_rows(table, rows, before.numbers, before.categories)
    for method in methods:
        yield whole(method, before.sample, points, seed, "table", WHOLE)


def whole(method: str, before: Any, now: Any, seed: int, kind: Kind, name: str) -> ColumnDrift:
    """One test of points against points."""
    enough(before.shape[0], now.shape[0], method)
    if method == "mmd":
        statistic, effect, chance = mmd(before, now, seed)
    else:
        statistic, effect, chance = domain_classifier(before, now, seed, forest(seed))
    rows = before.shape[0], now.shape[0]
    return ColumnDrift(name, kind, method, statistic, effect, 0.0, chance, chance, False, *rows)
