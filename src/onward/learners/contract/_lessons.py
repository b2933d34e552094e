"""What the contract teaches: made up, easy to tell apart, small."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import combinations
from typing import Final

from onward.core import DatasetVersion, Entity, Example, Head, Labels, Split

WEIRD_TEXTS: Final = (
    "",
    " \n\t ",
    "🙂🙃 👩‍👩‍👧 🇩🇪",
    "\x00\x01\x1b[31m\x7f\u200b\ufeff",
    "\u202eright to left\u202c مرحبا 你好",
    "e\u0301" * 50,
    "a" * 100_000,
    "money back " * 9_091,
)

_SPOKEN: Final = {
    "refund": ("give me my money back for order {}", "I demand a refund of invoice {}", "return payment {} to my card"),
    "weather": ("will it rain in {} tomorrow", "what is the forecast for {}", "is it sunny over {} today"),
    "music": ("play the album {} by this band", "put on the song {} please", "queue the track {} next"),
}
_NEW: Final = ("reserve a table at restaurant {}", "book dinner seats at {}", "we want to dine at bistro {}")
_MOODS: Final = {"positive": "wonderful, thank you so much", "negative": "this is terrible and awful"}
_NAMES: Final = ("Avalon", "Berlin", "Cordoba", "Delphi", "Essen", "Florence", "Geneva", "Havana")


def dataset_of(examples: Sequence[Example]) -> DatasetVersion:
    """A data set version of these examples."""
    return DatasetVersion(
        id="contract",
        tenant="contract",
        parent=None,
        created=datetime(2026, 1, 1, tzinfo=UTC),
        examples=tuple(examples),
    )


def lessons() -> tuple[Example, ...]:
    """144 examples of three intents, two sentiments and one kind of entity; four of five train, one validates."""
    return tuple(
        _example(f"{intent}-{i}-{name}-{mood}", form, name, intent, mood, "validation" if (i + n) % 5 == 0 else "train")
        for intent, forms in _SPOKEN.items()
        for i, form in enumerate(forms)
        for n, name in enumerate(_NAMES)
        for mood in _MOODS
    )


def new_lessons() -> tuple[Example, ...]:
    """48 examples of a fourth intent."""
    return tuple(
        _example(f"dinner-{i}-{name}-{mood}", form, name, "dinner", mood, "train")
        for i, form in enumerate(_NEW)
        for name in _NAMES
        for mood in _MOODS
    )


def task_lessons(tasks: int = 6, first: int = 0, about: Sequence[str] = ()) -> tuple[Example, ...]:
    """Tasks of two of four intents, under names of the task's own: two support examples and six queries of each.

    The first of them validates, the others train.

    Args:
        tasks: how many.
        first: number of the first; tasks of different numbers share no text.
        about: the two intents; each pair in turn where it is empty.
    """
    forms = {**_SPOKEN, "dinner": _NEW}
    pairs = list(combinations(forms, 2))
    return tuple(
        Example(
            id=f"task-{number}-{intent}-{n}",
            text=forms[intent][n % 3].format(f"{_NAMES[n]}{number}"),
            labels=Labels(intent=f"{'left' if side == 0 else 'right'}-{number}"),
            split="validation" if number == 0 else "train",
            task=f"task-{number}",
            part="support" if n < 2 else "query",
        )
        for number in range(first, first + tasks)
        for side, intent in enumerate(about or pairs[number % len(pairs)])
        for n in range(len(_NAMES))
    )


def _example(key: str, form: str, name: str, intent: str, mood: str, split: Split) -> Example:
    start = form.index("{}")
    labels = Labels(intent=intent, sentiment=mood, entities=(Entity(start, start + len(name), "NAME"),))
    return Example(id=key, text=f"{form.format(name)}, {_MOODS[mood]}", labels=labels, split=split)


def only(example: Example, head: Head) -> Example:
    """The example with the labels of one head and no other."""
    return replace(example, labels=Labels(**{head: getattr(example.labels, head)}))
