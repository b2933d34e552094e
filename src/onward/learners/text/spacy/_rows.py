"""From labelled texts to what spaCy trains on, made once for all epochs; what it cannot use is counted."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example as Row
from spacy.util import filter_spans

from onward.core import HEADS, Entity, Example, Head

from ._pipeline import LabelTable

LONGEST_TEXT: Final = 1_000_000
LONGEST_TAUGHT: Final = 2_000
SURROGATES: Final = re.compile("[\ud800-\udfff]")


@dataclass(slots=True)
class Rows:
    """What one head trains on and is checked by while it trains."""

    train: list[Row] = field(default_factory=list)
    validation: list[Row] = field(default_factory=list)


def labels_in(examples: Iterable[Example]) -> LabelTable:
    """The labels of every head that the examples speak of, sorted. Entities may be spoken of without any label."""
    found: dict[Head, set[str]] = {}
    for example in examples:
        said = example.labels
        if said.intent:
            found.setdefault("intent", set()).add(said.intent)
        if said.sentiment:
            found.setdefault("sentiment", set()).add(said.sentiment)
        if said.entities is not None:
            found.setdefault("entities", set()).update(e.label for e in said.entities if _usable(e.label))
    return {head: tuple(sorted(found[head])) for head in HEADS if head in found}


def joined(first: LabelTable, second: LabelTable) -> LabelTable:
    """The labels of both."""
    return {
        head: tuple(sorted({*first.get(head, ()), *second.get(head, ())}))
        for head in HEADS
        if head in first or head in second
    }


def _usable(label: str) -> bool:
    return bool(label) and not label.startswith("!")


def readable(text: str) -> str:
    """The text as spaCy can read it, each character in its place: never empty, bounded, without surrogates."""
    if not text.isascii():
        text = SURROGATES.sub("\ufffd", text)
    return text[:LONGEST_TEXT] or " "


def rows_of(
    nlp: Language, examples: Sequence[Example], docs: Sequence[Doc], labels: LabelTable, counts: Counter[str]
) -> dict[Head, Rows]:
    """What each head learns from: an example that says nothing of a head teaches that head nothing.

    Args:
        docs: the tokenized texts of the examples.
        counts: is added to: "skipped: REASON" and "adjusted: REASON".
    """
    rows = {head: Rows() for head, names in labels.items() if names}
    for example, doc in zip(examples, docs, strict=True):
        for head, kept in rows.items():
            row = _row(nlp, example, doc, head, counts)
            if row is not None:
                (kept.train if example.split == "train" else kept.validation).append(row)
    return rows


def _row(nlp: Language, example: Example, doc: Doc, head: Head, counts: Counter[str]) -> Row | None:
    if head == "entities":
        return _entity_row(example, doc, counts)
    label = getattr(example.labels, head)
    if not label:
        return None
    gold = Doc(nlp.vocab)
    gold.cats = {label: 1.0}
    return Row(doc, gold)


def _entity_row(example: Example, doc: Doc, counts: Counter[str]) -> Row | None:
    entities = example.labels.entities
    if entities is None:
        return None
    wrong = _wrong(entities, example.text, doc)
    if wrong:
        counts[f"skipped: {wrong}"] += 1
        return None
    gold = doc.copy()
    spans = [_span(gold, entity, counts) for entity in entities]
    apart = filter_spans(spans)
    if len(apart) < len(spans):
        counts["skipped: entities overlap"] += 1
        return None
    gold.set_ents(apart, default="outside")
    return Row(doc, gold)


def _wrong(entities: Sequence[Entity], text: str, doc: Doc) -> str | None:
    if len(doc) > LONGEST_TAUGHT:
        return f"longer than {LONGEST_TAUGHT} tokens"
    if any(not 0 <= e.start < e.end <= len(text) for e in entities):
        return "entity outside the text"
    if any(not text[e.start : e.end].strip() for e in entities):
        return "entity of blanks only"
    if not all(_usable(e.label) for e in entities):
        return "entity label that spaCy cannot hold"
    return None


def _span(doc: Doc, entity: Entity, counts: Counter[str]) -> Any:
    """The tokens of an entity: all that lie wholly inside it, or, where none does, the one that it is a part of."""
    said = doc.text[entity.start : entity.end]
    start = entity.start + len(said) - len(said.lstrip())
    end = start + len(said.strip())
    exact = doc.char_span(start, end, label=entity.label)
    if exact is not None:
        return exact
    counts["adjusted: entity off the tokens"] += 1
    inner = doc.char_span(start, end, label=entity.label, alignment_mode="contract")
    outer = doc.char_span(start, end, label=entity.label, alignment_mode="expand")
    return inner or outer
