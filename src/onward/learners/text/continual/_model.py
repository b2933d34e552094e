"""The continual text model: answers with NumPy alone, and carries all that it takes to learn on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from onward.core import Labels, Prediction
from onward.learners.text._features import Floats
from onward.learners.text._saved import CARD, WEIGHTS, damaged, read_model, write_model
from onward.learners.text._shared import HeadName

from ._rows import WIDTH, counted, weighed

FORMAT: Final = 1
WHAT: Final = "a continual text model"
PREDICTED_AT_ONCE: Final = 8192

Arrays = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """One head: a linear classifier, and the state of its learner.

    Args:
        labels: C labels, in the order in which they came.
        weights: (C, WIDTH) float32; bias: (C,).
        memory: examples that its buffer may hold.
        state: of the continual learner but for the weights: optimiser, buffer, chance; a tree of JSON values.
        arrays: the tensors of that tree, by name; rows of counts are sparse.
    """

    labels: tuple[str, ...]
    weights: Floats
    bias: Floats
    memory: int
    state: Any
    arrays: Arrays

    def choose(self, rows: Any) -> tuple[list[int], list[float]]:
        """For each of (n, WIDTH) rows: which label (an index), and how probable it is, 0..1."""
        margins = rows @ self.weights.T + self.bias
        chosen = margins.argmax(axis=1)
        excess = (margins - margins.max(axis=1, keepdims=True)).astype(np.float64)
        # Rounded, so that the last bits, which may depend on the batch, do not show.
        return chosen.tolist(), np.round(1.0 / np.exp(excess).sum(axis=1), 6).tolist()


@dataclass(frozen=True, slots=True, eq=False)
class ContinualTextModel:
    """Intents and sentiment of texts; says nothing of entities.

    Args:
        heads: those that were learned.
    """

    heads: Mapping[HeadName, Head]

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """One prediction per text, in order. A text without a word or sign gets the label of the highest bias."""
        starts = range(0, len(texts), PREDICTED_AT_ONCE)
        return [said for start in starts for said in self._predict(texts[start : start + PREDICTED_AT_ONCE])]

    def _predict(self, texts: Sequence[str]) -> list[Prediction]:
        rows = weighed(counted(texts))
        labels: list[dict[HeadName, str]] = [{} for _ in texts]
        sure: list[dict[str, float]] = [{} for _ in texts]
        for name, head in self.heads.items():
            for at, (place, chance) in enumerate(zip(*head.choose(rows), strict=True)):
                labels[at][name], sure[at][name] = head.labels[place], chance
        return [
            Prediction(Labels(intent=said.get("intent"), sentiment=said.get("sentiment")), chances)
            for said, chances in zip(labels, sure, strict=True)
        ]

    def save(self, folder: Path) -> None:
        """Write `model.json` (labels, states, the hash of the tensors) and `weights.safetensors`."""
        heads = {name: HeadCard(list(head.labels), head.memory, head.state) for name, head in self.heads.items()}
        write_model(folder, _tensors(self.heads), lambda weights: Card(FORMAT, heads, weights))


@dataclass(frozen=True, slots=True)
class HeadCard:
    """What `model.json` says of a head."""

    labels: list[str]
    memory: int
    state: Any


@dataclass(frozen=True, slots=True)
class Card:
    """What `model.json` says: the format, the heads, the hash of the tensors' file."""

    format: int
    heads: dict[HeadName, HeadCard]
    weights: str


def _tensors(heads: Mapping[HeadName, Head]) -> dict[str, npt.NDArray[Any]]:
    found: dict[str, npt.NDArray[Any]] = {}
    for name, head in heads.items():
        found |= {f"{name}.weights": head.weights, f"{name}.bias": head.bias}
        found |= {f"{name}/{key}": array for key, array in head.arrays.items()}
    return found


def load_model(folder: Path) -> ContinualTextModel:
    """Read back what `ContinualTextModel.save` wrote; nothing in the folder is executed.

    Raises:
        Damaged: a file is missing, is not what was saved, or is of another format.
    """
    card, tensors = read_model(folder, WHAT, Card, FORMAT)
    try:
        return ContinualTextModel({name: _head(name, head, tensors) for name, head in card.heads.items()})
    except (KeyError, ValueError) as error:
        raise damaged(folder, WHAT, f"{CARD} and {WEIGHTS} do not fit: {error}.") from error


def _head(name: HeadName, card: HeadCard, tensors: Mapping[str, Any]) -> Head:
    """A head, or a `ValueError` where a shape is not what the card says."""
    weights, bias = tensors[f"{name}.weights"], tensors[f"{name}.bias"]
    if (weights.shape, bias.shape) != ((len(card.labels), WIDTH), (len(card.labels),)):
        raise ValueError(f"{name} has {len(card.labels)} labels and weights of shape {weights.shape}")
    own = {key.removeprefix(f"{name}/"): array for key, array in tensors.items() if key.startswith(f"{name}/")}
    return Head(tuple(card.labels), weights, bias, card.memory, card.state, own)
