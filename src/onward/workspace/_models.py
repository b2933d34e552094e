"""Models that were loaded once, kept for the next question."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from onward.core import Example, FewShotModel, InvalidInput, Model, content_hash, plain
from onward.loop import House, load_model

KEPT: Final = 4
ADAPTED_KEPT: Final = 64


class Models:
    """The last four models that were asked for, by version number, and the last 64 that adapted to a support set.

    Safe to share between threads.
    """

    def __init__(self) -> None:
        self._loaded: OrderedDict[int, Model] = OrderedDict()
        self._adapted: OrderedDict[tuple[int, str], Model] = OrderedDict()
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

    def adapted(self, house: House, number: int, support: Sequence[Example]) -> Model:
        """The model of a version, adapted to a support set. By its content: who recorded it, and when, is the same.

        Raises:
            NotFound, Damaged: as in `get`.
            InvalidInput: the version cannot adapt to tasks, or not to this support set.
        """
        key = number, content_hash([(e.text, plain(e.labels), e.weight) for e in sorted(support, key=lambda e: e.id)])
        with self._lock:
            if key in self._adapted:
                self._adapted.move_to_end(key)
                return self._adapted[key]
        model = self.get(house, number)
        if not isinstance(model, FewShotModel):
            raise InvalidInput(
                f"Version {number} cannot adapt to tasks.",
                why=f"Its learner is {house.registry.version(number).learner}.",
                mend='Let "few-shot" compete under [training] learners in onward.toml, then run: onward cycle',
            )
        adapted = model.adapt(support)
        with self._lock:
            self._adapted[key] = adapted
            while len(self._adapted) > ADAPTED_KEPT:
                self._adapted.popitem(last=False)
        return adapted

    def forget(self) -> None:
        """Drop the models that adapted: they hold words of support sets."""
        with self._lock:
            self._adapted.clear()
