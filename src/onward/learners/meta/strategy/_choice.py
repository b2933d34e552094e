"""Which configurations are looked at, and which of them are proposed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from ._buffer import Experience
from ._inputs import Floats
from ._strategy import Strategy
from ._surrogate import Surrogate, cautious

TRIED: Final = 400  # configurations looked at, those tried on the most similar tasks first ...
MIXED: Final = 200  # ... and mixtures of the most promising of them
DRAWS: Final = 256
PROMISING: Final = 0.25
JITTER: Final = 1e-9


def tried(groups: Sequence[Sequence[Experience]], similarities: Floats) -> list[Strategy]:
    """The different configurations that were tried, those on the most similar tasks first, 400 at most.

    Args:
        groups: the experiences of each task.
        similarities: (T,) of each of these tasks to the one asked for.
    """
    order = np.argsort(-similarities, kind="stable")
    different = {_key(one.strategy): one.strategy for at in order for one in groups[at]}
    return list(different.values())[:TRIED]


def mixed(strategies: Sequence[Strategy], worth: Floats, seed: int) -> list[Strategy]:
    """New configurations: each setting from one of the most promising quarter; architecture parameters as a whole."""
    best = [strategies[at] for at in np.argsort(-worth, kind="stable")[: max(1, int(len(strategies) * PROMISING))]]
    rng = np.random.default_rng(seed)
    known = {_key(one) for one in strategies}
    found: dict[object, Strategy] = {}
    for parents in rng.integers(len(best), size=(MIXED, 5)):
        rate, batch, epochs, decay, architecture = (best[at] for at in parents)
        one = Strategy(
            rate.learning_rate,
            batch.batch_size,
            epochs.num_epochs,
            decay.regularization,
            architecture.architecture_params,
        )
        if _key(one) not in known:
            found[_key(one)] = one
    return list(found.values())


def proposals(surrogate: Surrogate, vector: Floats, strategies: Sequence[Strategy], count: int, seed: int) -> list[int]:
    """Positions of the configurations to try, best first.

    The first has the highest expected outcome, less half a standard deviation. Each further one raises the expected
    best of those proposed most, so that they do not all fail together (greedy portfolio, as of Auto-sklearn 2.0, Feurer
    et al. 2022).
    """
    expected, covariance = surrogate.expected(vector, strategies)
    chosen = [int(cautious(expected, covariance).argmax())]
    outcomes = draws(expected, covariance, seed)
    best = outcomes[:, chosen[0]]
    while len(chosen) < min(count, len(strategies)):
        gain = np.maximum(outcomes, best[:, None]).mean(axis=0)
        gain[chosen] = -np.inf
        chosen.append(int(gain.argmax()))
        best = np.maximum(best, outcomes[:, chosen[-1]])
    return chosen


def draws(expected: Floats, covariance: Floats, seed: int) -> Floats:
    """(256, C) outcomes that may be."""
    scale = max(float(np.diag(covariance).mean()), JITTER)
    values, vectors = np.linalg.eigh(covariance / scale)
    root = vectors * np.sqrt(np.clip(values, 0, None) * scale)
    outcomes: Floats = expected + np.random.default_rng(seed).standard_normal((DRAWS, len(expected))) @ root.T
    return outcomes


def _key(strategy: Strategy) -> tuple[object, ...]:
    settings = (strategy.learning_rate, strategy.batch_size, strategy.num_epochs, strategy.regularization)
    return (*settings, *((name, type(value), value) for name, value in strategy.architecture_params.items()))
