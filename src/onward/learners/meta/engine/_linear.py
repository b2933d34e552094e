"""Products with weights: fully connected layers and convolutions. Both are bilinear, and so share their rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import torch
from torch import Tensor

from ._engine import Chance, Params
from ._maps import Unfold
from ._op import Asked, Back, stacked

FEW: Final = 400
"""Places of one task up to which products of patches of all tasks are the fastest way on a CPU."""
MANY: Final = 1024
"""Places from which torch's own convolution is. In between each has its part, but for images of few channels."""
THIN: Final = 16
"""So few."""

convolution_backward = torch.ops.aten.convolution_backward.default


Pairs = Sequence[tuple[Tensor, Tensor]]


class Product(Protocol):
    """A bilinear function of inputs and (T, o, k) weights, and its two transposes, each summed over some pairs."""

    def take(self, x: Tensor) -> Tensor:
        """The inputs as the other functions want them."""
        ...

    def value(self, pairs: Pairs, bias: Tensor | None) -> Tensor:
        """Taken inputs times weights, plus (T, 1, o) bias: a value of its own."""
        ...

    def to_weight(self, pairs: Pairs) -> Tensor:
        """Taken inputs times cotangents of the value: (T, o, k)."""
        ...

    def to_input(self, pairs: Pairs, shape: tuple[int, ...]) -> Tensor:
        """Cotangents of the value times weights: of the inputs, which have `shape`."""
        ...


@dataclass(frozen=True, slots=True)
class Dense:
    """(T, ..., k) -> (T, ..., o)."""

    def take(self, x: Tensor) -> Tensor:
        return x

    def value(self, pairs: Pairs, bias: Tensor | None) -> Tensor:
        (x, weight), *more = pairs
        out = torch.bmm(_rows(x), weight.mT) if bias is None else torch.baddbmm(bias, _rows(x), weight.mT)
        for by, other in more:
            out.baddbmm_(_rows(by), other.mT)
        return out.view(*x.shape[:-1], -1)

    def to_weight(self, pairs: Pairs) -> Tensor:
        (x, cotangent), *more = pairs
        out = torch.bmm(_rows(cotangent).mT, _rows(x))
        for by, below in more:
            out.baddbmm_(_rows(below).mT, _rows(by))
        return out

    def to_input(self, pairs: Pairs, shape: tuple[int, ...]) -> Tensor:
        (cotangent, weight), *more = pairs
        out = torch.bmm(_rows(cotangent), weight)
        for below, other in more:
            out.baddbmm_(_rows(below), other)
        return out.view(shape)


def _rows(x: Tensor) -> Tensor:
    return x if x.ndim == 3 else x.flatten(1, -2)


@dataclass(frozen=True, slots=True)
class Patches:
    """(T, n, h, w, c) -> (T, n, oh, ow, o): what each place sees, times weights (height, width, channels last).

    All tasks in one product: the fastest way for few examples, whose patches stay in the caches.
    """

    unfold: Unfold

    def take(self, x: Tensor) -> Tensor:
        return self.unfold(x)

    def value(self, pairs: Pairs, bias: Tensor | None) -> Tensor:
        return Dense().value(pairs, bias)

    def to_weight(self, pairs: Pairs) -> Tensor:
        return Dense().to_weight(pairs)

    def to_input(self, pairs: Pairs, shape: tuple[int, ...]) -> Tensor:
        (cotangent, weight), *_ = pairs
        taps = Dense().to_input(pairs, (*cotangent.shape[:-1], weight.shape[-1]))
        return self.unfold.adjoint(taps, shape)


@dataclass(frozen=True, slots=True)
class Direct:
    """The same by the CPU's own convolution, task by task, without patches: the fastest way for many examples."""

    unfold: Unfold

    def take(self, x: Tensor) -> Tensor:
        return x

    def value(self, pairs: Pairs, bias: Tensor | None) -> Tensor:
        return _summed([self._value(x, weight, bias if at == 0 else None) for at, (x, weight) in enumerate(pairs)])

    def _value(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        kernels = self._kernels(weight, x.shape[-1])
        stride, padding = self.unfold.stride, self.unfold.padding
        biases = [None] * len(x) if bias is None else bias[:, 0]
        each = zip(_images(x), kernels, biases, strict=True)
        return stacked([_places(torch.conv2d(*one, stride, padding)) for one in each])

    def to_weight(self, pairs: Pairs) -> Tensor:
        return _summed([self._to_weight(x, cotangent) for x, cotangent in pairs])

    def _to_weight(self, x: Tensor, cotangent: Tensor) -> Tensor:
        shape = (1, cotangent.shape[-1], self.unfold.kernel[0] * self.unfold.kernel[1] * x.shape[-1])
        kernels = self._kernels(x.new_empty(shape), x.shape[-1])[0]  # only its shape is looked at
        each = zip(_images(cotangent), _images(x), strict=True)
        found = [self._back(above, below, kernels, (False, True, False))[1] for above, below in each]
        return stacked([_places(one) for one in found]).flatten(2)

    def to_input(self, pairs: Pairs, shape: tuple[int, ...]) -> Tensor:
        return _summed([self._to_input(cotangent, weight, shape) for cotangent, weight in pairs])

    def _to_input(self, cotangent: Tensor, weight: Tensor, shape: tuple[int, ...]) -> Tensor:
        kernels = self._kernels(weight, shape[-1])
        inputs = _images(cotangent.new_empty(shape))  # only their shape is looked at
        each = zip(_images(cotangent), inputs, kernels, strict=True)
        return stacked([_places(self._back(*one, (True, False, False))[0]) for one in each])

    def _kernels(self, weight: Tensor, channels: int) -> Tensor:
        return _images(weight.unflatten(2, (*self.unfold.kernel, channels)))

    def _back(self, above: Tensor, x: Tensor, kernels: Tensor, mask: tuple[bool, bool, bool]) -> Any:
        stride, padding = self.unfold.stride, self.unfold.padding
        return convolution_backward(above, x, kernels, None, stride, padding, (1, 1), False, (0, 0), 1, mask)


@dataclass(frozen=True, slots=True)
class Halfway(Direct):
    """The same, but gradients of weights by patches: the fastest way in between."""

    def to_weight(self, pairs: Pairs) -> Tensor:
        patches = Patches(self.unfold)
        return patches.to_weight([(patches.take(x), cotangent) for x, cotangent in pairs])


def _images(x: Tensor) -> Tensor:
    """(..., h, w, c) -> (..., c, h, w), as torch's convolutions want it; in memory it stays channels last."""
    return x.movedim(-1, -3)


def _places(x: Tensor) -> Tensor:
    """The way back."""
    return x.movedim(-3, -1)


def _summed(each: list[Tensor]) -> Tensor:
    return each[0] if len(each) == 1 else each[0].add_(each[1])


@dataclass(slots=True, eq=False)
class Seen:
    """What a layer took in: the inputs themselves, and as its product wants them as long as they are worth the room."""

    product: Product
    x: Tensor
    _taken: Tensor | None = None

    def taken(self) -> Tensor:
        """Made again where it was let go."""
        return self.product.take(self.x) if self._taken is None else self._taken

    def let_go(self) -> None:
        """Patches are nine times as large as what they are made of, and quickly made."""
        self._taken = None


@dataclass(frozen=True, slots=True)
class Linear:
    """A layer that multiplies by weights and adds a bias.

    Args:
        weight: name; in the module (o, i), or (o, i, height, width) for a convolution's.
        bias: name of the bias, if it has one that matters.
        window: what a convolution sees; `None` for a fully connected layer.
    """

    weight: str
    bias: str | None
    window: Unfold | None = None
    fresh: bool = True
    random: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        return (self.weight,) if self.bias is None else (self.weight, self.bias)

    def pack(self, name: str, value: Tensor) -> Tensor:
        if name == self.bias:
            return value.unsqueeze(1)
        if self.window is None:
            return value
        return value.permute(0, 1, 3, 4, 2).flatten(2)

    def unpack(self, name: str, value: Tensor) -> Tensor:
        if name == self.bias:
            return value.squeeze(1)
        if self.window is None:
            return value
        taps: Tensor = value.unflatten(2, (*self.window.kernel, -1))
        return taps.permute(0, 1, 4, 2, 3)

    def _product(self, x: Tensor) -> Product:
        if self.window is None:
            return Dense()
        oh, ow = self.window.places(x.shape[2], x.shape[3])
        places = x.shape[1] * oh * ow if x.device.type == "cpu" else 0
        if places >= MANY:
            return Direct(self.window)
        return Halfway(self.window) if places > FEW and x.shape[-1] >= THIN else Patches(self.window)

    def forward(self, params: Params, inputs: tuple[Tensor, ...], own: bool, chance: Chance) -> tuple[Tensor, Any]:  # noqa: ARG002
        x = inputs[0]
        product = self._product(x)
        taken = product.take(x)
        bias = None if self.bias is None else params[self.bias]
        return product.value([(taken, params[self.weight])], bias), Seen(product, x, taken)

    def backward(self, params: Params, kept: Any, cotangent: Tensor, asked: Asked) -> Back:
        grads: Params = {}
        if self.weight in asked.names:
            grads[self.weight] = kept.product.to_weight([(kept.taken(), cotangent)])
        kept.let_go()
        if self.bias in asked.names:
            grads[self.bias] = _rows(cotangent).sum(1, keepdim=True)
        back = kept.product.to_input([(cotangent, params[self.weight])], kept.x.shape) if asked.inputs else None
        return Back((back,), grads, cotangent if asked.tape else None)

    def tangent(
        self, params: Params, kept: Any, moved: tuple[Tensor | None, ...], direction: Params
    ) -> tuple[Tensor, Any]:
        product, taken = kept.product, kept.taken()
        by = None if moved[0] is None else product.take(moved[0])
        pairs = [] if by is None else [(by, params[self.weight])]
        if self.weight in direction or by is None:
            weight = direction.get(self.weight)
            pairs.append((taken, torch.zeros_like(params[self.weight]) if weight is None else weight))
        return product.value(pairs, None if self.bias is None else direction.get(self.bias)), (taken, by)

    def backward_tangent(
        self, params: Params, kept: tuple[Any, Any, Any], cotangent: Tensor, direction: Params, asked: Asked
    ) -> Back:
        seen, below, (taken, by) = kept
        product = seen.product
        grads: Params = {}
        if self.weight in asked.names:
            grads[self.weight] = product.to_weight([(taken, cotangent), *([] if by is None else [(by, below)])])
        if self.bias in asked.names:
            grads[self.bias] = _rows(cotangent).sum(1, keepdim=True)
        if not asked.inputs:
            return Back((None,), grads)
        weight = direction.get(self.weight)
        pairs = [(cotangent, params[self.weight]), *([] if weight is None else [(below, weight)])]
        return Back((product.to_input(pairs, seen.x.shape),), grads)
