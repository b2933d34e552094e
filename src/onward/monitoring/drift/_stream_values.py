"""Items of a stream, checked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from onward.core import InvalidInput

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def finite(values: Iterable[float]) -> NDArray[np.float64]:
    """As float64 (items,).

    Raises:
        InvalidInput: they are not finite numbers in one dimension.
    """
    import numpy as np

    try:
        items = np.asarray(values if hasattr(values, "__array__") else [*values], dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidInput("A stream is of numbers.", why=f"{error}.") from error
    if items.ndim != 1:
        raise InvalidInput(f"A stream has one dimension; this has {items.ndim}.")
    wrong = np.flatnonzero(~np.isfinite(items))
    if len(wrong):
        raise InvalidInput(
            f"Item {wrong[0]} of a stream is {items[wrong[0]]}.", mend="Leave out what is missing or infinite."
        )
    return items
