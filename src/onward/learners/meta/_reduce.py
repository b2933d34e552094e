"""From what each process found to one meta-gradient and the figures of the step."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor

from onward.core import InvalidInput
from onward.learners.neural import precise

from ._gradient import Found
from .engine import Params

FIGURES: Final = 4


def message_type(meta: Params) -> torch.dtype:
    """The type of the sums: the parameters', and no less than single precision, which counts to 16 million."""
    return precise(next(iter(meta.values())).dtype)


def nothing(meta: Params) -> list[Tensor]:
    """What a process without tasks has to say: counts and figures, and a gradient of every meta-parameter."""
    dtype = message_type(meta)
    device = next(iter(meta.values())).device
    return [
        torch.zeros(1 + FIGURES, dtype=dtype, device=device),
        *[torch.zeros_like(p, dtype=dtype) for p in meta.values()],
    ]


def sums(found: Found, mean: Params, meta: Params) -> list[Tensor]:
    """What a process with tasks has to say.

    Args:
        found: of its tasks.
        mean: gradients in the module's layout, over its tasks; a name that is missing has none.
    """
    said, dtype = nothing(meta), message_type(meta)
    held = found.held
    count = int(held.sum())
    right = said[0][0] if found.accuracy is None else found.accuracy[held].sum()
    known = torch.full_like(said[0][0], float(found.accuracy is not None))
    parts = (said[0].new_tensor(count), found.losses[0, held].sum(), found.losses[-1, held].sum(), right, known)
    first = torch.stack([part.to(dtype) for part in parts])
    pairs = zip(meta, said[1:], strict=True)
    return [first, *[mean[n].to(dtype).mul(count).contiguous() if n in mean else zero for n, zero in pairs]]


def averaged(total: Sequence[Tensor], meta: Params, asked: int) -> tuple[Params, dict[str, float]]:
    """The mean gradient by name, in the parameters' types, and the figures.

    Args:
        total: what all processes said, summed.
        asked: tasks of the step.

    Raises:
        InvalidInput: no task is left.
    """
    count, first, last, right, known = total[0].tolist()
    if not count:
        raise InvalidInput(
            "Every task of the step diverged.",
            why="Their losses or gradients are not finite.",
            mend="Lower the inner rate, or look at the tasks.",
        )
    said = {"meta_loss": last / count, "task_adaptation_loss": first / count, "skipped_tasks": asked - count}
    if known:
        said["task_evaluation_accuracy"] = right / count
    pairs = zip(meta.items(), total[1:], strict=True)
    return {n: (value / count).to(p.dtype) for (n, p), value in pairs}, said


def seed_of(*parts: int) -> int:
    """A seed of 62 bits for what these numbers name: those of neighbours have nothing in common.

    >>> seed_of(0, 1) == seed_of(0, 1) != seed_of(1, 0)
    True
    """
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 2
