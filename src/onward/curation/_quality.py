"""The quality of an interaction as material to learn from, 0..1.

quality = reliability of the label x adequacy of the text

Reliability goes by who says it:

- a correction: 1. Somebody took the trouble; that the answer was bad is why.
- a label that came with the record: 1; where the record's context rates itself, (1 + mean rating) / 2.
- a confirmed prediction: the mean of the score that confirms it and the ratings in the context.

Ratings are `user_satisfaction` and `response_quality` in the interaction's context, numbers in 0..1; anything else is
read as no rating. Adequacy is 1 for ordinary text and falls for lines that are mostly symbols or one word over and
over.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from onward.core import LabelSource

from ._text import words

RATINGS = ("user_satisfaction", "response_quality")


def _ratings(context: Mapping[str, Any]) -> list[float]:
    found = [context.get(name) for name in RATINGS]
    return [float(r) for r in found if isinstance(r, int | float) and not isinstance(r, bool) and 0 <= r <= 1]


def reliability(source: LabelSource, context: Mapping[str, Any], score: float = 1.0) -> float:
    """How far a label can be relied on, 0..1.

    >>> reliability("confirmed", {"user_satisfaction": 0.6}, score=0.8)
    0.7
    """
    ratings = _ratings(context) if context and source != "correction" else []
    if source == "confirmed":
        return (min(1.0, score) + sum(ratings)) / (1 + len(ratings))
    return (1 + sum(ratings) / len(ratings)) / 2 if ratings else 1.0


def adequacy(text: str) -> float:
    """How far a text is text, 0..1: the share of symbols and of repeated words beyond half counts against it.

    >>> adequacy("where is my card?"), adequacy("no no no no no no no no")
    (1.0, 0.25)
    """
    found = words(text)
    symbols = len("".join(text.split()))
    letters = sum(map(len, found))
    dense = min(1.0, 2 * letters / symbols) if symbols else 0.0
    varied = min(1.0, 2 * len(set(found)) / len(found)) if len(found) >= 6 else 1.0
    return dense * varied
