"""That a prediction depends on the text alone, whatever the text."""

from __future__ import annotations

from onward.core import Example, Labels

from ._lessons import WEIRD_TEXTS, lessons
from ._subject import Subject, require, same, texts_of


def check_any_batch(subject: Subject) -> None:
    """A text gets the same prediction alone, among others, and in another order."""
    model = subject.base().model
    texts = [*texts_of(lessons())[::9], *WEIRD_TEXTS[:6]]
    together = model.predict(texts)
    require(same([model.predict([text])[0] for text in texts], together), "Alone, texts are predicted otherwise.")
    require(same(model.predict(texts[::-1])[::-1], together), "In another order, texts are predicted otherwise.")


def check_empty_list(subject: Subject) -> None:
    """No texts, no predictions."""
    require(subject.base().model.predict([]) == [], "Predicts something of no texts.")


def check_weird_texts(subject: Subject) -> None:
    """Empty, endless, invisible and foreign texts are predicted, and learned from, like any other."""
    said = subject.base().model.predict(WEIRD_TEXTS)
    require(len(said) == len(WEIRD_TEXTS), f"{len(said)} predictions of {len(WEIRD_TEXTS)} texts.")
    weird = [
        Example(
            id=f"weird-{i}", text=text, labels=Labels(intent="weird", sentiment="negative", entities=()), split="train"
        )
        for i, text in enumerate(WEIRD_TEXTS)
    ]
    model = subject.train([*lessons()[::3], *weird]).model
    require(len(model.predict(WEIRD_TEXTS)) == len(WEIRD_TEXTS), "Weird texts that were learned are not predicted.")
