"""The plug-in table: kind -> "module:attribute". Read lazily; nothing registers itself on import."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import entry_points
from typing import Final, cast

from onward.core import InvalidInput, Learner

from ._settings import Settings

ENTRY_POINT_GROUP: Final = "onward.learners"

BUILT_IN: Final[Mapping[str, str]] = {
    "continual": "onward.learners.text.continual:create",
    "few-shot": "onward.learners.text.few_shot:create",
    "linear": "onward.learners.text.linear:create",
    "spacy": "onward.learners.text.spacy:create",
}


def known_learners(settings: Settings) -> dict[str, str]:
    """Kind -> "module:attribute": built in, from other packages' entry points, from onward.toml; the last wins."""
    installed = {point.name: point.value for point in entry_points(group=ENTRY_POINT_GROUP)}
    return {**BUILT_IN, **installed, **settings.plugins}


def load_learner(kind: str, settings: Settings) -> Learner:
    """Make the learner of a kind.

    Raises:
        InvalidInput: the kind is unknown, or its table entry leads nowhere.
        MissingExtra: the learner needs an extra that is not installed.
    """
    table = known_learners(settings)
    if kind not in table:
        raise InvalidInput(
            f"No learner is called {kind!r}.",
            mend="Name a known one under [training] learners, or add yours under [plugins] in onward.toml.",
            options=table,
        )
    module, _, attribute = table[kind].partition(":")
    try:
        create = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError, TypeError) as error:
        raise InvalidInput(
            f"Learner {kind!r} cannot be loaded from {table[kind]!r}.",
            why=f"{error}.",
            mend='Write it as "module:attribute" and make sure that the module can be imported.',
        ) from error
    if not callable(create):
        raise InvalidInput(
            f"Learner {kind!r} cannot be made by {table[kind]!r}: it cannot be called.",
            mend="Name a function that takes the settings and returns the learner.",
        )
    return cast("Learner", create(settings))
