"""The spaCy model: predicts from several threads, and saves itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any, Final

from spacy.about import __version__ as VERSION  # noqa: N812
from spacy.language import Language
from spacy.strings import StringStore
from spacy.tokens import Doc

from onward.core import Entity, Head, Labels, Prediction, encode, file_hash

from ._pipeline import LabelTable, outputs
from ._rows import readable
from ._say import AT_ONCE, mark_entities, scores

FORMAT: Final = 1
CARD: Final = "model.json"
WORDS_KEPT: Final = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What `model.json` says: the base, the labels of each head, the hash of every other file."""

    format: int
    spacy: str
    base: str
    heads: dict[Head, tuple[str, ...]]
    files: dict[str, str]


@dataclass(frozen=True, slots=True, eq=False)
class SpacyModel:
    """Intents, sentiment and entities of texts.

    A pipeline writes every new word into its vocabulary and is not safe for threads while it does so: `predict` and
    `save` take turns. From 100,000 words on, new words live only as long as the call that brings them, so that memory
    is bounded; and no word of a text, taught or predicted, is ever saved.

    Args:
        nlp: the pipeline; its components are named like the heads.
        base: the setting it was made with.
        labels: labels of each head; a head without labels finds nothing and needs no component.
        words: the strings that are saved: those of the base, and the labels.
    """

    nlp: Language
    base: str
    labels: LabelTable
    words: tuple[str, ...]
    _turn: Any = field(default_factory=Lock, repr=False)

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """One prediction per text, in order. Of texts beyond a million characters the beginning is read."""
        starts = range(0, len(texts), AT_ONCE)
        return [said for start in starts for said in self._predict(texts[start : start + AT_ONCE])]

    def _predict(self, texts: Sequence[str]) -> list[Prediction]:
        with self._turn, self._room():
            docs = [self.nlp.make_doc(readable(text)) for text in texts]
            intents, sentiments = self._chosen("intent", docs), self._chosen("sentiment", docs)
            entities = self._entities(docs, texts)
            # The documents must go before the room that their words live in.
            del docs
        return [_prediction(*said) for said in zip(intents, sentiments, entities, strict=True)]

    def _room(self) -> AbstractContextManager[object]:
        return self.nlp.memory_zone() if len(self.nlp.vocab) > WORDS_KEPT else nullcontext()

    def _chosen(self, head: Head, docs: Sequence[Doc]) -> list[tuple[str, float] | None]:
        names = self.labels.get(head)
        if not names:
            return [None] * len(docs)
        found = scores(self.nlp, head, docs)[:, : len(names)]
        best = found.argmax(axis=1)
        return [(names[i], round(float(row[i]), 6)) for i, row in zip(best.tolist(), found, strict=True)]

    def _entities(self, docs: Sequence[Doc], texts: Sequence[str]) -> list[tuple[Entity, ...] | None]:
        if "entities" not in self.labels:
            return [None] * len(docs)
        if not self.labels["entities"]:
            return [()] * len(docs)
        mark_entities(self.nlp, docs)
        return [_spans(doc) if text else () for doc, text in zip(docs, texts, strict=True)]

    def save(self, folder: Path) -> None:
        """Write a spaCy folder (`spacy.load` reads it too) and `model.json`."""
        with self._turn:
            self.nlp.to_disk(folder)
        StringStore(self.words).to_disk(folder / "vocab" / "strings.json")
        card = Card(
            format=FORMAT,
            spacy=VERSION,
            base=self.base,
            heads={head: tuple(names) for head, names in self.labels.items()},
            files={name: file_hash(folder / name) for name in files_in(folder)},
        )
        (folder / CARD).write_bytes(encode(card))


def files_in(folder: Path) -> list[str]:
    """Every file of a folder but the card, as POSIX paths inside it, sorted."""
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())
    return sorted(name for name in found if name != CARD)


def words_to_save(strings: Iterable[str], labels: LabelTable) -> tuple[str, ...]:
    """The strings of the base, taken before any text was read, and the labels with their counterparts."""
    names = {name for head in labels.values() if head for name in outputs(head)}
    return tuple(sorted({*strings, *names}))


def _spans(doc: Doc) -> tuple[Entity, ...]:
    return tuple(Entity(span.start_char, span.end_char, span.label_) for span in doc.ents)


def _prediction(
    intent: tuple[str, float] | None, sentiment: tuple[str, float] | None, entities: tuple[Entity, ...] | None
) -> Prediction:
    confidence: Mapping[str, float] = {
        head: said[1] for head, said in (("intent", intent), ("sentiment", sentiment)) if said is not None
    }
    labels = Labels(intent[0] if intent else None, sentiment[0] if sentiment else None, entities)
    return Prediction(labels, confidence)
