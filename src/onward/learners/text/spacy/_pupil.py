"""One head while it learns: its rows, its optimiser, how large its batches are, its best weights so far."""

from __future__ import annotations

import random
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

from spacy.language import Language
from thinc.api import Adam, Optimizer

from onward.config import TrainingSettings
from onward.core import Head

from ._entities import gold_of, update_entities
from ._rows import Rows
from ._say import accuracy, entity_f1
from ._weights import Arrays, forget_gradients, set_weights, weights_of

UPDATES_PER_EPOCH: Final = 24
SMALLEST_BATCH: Final = 8
BAG_BATCHES: Final = 4
BAG_LEARN_RATE: Final = 10.0
NER_LEARN_RATE: Final = 2.0
CHECKED_BY: Final = 2_000
GAIN: Final = 0.001
LOSS_GAIN: Final = 0.5
SETTLED: Final = 1e-3
PATIENCE: Final = 3


@dataclass(slots=True)
class Standing:
    """How far a head has come; goes into checkpoints.

    Args:
        size: examples in a batch; halved when memory runs out.
        best: validation score (0..1) and training loss of the best epoch.
        counted: the last score and loss that were progress enough to be patient for.
        stale: epochs without such progress.
        dropped: places, among the training rows, of those that spaCy could not learn from.
    """

    size: int
    best: tuple[float, float] | None = None
    best_epoch: int = 0
    counted: tuple[float, float] | None = None
    stale: int = 0
    finished: bool = False
    dropped: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Pupil:
    """One head while it learns. The rows stay as they are; `standing.dropped` says which are left out."""

    head: Head
    nlp: Language
    rows: Rows
    optimizer: Optimizer
    standing: Standing
    best_weights: Arrays | None = None
    loss: float = 0.0
    seen: int = 0
    golds: dict[int, Any] = field(default_factory=dict)

    @property
    def component(self) -> Any:
        return self.nlp.get_pipe(self.head)


def pupil_of(nlp: Language, head: Head, rows: Rows, settings: TrainingSettings) -> Pupil:
    """A head at the beginning. Classifiers are linear and bear larger steps and batches than the entity network."""
    bag = head != "entities"
    rate = settings.learn_rate * (BAG_LEARN_RATE if bag else NER_LEARN_RATE)
    largest = settings.batch_size * (BAG_BATCHES if bag else 1)
    size = min(largest, max(SMALLEST_BATCH, len(rows.train) // UPDATES_PER_EPOCH))
    optimizer = Adam(rate, L2=0.0 if bag else 0.01, L2_is_weight_decay=True, grad_clip=1.0, use_averages=False)
    return Pupil(head, nlp, rows, optimizer, Standing(size))


def batches(pupil: Pupil) -> list[list[int]]:
    """Places of the training rows, shuffled, in batches: few rows pass several times, for enough updates."""
    left = sorted(set(range(len(pupil.rows.train))) - set(pupil.standing.dropped))
    size = pupil.standing.size
    passes = -(-UPDATES_PER_EPOCH // max(1, -(-len(left) // size)))
    made: list[list[int]] = []
    for _ in range(passes):
        random.shuffle(left)
        made += [left[i : i + size] for i in range(0, len(left), size)]
    return made


def learn(pupil: Pupil, batch: list[int], dropout: float, counts: Counter[str]) -> None:
    """One update; halves where memory runs out, and without the one row that spaCy cannot use.

    Raises:
        MemoryError: there is not even memory for a single row.
    """
    batch = [place for place in batch if place not in pupil.standing.dropped]
    size = pupil.standing.size
    if len(batch) > size:
        for start in range(0, len(batch), size):
            learn(pupil, batch[start : start + size], dropout, counts)
        return
    try:
        _update(pupil, batch, dropout)
    except MemoryError:
        if len(batch) == 1:
            raise
        counts["out of memory"] += 1
        pupil.standing.size = max(1, len(batch) // 2)
        _retry(pupil, batch, dropout, counts)
    except (ValueError, KeyError) as error:
        if len(batch) == 1:
            pupil.standing.dropped.append(batch[0])
            counts[f"skipped: {_code(error)}"] += 1
            forget_gradients(pupil.component.model)
        else:
            _retry(pupil, batch, dropout, counts)


def _retry(pupil: Pupil, batch: list[int], dropout: float, counts: Counter[str]) -> None:
    forget_gradients(pupil.component.model)
    middle = len(batch) // 2
    learn(pupil, batch[:middle], dropout, counts)
    learn(pupil, batch[middle:], dropout, counts)


def _code(error: Exception) -> str:
    """spaCy's number of an error, or the error's kind."""
    found = re.search(r"\[(E\d+)\]", str(error))
    return f"spaCy {found.group(1)}" if found else type(error).__name__


def _update(pupil: Pupil, batch: list[int], dropout: float) -> None:
    if not batch:
        return
    pupil.loss += _entities_loss(pupil, batch, dropout) if pupil.head == "entities" else _loss(pupil, batch, dropout)
    pupil.seen += len(batch)


def _loss(pupil: Pupil, batch: list[int], dropout: float) -> float:
    losses: dict[str, float] = {}
    rows = [pupil.rows.train[place] for place in batch]
    pupil.component.update(rows, drop=dropout, sgd=pupil.optimizer, losses=losses)
    return losses[pupil.head] * len(rows)


def _entities_loss(pupil: Pupil, batch: list[int], dropout: float) -> float:
    rows = [pupil.rows.train[place] for place in batch]
    for place, row in zip(batch, rows, strict=True):
        if place not in pupil.golds:
            pupil.golds[place] = gold_of(pupil.component, row)
    golds = [pupil.golds[place] for place in batch]
    return update_entities(pupil.component, rows, golds, dropout, pupil.optimizer)


def mean_loss(pupil: Pupil) -> float:
    """Loss of this epoch for each row seen."""
    return pupil.loss / max(1, pupil.seen)


def check(pupil: Pupil) -> float | None:
    """The validation score, 0..1: accuracy, or F1 of entities; `None` without validation rows."""
    rows = pupil.rows.validation[:CHECKED_BY]
    if not rows:
        return None
    return entity_f1(pupil.nlp, rows) if pupil.head == "entities" else accuracy(pupil.nlp, pupil.head, rows)


def judge(pupil: Pupil, score: float | None, epoch: int) -> None:
    """Keep the weights if they are the best so far, and decide whether the head is to learn on."""
    standing, now = pupil.standing, (score or 0.0, mean_loss(pupil))
    if standing.best is None or (now[0], -now[1]) > (standing.best[0], -standing.best[1]):
        standing.best, standing.best_epoch = now, epoch
        pupil.best_weights = weights_of(pupil.component.model)
    if score is None or _progress(standing.counted, now):
        standing.counted, standing.stale = now, 0
    else:
        standing.stale += 1
    settled = now[1] < SETTLED and score in (None, 1.0)
    standing.finished = settled or standing.stale >= PATIENCE


def _progress(before: tuple[float, float] | None, now: tuple[float, float]) -> bool:
    if before is None or now[0] > before[0] + GAIN:
        return True
    return now[0] >= before[0] and now[1] < LOSS_GAIN * before[1]


def restore_best(pupil: Pupil) -> None:
    """Put the best weights back; those of now, where no epoch was completed."""
    if pupil.best_weights is not None:
        set_weights(pupil.component.model, pupil.best_weights)
