"""The door of the plug-in: it opens without spaCy, to say that spaCy is missing."""

from __future__ import annotations

from importlib import import_module

from onward.config import Settings
from onward.core import Learner, MissingExtra


def create(settings: Settings) -> Learner:
    """The spaCy learner of a workspace.

    Raises:
        MissingExtra: spaCy is not installed.
    """
    try:
        module = import_module("._learner", __package__)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "spacy":
            raise
        raise MissingExtra("spaCy", "text") from error
    learner: Learner = module.SpacyLearner(settings.training, settings.learning.replay_budget)
    return learner
