"""Presidio's recognisers over a spaCy pipeline that is there; nothing is downloaded and no network is tried."""

from __future__ import annotations

from functools import lru_cache, partial

import spacy
from presidio_analyzer import AnalyzerEngine, PatternRecognizer, RecognizerRegistry, RecognizerResult
from presidio_analyzer.nlp_engine import NerModelConfiguration, SpacyNlpEngine
from presidio_analyzer.predefined_recognizers import EmailRecognizer
from spacy.language import Language
from spacy.tokens import Doc

from onward.core import Entity, InvalidInput

from ._kinds import ACCOUNT, ID, PERSON
from ._second import SecondFinder

BLANK = "blank:"
# What Presidio gives a form with no proof and no word that announces it is less.
SURE = 0.4
_KIND = {
    "CREDIT_CARD": "CARD",
    "CRYPTO": ACCOUNT,
    "EMAIL_ADDRESS": "EMAIL",
    "IBAN_CODE": "IBAN",
    "IP_ADDRESS": "IP",
    "PERSON": PERSON,
    "PHONE_NUMBER": "PHONE",
    "US_BANK_NUMBER": ACCOUNT,
    "US_SSN": "SSN",
}
# Not whose text it is, but what it is about: dates, places and links are what a learner has to see.
_KEPT = frozenset({"AGE", "DATE_TIME", "LOCATION", "NRP", "ORGANIZATION", "URL"})
_NAMES = {"PERSON": "PERSON", "PER": "PERSON"}


@lru_cache(maxsize=2)
def open_presidio(base: str, *, names: bool) -> SecondFinder:
    """Presidio's recognisers of one language; opening takes seconds, so the last two stay open.

    Args:
        base: "blank:LANG", or an installed spaCy pipeline, whose entities PERSON and PER are names.
        names: look for names of people too.

    Raises:
        InvalidInput: there is no such spaCy pipeline.
    """
    nlp = _pipeline(base)
    language = str(nlp.lang)
    analyzer = _analyzer(nlp, language)
    left_out = _KEPT if names else _KEPT | {"PERSON"}
    wanted = sorted(set(analyzer.get_supported_entities(language)) - left_out)
    return partial(_find, analyzer, language, wanted)


def _find(analyzer: AnalyzerEngine, language: str, wanted: list[str], text: str) -> tuple[Entity, ...]:
    """What is found in a text, the surest and then the first before the others."""
    found = analyzer.analyze(text, language, entities=wanted, score_threshold=SURE)
    return tuple(Entity(one.start, one.end, _KIND.get(one.entity_type, ID)) for one in sorted(found, key=_claim))


def _claim(found: RecognizerResult) -> tuple[float, int, int, str]:
    return -found.score, found.start, -found.end, found.entity_type


def _pipeline(base: str) -> Language:
    """The pipeline, with words in place of the lemmas where it makes none: Presidio compares words by lemma."""
    try:
        nlp = spacy.blank(base.removeprefix(BLANK)) if base.startswith(BLANK) else spacy.load(base)
    except (OSError, ImportError) as error:
        raise InvalidInput(
            f"There is no spaCy base {base!r} for Presidio.",
            why=f"{type(error).__name__}: {error}",
            mend="Set training.base to blank:LANG, such as blank:en, or install the pipeline it names.",
        ) from error
    nlp.add_pipe("onward_words_as_lemmas", last=True)
    return nlp


@Language.component("onward_words_as_lemmas")
def _words_as_lemmas(doc: Doc) -> Doc:
    for token in doc:
        token.lemma_ = token.lemma_ or token.lower_
    return doc


def _analyzer(nlp: Language, language: str) -> AnalyzerEngine:
    """Presidio's own recognisers of a language, over its pipeline."""
    ignored = {label for labels in nlp.pipe_labels.values() for label in labels} - set(_NAMES)
    names = NerModelConfiguration(model_to_presidio_entity_mapping=_NAMES, labels_to_ignore=sorted(ignored))
    engine = SpacyNlpEngine([{"lang_code": language, "model_name": ""}], names)
    vars(engine)["nlp"] = {language: nlp}  # its own `load` would download what it does not find
    registry = RecognizerRegistry(supported_languages=[language])
    registry.load_predefined_recognizers(languages=[language], nlp_engine=engine)
    registry.remove_recognizer("EmailRecognizer", language=language)
    registry.add_recognizer(_emails(language))
    return AnalyzerEngine(registry=registry, nlp_engine=engine, supported_languages=[language])


def _emails(language: str) -> PatternRecognizer:
    """Presidio's e-mail patterns without its check of the domain, which fetches a list of suffixes from the network."""
    return PatternRecognizer(
        supported_entity="EMAIL_ADDRESS",
        name="EmailPatterns",
        supported_language=language,
        patterns=EmailRecognizer.PATTERNS,
        context=EmailRecognizer.CONTEXT,
    )
