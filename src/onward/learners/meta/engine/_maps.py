"""Linear maps without parameters: windows of an image, means, flattening."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F  # noqa: N812 - what everybody calls it
from torch import Tensor

Pair = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Unfold:
    """(T, n, h, w, c) -> (T, n, oh, ow, kh * kw * c): what a convolution sees at each place, zeros beyond the edge."""

    kernel: Pair
    stride: Pair
    padding: Pair

    def __call__(self, x: Tensor) -> Tensor:
        t, n, h, w, c = x.shape
        (kh, kw), (sh, sw), (ph, pw) = self.kernel, self.stride, self.padding
        oh, ow = self.places(h, w)
        if ph or pw:
            padded = x.new_empty(t, n, h + 2 * ph, w + 2 * pw, c)
            for edge in (padded[:, :, :ph], padded[:, :, ph + h :], padded[:, :, :, :pw], padded[:, :, :, pw + w :]):
                edge.zero_()
            padded[:, :, ph : ph + h, pw : pw + w] = x
        else:
            padded = x.contiguous()
        a, b, row, column, _ = padded.stride()
        windows = padded.as_strided((t, n, oh, ow, kh, kw * c), (a, b, row * sh, column * sw, row, 1))
        return windows.reshape(t, n, oh, ow, kh * kw * c)

    def places(self, h: int, w: int) -> Pair:
        """Height and width of what comes out."""
        (kh, kw), (sh, sw), (ph, pw) = self.kernel, self.stride, self.padding
        return (h + 2 * ph - kh) // sh + 1, (w + 2 * pw - kw) // sw + 1

    def adjoint(self, y: Tensor, shape: tuple[int, ...]) -> Tensor:
        """Add every window back to where it was seen. Neighbouring taps that never collide are added at once."""
        t, n, h, w, c = shape
        (kh, kw), (sh, sw), (ph, pw) = self.kernel, self.stride, self.padding
        oh, ow = self.places(h, w)
        windows = y.view(t, n, oh, ow, kh, kw, c)
        wide = max(w + 2 * pw, (kw - 1) // sw * sw + ow * sw)
        out = y.new_zeros(t, n, h + 2 * ph, wide, c)
        for i in range(kh):
            rows = out[:, :, i : i + sh * (oh - 1) + 1 : sh]
            for j in range(0, kw, sw):
                taps = min(sw, kw - j)
                spread = rows[:, :, :, j : j + sw * ow].unflatten(3, (ow, sw))
                spread[:, :, :, :, :taps].add_(windows[:, :, :, :, i, j : j + taps])
        return out[:, :, ph : ph + h, pw : pw + w].contiguous()


@dataclass(frozen=True, slots=True)
class Flatten:
    """(T, n, ...) -> (T, n, features), in the order of the module: channels first."""

    def __call__(self, x: Tensor) -> Tensor:
        return (x.permute(0, 1, 4, 2, 3) if x.ndim == 5 else x).flatten(2)

    def adjoint(self, y: Tensor, shape: tuple[int, ...]) -> Tensor:
        if len(shape) < 5:
            return y.view(shape)
        t, n, h, w, c = shape
        return y.view(t, n, c, h, w).permute(0, 1, 3, 4, 2).contiguous()


@dataclass(frozen=True, slots=True)
class SpatialMean:
    """(T, n, h, w, c) -> (T, n, c), or (T, n, 1, 1, c): the mean over places."""

    keep: bool

    def __call__(self, x: Tensor) -> Tensor:
        return x.mean((2, 3), keepdim=self.keep)

    def adjoint(self, y: Tensor, shape: tuple[int, ...]) -> Tensor:
        t, n, h, w, c = shape
        return (y / (h * w)).view(t, n, 1, 1, c).expand(shape).contiguous()


@dataclass(frozen=True, slots=True)
class MeanPool:
    """(T, n, h, w, c) -> (T, n, h // kh, w // kw, c): means of windows that do not overlap."""

    kernel: Pair

    def __call__(self, x: Tensor) -> Tensor:
        kh, kw = self.kernel
        t, n, h, w, c = x.shape
        eh, ew = h // kh, w // kw
        return x[:, :, : eh * kh, : ew * kw].reshape(t, n, eh, kh, ew, kw, c).mean((3, 5))

    def adjoint(self, y: Tensor, shape: tuple[int, ...]) -> Tensor:
        kh, kw = self.kernel
        t, n, h, w, c = shape
        eh, ew = h // kh, w // kw
        spread = (y / (kh * kw)).view(t, n, eh, 1, ew, 1, c).expand(t, n, eh, kh, ew, kw, c)
        spread = spread.reshape(t, n, eh * kh, ew * kw, c)
        return F.pad(spread, (0, 0, 0, w - ew * kw, 0, h - eh * kh))
