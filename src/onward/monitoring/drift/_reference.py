"""The past, summarised once: `drift` compares with it and never needs the old rows again."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from onward.core import Damaged, InvalidInput

from ._encode import encode_rows
from ._file import read, write
from ._summary import (
    POINTS,
    CategorySummary,
    NumberSummary,
    summarise_categories,
    summarise_numbers,
)
from ._tables import read_table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SAMPLE: Final = 1000
SAMPLE_BYTES: Final = 4 * 2**20
MOST_ROWS: Final = 2**32 - 1
POINTED: Final = ("quantiles", "below", "upto")


@dataclass(frozen=True, slots=True)
class Card:
    """What a stored reference says of itself, beside its tensors."""

    columns: tuple[str, ...]
    rows: int
    numeric: tuple[str, ...]
    categories: tuple[CategorySummary, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """The summary of a table: 8 KiB a numeric column, at most 1,000 categories of the others, 1,000 sampled rows.

    The sample takes 4 MiB at most; wide tables keep fewer rows. However many rows there were, the reference does not
    grow.

    Args:
        columns: all names, in order.
        rows: of the table.
        numbers: the numeric columns' quantiles and counts.
        categories: the other columns' categories and counts.
        sample: float32 (rows sampled, axes), for the tests of whole tables; numbers are in standard deviations.
    """

    columns: tuple[str, ...]
    rows: int
    numbers: NumberSummary
    categories: tuple[CategorySummary, ...]
    sample: NDArray[np.float32]

    @classmethod
    def of(
        cls,
        table: Any,
        *,
        names: Sequence[str] | None = None,
        columns: Collection[str] | None = None,
        categorical: Collection[str] = (),
        sample: int = SAMPLE,
        seed: int = 0,
    ) -> Reference:
        """Summarise a table.

        Args:
            table: a dict of columns, a 2-D array (rows, columns; embeddings too), or a frame of pandas, polars or
                pyarrow. Texts, truth values and mixtures are categories; None and NaN are missing.
            names: of the columns of an array; "0", "1", ... where left out.
            columns: take these only.
            categorical: numeric columns that are categories.
            sample: rows to keep for the tests of whole tables; 0 for none.
            seed: of the sample.

        Raises:
            InvalidInput: it is no table, is empty, has fewer than two rows, columns of different lengths, infinite
                values or a column without any value.

        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> before = Reference.of({"age": rng.normal(40, 10, 1000), "city": ["Rome", "Oslo"] * 500})
        >>> before.columns, before.rows
        (('age', 'city'), 1000)
        """
        import numpy as np

        read_in = read_table(table, names=names, columns=columns, categorical=categorical)
        if read_in.rows > MOST_ROWS:
            raise InvalidInput(f"{read_in.rows:,} rows are more than {MOST_ROWS:,}.", mend="Sample them.")
        if sample < 0:
            raise InvalidInput(f"A sample of {sample} rows cannot be.", mend="0 and more.")
        numbers = summarise_numbers(read_in)
        categories = tuple(
            summarise_categories(name, values)
            for name, values in zip(read_in.categorical, read_in.categories, strict=True)
        )
        axes = encode_rows(read_in, np.zeros(1, np.int64), numbers, categories).shape[1]
        kept = min(sample, read_in.rows, SAMPLE_BYTES // (4 * axes))
        rows = np.sort(np.random.default_rng(seed).choice(read_in.rows, kept, replace=False))
        points = encode_rows(read_in, rows, numbers, categories)
        return cls(read_in.columns, read_in.rows, numbers, categories, points)

    def save(self, path: str | PathLike[str]) -> Path:
        """Write it to one file (safetensors; nothing is pickled), in whole or not at all.

        Raises:
            Unavailable: the file cannot be written.
        """
        numbers = self.numbers
        tensors: dict[str, NDArray[Any]] = {
            "rows": numbers.rows,
            "missing": numbers.missing,
            "quantiles": numbers.quantiles,
            "below": numbers.below,
            "upto": numbers.upto,
            "sample": self.sample,
        }
        return write(Path(path), Card(self.columns, self.rows, numbers.names, self.categories), tensors)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Reference:
        """Read back what `save` wrote.

        Raises:
            NotFound: there is no such file.
            Damaged: it is not what was saved.
        """
        card, tensors = read(Path(path), Card)
        width = len(card.numeric)
        shapes = {"rows": (width,), "missing": (width,)} | dict.fromkeys(POINTED, (width, POINTS))
        if tensors.keys() != {*shapes, "sample"} or any(tensors[name].shape != shapes[name] for name in shapes):
            raise Damaged(f"{path} is no reference of a table.", why="It holds something else.")
        sample = tensors.pop("sample")
        return cls(card.columns, card.rows, NumberSummary(card.numeric, **tensors), card.categories, sample)
