"""The spaCy learner: intents, sentiment and entities in one pipeline. README.md beside this file says why it is so."""

from ._create import create as create
