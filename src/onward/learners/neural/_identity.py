"""What a training is, in words: so that nobody goes on with what belongs to another."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from torch import Tensor

from onward.core import InvalidInput

ADDRESS: Final = re.compile(r" at 0x[0-9a-f]+")
NUMBER: Final = re.compile(r"\bnp\.(?:float64|u?int\d+)\(([^()]*)\)")
"""NumPy's numbers that are Python's to the bit."""


def text(value: object) -> str:
    """What a thing says of itself, without where in memory it is, and whether its numbers are Python's or NumPy's.

    >>> import numpy as np
    >>> text([np.float64(0.5), np.int64(3), 0.5])
    '[0.5, 3, 0.5]'
    """
    return NUMBER.sub(r"\1", ADDRESS.sub("", repr(value)))


def shapes(params: Mapping[str, Tensor]) -> dict[str, str]:
    """Shape and type of each parameter."""
    return {f"parameter {name}": f"{tuple(value.shape)} {value.dtype}" for name, value in params.items()}


def refuse_foreign(found: Mapping[str, str], own: Mapping[str, str], what: Path | str) -> None:
    """Say where a record was made by something else than what reads it.

    Raises:
        InvalidInput: naming what differs.
    """
    wrong = sorted(name for name in found.keys() | own.keys() if found.get(name) != own.get(name))
    if not wrong:
        return
    first = wrong[0]
    raise InvalidInput(
        f"{what} belongs to another training: {', '.join(wrong)} {'differs' if len(wrong) == 1 else 'differ'}.",
        why=f"There {first} is {found.get(first, 'not there')}, here {own.get(first, 'not there')}.",
        mend="Go on with the same settings, or choose another folder.",
    )
