"""Linear layers over fixed features, learned in closed form: nothing is forgotten, because nothing is overwritten."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from typing import Final

import torch
from torch import Tensor, nn

from onward.core import InvalidInput
from onward.learners.continual._checks import is_classes
from onward.learners.continual._method import Course, Hooks
from onward.learners.neural import above, share, whole

from ._moments import Moments, rounding, solved
from ._streaming import Plan, Streaming

RIDGES: Final = tuple(10.0**power for power in range(-8, 9))


@dataclass(frozen=True, slots=True)
class SLDA:
    """Streaming linear discriminant analysis (Hayes and Kanan 2020, arXiv:1909.01520) over fixed features.

    A Gaussian for each class, with one covariance for all; the scores are log densities up to a constant. The sums are
    exact: in which order examples come, and in how many experiences, matters to rounding only. (The authors' update of
    the covariance weighs each example by how many came before it, of any class, and so depends on the order.)

    Features are what the last linear layer of the learner's network is given; of a network that is one linear layer,
    the inputs themselves. The network is not trained and only says how many outputs there are. The sums are in double
    precision, the answers in that of the network, but at least in single.

    A sum cannot forget a person. With `keep_features`, the features of examples with keys are kept, so that
    `learner.forget` takes them out again; the memory is then no longer bounded.

    Args:
        shrinkage: share of the identity in the covariance, above 0, at most 1.
        priors: let classes with more examples score higher, by the log of their share.
        encoder: (n, ...) inputs -> (n, ...) features, instead of the network's; not part of the learner's state.
        keep_features: see above.

    Raises:
        InvalidInput: the shrinkage is out of its range; when it learns: targets are real, or features are not known.

    >>> from onward.learners.continual import ContinualLearner, Experience
    >>> learner = ContinualLearner(nn.Linear(2, 2), [SLDA()])
    >>> x = torch.tensor([[0.0, 1.0], [0.0, 2.0], [3.0, 1.0], [3.0, 2.0]])
    >>> for number in (0, 1):
    ...     rows = slice(2 * number, 2 * number + 2)
    ...     _ = learner.learn(Experience(x[rows], torch.full((2,), number)))
    >>> learner.predict(x)
    tensor([0, 0, 1, 1])
    """

    shrinkage: float = 1e-4
    priors: bool = False
    encoder: nn.Module | None = None
    keep_features: bool = False

    def __post_init__(self) -> None:
        above(shrinkage=self.shrinkage)
        share(shrinkage=self.shrinkage)

    def start(self, course: Course) -> Hooks:
        return Streaming(course, _Gaussians(self), Plan(self.encoder, keep_features=self.keep_features)).hooks()


class _Gaussians:
    """One mean a class and one covariance."""

    def __init__(self, settings: SLDA) -> None:
        self._settings = settings
        self.chosen = 0.0

    def moments(self, rows: Tensor, y: Tensor, outputs: int) -> Moments:
        if not is_classes(y):
            raise InvalidInput("SLDA learns one class for each example.", mend="Use StreamingRidge.")
        return Moments.of(rows, y, outputs)

    def choose(self, sums: Moments, held: Moments, outputs: int) -> None:
        """There is nothing to choose."""

    def solve(self, sums: Moments, outputs: int) -> tuple[Tensor, Tensor]:  # noqa: ARG002
        total, part = sums.count.sum().clamp_min(1), self._settings.shrinkage
        covariance = sums.scatter * ((1 - part) / total)
        covariance.diagonal().add_(part)
        weight = solved(covariance, sums.mean.T, _least_variance).T
        bias = (weight * sums.mean).sum(1) / -2
        if self._settings.priors:
            bias = bias + (sums.count / total).clamp_min(1e-300).log()
        return weight, bias.masked_fill(sums.count == 0, -torch.inf)


def _least_variance(values: Tensor) -> Tensor:
    """One over eigenvalues, none of which is taken for smaller than rounding lets one tell."""
    return 1 / values.clamp_min(rounding(values))


@dataclass(frozen=True, slots=True)
class StreamingRidge:
    """Ridge regression over fixed features, its normal equations kept as sums: recursive least squares.

    For classes the targets are one-hot. With `projection` it is RanPAC without its first-task adaptation (McDonnell et
    al. 2023, arXiv:2307.02251): features go through a fixed random layer with ReLU, which lets a linear rule separate
    more. Exact as `SLDA` is, and the same holds for the features and for forgetting. The bias is not shrunk.

    Args:
        ridge: what is added to the diagonal of the scatter matrix, above 0; or several, of which the one is taken, with
            each experience, that predicts a fifth of its examples best from the rest and all before, as in RanPAC.
        projection: width of the random layer, e.g. 2,000 to 10,000; 0 for none.
        encoder: (n, ...) inputs -> (n, ...) features, instead of the network's; not part of the learner's state.
        keep_features: keep the features of examples with keys, so that they can be forgotten.

    Raises:
        InvalidInput: a value is out of its range; when it learns: features are not known.

    >>> from onward.learners.continual import ContinualLearner, Experience
    >>> learner = ContinualLearner(nn.Linear(1, 1), [StreamingRidge(1e-6)], scenario="domain", loss="mse")
    >>> for x in (torch.tensor([[0.0], [1.0]]), torch.tensor([[2.0], [5.0]])):
    ...     _ = learner.learn(Experience(x, 3 * x + 1))
    >>> learner.scores(torch.tensor([[10.0]]))
    tensor([[31.0000]])
    """

    ridge: float | Sequence[float] = RIDGES
    projection: int = 0
    encoder: nn.Module | None = None
    keep_features: bool = False

    def __post_init__(self) -> None:
        whole(0, projection=self.projection)
        ridges = self.ridges
        if not ridges:
            raise InvalidInput("There is no ridge to choose from.", mend="Give one, or several.")
        for ridge in ridges:
            above(ridge=ridge)

    @property
    def ridges(self) -> tuple[float, ...]:
        """Those there are to choose from."""
        return tuple(self.ridge) if isinstance(self.ridge, Sequence) else (self.ridge,)

    def start(self, course: Course) -> Hooks:
        held_out = 0.2 if len(self.ridges) > 1 else 0.0
        plan = Plan(self.encoder, self.projection, held_out, self.keep_features)
        return Streaming(course, _NormalEquations(self.ridges), plan).hooks()


class _NormalEquations:
    """Sums over features and targets side by side (n, d + outputs)."""

    def __init__(self, ridges: Sequence[float]) -> None:
        self._ridges = ridges
        self.chosen = min(ridges, key=lambda ridge: abs(log(ridge)))

    def moments(self, rows: Tensor, y: Tensor, outputs: int) -> Moments:
        targets = torch.nn.functional.one_hot(y, outputs) if is_classes(y) else y.reshape(len(y), -1)
        if targets.shape[1] != outputs:
            raise InvalidInput(
                f"{targets.shape[1]} targets an example do not fit {outputs} outputs.",
                mend="Give as many targets for each example as the network gives.",
            )
        return Moments.of(torch.cat([rows.double(), targets.double()], 1))

    def choose(self, sums: Moments, held: Moments, outputs: int) -> None:
        width = sums.mean.shape[1] - outputs
        values, vectors = torch.linalg.eigh(sums.scatter[:width, :width])
        turned = vectors.T @ sums.scatter[:width, width:]
        gap = (held.mean - sums.mean)[0]
        scatter = held.scatter + held.count.sum() * torch.outer(gap, gap)
        errors = []
        for ridge in self._ridges:
            weight = vectors @ (_where_told(values + ridge)[:, None] * turned)
            both = torch.cat([-weight, torch.eye(outputs, dtype=weight.dtype, device=weight.device)])
            errors.append(float(((scatter @ both) * both).sum()))
        self.chosen = self._ridges[errors.index(min(errors))]

    def solve(self, sums: Moments, outputs: int) -> tuple[Tensor, Tensor]:
        width = sums.mean.shape[1] - outputs
        among = sums.scatter[:width, :width].clone()
        among.diagonal().add_(self.chosen)
        weight = solved(among, sums.scatter[:width, width:], _where_told).T
        mean = sums.mean[0]
        return weight, mean[width:] - weight @ mean[:width]


def _where_told(values: Tensor) -> Tensor:
    """One over eigenvalues; 0 where they are rounding alone, as of directions in which no feature varies."""
    return torch.where(values > rounding(values), 1 / values, 0)
