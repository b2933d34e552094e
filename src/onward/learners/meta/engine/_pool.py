"""Maxima of windows of an image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch.nn.functional as F  # noqa: N812 - what everybody calls it
from torch import Tensor

from ._engine import Chance, Params
from ._maps import Pair, Unfold
from ._op import Asked, Back


@dataclass(frozen=True, slots=True)
class MaxPool:
    """(T, n, h, w, c) -> (T, n, oh, ow, c): the largest value of each window; the first, where several are."""

    kernel: Pair
    stride: Pair
    padding: Pair
    fresh: bool = True
    random: bool = False

    @property
    def _apart(self) -> bool:
        """Whether windows neither overlap nor reach over the edge."""
        return self.kernel == self.stride and self.padding == (0, 0)

    def _windows(self, x: Tensor, beyond: float = 0.0) -> Tensor:
        """(T, n, oh, ow, taps, c): every window's values."""
        t, n, h, w, c = x.shape
        kh, kw = self.kernel
        if self._apart:
            eh, ew = h // kh, w // kw
            cut = x[:, :, : eh * kh, : ew * kw].reshape(t, n, eh, kh, ew, kw, c)
            return cut.permute(0, 1, 2, 4, 3, 5, 6).reshape(t, n, eh, ew, kh * kw, c)
        ph, pw = self.padding
        padded = F.pad(x, (0, 0, pw, pw, ph, ph), value=beyond)
        return Unfold(self.kernel, self.stride, (0, 0))(padded).unflatten(-1, (kh * kw, c))

    def _unwindows(self, windows: Tensor, shape: tuple[int, ...]) -> Tensor:
        """The adjoint of `_windows`."""
        t, n, h, w, c = shape
        kh, kw = self.kernel
        if self._apart:
            eh, ew = h // kh, w // kw
            whole = (
                windows.view(t, n, eh, ew, kh, kw, c).permute(0, 1, 2, 4, 3, 5, 6).reshape(t, n, eh * kh, ew * kw, c)
            )
            return F.pad(whole, (0, 0, 0, w - ew * kw, 0, h - eh * kh)) if h % kh or w % kw else whole
        return Unfold(self.kernel, self.stride, self.padding).adjoint(windows.flatten(-2), shape)

    def forward(self, params: Params, inputs: tuple[Tensor, ...], own: bool, chance: Chance) -> tuple[Tensor, Any]:  # noqa: ARG002
        x = inputs[0]
        out, where = self._windows(x, -float("inf")).max(4, keepdim=True)
        return out.squeeze(4), (where, tuple(x.shape))

    def backward(self, params: Params, kept: Any, cotangent: Tensor, asked: Asked) -> Back:  # noqa: ARG002
        where, shape = kept
        taps = self.kernel[0] * self.kernel[1]
        windows = cotangent.new_zeros(*where.shape[:4], taps, where.shape[5])
        windows.scatter_(4, where, cotangent.unsqueeze(4))
        return Back((self._unwindows(windows, shape),), {})

    def tangent(
        self,
        params: Params,  # noqa: ARG002
        kept: Any,
        moved: tuple[Tensor | None, ...],
        direction: Params,  # noqa: ARG002
    ) -> tuple[Tensor, Any]:
        (by,) = moved
        assert by is not None
        return self._windows(by).gather(4, kept[0]).squeeze(4), None
