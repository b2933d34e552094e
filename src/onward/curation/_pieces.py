"""From interactions to usable pieces: consent, validity, claims, personal data, quality, in this order."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from onward.config import Settings
from onward.core import Entity, Feedback, Interaction, log

from ._claims import claims_of
from ._personal import PEOPLE, SecondFinder, scrub
from ._quality import adequacy
from ._records import Claim, Piece
from ._text import example_id
from ._validity import text_fault

Entities = tuple[Entity, ...]

UNLABELLED: Final = "no label that people gave or confirmed"
UNSEEN: Final = "personal data could not be looked for"
"""Why an interaction is set aside when Presidio fails on its text; `status` says so until it no longer does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sieve:
    """What is let through."""

    tenant: str
    settings: Settings
    withdrawn: Container[str]
    quarantined: frozenset[str]

    def fault(self, interaction: Interaction) -> str | None:
        """Why an interaction cannot be used whatever is said of it, or `None`."""
        if interaction.tenant != self.tenant:
            return "belongs to another tenant"
        if interaction.consent is False:
            return "no consent"
        if interaction.consent is None and self.settings.curation.require_consent:
            return "nothing said of consent"
        if interaction.user in self.withdrawn:
            return "consent withdrawn"
        if interaction.id in self.quarantined:
            return "quarantined by an earlier refusal"
        return text_fault(interaction.text, self.settings.curation.max_length)

    def hears(self, feedback: Feedback) -> bool:
        """Whether feedback may be listened to."""
        return feedback.tenant == self.tenant and feedback.user not in self.withdrawn


def _seen(interaction: Interaction, second: SecondFinder | None) -> Entities | None:
    """What is found in addition to our own patterns; `None` where whoever looks has failed."""
    if second is None:
        return ()
    try:
        return second(interaction.text)
    except Exception as error:  # noqa: BLE001 - recognisers of others may raise anything; the text waits, unlearned
        log.warning(UNSEEN, interaction=interaction.id, error=type(error).__name__)
        return None


def _without_personal_data(
    text: str, claims: Sequence[Claim], people: Entities, also: Entities
) -> tuple[str, tuple[Claim, ...]]:
    """The text scrubbed, the names of people among it, and the entities claimed at their new places."""
    scrubbed = scrub(text, people, names=bool(people), also=also)
    if not scrubbed.found:
        return text, tuple(claims)
    moved = (c if isinstance(c.value, str) else replace(c, value=_moved(text, c.value, people, also)) for c in claims)
    return scrubbed.text, tuple(moved)


def _moved(text: str, claimed: Entities, people: Entities, also: Entities) -> Entities:
    """Entities of a text at their places in the scrubbed text; people whom they do not name are left out again."""
    names_people = any(entity.label in PEOPLE for entity in claimed)
    found = scrub(text, sorted({*claimed, *people}), names=bool(people), also=also).entities
    return tuple(entity for entity in found if names_people or entity.label not in PEOPLE)


def _people(interaction: Interaction, claims: Sequence[Claim]) -> Entities:
    """Whom people, or the pipeline that predicted, have found in the text."""
    said = [claim.value for claim in claims if not isinstance(claim.value, str)]
    if interaction.prediction is not None:
        said.append(interaction.prediction.labels.entities or ())
    fitting = (e for entities in said for e in entities if 0 <= e.start < e.end <= len(interaction.text))
    return tuple(sorted({entity for entity in fitting if entity.label in PEOPLE}))


def _piece(
    interaction: Interaction, feedback: Sequence[Feedback], settings: Settings, second: SecondFinder | None
) -> Piece | str:
    """The piece that an interaction makes, or why it makes none."""
    claims = claims_of(interaction, feedback, settings.curation.confirm_score)
    if not claims:
        return UNLABELLED
    people = _people(interaction, claims) if settings.curation.replace_names else ()
    also = _seen(interaction, second)
    if also is None:
        return UNSEEN
    text, claims = _without_personal_data(interaction.text, claims, people, also)
    enough = settings.learning.quality_threshold / max(adequacy(text), 1e-9)
    claims = tuple(claim for claim in claims if claim.reliability >= enough - 1e-9)
    if not any(claim.standing for claim in claims):
        return "quality below learning.quality_threshold"
    return Piece(
        id=example_id(text, interaction.task),
        text=text,
        claims=claims,
        interaction=interaction.id,
        user=interaction.user,
        origin=interaction.source,
        at=interaction.at.timestamp(),
        task=interaction.task,
        part=interaction.part,
    )


def piece_of(
    interaction: Interaction, feedback: Iterable[Feedback], sieve: Sieve, second: SecondFinder | None
) -> Piece | str:
    """The usable piece of one interaction and what was said of it, or the reason why there is none."""
    heard = [f for f in feedback if sieve.hears(f)]
    return sieve.fault(interaction) or _piece(interaction, heard, sieve.settings, second)
