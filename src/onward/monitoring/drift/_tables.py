"""Tables of any make become numbers and categories: dicts, arrays, and frames by what they can do."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any, Final

from onward.core import InvalidInput

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NOTHING: Final = {"NAType", "NaTType"}  # how pandas says None
LARGEST: Final = 1e100  # the squares of larger ones do not fit into a float


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Numbers and categories of a table.

    Args:
        rows: how many.
        numeric: names of the numeric columns.
        numbers: float64 (numeric columns, rows); NaN where missing.
        categorical: names of the others.
        categories: for each of them, a value per row; None where missing.
        columns: all names, in order.
    """

    rows: int
    numeric: tuple[str, ...]
    numbers: NDArray[np.float64]
    categorical: tuple[str, ...]
    categories: tuple[list[str | None], ...]
    columns: tuple[str, ...]

    def numbers_of(self, names: Sequence[str]) -> NDArray[np.float64]:
        """The numbers of these columns, (names, rows), in this order."""
        if tuple(names) == self.numeric:
            return self.numbers
        picked: NDArray[np.float64] = self.numbers[[self.numeric.index(name) for name in names]]
        return picked

    def categories_of(self, name: str) -> list[str | None]:
        """The values of a column of categories."""
        return self.categories[self.categorical.index(name)]


def read_table(
    table: Any, *, names: Sequence[str] | None, columns: Collection[str] | None, categorical: Collection[str]
) -> Table:
    """Read a dict of columns, a 2-D array or a frame.

    Raises:
        InvalidInput: it is none of these, is empty, has columns of different lengths, infinite or unreadable values,
            fewer than two rows, or a column without any value.
    """
    import numpy as np

    if _is_array(table):
        read = _from_array(np.asarray(table), names, columns)
        if read is not None and not categorical:
            return _checked(read)
    return _checked(_from_columns(_columns_of(table, names), columns, categorical))


def _is_array(table: Any) -> bool:
    return hasattr(table, "__array__") and not hasattr(table, "columns") and not hasattr(table, "column_names")


def _from_array(values: NDArray[Any], names: Sequence[str] | None, columns: Collection[str] | None) -> Table | None:
    """The quick way for numbers: one copy for all columns. None for what is not numbers."""
    import numpy as np

    found = _names_of(values, names)
    if values.dtype.kind not in "iuf":
        return None
    picked = _picked(found, columns)
    if len(picked) < len(found):
        values = values[:, [found.index(name) for name in picked]]
    numbers = np.ascontiguousarray(values.T, dtype=np.float64)
    return Table(values.shape[0], picked, numbers, (), (), picked)


def _names_of(values: NDArray[Any], names: Sequence[str] | None) -> list[str]:
    if values.ndim != 2:
        raise InvalidInput(
            f"An array of {values.ndim} dimensions is no table.",
            mend='Hand in a 2-D array (rows, columns), or a dict: {"name": values}.',
        )
    if names is None:
        return [str(i) for i in range(values.shape[1])]
    if len(names) != values.shape[1]:
        raise InvalidInput(f"The array has {values.shape[1]} columns, and there are {len(names)} names for them.")
    return _unique([str(name) for name in names])


def _unique(names: list[str]) -> list[str]:
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise InvalidInput(f"More than one column is called {', '.join(twice)}.", mend="Give each its own name.")
    return names


def _picked(found: Sequence[str], columns: Collection[str] | None) -> tuple[str, ...]:
    if columns is None:
        return tuple(found)
    absent = [name for name in columns if name not in found]
    if absent:
        raise InvalidInput(f"The table has no column {', '.join(absent)}.", options=found)
    return tuple(name for name in found if name in columns)


def _columns_of(table: Any, names: Sequence[str] | None) -> dict[str, Any]:
    """Name -> values of anything that has columns: pandas, polars, pyarrow, dicts, arrays of texts."""
    import numpy as np

    if isinstance(table, Mapping):
        return {str(name): values for name, values in table.items()}
    if _is_array(table):
        values = np.asarray(table)
        return dict(zip(_names_of(values, names), values.T, strict=True))
    found = getattr(table, "column_names", None) or getattr(table, "columns", None)
    if not isinstance(found, Iterable) or isinstance(found, str) or not hasattr(table, "__getitem__"):
        raise InvalidInput(
            f"A {type(table).__name__} is no table.",
            mend="Hand in a dict of columns, a 2-D array, or a frame of pandas, polars or pyarrow.",
        )
    held = list(found)
    return dict(zip(_unique([str(name) for name in held]), [table[name] for name in held], strict=True))


def _from_columns(held: Mapping[str, Any], columns: Collection[str] | None, categorical: Collection[str]) -> Table:
    import numpy as np

    picked = _picked(list(held), columns)
    arrays = {name: _array(name, held[name]) for name in picked}
    lengths = {len(values) for values in arrays.values()}
    if len(lengths) > 1:
        told = ", ".join(f"{name} {len(values)}" for name, values in arrays.items())
        raise InvalidInput(f"The columns are of different lengths: {told}.")
    numbers: dict[str, NDArray[np.float64]] = {}
    texts: dict[str, list[str | None]] = {}
    for name, values in arrays.items():
        as_numbers = None if name in categorical else _numbers(values)
        if as_numbers is None:
            texts[name] = _texts(values)
        else:
            numbers[name] = as_numbers
    rows = lengths.pop() if lengths else 0
    stacked = np.stack(list(numbers.values())) if numbers else np.empty((0, rows))
    return Table(rows, tuple(numbers), stacked, tuple(texts), tuple(texts.values()), picked)


def _array(name: str, values: Any) -> NDArray[Any]:
    import numpy as np

    try:
        array = np.asarray(values.to_numpy() if hasattr(values, "to_numpy") else _plain_array(values))
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"Column {name} cannot be read.", why=f"{error}.") from error
    if array.ndim != 1:
        raise InvalidInput(f"Column {name} has {array.ndim} dimensions, not one.", mend="One value for each row.")
    if array.dtype.kind not in "biufUO":
        raise InvalidInput(
            f"Column {name} holds {array.dtype}: neither numbers nor categories.",
            mend="Turn it into numbers (of times: seconds) or texts, or leave it out with columns=.",
        )
    return array


def _plain_array(values: Any) -> Any:
    """Lists as objects: else numpy would make texts of numbers that stand beside a text, and of what is missing."""
    import numpy as np

    if hasattr(values, "__array__"):
        return values
    held = list(values)
    array = np.empty(len(held), dtype=object)
    array[:] = held
    return array


def _numbers(values: NDArray[Any]) -> NDArray[np.float64] | None:
    """As float64; None where they are categories: texts, truth values, or a mixture."""
    import numpy as np

    if values.dtype.kind in "iuf":
        return values.astype(np.float64)
    if values.dtype.kind != "O":
        return None
    present = [value for value in values if not _is_missing(value)]
    if any(isinstance(value, bool | np.bool_) or not isinstance(value, Real) for value in present):
        return None
    return np.array([np.nan if _is_missing(value) else float(value) for value in values], dtype=np.float64)


def _is_missing(value: Any) -> bool:
    return value is None or type(value).__name__ in NOTHING or (isinstance(value, Real) and math.isnan(value))


def _texts(values: NDArray[Any]) -> list[str | None]:
    return [None if _is_missing(value) else _text(value) for value in values.tolist()]


def _text(value: Any) -> str:
    """As the name of a category: 1.0 is 1, as whole numbers become floats where one of them is missing."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _checked(table: Table) -> Table:
    """Nothing infinite, two rows, and a value in every column."""
    import numpy as np

    if not table.columns:
        raise InvalidInput("The table has no columns.")
    if table.rows < 2:
        raise InvalidInput(f"The table has {table.rows} rows.", mend="A comparison needs two rows at least.")
    doubtful = np.flatnonzero(~(abs(table.numbers).max(axis=1) <= LARGEST))  # or NaN
    infinite = [table.numeric[i] for i in doubtful if np.isinf(table.numbers[i]).any()]
    if infinite:
        raise InvalidInput(
            f"Infinite values in: {', '.join(infinite)}.", mend="Clip them, or make them missing (NaN or None)."
        )
    large = [table.numeric[i] for i in doubtful if (abs(table.numbers[i]) > LARGEST).any()]
    if large:
        raise InvalidInput(f"Values beyond {LARGEST} in: {', '.join(large)}.", mend="Scale that column.")
    empty = [table.numeric[i] for i in doubtful if np.isnan(table.numbers[i]).all()]
    empty += [
        name for name, held in zip(table.categorical, table.categories, strict=True) if held.count(None) == len(held)
    ]
    if empty:
        raise InvalidInput(
            f"Without any value: {', '.join(empty)}.",
            why="There is nothing to compare; such a column is broken rather than drifted.",
            mend="Mend its source, or leave it out with columns=.",
        )
    return table
