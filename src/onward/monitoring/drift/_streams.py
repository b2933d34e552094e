"""Detectors of drift in streams, by name and behind one protocol: ADWIN is our own, the others are river's."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final, Protocol, runtime_checkable

from onward.core import InvalidInput, MissingExtra

from ._adwin import Adwin
from ._stream_values import finite

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RIVER: Final = {
    "page_hinkley": ("drift", "PageHinkley"),
    "kswin": ("drift", "KSWIN"),
    "ddm": ("drift.binary", "DDM"),
    "hddm_a": ("drift.binary", "HDDMA"),
    "hddm_w": ("drift.binary", "HDDMW"),
}
ERRORS: Final = {"ddm", "hddm_a", "hddm_w"}  # take errors: 0 or 1
DETECTORS: Final = ("adwin", *RIVER)


@runtime_checkable
class StreamDetector(Protocol):
    """Looks at a stream item by item and says when it has changed. It reports; it never acts.

    A detector is owned by one thread. After drift it goes on by itself, from what is new.
    """

    @property
    def drift_detected(self) -> bool:
        """Whether the last item made drift certain."""
        ...

    def update(self, value: float) -> bool:
        """Take one item; True where it makes drift certain."""
        ...

    def update_many(self, values: Iterable[float]) -> NDArray[np.intp]:
        """Take items, oldest first; the places (from 0) at which drift was certain. The same as one by one."""
        ...

    def reset(self) -> None:
        """Forget everything."""
        ...


class RiverDetector:
    """A detector of river's behind our protocol."""

    def __init__(self, name: str, options: dict[str, Any]) -> None:
        self.name, self._options = name, options
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._detector = _river(self.name, self._options)

    @property
    def drift_detected(self) -> bool:
        """Whether the last item made drift certain."""
        return bool(self._detector.drift_detected)

    def update(self, value: float) -> bool:
        """Take one item; True where it makes drift certain.

        Raises:
            InvalidInput: it is not a finite number, or not 0 or 1 where the detector looks at errors.
        """
        return len(self.update_many([value])) > 0

    def update_many(self, values: Iterable[float]) -> NDArray[np.intp]:
        """Take items, oldest first; the places (from 0) at which drift was certain.

        Raises:
            InvalidInput: they are not finite numbers, or not 0 or 1 where the detector looks at errors; nothing has
                changed.
        """
        import numpy as np

        items = finite(values)
        if self.name in ERRORS and not np.isin(items, (0.0, 1.0)).all():
            raise InvalidInput(f"{self.name} looks at errors: 0 or 1.", mend="Use adwin, page_hinkley or kswin.")
        found = []
        for place, item in enumerate(items.tolist()):
            self._detector.update(item)
            if self._detector.drift_detected:
                found.append(place)
        return np.array(found, dtype=np.intp)


def _river(name: str, options: dict[str, Any]) -> Any:
    from importlib import import_module

    module, kind = RIVER[name]
    try:
        found = getattr(import_module(f"river.{module}"), kind)
    except ImportError as error:
        raise MissingExtra("river", "streams") from error
    try:
        return found(**options)
    except TypeError as error:
        raise InvalidInput(f"{name} cannot be made of {options}.", why=f"{error}.") from error


def detector(name: str = "adwin", **options: Any) -> StreamDetector:
    """Make a detector.

    Args:
        name: "adwin" (ours; any numbers, best in 0..1), "page_hinkley" (Page 1954), "kswin" (Raab et al. 2020), and for
            errors, 0 or 1: "ddm" (Gama et al. 2004), "hddm_a" and "hddm_w" (Frias-Blanco et al. 2015).
        options: of that detector: of `Adwin`, or those that river documents.

    Raises:
        InvalidInput: no detector is called so, or it does not know an option.
        MissingExtra: river is not installed; "adwin" needs none.

    >>> watch = detector("adwin", delta=0.01)
    >>> any(watch.update(error) for error in [0] * 500 + [1] * 100)
    True
    """
    if name not in DETECTORS:
        raise InvalidInput(f"No detector is called {name!r}.", options=DETECTORS)
    if name in RIVER:
        return RiverDetector(name, options)
    try:
        return Adwin(**options)
    except TypeError as error:
        raise InvalidInput(f"adwin cannot be made of {options}.", why=f"{error}.") from error
