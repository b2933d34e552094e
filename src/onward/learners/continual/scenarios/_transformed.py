"""Streams of one data set seen differently each time: its features permuted, its images turned."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - what everybody calls it
from torch import Tensor

from onward.core import InvalidInput
from onward.learners.continual._experience import Experience
from onward.learners.neural import seed_of_torch
from onward.learners.neural import whole as check_whole

from ._arrays import Test, from_arrays
from ._stream import Made, Stream

Change = Callable[[Tensor, int], Tensor]
"""(n, ...) examples, number of the experience -> examples of the same shape."""


def permuted(x: Any, y: Any, count: int = 10, *, test: Test = 0.2, validation: float = 0.0, seed: int = 0) -> Stream:
    """The same classes with their features in another order in each experience (Goodfellow et al. 2013,
    arXiv:1312.6211); in the first as they are.

    An experience is made when it is asked for: in memory there is the data once.

    Args:
        x: (n, ...) array or tensor; all that follows the first axis is permuted together.
        y: (n,) labels, or real targets.
        count: experiences, at least 1.
        test: share of the examples, of each class alike; or (x, y) with examples of their own.
        validation: share of what is left, likewise.
        seed: of the permutations and of what is held out.

    Raises:
        InvalidInput: as `from_arrays`.

    >>> stream = permuted(torch.arange(40.0).view(20, 2), [0, 1] * 10, 3, seed=1)
    >>> len(stream), stream.kind, stream.outputs, stream.train[0].classes
    (3, 'domain', 2, (0, 1))
    """
    check_whole(1, count=count)
    base = _base(x, y, test, validation, seed)
    size = base.train[0].x[0].numel()
    generator = torch.Generator().manual_seed(seed_of_torch(seed))
    orders = [torch.arange(size), *(torch.randperm(size, generator=generator) for _ in range(count - 1))]

    def change(x: Tensor, number: int) -> Tensor:
        return x.reshape(len(x), -1).index_select(1, orders[number].to(x.device)).view_as(x)

    return _changed(base, change, [f"permutation {number}" for number in range(count)])


def rotated(
    x: Any, y: Any, angles: Sequence[float], *, test: Test = 0.2, validation: float = 0.0, seed: int = 0
) -> Stream:
    """The same images turned by another angle in each experience (Lopez-Paz and Ranzato 2017, arXiv:1706.08840).

    Made when asked for, as in `permuted`. Pixels between others are interpolated, those from outside are 0.

    Args:
        x: (n, H, W) or (n, channels, H, W) images; bytes stay bytes.
        y: (n,) labels, or real targets.
        angles: one of each experience, in degrees, against the clock.
        test: share of the examples, of each class alike; or (x, y) with examples of their own.
        validation: share of what is left, likewise.
        seed: of what is held out.

    Raises:
        InvalidInput: there are no angles, or they are not finite; these are no images; or as `from_arrays`.

    >>> stream = rotated(torch.rand(20, 8, 8), [0, 1] * 10, [0, 90, 180])
    >>> stream.names, torch.allclose(stream.train[2].x, stream.train[0].x.flip(1, 2), atol=1e-5)
    (('0 degrees', '90 degrees', '180 degrees'), True)
    """
    if not len(angles) or not all(map(math.isfinite, angles)):
        raise InvalidInput(f"angles is {list(angles)}.", mend="Give a finite number of degrees for each experience.")
    base = _base(x, y, test, validation, seed)
    if base.train[0].x.ndim not in (3, 4):
        raise InvalidInput(
            f"Examples of shape {tuple(base.train[0].x.shape[1:])} are no images.",
            mend="Give (n, H, W) or (n, channels, H, W).",
        )

    def change(x: Tensor, number: int) -> Tensor:
        return _turned(x, angles[number]) if angles[number] % 360 else x

    return _changed(base, change, [f"{angle:g} degrees" for angle in angles])


def _base(x: Any, y: Any, test: Test, validation: float, seed: int) -> Stream:
    """All examples as one experience."""
    whole = from_arrays(x, y, 1, shuffle=False, test=test, validation=validation, seed=seed)
    return replace(whole, kind="domain")


def _changed(base: Stream, change: Change, names: Sequence[str]) -> Stream:
    def made(source: Sequence[Experience]) -> Made:
        def make(number: int) -> Experience:
            return replace(source[0], x=change(source[0].x, number), task=number, name=names[number])

        return Made(len(names), make)

    validation = made(base.validation) if len(base.validation) else ()
    return replace(base, train=made(base.train), test=made(base.test), validation=validation)


def _turned(x: Tensor, degrees: float) -> Tensor:
    """(n, ..., H, W) images turned against the clock about their centre; W and H may differ."""
    height, width = x.shape[-2:]
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    theta = torch.tensor([[cos, -sin * height / width, 0.0], [sin * width / height, cos, 0.0]], device=x.device)
    images = x if x.ndim == 4 else x.unsqueeze(1)
    real = images if images.is_floating_point() else images.float()
    theta = theta.to(real.dtype).expand(len(x), 2, 3)
    grid = F.affine_grid(theta, list(real.shape), align_corners=False)
    turned = F.grid_sample(real, grid, align_corners=False)
    turned = turned if images.is_floating_point() else turned.round()
    return turned.to(x.dtype).view_as(x)
