"""Streams in which nobody says where one thing ends and the next begins."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from math import isfinite
from typing import Any, Final, Literal, Protocol

import torch
from torch import Tensor

from onward.core import InvalidInput, MissingExtra
from onward.learners.continual._checks import check_functions
from onward.learners.continual._experience import Experience
from onward.learners.neural import whole

from ._arrays import examples_of, is_rows, pair_of
from ._surprise import Surprise

Signal = Callable[[Tensor, Tensor], Any]
"""(n, ...) examples and (n, ...) targets -> (n,) numbers, one for each; a change of their mean is a drift."""
NAMED: Final = {"adwin": "ADWIN", "kswin": "KSWIN"}


class Detector(Protocol):
    """What notices that a number has changed for good; those of `river.drift` are such.

    After a drift it begins anew by itself. Where it has a number `width`, that many of the latest values belong to what
    has begun.
    """

    @property
    def drift_detected(self) -> bool:
        """Whether the latest value showed a drift."""
        ...

    def update(self, x: float) -> object:
        """Look at the next value."""
        ...


def from_stream(
    source: tuple[Any, Any] | Iterable[tuple[Any, Any]],
    window: int = 1000,
    *,
    detector: Detector | Literal["adwin", "kswin"] | None = None,
    signal: Signal | None = None,
    smallest: int = 50,
    device: torch.device | str | None = None,
) -> Iterator[Experience]:
    """Experiences of an endless stream, each given as soon as it is whole.

    Without a detector an experience is `window` examples. With one it ends where a drift is found, and at the latest
    after `window` examples, so that memory stays bounded. All have task 0: nobody tells tasks apart.

    Args:
        source: arrays (x, y); or pairs of arrays (x (n, ...), y (n, ...)), of any n, as they come. Classes are numbers.
        window: most examples of an experience, at least `smallest`.
        detector: "adwin" (Bifet and Gavaldà 2007) or "kswin" (Raab et al. 2020) of the extra `streams`; or an object.
        signal: what the detector looks at. Best the error of the model in service, e.g.
            `lambda x, y: (learner.predict(x) != y).float()`: then a drift is what hurts. Where left out, how unlike
            the examples are to those of the experience so far (mean over the features of the squared distance from
            their mean in standard deviations, log(1 + .)), which says nothing of a change of the targets.
        smallest: fewest examples of an experience but the last; also how many are looked at together.
        device: where examples are kept.

    Raises:
        InvalidInput: a number is out of its range, no detector has the name, the source gives no such pairs or others
            than it began with, or examples are not finite.
        MissingExtra: river is not installed.

    >>> _ = torch.manual_seed(0)
    >>> x = torch.cat([torch.randn(300, 4), 3 + torch.randn(300, 4)])
    >>> [len(one) for one in from_stream((x, torch.zeros(600)), window=250)]
    [250, 250, 100]
    >>> [one.name for one in from_stream((x, torch.zeros(600)), detector="adwin")]
    ['0 to 279', '280 to 599']
    """
    whole(1, smallest=smallest)
    whole(smallest, window=window)
    check_functions(signal=signal)
    cutter = _Cutter(window, smallest, _named(detector), signal)
    given: Any = source
    if not isinstance(given, Iterable) or isinstance(given, str | bytes | Mapping):
        raise InvalidInput(
            f"A {type(source).__name__} is no stream.", mend="Give arrays (x, y), or such pairs one after the other."
        )
    return _cut(_slices(source, smallest, device), cutter)


def _cut(slices: Iterable[tuple[Tensor, Tensor]], cutter: _Cutter) -> Iterator[Experience]:
    for x, y in slices:
        yield from cutter.feed(x, y)
    yield from cutter.rest()


def _slices(source: Any, size: int, device: torch.device | str | None) -> Iterator[tuple[Tensor, Tensor]]:
    """What comes, in parts of at most `size` examples."""
    first: tuple[object, ...] | None = None
    for chunk in [source] if _is_pair(source) else source:
        x, y = pair_of(chunk, "Give arrays (x, y).")
        if not (is_rows(x) and is_rows(y)):
            raise InvalidInput(
                f"A pair holds a {type(x).__name__} and a {type(y).__name__}.",
                mend="Give arrays (n, ...) of both; a single example as arrays of one.",
            )
        if len(x) == len(y) == 0:  # nothing came
            continue
        data = examples_of(x, y, None, None, device, numbered=True)
        kind = (*data.x.shape[1:], "real" if data.y.is_floating_point() else "classes", *data.y.shape[1:])
        first = first or kind
        if kind != first:
            raise InvalidInput(
                f"The stream began with examples and targets {first}, and now gives {kind}.",
                mend="Give all the same shape and kind.",
            )
        yield from zip(data.x.split(size), data.y.split(size), strict=True)


def _is_pair(source: Any) -> bool:
    """Whether it is arrays (x, y), and not two such pairs."""
    return isinstance(source, tuple) and len(source) == 2 and not all(isinstance(part, tuple) for part in source)


def _named(detector: Detector | str | None) -> Detector | None:
    if not isinstance(detector, str):
        if detector is not None and not all(hasattr(detector, part) for part in ("update", "drift_detected")):
            raise InvalidInput(
                f"{detector!r} is no detector.", mend="Give one of river.drift, or name one.", options=NAMED
            )
        return detector
    if detector not in NAMED:
        raise InvalidInput(f"No detector is called {detector!r}.", mend="Name one, or give an object.", options=NAMED)
    try:
        from river import drift
    except ImportError as error:
        raise MissingExtra("river", "streams") from error
    settings = {"seed": 0} if detector == "kswin" else {}
    found: Detector = getattr(drift, NAMED[detector])(**settings)
    return found


class _Cutter:
    """Gathers examples until an experience is whole."""

    def __init__(self, window: int, smallest: int, detector: Detector | None, signal: Signal | None) -> None:
        self._window, self._smallest, self._detector, self._signal = window, smallest, detector, signal
        self._parts: list[tuple[Tensor, Tensor]] = []
        self._count = self._given = 0
        self._surprise = Surprise()

    def feed(self, x: Tensor, y: Tensor) -> Iterator[Experience]:
        """Take examples in; the experiences that became whole."""
        while len(x):
            room = self._window - self._count
            fresh, taken = self._drift(x[:room], y[:room])
            self._parts.append((x[:taken], y[:taken]))
            self._count += taken
            if fresh is not None and self._count - fresh >= self._smallest:
                yield self._give(self._count - fresh)
                self._surprise = Surprise(self._parts[0][0] if self._parts else None)
            elif self._detector is not None and self._signal is None:
                self._surprise.learn(x[:taken])
            if self._count == self._window:
                yield self._give(self._count)
            x, y = x[taken:], y[taken:]

    def rest(self) -> Iterator[Experience]:
        """What is left when the stream ends."""
        if self._count:
            yield self._give(self._count)

    def _drift(self, x: Tensor, y: Tensor) -> tuple[int | None, int]:
        """How many of the examples up to a drift belong to what has begun, `None` without one; and where it is."""
        if self._detector is None:
            return None, len(x)
        values = self._surprise.of(x) if self._signal is None else _numbers(self._signal(x, y), len(x))
        for at, value in enumerate(values):
            self._detector.update(value)
            if self._detector.drift_detected:
                return int(getattr(self._detector, "width", 0)), at + 1
        return None, len(x)

    def _give(self, count: int) -> Experience:
        """The first so many of what was gathered, as an experience."""
        x, y = (torch.cat([part[at] for part in self._parts]) for at in (0, 1))
        first = self._given
        self._given += count
        self._parts = [(x[count:], y[count:])] if count < len(x) else []
        self._count = len(x) - count
        return Experience(x[:count], y[:count], name=f"{first} to {self._given - 1}")


def _numbers(values: Any, count: int) -> list[float]:
    found = [float(value) for value in torch.as_tensor(values).flatten().tolist()]
    if not all(map(isfinite, found)):
        raise InvalidInput("The signal gave what is no finite number.", mend="Look at the model that it asks.")
    if len(found) != count:
        raise InvalidInput(f"The signal gave {len(found)} numbers for {count} examples.", mend="Give one for each.")
    return found
