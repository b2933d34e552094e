"""Reading a model back without executing anything that its folder says."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import spacy
from spacy.about import __version__ as VERSION  # noqa: N812
from spacy.language import Language
from spacy.util import load_model_from_config
from thinc.api import Config

from onward.core import Damaged, decode, file_hash

from ._model import CARD, FORMAT, Card, SpacyModel, files_in

# What may lie in the folder: no code, no pickle, nothing unknown.
FILES: Final = re.compile(
    r"config\.cfg|meta\.json|tokenizer|vocab/(strings\.json|vectors|vectors\.cfg|key2row|lookups\.bin)"
    r"|(intent|sentiment)/(cfg|model)|entities/(cfg|model|moves)"
)
# What a component may name: (registry, function) pairs that this learner writes itself.
FUNCTIONS: Final = frozenset(
    {
        ("@architectures", "spacy.TextCatBOW.v3"),
        ("@architectures", "spacy.TransitionBasedParser.v2"),
        ("@architectures", "spacy.HashEmbedCNN.v2"),
        ("@scorers", "spacy.textcat_scorer.v2"),
        ("@scorers", "spacy.ner_scorer.v1"),
    }
)
FACTORIES: Final = {"intent": "textcat", "sentiment": "textcat", "entities": "ner"}
FREE: Final = frozenset({"lang", "pipeline"})
LANGUAGE: Final = re.compile(r"[a-z]{2,3}")


def load_model(folder: Path) -> SpacyModel:
    """Read back what `SpacyModel.save` wrote.

    Only the sections `nlp` and `components` of config.cfg are followed, after a check that they name nothing but the
    functions that this learner writes: no callbacks, no code, no sources.

    Raises:
        Damaged: a file is missing, unknown or not what was saved, or the configuration names anything else.
    """
    card = _card(folder)
    config = _config(folder, card)
    try:
        nlp = load_model_from_config(config, auto_fill=True)
        nlp.from_disk(folder)
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        raise _damaged(folder, f"spaCy {VERSION} cannot read it: {error}.") from error
    if not _fits(nlp, card):
        raise _damaged(folder, f"The labels in {CARD} are not those of the components.")
    words = decode((folder / "vocab" / "strings.json").read_bytes(), tuple[str, ...])
    return SpacyModel(nlp=nlp, base=card.base, labels=card.heads, words=words)


def _card(folder: Path) -> Card:
    try:
        card = decode((folder / CARD).read_bytes(), Card)
        found = {name: file_hash(folder / name) for name in files_in(folder)}
    except OSError as error:
        raise _damaged(folder, f"A file cannot be read: {error}.") from error
    if card.format != FORMAT:
        raise _damaged(folder, f"{CARD} has format {card.format}; this version of Onward reads {FORMAT}.")
    strange = [name for name in found if not FILES.fullmatch(name)]
    if strange:
        raise _damaged(folder, f"{strange[0]} does not belong there.")
    wrong = sorted(name for name in {*found, *card.files} if found.get(name) != card.files.get(name))
    if wrong:
        raise _damaged(folder, f"{wrong[0]} is missing or is not what was saved.")
    return card


def _config(folder: Path, card: Card) -> dict[str, Any]:
    """The two sections to follow, checked."""
    try:
        whole = Config().from_disk(folder / "config.cfg")
        nlp, components = whole["nlp"], whole["components"]
        plain = _plain_nlp(str(nlp["lang"]))
    except (ValueError, KeyError, OSError, ImportError) as error:
        raise _damaged(folder, f"config.cfg cannot be read: {error}.") from error
    expected = [head for head, names in card.heads.items() if names]
    if sorted(nlp["pipeline"]) != sorted(expected) or sorted(components) != sorted(expected):
        raise _damaged(folder, "config.cfg and the heads in model.json do not fit.")
    foreign = [*_foreign_settings(nlp, plain), *_foreign_components(components)]
    if foreign:
        raise _damaged(folder, f"config.cfg says {foreign[0]}, which this learner does not write.")
    return {"nlp": dict(nlp), "components": dict(components)}


def _plain_nlp(lang: str) -> Mapping[str, Any]:
    if not LANGUAGE.fullmatch(lang):
        raise ValueError(f"{lang!r} is no language")
    section: Mapping[str, Any] = spacy.blank(lang).config["nlp"]
    return section


def _foreign_settings(found: Mapping[str, Any], plain: Mapping[str, Any]) -> Iterator[str]:
    """Settings of the pipeline (its tokenizer, callbacks, ...) that are not those of its language's blank pipeline."""
    for name, value in found.items():
        if name not in FREE and (name not in plain or plain[name] != value):
            yield f"nlp.{name} = {value!r}"


def _foreign_components(components: Mapping[str, Any]) -> Iterator[str]:
    for name, component in components.items():
        if component.get("factory") != FACTORIES.get(name, ""):
            yield f"components.{name}.factory = {component.get('factory')!r}"
        if "source" in component:
            yield f"components.{name}.source"
        for registry, function in _named(component):
            if (registry, function) not in FUNCTIONS:
                yield f"{registry} = {function!r}"


def _named(section: Any) -> Iterator[tuple[str, str]]:
    """Every function that a section names, at any depth."""
    if isinstance(section, Mapping):
        for key, value in section.items():
            if key.startswith("@"):
                yield key, str(value)
            yield from _named(value)
    elif isinstance(section, (list, tuple)):
        for value in section:
            yield from _named(value)


def _fits(nlp: Language, card: Card) -> bool:
    components: dict[str, Any] = dict(nlp.pipeline)
    return all(set(names) <= set(components[head].labels) for head, names in card.heads.items() if names)


def _damaged(folder: Path, why: str) -> Damaged:
    return Damaged(f"{folder} does not hold a spaCy model.", why=why, mend="Restore a back-up, or roll back.")
