"""Models that were loaded once, kept for the next question."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Final

from onward.core import Model
from onward.loop import House, load_model

KEPT: Final = 4


class Models:
    """The last four models that were asked for, by version number. Safe to share between threads."""

    def __init__(self) -> None:
        self._loaded: OrderedDict[int, Model] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, house: House, number: int) -> Model:
        """The model of a version, loaded and verified where it is not in memory.

        Raises:
            NotFound, Damaged: there is no such version, or its artifact is gone or was changed.
        """
        with self._lock:
            if number in self._loaded:
                self._loaded.move_to_end(number)
                return self._loaded[number]
        model = load_model(house, house.registry.version(number))
        with self._lock:
            self._loaded[number] = model
            while len(self._loaded) > KEPT:
                self._loaded.popitem(last=False)
        return model
