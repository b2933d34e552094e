"""How accurate is a model on data that nobody has labelled? Estimated from how sure it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from onward.core import InvalidInput

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]
    Estimate = Callable[[Floats, Floats, Floats], float]

Method = Literal["atc", "calibrated"]
METHODS: Final = ("atc", "calibrated")
RESAMPLED: Final = 300
DRAWN: Final = 20_000  # items of a side in one resample
FEWEST: Final = 10


@dataclass(frozen=True, slots=True)
class AccuracyEstimate:
    """The accuracy of a model on data without labels, estimated.

    Args:
        accuracy: estimated, 0..1.
        low: lower end of the interval, 0..1.
        high: upper end, 0..1.
        reference: accuracy on the reference, 0..1: what it is to be held against.
        method: atc or calibrated.
        level: of the interval, 0..1.
        rows: items without labels.
    """

    accuracy: float
    low: float
    high: float
    reference: float
    method: Method
    level: float
    rows: int


def estimate_accuracy(
    confidences: ArrayLike,
    reference_confidences: ArrayLike,
    reference_correct: ArrayLike,
    *,
    method: Method = "atc",
    level: float = 0.95,
    seed: int = 0,
) -> AccuracyEstimate:
    """Estimate the accuracy on data without labels.

    "atc": average thresholded confidence (Garg et al., ICLR 2022). The threshold is where the reference has as many
    items below it as errors; the estimate is the share of current items above. "calibrated": confidences are turned
    into chances of being right by isotonic regression on the reference, and averaged.

    Both assume that an answer of a given confidence is as often right as it was. What a model has never seen may make
    it wrong and sure; no such estimate can see that. The interval (bootstrap over both sides) is for chance alone, not
    for that.

    Args:
        confidences: (items,) 0..1: of the model's answers, on data without labels.
        reference_confidences: (items,) 0..1: the same on data with labels that the model did not learn from.
        reference_correct: (items,) 0 or 1: whether those answers were right.
        method: "atc" or "calibrated".
        level: of the interval.
        seed: of the bootstrap.

    Raises:
        InvalidInput: fewer than 10 items, numbers out of range, lengths that do not fit, or an unknown method.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> sure = rng.random(2000)
    >>> found = estimate_accuracy(sure[:500] ** 2, sure, rng.random(2000) < sure, method="calibrated")
    >>> round(found.accuracy, 1), round(found.reference, 1)
    (0.4, 0.5)
    """
    import numpy as np

    if method not in METHODS:
        raise InvalidInput(f"No estimate is called {method!r}.", options=METHODS)
    if not 0 < level < 1:
        raise InvalidInput(f"Level {level} is no share.", mend="Give a number between 0 and 1.")
    now, before = _unit(confidences, "confidences"), _unit(reference_confidences, "reference_confidences")
    right = _unit(reference_correct, "reference_correct")
    if len(before) != len(right) or not np.isin(right, (0.0, 1.0)).all():
        raise InvalidInput(
            f"There are {len(before)} reference confidences and {len(right)} marks.",
            mend="One mark for each confidence: 0 (wrong) or 1 (right).",
        )
    estimate = _thresholded if method == "atc" else _calibrated
    accuracy = estimate(now, before, right)
    low, high = _interval(estimate, now, before, right, level, seed)
    return AccuracyEstimate(
        accuracy, min(low, accuracy), max(high, accuracy), float(right.mean()), method, level, len(now)
    )


def _unit(values: ArrayLike, what: str) -> Floats:
    import numpy as np

    try:
        found = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"{what} are not numbers.", why=f"{error}.") from error
    if found.ndim != 1 or len(found) < FEWEST or not ((found >= 0) & (found <= 1)).all():
        raise InvalidInput(
            f"{what}: shape {found.shape}, or not all within 0..1.", mend=f"One dimension, {FEWEST} items or more."
        )
    return found


def _thresholded(now: Floats, before: Floats, right: Floats) -> float:
    """Items at the threshold itself count in the share in which the reference counts them."""
    import numpy as np

    wrong = len(right) - int(right.sum())
    ordered = np.sort(before)
    if wrong in (0, len(right)):
        return float(not wrong)
    threshold = ordered[wrong - 1]
    below, upto = np.searchsorted(ordered, [threshold], "left")[0], np.searchsorted(ordered, [threshold], "right")[0]
    counted = (upto - wrong) / (upto - below)
    return float((now > threshold).mean() + counted * (now == threshold).mean())


def _calibrated(now: Floats, before: Floats, right: Floats) -> float:
    from sklearn.isotonic import IsotonicRegression

    fitted = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(before, right)
    return float(fitted.predict(now).mean())


def _interval(
    estimate: Estimate, now: Floats, before: Floats, right: Floats, level: float, seed: int
) -> tuple[float, float]:
    """Percentiles over resamples of both sides; narrowed by the root where a side has more than it draws."""
    import numpy as np

    rng = np.random.default_rng(seed)
    drawn = [min(len(now), DRAWN), min(len(before), DRAWN)]
    found = []
    for _ in range(RESAMPLED):
        mine, theirs = rng.integers(len(now), size=drawn[0]), rng.integers(len(before), size=drawn[1])
        found.append(estimate(now[mine], before[theirs], right[theirs]))
    middle = estimate(now, before, right)
    ends = np.quantile(found, [(1 - level) / 2, (1 + level) / 2]) - middle
    shrink = np.sqrt(max(drawn[0] / len(now), drawn[1] / len(before)))
    low, high = np.clip(middle + ends * shrink, 0, 1)
    return float(low), float(high)
