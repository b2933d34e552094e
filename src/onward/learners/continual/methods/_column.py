"""One column of a network that grows, and how it hears its elders."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Final, cast

import torch
from torch import Tensor, nn

from onward.learners.continual.distillation._narrow import Weighted, is_weighted, layers, width

FAINT: Final = 0.1
"""A new column hears its elders at most so loud."""
CONVOLUTIONS: Final = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


class Column(nn.Module):
    """Stages of a weighted layer and what follows it, and what leads to them from elders.

    Args:
        template: a Sequential with a weighted layer at least.
        elders: the columns that it hears, by name, the oldest first.
        share: width of the projections, as a share of the layer below; 0: it hears none.
        fresh: begin with fresh weights, not with those of the template.
    """

    def __init__(self, template: nn.Module, elders: Mapping[str, Column], share: float, *, fresh: bool) -> None:
        super().__init__()
        flat = [copy.deepcopy(layer) for layer in layers(template)]
        starts = [at for at, layer in enumerate(flat) if is_weighted(layer)]
        parts = [flat[begin:end] for begin, end in zip(starts, [*starts[1:], len(flat)], strict=True)]
        self.prelude = nn.Sequential(*flat[: starts[0]])
        self.stages = nn.ModuleList(nn.Sequential(*part) for part in parts)
        if fresh:
            _begin_anew(self)
        self.laterals = nn.ModuleDict()
        self.deaf: Collection[str] = ()
        if elders and share:
            for at in range(1, len(parts)):
                heard = {name: elder.layer(at) for name, elder in elders.items()}
                inner = max(1, round(share * width(self.layer(at - 1))))
                self.laterals[str(at)] = Lateral(heard, self.layer(at), inner)

    def layer(self, at: int) -> Weighted:
        """The weighted layer of a stage."""
        return cast("Weighted", cast("nn.Sequential", self.stages[at])[0])

    @property
    def elders(self) -> tuple[str, ...]:
        """Names of the columns that it hears, the oldest first."""
        return tuple(dict.fromkeys(name for _, lateral in self._all() for name in lateral.projections))

    def stage(self, at: int, x: Tensor, hidden: Mapping[str, Tensor]) -> Tensor:
        """What a stage makes of the one below it, and of those of its elders.

        Args:
            x: (n, ...) what comes from below.
            hidden: the same of each elder, by name.
        """
        stage = cast("nn.Sequential", self.stages[at])
        said: Tensor = stage[0](x)
        lateral = dict(self._all()).get(at)
        if lateral is not None:
            said = said + lateral({name: value for name, value in hidden.items() if name not in self.deaf})
        for after in range(1, len(stage)):
            said = stage[after](said)
        return said

    def drop(self, elder: str) -> None:
        """Hear an elder no more."""
        for at, lateral in list(self._all()):
            if elder in lateral.projections:
                del lateral.projections[elder], lateral.scales[elder]
            if not lateral.projections:
                del self.laterals[str(at)]

    def _all(self) -> Iterator[tuple[int, Lateral]]:
        return ((int(at), cast("Lateral", lateral)) for at, lateral in self.laterals.items())


class Lateral(nn.Module):
    """What leads from the same stage of elders into a layer: U relu(sum of V (a h)) of Rusu et al. 2016.

    Args:
        elders: the layers that elders have there, by name: their inputs are what is heard.
        own: the layer whose outputs this is added to.
        inner: width of the projections.
    """

    def __init__(self, elders: Mapping[str, Weighted], own: Weighted, inner: int) -> None:
        super().__init__()
        self.projections = nn.ModuleDict({name: _projection(layer, inner) for name, layer in elders.items()})
        self.scales = nn.ParameterDict({name: nn.Parameter(torch.rand(()) * FAINT) for name in elders})
        self.out = _alike(own, inner)

    def forward(self, hidden: Mapping[str, Tensor]) -> Tensor:
        """(n, ...) to add to the layer's outputs; 0 where no elder is among the hidden."""
        heard = [
            project(self.scales[name] * hidden[name]) for name, project in self.projections.items() if name in hidden
        ]
        if not heard:
            return torch.zeros((), device=next(self.parameters()).device)
        answer: Tensor = self.out(torch.relu(sum(heard[1:], heard[0])))
        return answer


def _projection(heard: Weighted, inner: int) -> Weighted:
    if isinstance(heard, nn.Linear):
        return nn.Linear(heard.in_features, inner)
    return _kind(heard)(heard.in_channels, inner, 1)


def _alike(own: Weighted, inner: int) -> Weighted:
    """A layer with as many outputs, of the same shape, from `inner` inputs."""
    if isinstance(own, nn.Linear):
        return nn.Linear(inner, own.out_features, bias=False)
    return _kind(own)(
        inner,
        own.out_channels,
        own.kernel_size,
        own.stride,
        own.padding,
        own.dilation,
        bias=False,
        padding_mode=own.padding_mode,
    )


def _kind(layer: nn.Module) -> Callable[..., Weighted]:
    """The kind of convolution that a layer is."""
    return next(kind for kind in CONVOLUTIONS if isinstance(layer, kind))


def _begin_anew(column: nn.Module) -> None:
    """Draw all weights again, of every layer that says how."""
    for module in column.modules():
        reset = getattr(module, "reset_parameters", None)
        if callable(reset):
            reset()
