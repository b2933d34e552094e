"""Averages in which the past fades, of numbers, arrays and mappings of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from numbers import Real
from typing import TYPE_CHECKING, Any, Final, TypeVar

from onward.core import InvalidInput

from ._checks import count, number
from ._state import MEND, same, saved

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    State = float | NDArray[np.floating[Any]] | Mapping[str, "State"]

S = TypeVar("S", bound="State")
KINDS: Final = ("a number", "a numpy array of numbers", "a mapping of them")


def exponential_moving_average(values: Iterable[S], decay: float = 0.9, *, corrected: bool = True) -> list[S]:
    """The averages of a series after each of its values, each as `ExponentialMovingAverage` gives it.

    Args:
        values: numbers, arrays of one shape, or mappings of them with the same keys.
        decay: as there.
        corrected: as there.

    Raises:
        InvalidInput: as there.

    >>> exponential_moving_average([8.0, 0.0, 0.0], decay=0.5, corrected=False)
    [8.0, 4.0, 2.0]
    >>> [round(one, 2) for one in exponential_moving_average([8.0, 0.0, 0.0], decay=0.5)]
    [8.0, 2.67, 1.14]
    """
    average = ExponentialMovingAverage(decay, corrected=corrected)
    return [average.update(value) for value in values]


class ExponentialMovingAverage:
    """decay * average + (1 - decay) * value, from value to value: of a loss, or of all weights of a model.

    For the weights of a torch module take torch.optim.swa_utils.AveragedModel, which leaves them on their device. Not
    safe for several threads at once.

    Args:
        decay: at least 0, below 1; about 1 / (1 - decay) values are remembered.
        corrected: start from nothing, with the bias towards nothing taken out (Kingma and Ba 2015, arXiv 1412.6980):
            the mean of all values, weighted by decay ** age. Otherwise the first value is the first average, and
            weighs 1 / (1 - decay) times as much as it would as a later one.

    Raises:
        InvalidInput: decay is out of range.

    >>> import numpy as np
    >>> weights = ExponentialMovingAverage(0.5, corrected=False)
    >>> weights.update({"layer": np.array([4.0, 8.0]), "bias": 1.0})
    {'layer': array([4., 8.]), 'bias': 1.0}
    >>> weights.update({"layer": np.array([0.0, 0.0]), "bias": 0.0})
    {'layer': array([2., 4.]), 'bias': 0.5}
    """

    def __init__(self, decay: float = 0.9, *, corrected: bool = True) -> None:
        self._decay = number(decay, "decay", least=0, most=math.nextafter(1, 0))
        self._corrected = bool(corrected)
        self._settings = {"decay": self._decay, "corrected": self._corrected}
        self._average: Any = None
        self._updates = 0

    @property
    def value(self) -> Any:
        """The average now, a copy; None before the first value."""
        return None if self._average is None else _copied(self._average)

    def update(self, value: S) -> S:
        """Take the next value; the average with it, a copy of the same kind. Whole numbers become floats.

        Raises:
            InvalidInput: the value is of no known kind, not finite, or not shaped as those before; nothing has changed.
        """
        found = _finite(value, "The value")
        if self._average is not None:
            found = _mixed(self._average, found, self._share(), "the value")
        self._average = found
        self._updates += 1
        return _copied(found)  # type: ignore[no-any-return]

    def _share(self) -> float:
        """What the next value weighs in the average with it."""
        if not self._corrected:
            return 1 - self._decay
        return (1 - self._decay) / (1 - self._decay ** (self._updates + 1))

    def state_dict(self) -> dict[str, Any]:
        """Its settings and its average, as JSON takes them."""
        average = None if self._average is None else _plain(self._average)
        return saved("average", self._settings, updates=self._updates, average=average)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where another of the same settings stood.

        Raises:
            InvalidInput: the state is not of such a one.
        """
        updates, average = same(state, "average", self._settings, ("updates", "average"))
        updates = count(updates, "updates", 0 if average is None else 1)
        try:
            self._average = None if average is None else _finite(_restored(average), "average")
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidInput("The average in the state cannot be read.", why=f"{error!r}.", mend=MEND) from error
        self._updates = 0 if average is None else updates


def _finite(value: Any, where: str) -> Any:
    """The value with floats in it, copied."""
    import numpy as np

    if isinstance(value, Mapping):
        if odd := [key for key in value if not isinstance(key, str)]:
            raise InvalidInput(f"{where} has the keys {odd}.", mend="Give keys that are texts, as JSON has them.")
        return {key: _finite(part, f"{where}[{key!r}]") for key, part in value.items()}
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiub":
        found = value.astype(value.dtype if value.dtype.kind == "f" else np.float64)
        if np.isfinite(found).all():
            return found
        raise InvalidInput(f"{where} holds numbers that are not finite.", mend="Leave such values out.")
    if isinstance(value, Real):
        return number(float(value), where)
    raise InvalidInput(f"{where} is a {type(value).__name__}.", mend="Give one of these kinds.", options=KINDS)


def _mixed(average: Any, value: Any, share: float, where: str) -> Any:
    import numpy as np

    if isinstance(average, dict) and isinstance(value, dict) and average.keys() == value.keys():
        return {key: _mixed(average[key], value[key], share, f"{where}[{key!r}]") for key in average}
    if isinstance(average, dict) or isinstance(value, dict) or _shape(average) != _shape(value):
        raise InvalidInput(
            f"{where} is {_shape(value)}, and was {_shape(average)}.",
            mend="Give values of one shape, with the same keys.",
        )
    mixed = (1 - share) * average + share * value
    if isinstance(value, float):
        return mixed
    return np.asarray(mixed, np.promote_types(average.dtype, value.dtype))  # of 0-d arrays it is a bare number


def _shape(value: Any) -> str:
    if isinstance(value, dict):
        return f"a mapping of {sorted(value)}"
    return "a number" if isinstance(value, float) else f"an array of shape {value.shape}"


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copied(part) for key, part in value.items()}
    return value if isinstance(value, float) else value.copy()


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {"mapping": {key: _plain(part) for key, part in value.items()}}
    if isinstance(value, float):
        return value
    return {"array": value.ravel().tolist(), "shape": list(value.shape), "dtype": value.dtype.name}


def _restored(value: Any) -> Any:
    import numpy as np

    if not isinstance(value, Mapping):
        return value
    if "mapping" in value:
        return {key: _restored(part) for key, part in dict(value["mapping"]).items()}
    return np.array(value["array"], dtype=value["dtype"]).reshape(value["shape"])
