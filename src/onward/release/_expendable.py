"""Which artifacts may be dropped."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from onward.config import RetentionSettings
from onward.core import ModelVersion, Transition


def expendable(
    versions: Sequence[ModelVersion],
    history: Sequence[Transition],
    champion: int | None,
    settings: RetentionSettings,
    now: datetime,
) -> list[ModelVersion]:
    """The versions whose artifacts retention may drop: beyond the newest `keep_versions` and older than `keep_days`.

    Never the champion, never what a rollback would go to, never a pinned one, and never one that shares its artifact
    with a version that is kept.
    """
    newest = {version.number for version in sorted(versions, key=lambda v: v.number)[-settings.keep_versions :]}
    protected = newest | {champion, predecessor(history, champion)}
    kept = [v for v in versions if v.number in protected or v.pinned or (now - v.created).days < settings.keep_days]
    artifacts = {version.artifact for version in kept}
    return [version for version in versions if version.artifact not in artifacts]


def predecessor(history: Sequence[Transition], champion: int | None) -> int | None:
    """The champion before the champion: the version that the last promotion of `champion` replaced."""
    for transition in reversed(history):
        if transition.version == champion and transition.cause == "promote":
            return transition.previous
    return None
