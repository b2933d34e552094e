"""Rows as points: what the tests of whole tables compare."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from ._summary import CategorySummary, NumberSummary, shortened
from ._tables import Table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FAR: Final = 10.0  # standard deviations; also where a missing value stands
NAMED: Final = 20  # categories of a column that have an axis of their own


def encode_rows(
    table: Table, rows: NDArray[np.int64], numbers: NumberSummary, categories: Sequence[CategorySummary]
) -> NDArray[np.float32]:
    """The rows as points, float32 (rows, axes): numbers in standard deviations of the reference, an axis per category.

    Numbers are cut off at `FAR`, and stand there where they are missing.
    """
    import numpy as np

    picked = table.numbers_of(numbers.names)[:, rows]
    middle = numbers.quantiles.mean(axis=1, keepdims=True)
    spread = numbers.quantiles.std(axis=1, keepdims=True)
    points = np.nan_to_num((picked - middle) / np.where(spread > 0, spread, 1.0), nan=FAR)
    parts = [np.clip(points, -FAR, FAR).T.astype(np.float32)]
    for summary in categories:
        values = table.categories_of(summary.name)
        place = {name: i for i, name in enumerate(summary.categories[:NAMED])}
        axes = np.zeros((len(rows), len(place) + 2), np.float32)
        for at, row in enumerate(rows):
            value = values[row]
            axes[at, len(place) + 1 if value is None else place.get(shortened(value), len(place))] = 1.0
        parts.append(axes)
    return np.concatenate(parts, axis=1)
