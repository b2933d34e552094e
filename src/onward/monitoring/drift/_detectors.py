"""How good are detectors? On streams whose drifts are known, and never without those that do not look at all."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from onward.core import InvalidInput

from ._stream_values import finite
from ._streams import StreamDetector

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ALWAYS: Final = "(always fires)"
NEVER: Final = "(never fires)"


@dataclass(frozen=True, slots=True, eq=False)
class DriftStream:
    """A stream whose drifts are known.

    Args:
        values: (items,) numbers, oldest first.
        drifts: the places (from 0) of the first items after each drift, ascending.
        name: of the stream.
    """

    values: Sequence[float] | NDArray[np.float64]
    drifts: Sequence[int] = ()
    name: str = ""


@dataclass(frozen=True, slots=True)
class DetectorScore:
    """What a detector did on all streams.

    Args:
        name: of the detector.
        drifts: how many there were.
        found: of how many it told within the horizon.
        recall: found / drifts, 0..1; None without drifts.
        false_alarms: alarms outside all horizons, and every alarm after the first within one.
        false_alarms_per_10000: the same for 10,000 items.
        median_delay: items from a drift to its first alarm, over those found; None where there is none.
    """

    name: str
    drifts: int
    found: int
    recall: float | None
    false_alarms: int
    false_alarms_per_10000: float
    median_delay: float | None


class _Always:
    """Tells of drift at every item: finds all of them at once, and is of no use."""

    drift_detected = True

    def update(self, value: float) -> bool:
        del value
        return True

    def update_many(self, values: Iterable[float]) -> NDArray[np.intp]:
        import numpy as np

        return np.arange(len(finite(values)))

    def reset(self) -> None:
        """There is nothing to forget."""


class _Never:
    """Never tells of drift: no false alarm, and of no use."""

    drift_detected = False

    def update(self, value: float) -> bool:
        del value
        return False

    def update_many(self, values: Iterable[float]) -> NDArray[np.intp]:
        import numpy as np

        return np.arange(0 * len(finite(values)))

    def reset(self) -> None:
        """There is nothing to forget."""


def evaluate_detectors(
    detectors: Mapping[str, Callable[[], StreamDetector]], streams: Iterable[DriftStream], *, horizon: int = 1000
) -> tuple[DetectorScore, ...]:
    """Run each detector over each stream; the last two rows are always one that always fires and one that never does.

    A detector that finds all drifts has shown nothing while the one that always fires finds them too, with less delay;
    nor has one without false alarms beside the one that never fires. Read recall, false alarms and delay together.

    Args:
        detectors: name -> what makes a new one.
        streams: with the places of their drifts.
        horizon: items after a drift, or up to the next one, within which an alarm is of that drift.

    Raises:
        InvalidInput: no stream, no item, drifts outside their stream or out of order, or a horizon below 1.

    >>> import numpy as np
    >>> stream = DriftStream(np.repeat([0.0, 1.0], 1024), drifts=[1024])
    >>> from onward.monitoring.drift import detector
    >>> for row in evaluate_detectors({"adwin": detector}, [stream]):
    ...     print(row.name, row.recall, row.false_alarms, row.median_delay)
    adwin 1.0 0 15.0
    (always fires) 1.0 2047 0.0
    (never fires) 0.0 0 None
    """
    held = [_checked(stream) for stream in streams]
    if horizon < 1 or not held:
        raise InvalidInput("Detectors are judged on one stream or more, with a horizon of one item or more.")
    taken = {ALWAYS, NEVER} & detectors.keys()
    if taken:
        raise InvalidInput(f"{', '.join(taken)} is always there.", mend="Give your detector another name.")
    everyone = {**detectors, ALWAYS: _Always, NEVER: _Never}
    return tuple(_score(name, make, held, horizon) for name, make in everyone.items())


def _checked(stream: DriftStream) -> tuple[NDArray[np.float64], list[int]]:
    values, drifts = finite(stream.values), [int(one) for one in stream.drifts]
    if not len(values) or drifts != sorted(set(drifts)) or (drifts and not 0 <= drifts[0] <= drifts[-1] < len(values)):
        raise InvalidInput(
            f"Stream {stream.name!r} has {len(values)} items and drifts at {drifts}.",
            mend="Drifts are places in the stream, ascending.",
        )
    return values, drifts


def _score(
    name: str,
    make: Callable[[], StreamDetector],
    streams: Sequence[tuple[NDArray[np.float64], list[int]]],
    horizon: int,
) -> DetectorScore:
    import numpy as np

    delays: list[int] = []
    alarms = items = known = 0
    for values, drifts in streams:
        told = np.asarray(make().update_many(values))
        for at, end in zip(drifts, [*drifts[1:], len(values)], strict=False):
            within = told[(told >= at) & (told < min(at + horizon, end))]
            delays.extend((within[:1] - at).tolist())
        alarms, items, known = alarms + len(told), items + len(values), known + len(drifts)
    wrong = alarms - len(delays)
    return DetectorScore(
        name,
        known,
        len(delays),
        len(delays) / known if known else None,
        wrong,
        wrong * 10_000 / items,
        float(statistics.median(delays)) if delays else None,
    )
