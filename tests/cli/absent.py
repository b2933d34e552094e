"""A learner whose library is not installed."""

from onward.core import MissingExtra


def create(settings):
    raise MissingExtra("torch", "neural")
