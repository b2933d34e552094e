"""How precise what is added up has to be."""

from __future__ import annotations

import torch


def precise(kind: torch.dtype) -> torch.dtype:
    """The same type, but at least single precision: in less, many small numbers added to a large one are lost.

    >>> precise(torch.bfloat16), precise(torch.float64)
    (torch.float32, torch.float64)
    """
    return torch.promote_types(kind, torch.float32)
