"""Weights in int8. PyTorch's own quantisation is deprecated and leaves it; this is all that a remedy needs."""

from __future__ import annotations

import copy
from typing import Any, Final, TypeGuard

import torch
import torch.nn.functional as F  # noqa: N812 - what everybody calls it
from torch import Tensor, nn

from onward.core import InvalidInput
from onward.learners.continual._checks import check_network
from onward.learners.continual._experience import Experience
from onward.learners.continual._method import Prepare, unchanged

from ._measure import Compressed, check_fit, compared, refuse_shared
from ._narrow import Weighted

CONVOLVE: Final[dict[type, Any]] = {nn.Conv1d: F.conv1d, nn.Conv2d: F.conv2d, nn.Conv3d: F.conv3d}
LARGEST: Final = 127


class Int8Layer(nn.Module):
    """A linear or convolution layer that keeps its weights as int8, with one scale for each output.

    A weight w is kept as round(w / scale) with scale = max|w| / 127 over all that lead to one output, so that it is
    off by at most half a scale; in half precision by the rounding of that type besides. The layer computes in the type
    of its scales with the weights made whole for the moment: it saves memory and transfer, not time.

    Args:
        layer: Linear, Conv1d, Conv2d or Conv3d with padding by zeros.

    Raises:
        InvalidInput: it is another, or its weights are no finite numbers.

    >>> layer = Int8Layer(nn.Linear(100, 10))
    >>> layer.quantized.dtype, layer(torch.zeros(2, 100)).shape
    (torch.int8, torch.Size([2, 10]))
    """

    quantized: Tensor
    scale: Tensor
    bias: Tensor | None

    def __init__(self, layer: Weighted) -> None:
        super().__init__()
        check_network(layer)
        if not _can(layer):
            raise _no_layer(layer)
        weight = layer.weight.detach()
        if not bool(weight.isfinite().all()):
            raise InvalidInput(
                f"The weights of a {type(layer).__name__} are no finite numbers.",
                why="Its training diverged.",
                mend="Go back to a state before.",
            )
        largest = weight.flatten(1).abs().amax(1)
        scale = torch.where(largest > 0, largest / LARGEST, torch.ones_like(largest))
        scale = scale.reshape(-1, *[1] * (weight.ndim - 1))
        self.register_buffer("quantized", (weight / scale).round().clamp(-LARGEST, LARGEST).to(torch.int8))
        self.register_buffer("scale", scale)
        bias = None if layer.bias is None else nn.Parameter(layer.bias.detach().clone(), requires_grad=False)
        self.register_parameter("bias", bias)
        self._convolve = CONVOLVE.get(type(layer))
        self._how = (
            {}
            if isinstance(layer, nn.Linear)
            else {"stride": layer.stride, "padding": layer.padding, "dilation": layer.dilation, "groups": layer.groups}
        )

    @property
    def weight(self) -> Tensor:
        """The weights that it computes with."""
        return self.quantized * self.scale

    def forward(self, x: Tensor) -> Tensor:
        if self._convolve is None:
            return F.linear(x, self.weight, self.bias)
        answer: Tensor = self._convolve(x, self.weight, self.bias, **self._how)
        return answer


def quantize_int8(model: nn.Module, data: Experience, *, prepare: Prepare = unchanged) -> Compressed:
    """A copy whose linear and convolution layers keep int8 weights, about a quarter of the bytes; see `Int8Layer`.

    Nothing is trained: biases, norms, embeddings and activations stay as they are, and so do layers of other types.

    Args:
        model: it stays as it is; one that answers by task is measured on the task of the examples.
        data: examples to measure on that it has not learned from, on its device.
        prepare: makes inputs of examples.

    Raises:
        InvalidInput: it has no layer that could be quantised, or one whose weights are no finite numbers; tasks share
            the weights by masks; or the examples do not fit it.

    >>> from onward.learners.continual import Experience
    >>> model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    >>> x = torch.randn(100, 64)
    >>> found = quantize_int8(model, Experience(x, model(x).argmax(1)))
    >>> round(found.ratio, 1), found.loss_of_accuracy < 0.1
    (3.6, True)
    """
    check_network(model)
    refuse_shared(model)
    student = quantized(copy.deepcopy(model))
    check_fit(model, data, prepare)
    return compared(model, student, data, prepare)


def quantized(model: nn.Module) -> nn.Module:
    """The same network with int8 layers in place of its own."""
    if _can(model):
        return Int8Layer(model)
    names = [name for name, module in model.named_modules(remove_duplicate=False) if _can(module)]
    if not names:
        raise _no_layer(model)
    made: dict[nn.Module, Int8Layer] = {}
    for name in names:
        layer: Any = model.get_submodule(name)
        if isinstance(layer, Int8Layer):
            continue  # within a block that is used several times
        model.set_submodule(name, made.setdefault(layer, Int8Layer(layer)))
    return model


def _no_layer(module: nn.Module) -> InvalidInput:
    return InvalidInput(
        f"A {type(module).__name__} has no layer whose weights could be kept as int8.",
        why="Linear and convolution layers can, with padding by zeros.",
        mend="Use compress or prune.",
    )


def _can(module: nn.Module) -> TypeGuard[Weighted]:
    """Subclasses may compute something else."""
    known = type(module) in {nn.Linear, *CONVOLVE}
    return known and getattr(module, "padding_mode", "zeros") == "zeros"
