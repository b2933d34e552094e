"""The linear model: predicts, saves itself as JSON and safetensors, and is read back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from onward.core import Labels, Prediction
from onward.learners.text._features import Features, Floats
from onward.learners.text._saved import CARD, WEIGHTS, damaged, read_model, write_model
from onward.learners.text._shared import HEAD_NAMES, HeadName

from ._heads import LinearHead

FORMAT: Final = 1
WHAT: Final = "a linear model"
PREDICTED_AT_ONCE: Final = 8192

Choice = tuple[str | None, float | None]


@dataclass(frozen=True, slots=True)
class LinearModel:
    """Intents and sentiment of texts; says nothing of entities.

    Args:
        features: what is looked at in a text.
        heads: the heads that were learned.
    """

    features: Features
    heads: Mapping[HeadName, LinearHead]

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """One prediction per text, in order. A text without a known term gets the label of the highest bias."""
        starts = range(0, len(texts), PREDICTED_AT_ONCE)
        return [said for start in starts for said in self._predict(texts[start : start + PREDICTED_AT_ONCE])]

    def _predict(self, texts: Sequence[str]) -> list[Prediction]:
        rows = self.features.rows(texts)
        chosen = {name: head.choose(rows) for name, head in self.heads.items()}
        columns = [[*zip(*chosen[name], strict=True)] if name in chosen else None for name in HEAD_NAMES]
        intents, sentiments = columns
        said: dict[tuple[int | None, int | None], Labels] = {}
        predictions = []
        for i in range(len(texts)):
            intent, sure = intents[i] if intents else (None, None)
            sentiment, sure_of_sentiment = sentiments[i] if sentiments else (None, None)
            labels = said.get((intent, sentiment))
            if labels is None:
                labels = said[intent, sentiment] = self._labels(intent, sentiment)
            predictions.append(Prediction(labels, _confidence(sure, sure_of_sentiment)))
        return predictions

    def _labels(self, intent: int | None, sentiment: int | None) -> Labels:
        return Labels(
            intent=None if intent is None else self.heads["intent"].labels[intent],
            sentiment=None if sentiment is None else self.heads["sentiment"].labels[sentiment],
        )

    def save(self, folder: Path) -> None:
        """Write `model.json` (terms, labels, the hash of the weights) and `weights.safetensors` (float32)."""
        terms, documents = list(self.features.columns), self.features.documents
        heads = {name: HeadCard(list(head.labels), head.scale) for name, head in self.heads.items()}
        write_model(folder, self._tensors(), lambda weights: Card(FORMAT, terms, documents, heads, weights))

    def _tensors(self) -> dict[str, Floats]:
        tensors = {"idf": self.features.idf}
        for name, head in self.heads.items():
            tensors |= {f"{name}.weights": head.weights, f"{name}.bias": head.bias}
        return tensors


def _confidence(intent: float | None, sentiment: float | None) -> dict[str, float]:
    if sentiment is None:
        return {} if intent is None else {"intent": intent}
    return {"sentiment": sentiment} if intent is None else {"intent": intent, "sentiment": sentiment}


@dataclass(frozen=True, slots=True)
class HeadCard:
    """What `model.json` says of a head."""

    labels: list[str]
    scale: float


@dataclass(frozen=True, slots=True)
class Card:
    """What `model.json` says: the format, the terms in the order of their columns, the hash of the weights' file."""

    format: int
    terms: list[str]
    documents: int
    heads: dict[HeadName, HeadCard]
    weights: str


def load_model(folder: Path) -> LinearModel:
    """Read back what `LinearModel.save` wrote; nothing in the folder is executed.

    Raises:
        Damaged: a file is missing, is not what was saved, or is of another format.
    """
    card, tensors = read_model(folder, WHAT, Card, FORMAT)
    found = {name: (tensor.shape, tensor.dtype) for name, tensor in tensors.items()}
    if found != _expected(card) or len(set(card.terms)) != len(card.terms) or "" in card.terms:
        raise damaged(folder, WHAT, f"The terms and labels in {CARD} do not fit the shapes in {WEIGHTS}.")
    features = Features({term: i for i, term in enumerate(card.terms)}, tensors["idf"], card.documents)
    heads = {
        name: LinearHead(tuple(head.labels), tensors[f"{name}.weights"], tensors[f"{name}.bias"], head.scale)
        for name, head in card.heads.items()
    }
    return LinearModel(features, heads)


def _expected(card: Card) -> dict[str, tuple[tuple[int, ...], np.dtype[np.float32]]]:
    kind = np.dtype(np.float32)
    width = len(card.terms)
    expected: dict[str, tuple[tuple[int, ...], np.dtype[np.float32]]] = {"idf": ((width,), kind)}
    for name, head in card.heads.items():
        expected[f"{name}.weights"] = ((width, len(head.labels)), kind)
        expected[f"{name}.bias"] = ((len(head.labels),), kind)
    return expected
