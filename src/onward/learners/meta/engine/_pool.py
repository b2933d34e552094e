"""Maxima of windows of an image."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - what everybody calls it
from torch import Tensor

from ._engine import Chance, Params
from ._maps import Pair, Unfold
from ._op import Asked, Back


@dataclass(frozen=True, slots=True)
class MaxPool:
    """(T, n, h, w, c) -> (T, n, oh, ow, c): the largest value of each window; the first, where several are.

    The taps of all windows are held against the largest so far, one after the other: each is a strided view of the
    image, or of its windows where they overlap, and nothing is sorted or indexed.
    """

    kernel: Pair
    stride: Pair
    padding: Pair
    fresh: bool = True
    random: bool = False

    @property
    def _apart(self) -> bool:
        """Whether windows neither overlap nor reach over the edge."""
        return self.kernel == self.stride and self.padding == (0, 0)

    def _taps(self, x: Tensor, beyond: float = 0.0) -> Iterator[Tensor]:
        """(T, n, oh, ow, c) for each place in a window: views of `x` where windows are apart."""
        kh, kw = self.kernel
        if self._apart:
            h, w = x.shape[2] // kh * kh, x.shape[3] // kw * kw
            yield from (x[:, :, i:h:kh, j:w:kw] for i in range(kh) for j in range(kw))
        else:
            ph, pw = self.padding
            padded = F.pad(x, (0, 0, pw, pw, ph, ph), value=beyond)
            yield from Unfold(self.kernel, self.stride, (0, 0))(padded).unflatten(-1, (kh * kw, -1)).unbind(4)

    def forward(self, params: Params, inputs: tuple[Tensor, ...], own: bool, chance: Chance) -> tuple[Tensor, Any]:  # noqa: ARG002
        taps = self._taps(inputs[0], -float("inf"))
        largest, larger = next(taps).clone(), []
        for tap in taps:
            larger.append(tap > largest)
            torch.maximum(largest, tap, out=largest)
        return largest, (larger, tuple(inputs[0].shape))

    def backward(self, params: Params, kept: Any, cotangent: Tensor, asked: Asked) -> Back:  # noqa: ARG002
        larger, shape = kept
        if self._apart:
            back = cotangent.new_empty(shape)
            back[:, :, shape[2] // self.kernel[0] * self.kernel[0] :] = 0
            back[:, :, :, shape[3] // self.kernel[1] * self.kernel[1] :] = 0
            self._hand_out(cotangent, larger, list(self._taps(back)))
            return Back((back,), {})
        windows = cotangent.new_empty(*cotangent.shape[:4], len(larger) + 1, shape[4])
        self._hand_out(cotangent, larger, list(windows.unbind(4)))
        return Back((Unfold(self.kernel, self.stride, self.padding).adjoint(windows.flatten(-2), shape),), {})

    def _hand_out(self, cotangent: Tensor, larger: list[Tensor], taps: list[Tensor]) -> None:
        """Each window's cotangent to the tap that was the largest, from the last one back."""
        for mask, tap in zip(reversed(larger), reversed(taps[1:]), strict=True):
            torch.mul(cotangent, mask, out=tap)
            cotangent = cotangent - tap
        taps[0].copy_(cotangent)

    def tangent(
        self,
        params: Params,  # noqa: ARG002
        kept: Any,
        moved: tuple[Tensor | None, ...],
        direction: Params,  # noqa: ARG002
    ) -> tuple[Tensor, Any]:
        (by,) = moved
        assert by is not None
        taps = self._taps(by)
        largest = next(taps)
        for mask, tap in zip(kept[0], taps, strict=True):
            largest = torch.where(mask, tap, largest)
        return largest.contiguous(), None
