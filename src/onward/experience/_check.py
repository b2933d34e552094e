"""What a record must be to be stored at all. Whether it is worth learning from is curation's to say."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from onward.core import Feedback, Interaction, InvalidInput, Labels, Part

LONGEST_ID: Final = 200
LONGEST_TEXT: Final = 100_000
DEEPEST: Final = 50


def check_interaction(interaction: Interaction) -> Interaction:
    """The interaction, entities in order; of a task it is a query where it does not say what it is.

    Raises:
        InvalidInput: saying which field is wrong, and how it should be.
    """
    for name in ("id", "tenant"):
        _check_id(name, getattr(interaction, name))
    _check_user(interaction.user)
    _check_aware(interaction.at.tzinfo is not None)
    if len(interaction.text) > LONGEST_TEXT:
        raise InvalidInput(
            f"The text has {len(interaction.text):,} characters; {LONGEST_TEXT:,} are the most.", mend="Cut it."
        )
    for text in (interaction.text, interaction.response, interaction.source):
        _check_unicode(text)
    _check_depth("context", interaction.context)
    labels = check_labels(interaction.labels, interaction.text)
    part = _check_task(interaction)
    if labels is interaction.labels and part == interaction.part:
        return interaction
    return replace(interaction, labels=labels, part=part)


def _check_task(interaction: Interaction) -> Part | None:
    """What the interaction is in its task."""
    task, part = interaction.task, interaction.part
    if task is None and part is None:
        return None
    if task is None:
        raise InvalidInput(f"The part is {part!r}, but no task is named.", mend="Name the `task`, or leave `part` out.")
    _check_id("task", task)
    if part == "support" and not interaction.labels.heads:
        raise InvalidInput(
            f"A support example of task {task!r} has no label.", mend="Label it, or record it as a query."
        )
    return part or "query"


def check_feedback(feedback: Feedback) -> Feedback:
    """The feedback.

    Raises:
        InvalidInput: saying which field is wrong, and how it should be.
    """
    for name in ("id", "tenant", "interaction"):
        _check_id(name, getattr(feedback, name))
    _check_user(feedback.user)
    _check_aware(feedback.at.tzinfo is not None)
    said = feedback.correction is not None and bool(feedback.correction.heads)
    if feedback.score is None and not said and not feedback.remark:
        raise InvalidInput("The feedback says nothing.", mend="Give a score, a correction or a remark.")
    if feedback.score is not None and not (math.isfinite(feedback.score) and 0 <= feedback.score <= 1):
        raise InvalidInput(f"The score is {feedback.score}.", mend="Give a number from 0 (bad) to 1 (good).")
    _check_depth("remark", feedback.remark)
    if feedback.correction is not None:
        _check_names(feedback.correction)
    return feedback


def _check_id(name: str, value: str) -> None:
    if not value or len(value) > LONGEST_ID or not value.isprintable():
        raise InvalidInput(
            f"The {name} is {value[:40]!r}.",
            mend=f"Give 1 to {LONGEST_ID} printable characters.",
        )


def _check_user(user: str | None) -> None:
    """Every back end can look them up."""
    if user is not None:
        _check_id("user", user)


def _check_aware(aware: bool) -> None:
    if not aware:
        raise InvalidInput("The time has no time zone.", mend="Write it like 2026-03-01T09:30:00+00:00.")


def _check_unicode(text: str | None) -> None:
    try:
        (text or "").encode()
    except UnicodeEncodeError as error:
        raise InvalidInput(f"The text is not valid Unicode: {error.reason}.", mend="Remove lone surrogates.") from error


def _check_depth(name: str, value: Any) -> None:
    """Deeper values would be read back or not by how deep the reader's own stack is."""
    level: list[Any] = [value] if value else []
    for _ in range(DEEPEST):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return
    raise InvalidInput(f"The {name} is nested more than {DEEPEST} levels deep.", mend="Flatten it.")


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, Mapping):
        return value.values()
    return value if isinstance(value, list | tuple) else ()


def _check_names(labels: Labels) -> None:
    names = (labels.intent, labels.sentiment, *(entity.label for entity in labels.entities or ()))
    if not all(name is None or name.strip() for name in names):
        raise InvalidInput("A label has a blank name.", mend="Name it, or leave it out.")


def check_labels(labels: Labels, text: str) -> Labels:
    """Labels of a text, entities in order.

    Raises:
        InvalidInput: a name is blank, or an entity lies outside of the text.
    """
    _check_names(labels)
    if labels.entities is None:
        return labels
    for entity in labels.entities:
        if not 0 <= entity.start < entity.end <= len(text):
            raise InvalidInput(
                f"Entity {entity.label!r} spans {entity.start} to {entity.end} of a text of {len(text)} characters.",
                mend="Count characters from 0; the end is exclusive.",
            )
    return replace(labels, entities=tuple(sorted(labels.entities)))
