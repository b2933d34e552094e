"""What a pipeline says of texts, head by head."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example as Row

from onward.core import Head

AT_ONCE = 256


def scores(nlp: Language, head: Head, docs: Sequence[Doc]) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Probability of each label for each text: texts by labels, float32.

    The component is asked itself, not through `nlp.pipe`: two classifiers would write into the same `doc.cats`.
    """
    component: Any = nlp.get_pipe(head)
    found: np.ndarray[Any, np.dtype[np.float32]] = component.predict(docs)
    return found


def mark_entities(nlp: Language, docs: Sequence[Doc]) -> None:
    """Set `doc.ents` of each text."""
    component: Any = nlp.get_pipe("entities")
    component.set_annotations(docs, component.predict(docs))


def accuracy(nlp: Language, head: Head, rows: Sequence[Row]) -> float:
    """Share of the rows whose label gets the highest score."""
    names = {label: i for i, label in enumerate(nlp.get_pipe(head).labels)}  # type: ignore[attr-defined]
    right = 0
    for start in range(0, len(rows), AT_ONCE):
        part = rows[start : start + AT_ONCE]
        chosen = scores(nlp, head, [row.predicted for row in part]).argmax(axis=1).tolist()
        right += sum(names.get(next(iter(row.reference.cats))) == c for row, c in zip(part, chosen, strict=True))
    return right / len(rows)


def entity_f1(nlp: Language, rows: Sequence[Row]) -> float:
    """Micro F1 of exact spans; 1 where there is nothing to find and nothing is found."""
    hits = said = wanted = 0
    for start in range(0, len(rows), AT_ONCE):
        part = rows[start : start + AT_ONCE]
        docs = [row.predicted for row in part]
        mark_entities(nlp, docs)
        for row in part:
            found, gold = _spans(row.predicted), _spans(row.reference)
            hits, said, wanted = hits + len(found & gold), said + len(found), wanted + len(gold)
            # Entities that are set already would bind the next prediction.
            row.predicted.set_ents([], default="missing")
    return 2 * hits / (said + wanted) if said + wanted else 1.0


def _spans(doc: Doc) -> set[tuple[int, int, int]]:
    return {(e.start, e.end, e.label) for e in doc.ents}
