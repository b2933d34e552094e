"""A rule-based reading of a text: what is left when no analyzer answers. Known to be weak, and always there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from ._analysis import Analysis

INTENTS: Final[Mapping[str, re.Pattern[str]]] = {
    "greeting": re.compile(r"^\s*(hi|hello|hey|good (morning|afternoon|evening))\b", re.IGNORECASE),
    "thanks": re.compile(r"\b(thanks|thank you|cheers|much appreciated)\b", re.IGNORECASE),
    "complaint": re.compile(r"\b(broken|wrong|terrible|awful|complain|unacceptable|not working)\b", re.IGNORECASE),
    "request": re.compile(r"\b(please|can you|could you|would you|i need|i want|i'd like)\b", re.IGNORECASE),
    "question": re.compile(r"\?|^\s*(who|what|when|where|why|how|which|is|are|do|does)\b", re.IGNORECASE),
}
POSITIVE: Final = re.compile(
    r"\b(good|great|love|excellent|perfect|thanks?|happy|nice|helpful|awesome)\b", re.IGNORECASE
)
NEGATIVE: Final = re.compile(
    r"\b(bad|terrible|hate|awful|broken|wrong|angry|useless|late|worst|never|unacceptable)\b", re.IGNORECASE
)
WORD: Final = re.compile(r"\w+")


def read_by_rules(text: str) -> Analysis:
    """Intent by the first pattern that matches, sentiment by counting words; no entities.

    >>> read_by_rules("Hello, is my parcel late?").intent
    'greeting'
    """
    intent = next((name for name, pattern in INTENTS.items() if pattern.search(text)), "statement")
    balance = len(POSITIVE.findall(text)) - len(NEGATIVE.findall(text))
    sentiment = "positive" if balance > 0 else "negative" if balance < 0 else "neutral"
    return Analysis(intent=intent, sentiment=sentiment)


def linguistic_features(text: str) -> dict[str, float]:
    """Counts and shares of a text: words, sentences, mean word length, share of capitals, questions, exclamations.

    >>> linguistic_features("Where is it? Now!")["words"]
    4.0
    """
    words = WORD.findall(text)
    letters = sum(character.isalpha() for character in text)
    return {
        "characters": float(len(text)),
        "words": float(len(words)),
        "sentences": float(max(1, len(re.findall(r"[.!?]+", text)))),
        "mean_word_length": sum(map(len, words)) / len(words) if words else 0.0,
        "capitals": sum(character.isupper() for character in text) / letters if letters else 0.0,
        "questions": float(text.count("?")),
        "exclamations": float(text.count("!")),
    }
