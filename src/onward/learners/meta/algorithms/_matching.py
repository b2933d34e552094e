"""Matching networks: a query's class is that of the support examples which it resembles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

import torch
from torch import Tensor

from onward.learners.meta.engine import Params
from onward.learners.neural import above, plain_numbers, whole

from ._metric import answers, check_width, compared, cosines, kept, uniform
from ._stacked import of_its_own

OWN: Final = "context:"
FORWARD, BACKWARD, QUERY = "forward", "backward", "query"


@dataclass(frozen=True, slots=True)
class Matching:
    """Matching networks (Vinyals, Blundell, Lillicrap, Kavukcuoglu and Wierstra 2016, arXiv:1606.04080).

    The network embeds; a query's chances are the support examples' classes, weighted by a softmax over cosines. The
    scores are their logarithms. With full context embeddings a bidirectional LSTM runs over the support set, in the
    order of its examples, and adds to each embedding what it has seen of the others (g); and an LSTM with attention
    over those reads each query `unrolls` times (f).

    Args:
        fce: with full context embeddings.
        features: numbers that the network gives for an example; only full context embeddings ask.
        unrolls: steps of the queries' LSTM, at least 1.
        scale: of the cosines, above 0; the paper's is 1.
        seed: of the LSTMs' first weights.

    Raises:
        InvalidInput: a value is out of its range.

    >>> Matching(fce=False).start({"w": torch.zeros(1)})
    {}
    """

    embeds: ClassVar = True
    optimizer: ClassVar = "adam"
    outer_rate: ClassVar = 1e-3
    fce: bool = True
    features: int = 64
    unrolls: int = 5
    scale: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        whole(1, features=self.features, unrolls=self.unrolls)
        above(scale=self.scale)
        whole(None, seed=self.seed)
        plain_numbers(self)

    like = of_its_own
    meta_gradient = compared
    adapt_tasks = kept
    outputs = answers

    def start(self, params: Params) -> Params:
        if not self.fce:
            return {}
        d, shapes = self.features, dict[str, tuple[int, ...]]()
        for which, width in ((FORWARD, d), (BACKWARD, d), (QUERY, 2 * d)):
            shapes[f"{OWN}{which}.weight_ih"] = (4 * d, d)
            shapes[f"{OWN}{which}.weight_hh"] = (4 * d, width)
            shapes[f"{OWN}{which}.bias"] = (4 * d,)
        return uniform(params, self.seed, shapes, d)

    def scores(self, own: Params, support: Tensor, marks: Tensor, query: Tensor) -> Tensor:
        if self.fce:
            check_width(query, self.features, "Matching")
            support = _in_context(own, support)
            query = _read(own, support, query, self.unrolls)
        attention = (cosines(query, support) * self.scale).softmax(-1)
        chances = torch.bmm(attention, marks)
        return chances.clamp_min(torch.finfo(chances.dtype).tiny).log()


def _in_context(own: Params, support: Tensor) -> Tensor:
    """g of the paper: each embedding plus the states there of an LSTM that runs forward and of one that runs back."""
    onward = _run(own, FORWARD, support)
    back = _run(own, BACKWARD, support.flip(1)).flip(1)
    return support + onward + back


def _run(own: Params, which: str, x: Tensor) -> Tensor:
    """(T, S, d) states of an LSTM over (T, S, d)."""
    hidden = cell = x.new_zeros(len(x), 1, x.shape[2])
    states = []
    for at in _inputs(own, which, x).split(1, 1):
        hidden, cell = _gates(own, which, at, hidden, cell)
        states.append(hidden)
    return torch.cat(states, 1)


def _read(own: Params, support: Tensor, query: Tensor, unrolls: int) -> Tensor:
    """f of the paper: each query read again and again, with an eye on what it resembles. (T, Q, d)."""
    at = _inputs(own, QUERY, query)
    state = cell = torch.zeros_like(query)
    for _ in range(unrolls):
        attention = torch.bmm(state, support.transpose(1, 2)).softmax(-1)
        seen = torch.cat([state, torch.bmm(attention, support)], -1)
        hidden, cell = _gates(own, QUERY, at, seen, cell)
        state = hidden + query
    return state


def _inputs(own: Params, which: str, x: Tensor) -> Tensor:
    """What the inputs bring to the gates: the same whatever the state."""
    return torch.baddbmm(own[f"{OWN}{which}.bias"].unsqueeze(1), x, own[f"{OWN}{which}.weight_ih"].transpose(1, 2))


def _gates(own: Params, which: str, at: Tensor, state: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    """One step of an LSTM (Hochreiter and Schmidhuber 1997), gates in PyTorch's order: new hidden state and cell."""
    put, hold, new, show = torch.baddbmm(at, state, own[f"{OWN}{which}.weight_hh"].transpose(1, 2)).chunk(4, -1)
    cell = hold.sigmoid() * cell + put.sigmoid() * new.tanh()
    return show.sigmoid() * cell.tanh(), cell
