"""Boundaries that blur: some of each experience's examples come at another time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import torch
from torch import Tensor

from onward.core import InvalidInput
from onward.learners.continual._experience import Experience
from onward.learners.neural import share as check_share
from onward.learners.neural import whole

from ._parts import Rows
from ._stream import Stream

DRAWS: Final = 8
"""Times that partners are drawn from all before those left are looked for."""


def blurry(stream: Stream, share: float = 0.1, seed: int = 0) -> Stream:
    """The same stream with a share of the examples of each experience exchanged for those of others.

    As in Bang et al. 2021 (arXiv:2103.17230, "blurry-M") and, where classes are disjoint but for that share, Koh et al.
    2022 (arXiv:2110.10031, "i-Blurry"): experiences keep their sizes, no example is lost or doubled, and tests stay.

    Args:
        stream: in any scenario but "task", where the task of an example is known.
        share: of each experience, 0..1, rounded down; as many of them as can be come from elsewhere, all of them
            unless one experience is larger than the others together.
        seed: of what is exchanged.

    Raises:
        InvalidInput: it is the scenario "task"; or examples differ in shape or type.

    >>> from onward.learners.continual.scenarios import from_arrays
    >>> sharp = from_arrays(torch.randn(100, 3), torch.arange(100) % 4, 2, shuffle=False)
    >>> [one.classes for one in blurry(sharp, 0.25).train], [len(one) for one in blurry(sharp, 0.25)]
    ([(0, 1, 2, 3), (0, 1, 2, 3)], [40, 40])
    """
    check_share(share=share)
    whole(0, seed=seed)
    if stream.kind == "task":
        raise InvalidInput('In the scenario "task" boundaries cannot blur.', mend='Use "class" or "domain".')
    random = np.random.default_rng([seed, 2])
    sizes = [len(one) for one in stream.train]
    owner = np.repeat(np.arange(len(sizes)), sizes)
    starts = np.cumsum(sizes) - sizes
    lent = np.concatenate(
        [start + random.permutation(size)[: int(share * size)] for start, size in zip(starts, sizes, strict=True)]
    )
    rows = np.arange(len(owner))
    rows[lent] = lent[_exchanged(owner[lent], random)]
    return replace(stream, train=_dealt(list(stream.train), rows, sizes))


def _exchanged(owner: Rows, random: np.random.Generator) -> Rows:
    """For each place that of another owner whose it gets, as far as that can be; a permutation.

    Args:
        owner: (m,) of each place.
    """
    taken = random.permutation(len(owner))
    for _ in range(DRAWS):
        places = _unchanged(owner, taken)
        partners = random.integers(len(owner), size=len(places)) if len(places) else places
        fit = (owner[partners] != owner[places]) & (owner[taken[partners]] != owner[places])
        fit &= owner[taken[partners]] != owner[partners]  # who looks for a partner itself is none
        partners, first = np.unique(partners[fit], return_index=True)
        _swap(taken, places[fit][first], partners)
    for mine in np.unique(owner[_unchanged(owner, taken)]):  # few: of most, hardly a draw fails
        places = np.flatnonzero((owner == mine) & (owner[taken] == mine))
        partners = random.permutation(np.flatnonzero((owner != mine) & (owner[taken] != mine)))
        count = min(len(places), len(partners))
        _swap(taken, places[:count], partners[:count])
    return taken


def _unchanged(owner: Rows, taken: Rows) -> Rows:
    """The places that get what their owner had."""
    return np.flatnonzero(owner[taken] == owner)


def _swap(taken: Rows, places: Rows, others: Rows) -> None:
    """What different places get, with that of as many others."""
    taken[places], taken[others] = taken[others], taken[places]


def _dealt(experiences: Sequence[Experience], rows: Rows, sizes: Sequence[int]) -> tuple[Experience, ...]:
    """The experiences with these rows of all of them together."""
    x, y = (_together(name, [getattr(one, name) for one in experiences]) for name in ("x", "y"))
    keyed = any(one.keys is not None for one in experiences)
    keys = [key for one in experiences for key in one.keys or [None] * len(one)]
    parts = np.split(rows, np.cumsum(sizes)[:-1])
    dealt = []
    for one, part in zip(experiences, parts, strict=True):
        at = torch.from_numpy(part).to(x.device)
        dealt.append(replace(one, x=x[at], y=y[at], keys=[keys[row] for row in part.tolist()] if keyed else None))
    return tuple(dealt)


def _together(name: str, parts: Sequence[Tensor]) -> Tensor:
    kinds = sorted({f"{tuple(part.shape[1:])} of {part.dtype} on {part.device}" for part in parts})
    if len(kinds) > 1:
        raise InvalidInput(
            f"The experiences cannot be mixed: {name} is {kinds[0]} in one, {kinds[1]} in another.",
            mend="Give all the same shape, type and device.",
        )
    return torch.cat(list(parts))
