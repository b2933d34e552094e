"""Model-agnostic meta-learning: gradients through the inner steps, without a graph of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal, get_args

import torch
from torch import Tensor

from onward.core import InvalidInput
from onward.learners.meta.engine import Params, Scaled
from onward.learners.meta.tasks import TaskBatch
from onward.learners.neural import above, plain_numbers, whole

from ._algorithm import Adapted, MetaGradient, Setting, Trajectory, accuracy
from ._stacked import asked

RATE: Final = "inner_rate:"
STEP: Final = "step:"
Rates = Literal["fixed", "per_parameter", "per_step"]


@dataclass(frozen=True, slots=True)
class MAML:
    """MAML (Finn, Abbeel and Levine 2017, arXiv:1703.03400) and its relatives.

    The inner loop runs forward and keeps each step's parameters; the gradient of the outer loss is then carried back
    through the steps, v <- v - H (rate * v), with products of Hessian and vector. There is no graph of the steps, but
    memory grows with them: by what the products need of each layer, which `first_order` does without.

    Args:
        inner_steps: gradient steps on the support set, at least 1.
        inner_rate: their learning rate, above 0; where it is learned, where it begins.
        first_order: leave out the second derivatives (FOMAML).
        first_order_until: leave them out in the first so many meta-training steps (derivative-order annealing).
        adapt: a regular expression; only parameters whose names it matches learn in the inner loop. `None`: all.
        rates: "fixed"; "per_parameter": one learned rate for every number of the network (Meta-SGD); "per_step": one
            for every tensor and step.
        multi_step: meta-training steps over which the outer loss counts the queries after every inner step, less and
            less, and 0 for only after the last.
        per_step_norm: a regular expression; parameters that it matches (those of the norms, say) are learned apart for
            every inner step and do not learn in the inner loop. `None`: none are.

    Raises:
        InvalidInput: a value is out of its range.

    >>> MAML(inner_steps=3).inner_steps
    3
    """

    embeds: ClassVar = False
    optimizer: ClassVar = "adam"
    outer_rate: ClassVar = 1e-3
    inner_steps: int = 5
    inner_rate: float = 0.01
    first_order: bool = False
    first_order_until: int = 0
    adapt: str | None = None
    rates: Rates = "fixed"
    multi_step: int = 0
    per_step_norm: str | None = None

    def __post_init__(self) -> None:
        whole(1, inner_steps=self.inner_steps)
        whole(0, multi_step=self.multi_step, first_order_until=self.first_order_until)
        above(inner_rate=self.inner_rate)
        if self.rates not in get_args(Rates):
            raise InvalidInput(f"rates is {self.rates!r}.", mend="Choose one.", options=get_args(Rates))
        for name in ("adapt", "per_step_norm"):
            check_pattern(name, getattr(self, name))
        plain_numbers(self)

    outputs = asked

    def start(self, params: Params) -> Params:
        adapted = self.adapted(frozenset(params))
        more: Params = {}
        for name in sorted(adapted):
            if self.rates == "per_parameter":
                more[RATE + name] = torch.full_like(params[name], self.inner_rate)
            elif self.rates == "per_step":
                more[RATE + name] = torch.full((self.inner_steps,), self.inner_rate, dtype=params[name].dtype)
        for name in self.stepwise(frozenset(params)):
            more |= {f"{STEP}{k}:{name}": params[name].clone() for k in range(1, self.inner_steps + 1)}
        return more

    def like(self, name: str) -> str | None:
        if name.startswith(STEP):
            return name.split(":", 2)[2]
        return name.removeprefix(RATE) if self.rates == "per_parameter" else None

    def stepwise(self, names: frozenset[str]) -> frozenset[str]:
        """The parameters of the network that are learned apart for every inner step."""
        return _matching(self.per_step_norm, names, "per_step_norm") if self.per_step_norm else frozenset()

    def adapted(self, names: frozenset[str]) -> frozenset[str]:
        """The parameters of the network that learn in the inner loop."""
        chosen = names if self.adapt is None else _matching(self.adapt, names, "adapt")
        return chosen - self.stepwise(names)

    def meta_gradient(self, setting: Setting, meta: Params, batch: TaskBatch) -> MetaGradient:
        second = not (self.first_order or setting.at < self.first_order_until)
        walk = _Walk(self, setting, meta, len(batch))
        support = walk.prepare(batch.support_x)
        query = walk.prepare(batch.query_x)
        weights = self._weights(setting.at)
        trail: list[tuple[Any, list[str], Params]] = []
        losses: list[Tensor] = []
        asked: dict[int, Params] = {}
        for k in range(self.inner_steps):
            if k and weights[k - 1]:
                asked[k] = walk.ask(query, batch.query_y, k, weights[k - 1]).grads
            step = setting.engine.gradient(support, walk.at(k), batch.support_y, setting.loss, tape=second)
            losses.append(step.loss)
            trail.append((step.tape, list(step.grads), {} if self.rates == "fixed" else step.grads))
            walk.move(step.grads, k)
            del step  # of what it knew, only what is needed on the way back is kept
        last = walk.ask(query, batch.query_y, self.inner_steps, weights[-1])
        losses.append(last.loss / weights[-1])
        back = _Back(self, setting, meta, walk.wrt)
        back.add(last.grads, self.inner_steps)
        for k in reversed(range(self.inner_steps)):
            back.through(*trail.pop(), k)
            if k in asked:
                back.add(asked[k], k)
        for prepared in (support, query):
            back.add(setting.engine.rest(prepared), 0)
        return MetaGradient(back.grads, torch.stack(losses), accuracy(last.outputs, batch.query_y))

    def _weights(self, at: int) -> list[float]:
        """How much the queries after each inner step count; they add up to 1.

        Multi-step loss (Antoniou, Edwards and Storkey 2019, arXiv:1810.09502): all alike at first, only the last in
        the end; like the authors' code, the others keep 3 % of an equal share.
        """
        steps = self.inner_steps
        if not self.multi_step or steps == 1:
            return [0.0] * (steps - 1) + [1.0]
        other = max(1 / steps * (1 - at / self.multi_step), 0.03 / steps) if at < self.multi_step else 0.0
        return [other] * (steps - 1) + [1 - other * (steps - 1)]

    def adapt_tasks(
        self, setting: Setting, meta: Params, x: Tensor, y: Tensor, steps: int | None, rate: float | None
    ) -> Adapted:
        walk = _Walk(self, setting, meta, len(x), rate)
        prepared, trajectory = walk.prepare(x), Trajectory()
        count = self.inner_steps if steps is None else steps
        for k in range(count):
            step = setting.engine.gradient(prepared, walk.at(k), y, setting.loss)
            trajectory.add(step.loss, step.outputs, y)
            walk.move(step.grads, k)
        after = walk.at(count)
        return trajectory.to(after, setting, setting.engine.outputs(prepared, after), y)


def check_pattern(name: str, pattern: str | None) -> None:
    """Refuse what is no regular expression.

    Raises:
        InvalidInput: it is none.
    """
    try:
        re.compile(pattern or "")
    except re.error as error:
        raise InvalidInput(
            f"{name} is {pattern!r}, which is no regular expression.", why=f"{error}.", mend="Escape what is literal."
        ) from error


def _matching(pattern: str, names: frozenset[str], setting: str) -> frozenset[str]:
    found = frozenset(name for name in names if re.search(pattern, name))
    if not found:
        raise InvalidInput(
            f"{setting} is {pattern!r}, which matches no parameter.", mend="Match at least one.", options=names
        )
    return found


class _Walk:
    """The parameters of T tasks on their way through the inner steps."""

    def __init__(self, maml: MAML, setting: Setting, meta: Params, tasks: int, rate: float | None = None) -> None:
        self._maml, self._setting, self._meta, self._rate, self._tasks = maml, setting, meta, rate, tasks
        names = setting.engine.names
        self.wrt = maml.adapted(names)
        self._stepwise = maml.stepwise(names)
        self._theta = {name: self._spread(meta[name]) for name in names}

    def _spread(self, value: Tensor) -> Tensor:
        return value.expand(self._tasks, *value.shape[1:])

    def prepare(self, x: Tensor) -> Any:
        return self._setting.engine.prepare(self._theta, x, self.wrt | self._stepwise, self._setting.chance)

    def at(self, k: int) -> Params:
        """The parameters before inner step k."""
        if not self._stepwise or not k:
            return self._theta
        last = min(k, self._maml.inner_steps)
        return self._theta | {n: self._spread(self._meta[f"{STEP}{last}:{n}"]) for n in self._stepwise}

    def ask(self, query: Any, y: Tensor, k: int, weight: float) -> Any:
        """The queries before inner step k, by `weight`."""
        loss = self._setting.loss if weight == 1 else Scaled(self._setting.loss, weight)
        return self._setting.engine.gradient(query, self.at(k), y, loss, every=True)

    def move(self, grads: Params, k: int) -> None:
        """One inner step."""
        names = [name for name in grads if name in self.wrt]
        if not names:  # nothing depends on what learns: a bias in front of a batch norm
            return
        rates = [rate_of(self._maml, self._meta, name, k, self._rate) for name in names]
        moved = _moved([self._theta[name] for name in names], [grads[name] for name in names], rates)
        self._theta = self._theta | dict(zip(names, moved, strict=True))


def _moved(values: list[Tensor], grads: list[Tensor], rates: list[float | Tensor]) -> Sequence[Tensor]:
    """Values less rate times gradient."""
    if isinstance(rates[0], float):
        return torch._foreach_add(values, grads, alpha=-rates[0])  # noqa: SLF001 - documented, and public all the same
    each = zip(values, grads, rates, strict=True)
    return [torch.addcmul(value, grad, torch.as_tensor(rate), value=-1) for value, grad, rate in each]


def rate_of(maml: MAML, meta: Params, name: str, k: int, instead: float | None = None) -> float | Tensor:
    """The inner rate of a parameter at step k: a number, or (1, ...) numbers that meet (T, ...) parameters."""
    if instead is not None or maml.rates == "fixed":
        return maml.inner_rate if instead is None else instead
    rate = meta[RATE + name]
    if maml.rates == "per_parameter":
        return rate
    return rate[0, min(k, maml.inner_steps - 1)]


class _Back:
    """The gradient of the outer loss on its way back through the inner steps: v, and what has been passed already."""

    def __init__(self, maml: MAML, setting: Setting, meta: Params, wrt: frozenset[str]) -> None:
        self._maml, self._setting, self._meta, self._wrt = maml, setting, meta, wrt
        self._stepwise = maml.stepwise(setting.engine.names)
        self.grads: Params = {}

    def add(self, more: Params, k: int) -> None:
        """Add gradients with respect to the parameters before inner step k."""
        keyed = {f"{STEP}{k}:{n}" if k and n in self._stepwise else n: value for n, value in more.items()}
        both = [name for name in keyed if name in self.grads]
        if both:
            torch._foreach_add_([self.grads[n] for n in both], [keyed[n] for n in both])
        self.grads.update((name, value) for name, value in keyed.items() if name not in self.grads)

    def through(self, tape: Any, moved: Sequence[str], grads: Params, k: int) -> None:
        """Back through inner step k, in which these moved; where rates are learned, by these gradients."""
        names = [name for name in moved if name in self._wrt and name in self.grads]
        rates = [rate_of(self._maml, self._meta, name, k) for name in names]
        direction = dict(zip(names, _scaled([self.grads[name] for name in names], rates), strict=True))
        if self._maml.rates != "fixed":
            for name in names:
                self._learn_rate(name, k, self.grads[name] * grads[name])
        if tape is not None and direction:
            self.add(self._setting.engine.product(tape, direction), k)

    def _learn_rate(self, name: str, k: int, product: Tensor) -> None:
        """The gradient of a learned rate: minus gradient of the loss after, times gradient of the step."""
        key = RATE + name
        if self._maml.rates == "per_parameter":
            self.grads[key] = self.grads[key].sub_(product) if key in self.grads else product.neg_()
            return
        each = self.grads.setdefault(key, product.new_zeros(len(product), self._maml.inner_steps))
        each[:, k] -= product.flatten(1).sum(1)


def _scaled(values: list[Tensor], rates: list[float | Tensor]) -> Sequence[Tensor]:
    """Values times minus their rates."""
    if rates and isinstance(rates[0], float):
        return torch._foreach_mul(values, -rates[0])  # noqa: SLF001 - see `_moved`
    return [value * -rate for value, rate in zip(values, rates, strict=True)]
