"""Streams whose experiences are told by the examples themselves: a day, a customer, a column of a table."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import torch

from onward.core import InvalidInput
from onward.learners.continual._heads import Kind
from onward.learners.neural import classes_of, column_names, columns_of, numbers_of

from ._arrays import Encoder, examples_of
from ._build import Cut, Holding, build
from ._parts import Examples
from ._stream import Stream


def from_periods(  # noqa: PLR0913 - the data, how it is cut, and what is held out
    x: Any,
    y: Any,
    period: Any,
    *,
    kind: Kind = "domain",
    order: Sequence[Hashable] | None = None,
    test: float = 0.2,
    validation: float = 0.0,
    encoder: Encoder | None = None,
    keys: Sequence[str] | None = None,
    seed: int = 0,
    device: torch.device | str | None = None,
) -> Stream:
    """An experience for each day, month, customer or whatever else examples belong to.

    Args:
        x, y, encoder, keys, device: as in `from_arrays`; class numbers are those of all labels, sorted.
        period: (n,) what each example belongs to: whole numbers or texts, such as "2026-11".
        kind: "domain" where outputs mean the same in all; "class" where classes come and go; "task" where the period
            of an example is known when it is predicted.
        order: of the periods, each once; sorted where left out.
        test: share of each to hold out, of each class alike.
        validation: share of what is left, likewise.
        seed: of what is held out.

    Raises:
        InvalidInput: as `from_arrays`; or `period` has another length, or `order` others than it.

    >>> x, y = torch.randn(60, 4), torch.randn(60)
    >>> stream = from_periods(x, y, ["feb", "jan", "mar"] * 20, order=["jan", "feb", "mar"])
    >>> stream.names, stream.regression, [len(one) for one in stream]
    (('jan', 'feb', 'mar'), True, [16, 16, 16])
    """
    holding = Holding(test, validation, seed)
    return _cut(examples_of(x, y, keys, encoder, device), period, order, kind, holding)


def from_frame(  # noqa: PLR0913 - which columns, how they are cut, and what is held out
    frame: Any,
    *,
    target_column: Hashable,
    period_column: Hashable,
    feature_columns: Sequence[Hashable] | None = None,
    kind: Kind = "domain",
    order: Sequence[Hashable] | None = None,
    test: float = 0.2,
    validation: float = 0.0,
    seed: int = 0,
    device: torch.device | str = "cpu",
) -> Stream:
    """The same from a table.

    Args:
        frame: whatever gives columns by name: a mapping, a pandas or polars frame, an Arrow table, a structured array.
        target_column: class labels, or real numbers of a floating type.
        period_column: what tells the experiences apart.
        feature_columns: inputs, all numbers; every other column where left out.
        kind, order, test, validation, seed: as in `from_periods`.
        device: where examples are kept.

    Raises:
        NotFound: there is no such column.
        InvalidInput: a column is there twice or cannot be read; features are no finite numbers (times are none); or as
            `from_periods`.

    >>> import numpy as np
    >>> rows = np.arange(80)
    >>> table = {"month": rows // 40, "price": rows / 80, "load": rows % 7, "up": rows % 2 == 1}
    >>> from_frame(table, target_column="up", period_column="month").names
    ('0', '1')
    """
    names = column_names(frame)
    taken = (target_column, period_column)
    features = [name for name in names if name not in taken] if feature_columns is None else list(feature_columns)
    if not features:
        raise InvalidInput("There are no feature columns.", mend="Name some.", options=map(str, names))
    columns = columns_of(frame, [*taken, *features], names)
    data = examples_of(numbers_of(columns, features), columns[target_column], None, None, device)
    return _cut(data, columns[period_column], order, kind, Holding(test, validation, seed))


def _cut(data: Examples, period: Any, order: Sequence[Hashable] | None, kind: Kind, holding: Holding) -> Stream:
    found, codes = classes_of(period)
    if len(codes) != len(data.x):
        raise InvalidInput(f"There are {len(data.x)} examples and {len(codes)} periods.", mend="Give one for each.")
    chosen = found if order is None else tuple(order)
    if sorted(map(str, chosen)) != sorted(map(str, found)):
        raise InvalidInput(
            f"order names {len(chosen)} periods, and the examples are of {len(found)}.",
            mend="Name each once.",
            options=map(str, found),
        )
    number = {str(one): at for at, one in enumerate(found)}
    rows = [np.flatnonzero(codes == number[str(one)]) for one in chosen]
    outputs = data.y[0].numel() if data.y.is_floating_point() else len(data.labels)
    return build(Cut(data, rows), [str(one) for one in chosen], kind, outputs, holding, None)
