"""The few-shot text model: adapts to a task, answers plain texts, saves itself as JSON and safetensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from scipy import sparse

from onward.core import Example, InvalidInput, Labels, Prediction
from onward.learners.text._features import Features
from onward.learners.text._saved import CARD, WEIGHTS, damaged, read_model, write_model

from ._metric import Metric, Prototypes, cosines, knowing, probabilities, prototypes_of

FORMAT: Final = 1
WHAT: Final = "a few-shot text model"
PREDICTED_AT_ONCE: Final = 8192


@dataclass(frozen=True, slots=True, eq=False)
class TaskModel:
    """Says of a text the label whose prototype it is most like. As cheap to make as to ask.

    Args:
        metric: what makes texts alike.
        prototypes: of the labels of one task; `None`: it says nothing.
    """

    metric: Metric
    prototypes: Prototypes | None

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """One prediction per text, in order: the intent, and how sure it is. Without a known term all are alike."""
        if self.prototypes is None:
            return [Prediction(Labels()) for _ in texts]
        starts = range(0, len(texts), PREDICTED_AT_ONCE)
        return [said for start in starts for said in self._predict(texts[start : start + PREDICTED_AT_ONCE])]

    def _predict(self, texts: Sequence[str]) -> list[Prediction]:
        assert self.prototypes is not None
        rows = self.metric.features.rows(texts)
        sure = probabilities(self.metric, cosines(self.metric, self.prototypes, rows))
        best = sure.argmax(axis=1)
        names = [self.prototypes.labels[code] for code in best.tolist()]
        found = sure[np.arange(len(best)), best].tolist()
        return [Prediction(Labels(intent=name), {"intent": p}) for name, p in zip(names, found, strict=True)]

    def save(self, folder: Path) -> None:
        """As a few-shot model whose plain texts are this task."""
        FewShotTextModel(self.metric, self.prototypes).save(folder)


@dataclass(frozen=True, slots=True, eq=False)
class FewShotTextModel:
    """Intents of texts, within a task after adapting to it; outside of any, those of the labelled intents it learned.

    Args:
        metric: what makes texts alike.
        plain: prototypes of the intents outside of tasks; `None` where there were none.
    """

    metric: Metric
    plain: Prototypes | None

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """One prediction per text, in order."""
        return TaskModel(self.metric, self.plain).predict(texts)

    def adapt(self, support: Sequence[Example]) -> TaskModel:
        """The model of one task, from examples with intents; those without text, intent or weight do not count.

        Raises:
            InvalidInput: there is no such example.
        """
        usable = sorted((e for e in support if can_teach(e)), key=lambda e: (e.labels.intent, e.text, e.weight))
        if not usable:
            raise InvalidInput(
                f"None of {len(support)} support examples has a text and an intent.",
                mend="Give at least one example of each label of the task.",
            )
        texts = [e.text for e in usable]
        metric = knowing(self.metric, texts)
        labels, trust = [str(e.labels.intent) for e in usable], [e.weight for e in usable]
        return TaskModel(metric, prototypes_of(metric.features.rows(texts), labels, trust))

    def save(self, folder: Path) -> None:
        """Write `model.json` (terms, labels, the hash of the weights) and `weights.safetensors`."""
        features, scale = self.metric.features, self.metric.scale
        labels = [] if self.plain is None else list(self.plain.labels)
        write_model(
            folder,
            _tensors(self.metric, self.plain),
            lambda weights: Card(FORMAT, list(features.columns), features.documents, labels, scale, weights),
        )


def can_teach(example: Example) -> bool:
    """Whether an example has what this model learns from."""
    return bool(example.text.strip() and example.labels.intent) and example.weight > 0


@dataclass(frozen=True, slots=True)
class Card:
    """What `model.json` says: the format, the terms in the order of their columns, the hash of the weights' file."""

    format: int
    terms: list[str]
    documents: int
    labels: list[str]
    scale: float
    weights: str


def _tensors(metric: Metric, plain: Prototypes | None) -> dict[str, Any]:
    width = len(metric.weights)
    rows = sparse.csr_matrix((0, width), dtype=np.float32) if plain is None else plain.rows
    return {
        "idf": metric.features.idf,
        "weights": metric.weights,
        "projection": np.pad(metric.projection, ((0, width - len(metric.projection)), (0, 0))),
        "plain.data": rows.data.astype(np.float32),
        "plain.indices": rows.indices.astype(np.int64),
        "plain.starts": rows.indptr.astype(np.int64),
    }


def load_model(folder: Path) -> FewShotTextModel:
    """Read back what `FewShotTextModel.save` wrote; nothing in the folder is executed.

    Raises:
        Damaged: a file is missing, is not what was saved, or is of another format.
    """
    card, tensors = read_model(folder, WHAT, Card, FORMAT)
    try:
        return _of(card, tensors)
    except (KeyError, ValueError) as error:
        raise damaged(folder, WHAT, f"{CARD} and {WEIGHTS} do not fit: {error}.") from error


def _of(card: Card, tensors: dict[str, Any]) -> FewShotTextModel:
    """The model, or a `ValueError` where a shape is not what the card says."""
    terms = {term: i for i, term in enumerate(card.terms)}
    width = len(terms)
    shapes = tuple(tensors[name].shape for name in ("idf", "weights")), tensors["projection"].shape[:1]
    if shapes != (((width,), (width,)), (width,)) or width != len(card.terms) or "" in terms:
        raise ValueError("the terms are not as many as the weights")
    metric = Metric(
        Features(terms, tensors["idf"], card.documents), tensors["weights"], tensors["projection"], card.scale
    )
    if not card.labels:
        return FewShotTextModel(metric, None)
    parts = tensors["plain.data"], tensors["plain.indices"], tensors["plain.starts"]
    rows = sparse.csr_matrix(parts, shape=(len(card.labels), width))
    rows.check_format(full_check=True)
    return FewShotTextModel(metric, Prototypes(tuple(card.labels), rows))
