"""The learner under examination, and how its answers are compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from onward.core import Example, Head, Learner, Model, Prediction, Trained, Training

from ._lessons import dataset_of, lessons, new_lessons


@dataclass(frozen=True, slots=True)
class Subject:
    """A learner under examination.

    Args:
        make: makes the learner; called anew for every training.
        heads: the heads that it learns.
        folder: an empty folder to work in.
    """

    make: Callable[[], Learner]
    heads: Sequence[Head]
    folder: Path
    _cache: dict[str, Trained] = field(default_factory=dict, repr=False)

    def train(
        self, examples: Sequence[Example], champion: Model | None = None, training: Training | None = None
    ) -> Trained:
        """What a fresh learner makes of the examples."""
        return self.make().train(dataset_of(examples), champion, training or Training())

    def base(self) -> Trained:
        """What it makes of `lessons()`; trained once per subject."""
        return self.kept("base", lessons())

    def kept(self, name: str, examples: Sequence[Example]) -> Trained:
        """What it makes of the examples; trained once per subject and name."""
        if name not in self._cache:
            self._cache[name] = self.train(examples)
        return self._cache[name]

    def room(self, name: str) -> Path:
        """A new empty folder."""
        made = self.folder / name
        made.mkdir()
        return made

    def saved(self, name: str) -> Path:
        """A new folder with the base model in it."""
        room = self.room(name)
        self.base().model.save(room)
        return room


def require(held: bool, otherwise: str) -> None:
    if not held:
        raise AssertionError(otherwise)


def texts_of(examples: Sequence[Example]) -> list[str]:
    return [e.text for e in examples]


def same(first: Sequence[Prediction], second: Sequence[Prediction]) -> bool:
    """Equal labels, and confidences equal to one in ten thousand."""
    return len(first) == len(second) and all(
        a.labels == b.labels
        and a.confidence.keys() == b.confidence.keys()
        and all(abs(a.confidence[head] - b.confidence[head]) < 1e-4 for head in a.confidence)
        for a, b in zip(first, second, strict=True)
    )


def probe(model: Model) -> list[Prediction]:
    return model.predict([*texts_of(lessons()), *texts_of(new_lessons()), "", "something else entirely"])


def share_right(model: Model, examples: Sequence[Example], head: Head) -> float:
    said = model.predict(texts_of(examples))
    right = [getattr(p.labels, head) == getattr(e.labels, head) for p, e in zip(said, examples, strict=True)]
    return float(sum(right) / len(right))


def names(folder: Path) -> list[str]:
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())
