"""What can be said of a text: an intent, a sentiment, entities; and a model's saying of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

Head = Literal["intent", "sentiment", "entities"]
HEADS: tuple[Head, ...] = get_args(Head)


@dataclass(frozen=True, slots=True, order=True)
class Entity:
    """A labelled span: characters `start` (inclusive) to `end` (exclusive) of the text."""

    start: int
    end: int
    label: str


@dataclass(frozen=True, slots=True)
class Labels:
    """Any subset of what can be said of a text. `None` means not said.

    Args:
        intent: the one intent, of exclusive ones.
        sentiment: the one sentiment, of exclusive ones.
        entities: all entities of the text, by position; an empty tuple says that there are none.

    >>> Labels(intent="refund").heads
    ('intent',)
    """

    intent: str | None = None
    sentiment: str | None = None
    entities: tuple[Entity, ...] | None = None

    @property
    def heads(self) -> tuple[Head, ...]:
        """The heads that are said something of."""
        return tuple(head for head in HEADS if getattr(self, head) is not None)

    def over(self, other: Labels) -> Labels:
        """These labels, and the other's where these are silent.

        >>> Labels(intent="refund").over(Labels(intent="greet", sentiment="negative"))
        Labels(intent='refund', sentiment='negative', entities=None)
        """
        return Labels(
            intent=other.intent if self.intent is None else self.intent,
            sentiment=other.sentiment if self.sentiment is None else self.sentiment,
            entities=other.entities if self.entities is None else self.entities,
        )


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a model said of a text.

    Args:
        labels: the labels chosen; `None` for a head that the model has not learned.
        confidence: head -> probability in 0..1 of the label chosen, for intent and sentiment.
        version: number of the model version that said it; set by the workspace.
        interaction: id of the interaction it was recorded under; set by the workspace.
    """

    labels: Labels
    confidence: Mapping[str, float] = field(default_factory=dict)
    version: int | None = None
    interaction: str | None = None
