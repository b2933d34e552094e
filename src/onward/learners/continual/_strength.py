"""How strongly to hold on to what was learned, found without a look at what was learned before."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from onward.core import InvalidInput
from onward.learners.neural import above, share, whole

from ._experience import Experience
from ._learner import ContinualLearner

Make = Callable[[float, float], ContinualLearner]
"""(strength, learning rate) -> a new learner."""


@dataclass(frozen=True, slots=True)
class StrengthTrial:
    """One strength tried.

    Args:
        score: on the validation examples of the new experience: accuracy, 0..1; minus the loss of real targets. Minus
            infinity where the learning diverged.
    """

    strength: float
    score: float


@dataclass(frozen=True, slots=True, eq=False)
class StrengthChoice:
    """The strength that was chosen for an experience.

    Args:
        learner: has learned the experience with it; its `state_dict()` is the next `since`.
        rate: of the learning that was best without holding on.
        plastic: score of that.
        trials: all strengths tried, the chosen one last.
        met: whether the score came within the margin; else the tries were used up, and the weakest stands.
    """

    strength: float
    rate: float
    learner: ContinualLearner
    plastic: float
    trials: tuple[StrengthTrial, ...]
    met: bool


def choose_strength(  # noqa: PLR0913 - what is tried, on what, and how long
    make: Make,
    experience: Experience,
    validation: Experience,
    *,
    strongest: float,
    rates: Sequence[float] = (1e-3,),
    since: Mapping[str, Any] | None = None,
    epochs: int = 1,
    margin: float = 0.2,
    decay: float = 0.5,
    tries: int = 10,
) -> StrengthChoice:
    """Choose the strength of a method for one experience as De Lange et al. 2019 (arXiv:1909.08383) do.

    Maximal plasticity search: the experience is learned with strength 0 at every rate; the best score on its own
    validation examples is how well it can be learned. Stability decay: it is learned from the same state with the
    strongest setting, and as long as the score falls short of that by more than the margin, with a weaker one.
    Neither training nor test examples of earlier experiences are asked for: choosing by them would say how well a
    method could have kept what it no longer has, and no such figure holds in use.

    Call it for each experience in turn, with the state of the last choice: the strength may differ from one to the
    next. To settle on one for a whole stream, choose on the first few experiences, begin anew and leave those out of
    what is reported (Chaudhry et al. 2019, arXiv:1812.00420).

    Args:
        make: makes a learner; with `fresh_optimizer=True`, or the optimizer in `since` keeps its own rate.
        validation: other examples like those of the experience; at least one.
        strongest: where to begin, above 0.
        rates: learning rates to search, at least one, each above 0.
        since: what `state_dict()` gave after the experience before; `None` for the first.
        epochs: passes over the experience in every trial, at least 1.
        margin: share of the plastic score that may be lost, 0..1; of real targets, by which the loss may be greater.
        decay: factor from one strength to the next, between 0 and 1, neither of them.
        tries: strengths to try at most, at least 1.

    Raises:
        InvalidInput: a value is out of its range, or the experience cannot be learned with strength 0.

    >>> import torch
    >>> from onward.learners.continual import EWC
    >>> x, y = torch.eye(4), torch.arange(4)
    >>> def make(strength, rate):
    ...     torch.manual_seed(0)
    ...     return ContinualLearner(torch.nn.Linear(4, 4), [EWC(strength)], rate=rate, fresh_optimizer=True)
    >>> found = choose_strength(make, Experience(x, y), Experience(x, y), strongest=100.0, rates=[0.1], epochs=20)
    >>> found.strength, found.met  # nothing to hold on to yet
    (100.0, True)
    """
    rates = _several(rates)
    above(strongest=strongest, **{f"rates[{at}]": rate for at, rate in enumerate(rates)})
    whole(1, epochs=epochs, tries=tries)
    share(margin=margin, decay=decay)
    if not 0 < decay < 1 or not rates:
        raise InvalidInput(
            f"decay is {decay!r}, rates are {rates!r}.", mend="Give a factor between 0 and 1, and a rate or more."
        )

    def learned(strength: float, rate: float) -> ContinualLearner:
        learner = make(strength, rate)
        if since is not None:
            learner.load_state_dict(since)
        learner.learn(experience, epochs=epochs)
        return learner

    plastic, rate = _most_plastic(learned, rates, validation)
    least = plastic - margin * abs(plastic)
    trials: list[StrengthTrial] = []
    for at in range(tries):
        strength = strongest * decay**at
        learner, score = _tried(learned, strength, rate, validation)
        trials.append(StrengthTrial(strength, score))
        if score >= least or at == tries - 1:
            break
    return _chosen(learner, rate, plastic, trials, met=score >= least)


def _several(rates: Sequence[float]) -> tuple[float, ...]:
    try:
        return tuple(rates)
    except TypeError as error:
        raise InvalidInput(f"rates are {rates!r}.", mend="Give a list of learning rates, e.g. [1e-3].") from error


def _most_plastic(
    learned: Callable[[float, float], ContinualLearner], rates: Sequence[float], validation: Experience
) -> tuple[float, float]:
    """The best score without a penalty, and its rate; a rate with which the learning diverges is none."""
    scores: dict[float, float] = {}
    for rate in rates:
        try:
            scores[rate] = _score(learned(0.0, rate), validation)
        except InvalidInput:
            if rate == rates[-1] and not scores:  # none was any better
                raise
    best = max(scores, key=lambda rate: scores[rate])
    return scores[best], best


def _tried(
    learned: Callable[[float, float], ContinualLearner], strength: float, rate: float, validation: Experience
) -> tuple[ContinualLearner | None, float]:
    """A learner and its score; none where the penalty was too steep for the rate."""
    try:
        learner = learned(strength, rate)
        return learner, _score(learner, validation)
    except InvalidInput:  # the same experience was learned without a penalty: it diverged
        return None, -math.inf


def _score(learner: ContinualLearner, validation: Experience) -> float:
    found = learner.evaluate(validation)
    score = found.get("accuracy", -found["loss"])
    return score if math.isfinite(score) else -math.inf


def _chosen(
    learner: ContinualLearner | None, rate: float, plastic: float, trials: list[StrengthTrial], *, met: bool
) -> StrengthChoice:
    if learner is None:
        raise InvalidInput(
            f"Even the strength {trials[-1].strength:g} made the learning diverge.",
            why=f"{len(trials)} strengths were tried, the strongest first.",
            mend="Begin with a weaker one, allow more tries, or lower the rates.",
        )
    return StrengthChoice(trials[-1].strength, rate, learner, plastic, tuple(trials), met)
