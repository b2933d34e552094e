"""Who looks for personal data beside our own patterns. The door opens without the extra, to say that it is missing."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from onward.config import Settings
from onward.core import Entity, MissingExtra

# From a text to spans of it; the label is the kind, the first one has the first claim.
SecondFinder = Callable[[str], tuple[Entity, ...]]


def second_finder(settings: Settings) -> SecondFinder | None:
    """Who looks in addition, as `curation.personal_data` says; `None` where our patterns look alone.

    Raises:
        MissingExtra: Presidio is wanted and not installed.
        InvalidInput: `training.base` is neither "blank:LANG" nor an installed pipeline.
    """
    if settings.curation.personal_data == "patterns":
        return None
    try:
        module = import_module("._presidio", __package__)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"presidio_analyzer", "spacy"}:
            raise
        raise MissingExtra("Presidio", "presidio") from error
    finder: SecondFinder = module.open_presidio(settings.training.base, names=settings.curation.replace_names)
    return finder
