"""A torch module as a list of layers with rules, read off its `forward` by torch.fx."""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, cast

import torch
import torch.nn.functional as F  # noqa: N812 - what everybody calls it
from torch import Tensor, fx, nn

from ._batch_norm import BatchNorm
from ._functional import draws
from ._layer_norm import Scale, Standardise
from ._linear import Linear
from ._maps import Flatten, MeanPool, Pair, SpatialMean, Unfold
from ._op import Mapped, Op
from ._pointwise import Add, Dropout, Embedding, Pointwise, Relu
from ._pool import MaxPool

INPUT: Final = 0


class Ruleless(Exception):
    """A part of a module has no rules; the message names it."""


@dataclass(frozen=True, slots=True)
class Node:
    """A layer and the numbers of the values that it takes; value 0 is the input, value i + 1 that of node i."""

    op: Op
    inputs: tuple[int, ...]


Reader = Callable[[Any, str, bool], list[Op]]
"""(module, its name, whether batch normalisation follows) -> its rules. Raises `Ruleless`."""

FUNCTIONS: Final[dict[Any, Callable[[Tensor], Tensor]]] = {
    torch.tanh: torch.tanh,
    F.tanh: torch.tanh,
    "tanh": torch.tanh,
    torch.sigmoid: torch.sigmoid,
    F.sigmoid: torch.sigmoid,
    "sigmoid": torch.sigmoid,
}
RELU: Final = {F.relu, torch.relu, torch.relu_, "relu", "relu_"}
ADD: Final = {operator.add, torch.add, operator.iadd, "add", "add_"}
FLATTEN: Final = {torch.flatten, "flatten"}
RESHAPE: Final = {"view", "reshape", torch.reshape}
MEAN: Final = {torch.mean, "mean"}


def _silu(x: Tensor) -> Tensor:
    return x * torch.sigmoid(x)


def nodes_of(module: nn.Module) -> list[Node]:
    """The layers of a module in the order they run, the last one giving the output.

    Raises:
        Ruleless: some part of it has no rules.
    """
    traced: list[fx.GraphModule] = []
    device = next((value.device for value in module.parameters()), torch.device("cpu"))
    try:
        by_chance = draws(lambda: traced.extend(_traced_in_both_modes(module)), device)
    except Exception as error:
        raise Ruleless(f"its forward cannot be traced ({type(error).__name__}: {error})") from error
    if by_chance:
        raise Ruleless("its forward draws random numbers itself")
    training, asked = traced
    if training.code != asked.code:
        raise Ruleless("its forward is another one in training")
    return _Reading(module).read(asked.graph)


def _traced_in_both_modes(module: nn.Module) -> list[fx.GraphModule]:
    return [fx.symbolic_trace(copy.deepcopy(module).train(training)) for training in (True, False)]


class _Reading:
    """One pass over a traced graph."""

    def __init__(self, module: nn.Module) -> None:
        self._modules = dict(module.named_modules())
        self._nodes: list[Node] = []
        self._value: dict[fx.Node, int] = {}
        self._sizes: set[fx.Node] = set()  # the number of examples, asked for by `x.size(0)` or `x.shape[0]`

    def read(self, graph: fx.Graph) -> list[Node]:
        for node in graph.nodes:
            match node.op:
                case "placeholder":
                    if self._value:
                        raise Ruleless("its forward takes more than one input")
                    self._value[node] = INPUT
                case "call_module":
                    self._layer(node, self._modules[str(node.target)], str(node.target))
                case "call_function" | "call_method":
                    self._function(node)
                case "output":
                    return self._finished(node.args[0])
                case _:
                    raise Ruleless(f"its forward reads {node.target} directly")
        raise Ruleless("its forward returns nothing")

    def _finished(self, result: Any) -> list[Node]:
        last = self._value.get(result, INPUT) if isinstance(result, fx.Node) else INPUT
        if last == INPUT:
            raise Ruleless("its forward does not return what a layer gives")
        return _pooled_first(_needed(self._nodes, last))

    def _add(self, node: fx.Node, *ops: Op) -> None:
        """Layers one after the other on the node's input."""
        at = self._at(node.args[0])
        for op in ops:
            self._nodes.append(Node(op, (at,)))
            at = len(self._nodes)
        self._value[node] = at

    def _at(self, argument: Any) -> int:
        if not isinstance(argument, fx.Node) or argument not in self._value:
            raise Ruleless(f"{argument!r} is no value of a layer")
        return self._value[argument]

    def _layer(self, node: fx.Node, module: nn.Module, name: str) -> None:
        if len(node.args) != 1 or node.kwargs:
            raise Ruleless(f"{name} takes more than one input")
        self._add(node, *_ops(module, name, self._leads_to_batch_norm(node)))

    def _leads_to_batch_norm(self, node: fx.Node) -> bool:
        (user,) = node.users if len(node.users) == 1 else (None,)
        return (
            user is not None
            and user.op == "call_module"
            and isinstance(self._modules[str(user.target)], nn.BatchNorm1d | nn.BatchNorm2d)
        )

    def _function(self, node: fx.Node) -> None:
        target, args = node.target, node.args
        if target in ADD and len(args) == 2 and not node.kwargs:
            self._nodes.append(Node(Add(), (self._at(args[0]), self._at(args[1]))))
            self._value[node] = len(self._nodes)
        elif self._asks_size(node):
            self._sizes.add(node)
        elif target in RELU:
            self._add(node, Relu())
        elif target in FUNCTIONS and len(args) == 1:
            self._add(node, Pointwise(FUNCTIONS[target]))
        elif self._flattens(node):
            self._add(node, Mapped(Flatten()))
        elif target in MEAN and (dims := _argument(node, 1, "dim")) is not None:
            if isinstance(dims, int) or {d % 4 for d in dims} != {2, 3}:
                raise Ruleless(f"it takes a mean over {dims}")
            self._add(node, Mapped(SpatialMean(bool(_argument(node, 2, "keepdim")))))
        elif target is F.max_pool2d:
            named = dict(zip(("kernel_size", "stride", "padding", "dilation", "ceil_mode"), args[1:], strict=False))
            self._add(node, _max_pool(nn.MaxPool2d(**cast("dict[str, Any]", {**node.kwargs, **named}))))
        else:
            raise Ruleless(f"{getattr(target, '__name__', target)} has no rules")

    def _asks_size(self, node: fx.Node) -> bool:
        """`x.size(0)`, `x.shape`, `x.shape[0]`, `x.size()`."""
        target, args = node.target, node.args
        if target is operator.getitem:
            return bool(args[0] in self._sizes and args[1] == 0)
        shape = target is getattr and args[1] == "shape"
        return bool((target == "size" and tuple(args[1:]) in {(), (0,)} and not node.kwargs) or shape)

    def _flattens(self, node: fx.Node) -> bool:
        if node.target in FLATTEN:
            return _argument(node, 1, "start_dim") == 1 and _argument(node, 2, "end_dim") in {None, -1}
        shape: Sequence[Any] = node.args[1:]
        if len(shape) == 1 and isinstance(shape[0], tuple):
            shape = shape[0]
        return node.target in RESHAPE and len(shape) == 2 and shape[0] in self._sizes and shape[1] == -1


def _needed(nodes: Sequence[Node], last: int) -> list[Node]:
    """The nodes that value `last` depends on, which is then the last one's."""
    needed = {last}
    for value in range(last, INPUT, -1):
        if value in needed:
            needed.update(nodes[value - 1].inputs)
    order = sorted(needed - {INPUT})
    number = {INPUT: INPUT} | {old: new for new, old in enumerate(order, 1)}
    return [Node(nodes[old - 1].op, tuple(number[i] for i in nodes[old - 1].inputs)) for old in order]


def _pooled_first(nodes: list[Node]) -> list[Node]:
    """Maxima before the ReLU that they follow: the same values and slopes, and fewer of them to cut."""
    nodes = list(nodes)
    for at, (one, other) in enumerate(pairwise(nodes)):
        alone = sum(at + 1 in node.inputs for node in nodes) == 1 and other.inputs == (at + 1,)
        if alone and isinstance(one.op, Relu) and isinstance(other.op, MaxPool):
            nodes[at], nodes[at + 1] = Node(other.op, one.inputs), Node(one.op, other.inputs)
    return nodes


def _argument(node: fx.Node, at: int, name: str) -> Any:
    return node.args[at] if len(node.args) > at else node.kwargs.get(name)


def _pair(value: Any) -> Pair:
    return (value, value) if isinstance(value, int) else (value[0], value[1])


def _ops(module: nn.Module, name: str, batch_norm_follows: bool) -> list[Op]:
    """The rules of a layer.

    A bias that batch normalisation takes out again is left out: nothing depends on it, and its gradient is zero.
    """
    for kind, read in LAYERS.items():
        if isinstance(module, kind):
            return read(module, name, batch_norm_follows)
    raise Ruleless(f"{name} ({type(module).__name__}) has no rules")


def _linear(module: nn.Linear, name: str, batch_norm_follows: bool) -> list[Op]:
    bias: Tensor | None = module.bias  # torch types it as always there
    return [Linear(f"{name}.weight", f"{name}.bias" if bias is not None and not batch_norm_follows else None)]


def _convolution(module: nn.Conv2d, name: str, batch_norm_follows: bool) -> list[Op]:
    if module.groups != 1 or _pair(module.dilation) != (1, 1) or module.padding_mode != "zeros":
        raise Ruleless(f"{name} is grouped, dilated or padded with something else than zeros")
    if isinstance(module.padding, str):
        raise Ruleless(f"{name} is padded by {module.padding!r}; give numbers")
    kernel, stride, padding = _pair(module.kernel_size), _pair(module.stride), _pair(module.padding)
    bias = f"{name}.bias" if module.bias is not None and not batch_norm_follows else None
    return [Linear(f"{name}.weight", bias, Unfold(kernel, stride, padding))]


def _batch_norm(module: nn.BatchNorm2d, name: str, _: bool) -> list[Op]:
    affine = module.affine
    return [BatchNorm(f"{name}.weight" if affine else None, f"{name}.bias" if affine else None, module.eps)]


def _layer_norm(module: nn.LayerNorm, name: str, _: bool) -> list[Op]:
    shape = tuple(module.normalized_shape)
    if len(shape) not in {1, 3}:
        raise Ruleless(f"{name} normalises {len(shape)} dimensions")
    scale = _scale(module.bias, name, shape) if module.elementwise_affine else []
    return [Standardise(0, len(shape), module.eps), *scale]


def _group_norm(module: nn.GroupNorm, name: str, _: bool) -> list[Op]:
    scale = _scale(module.bias, name, (module.num_channels,)) if module.affine else []
    return [Standardise(module.num_groups, 0, module.eps), *scale]


def _scale(bias: Tensor | None, name: str, shape: tuple[int, ...]) -> list[Op]:
    return [Scale(f"{name}.weight", None if bias is None else f"{name}.bias", shape)]


def _flatten(module: nn.Flatten, name: str, _: bool) -> list[Op]:
    if (module.start_dim, module.end_dim) != (1, -1):
        raise Ruleless(f"{name} flattens only some dimensions")
    return [Mapped(Flatten())]


def _mean_pool(module: nn.AvgPool2d, name: str, _: bool) -> list[Op]:
    apart = _pair(module.kernel_size) == _pair(module.stride) and _pair(module.padding) == (0, 0)
    if not apart or module.ceil_mode or module.divisor_override:
        raise Ruleless(f"{name} overlaps, rounds up, or divides by another number")
    return [Mapped(MeanPool(_pair(module.kernel_size)))]


def _whole_mean(module: nn.AdaptiveAvgPool2d, name: str, _: bool) -> list[Op]:
    if _pair(module.output_size) != (1, 1):
        raise Ruleless(f"{name} gives {module.output_size} places")
    return [Mapped(SpatialMean(keep=True))]


def _embedding(module: nn.Embedding, name: str, _: bool) -> list[Op]:
    if module.max_norm is not None or module.scale_grad_by_freq or module.sparse:
        raise Ruleless(f"{name} bounds its norms, scales its gradients or is sparse")
    return [Embedding(f"{name}.weight", module.padding_idx)]


def _max_pool(module: nn.MaxPool2d) -> MaxPool:
    if module.ceil_mode or module.return_indices or _pair(module.dilation) != (1, 1):
        raise Ruleless("a max-pool that rounds up or is dilated")
    return MaxPool(_pair(module.kernel_size), _pair(module.stride), _pair(module.padding))


def _pointwise(of: Callable[[Any], Callable[[Tensor], Tensor]]) -> Reader:
    return lambda module, name, follows: [Pointwise(of(module))]  # noqa: ARG005


LAYERS: Final[dict[type[nn.Module], Reader]] = {
    nn.Identity: lambda *_: [],
    nn.Linear: _linear,
    nn.Conv2d: _convolution,
    nn.BatchNorm1d: _batch_norm,
    nn.BatchNorm2d: _batch_norm,
    nn.LayerNorm: _layer_norm,
    nn.GroupNorm: _group_norm,
    nn.ReLU: lambda *_: [Relu()],
    nn.Tanh: _pointwise(lambda _: torch.tanh),
    nn.Sigmoid: _pointwise(lambda _: torch.sigmoid),
    nn.SiLU: _pointwise(lambda _: _silu),
    nn.GELU: _pointwise(lambda m: lambda x: F.gelu(x, approximate=m.approximate)),
    nn.ELU: _pointwise(lambda m: lambda x: F.elu(x, m.alpha)),
    nn.Softplus: _pointwise(lambda m: lambda x: F.softplus(x, m.beta, m.threshold)),
    nn.LeakyReLU: _pointwise(lambda m: lambda x: F.leaky_relu(x, m.negative_slope)),
    nn.Flatten: _flatten,
    nn.MaxPool2d: lambda module, *_: [_max_pool(module)],
    nn.AvgPool2d: _mean_pool,
    nn.AdaptiveAvgPool2d: _whole_mean,
    nn.Dropout: lambda module, *_: [Dropout(module.p)],
    nn.Dropout2d: lambda module, *_: [Dropout(module.p, channels=True)],
    nn.Embedding: _embedding,
}
"""How each kind of module is read."""
