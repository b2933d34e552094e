"""The strategy for a new task, from what worked on tasks like it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from onward.core import Damaged
from onward.learners.meta.tasks import MetaLearningTask
from onward.learners.neural import above, whole

from . import _file
from ._buffer import LIMIT, BufferCard, ExperienceBuffer, buffer_of, card_of
from ._choice import mixed, proposals, tried
from ._clusters import TaskClusters, cluster_tasks
from ._confidence import Calibration, probability_of_good
from ._encoder import TaskEncoder
from ._inputs import SEEDS
from ._similarity import Kind, Neighbourhood, most_similar
from ._strategy import Strategy, strategy_of
from ._surrogate import Surrogate, cautious

REACH: Final = 10.0


class StrategyPredictor:
    """Learns from (task, configuration, outcome) which configuration to train a new task with.

    Where nothing was recorded, or the nearest recorded task is farther than `reach` times the usual distance between
    neighbours, the defaults are returned, with confidence 0. Otherwise the configuration with the highest
    expected outcome, less half a standard deviation, among those tried and mixtures of them; nothing is proposed
    outside the values that were tried.

    The confidence is the estimated probability that, of the configurations tried so far, at most a quarter would do
    better on this task. It is calibrated on tasks left out, of which each needs four different outcomes; before there
    are eight judgements of such tasks it is drawn to 0.25, which is chance.

    Not for several threads at once. A prediction after a record learns anew from at most 1,500 experiences (a second or
    two); further ones take tens of milliseconds.

    Args:
        defaults: returned where nothing is known, and what a recorded configuration lacks: a strategy, or a mapping
            of some of its settings.
        encoder: tells what a task is like.
        limit: experiences kept at most.
        reach: from where a task counts as far away, above 0, finite.
        seed: of all draws; the same records give the same predictions. Any whole number, of which the remainder by
            2**32 counts.

    Raises:
        InvalidInput: `defaults` are no configuration, or a number is not in its range.

    >>> import torch
    >>> from onward.learners.meta import MetaLearningTask
    >>> def task(name, scale):
    ...     x = scale * torch.tensor([[0.0, 1], [0.2, 1], [1, 0], [0.9, 0.1]])
    ...     return MetaLearningTask((x, torch.tensor([0, 0, 1, 1])), (x, torch.tensor([0, 0, 1, 1])), name)
    >>> predictor = StrategyPredictor()
    >>> predictor.predict_optimal_strategy(task("new", 1.0)).confidence
    0.0
    >>> for rate, accuracy in ((0.001, 0.5), (0.1, 0.9), (1.0, 0.6)):
    ...     predictor.record(task("known", 1.0), {"learning_rate": rate}, accuracy)
    >>> predictor.predict_optimal_strategy(task("new", 1.1)).learning_rate
    0.1
    """

    def __init__(
        self,
        defaults: Strategy | Mapping[str, Any] | None = None,
        *,
        encoder: TaskEncoder | None = None,
        limit: int = LIMIT,
        reach: float = REACH,
        seed: int = 0,
    ) -> None:
        above(reach=reach)
        whole(None, seed=seed)
        self.defaults = strategy_of({} if defaults is None else defaults, Strategy())
        self.encoder = encoder or TaskEncoder()
        self.reach, self.seed = float(reach), int(seed) % SEEDS
        self._buffer = ExperienceBuffer(limit)
        self._fitted: tuple[int, Surrogate, Calibration] | None = None

    @property
    def buffer(self) -> ExperienceBuffer:
        """What was recorded."""
        return self._buffer

    def record(self, task: MetaLearningTask, configuration: Mapping[str, Any] | Strategy, outcome: float) -> None:
        """Keep how a configuration did on a task.

        Args:
            task: what was trained on; its support set is encoded.
            configuration: some of `learning_rate`, `batch_size`, `num_epochs`, `regularization`, `architecture_params`;
                the rest is taken from the defaults.
            outcome: finite, higher is better, e.g. the accuracy on the query set. For a loss give its negative. All
                outcomes of one predictor are of one kind.

        Raises:
            InvalidInput: it is no task, the configuration is none, or the outcome is no finite number.
        """
        strategy, vector = strategy_of(configuration, self.defaults), self.encoder.encode(task)
        self._buffer.add(task.task_id, vector, strategy, outcome)

    def predict_optimal_strategy(self, task: MetaLearningTask) -> Strategy:
        """The strategy expected to do best on a task, or the defaults."""
        return self.suggest(task, 1)[0]

    def suggest(self, task: MetaLearningTask, count: int) -> list[Strategy]:
        """Different strategies to try on a task, the best first: what to begin a search with.

        Each after the first adds most to the best outcome expected of those before. All carry the confidence of the
        first. There may be fewer than asked for.

        Raises:
            InvalidInput: `count` is no whole number or below 1, or `task` is no task.
        """
        whole(1, count=count)
        vector = self.encoder.encode(task)
        if not len(self._buffer):
            return [self.defaults]
        surrogate, calibration = self._learned()
        distance = surrogate.distance(vector)
        if distance > self.reach:
            return [self.defaults]
        similarities = surrogate.neighbourhood.similarities(vector[None])[0]
        known = tried(surrogate.groups, similarities)
        expected, covariance = surrogate.expected(vector, known)
        probability = probability_of_good(expected, covariance, calibration.trials, self.seed)
        confidence = calibration.confidence(probability, distance)
        candidates = known + mixed(known, cautious(expected, covariance), self.seed)
        chosen = proposals(surrogate, vector, candidates, count, self.seed)
        return [replace(candidates[at], confidence=confidence) for at in chosen]

    def most_similar(self, task: MetaLearningTask, k: int = 5, kind: Kind = "kernel") -> list[tuple[str, float]]:
        """Names of the k recorded tasks most like this one, with their similarity, the most similar first.

        Args:
            task: compared by its vector, standardised over the recorded tasks.
            k: at least 1; fewer are returned where fewer are known.
            kind: "kernel" in 0..1, or "cosine" in -1..1.

        Raises:
            InvalidInput: `k` is no whole number or below 1, or `kind` is unknown.
        """
        vectors = self._buffer.vectors()
        near = (
            Neighbourhood.of(vectors).similarities(self.encoder.encode(task)[None], kind)[0]
            if len(vectors)
            else vectors
        )
        return most_similar(near, self._buffer.task_ids(), k)

    def clusters(self, most: int = 10) -> TaskClusters:
        """Groups of similar recorded tasks, in the order of `buffer.task_ids()`.

        Raises:
            InvalidInput: nothing was recorded, or `most` is no whole number or below 1.
        """
        return cluster_tasks(self._buffer.vectors(), most=most, seed=self.seed)

    def save(self, file: Path | str) -> Path:
        """Write one JSON file, in whole or not at all; it is on disk when this returns.

        Raises:
            Unavailable: it cannot be written; what stood there stays.
        """
        card = PredictorCard(
            self.encoder.names, self.encoder.text_size, self.defaults, self.reach, self.seed, card_of(self._buffer)
        )
        return _file.write(Path(file), card)

    @staticmethod
    def load(file: Path | str) -> StrategyPredictor:
        """Read such a file; the predictions are those of the saved one.

        Raises:
            NotFound: there is none.
            Damaged: it is not what was written, or what a vector's numbers mean has changed since.
        """
        card = _file.read(Path(file), PredictorCard)
        encoder = TaskEncoder(card.text_size)
        if card.names != encoder.names:
            raise Damaged(f"{file} was written for other task vectors.", mend="Record the tasks again.")
        predictor = StrategyPredictor(card.defaults, encoder=encoder, reach=card.reach, seed=card.seed)
        predictor._buffer = buffer_of(card.buffer)
        return predictor

    def _learned(self) -> tuple[Surrogate, Calibration]:
        if self._fitted is None or self._fitted[0] != self._buffer.added:
            groups = self._buffer.by_task()
            surrogate = Surrogate.of(groups)
            self._fitted = (self._buffer.added, surrogate, Calibration.of(surrogate.groups, self.seed))
        return self._fitted[1:]


@dataclass(frozen=True, slots=True)
class PredictorCard:
    """A predictor as it is stored."""

    names: tuple[str, ...]
    text_size: int
    defaults: Strategy
    reach: float
    seed: int
    buffer: BufferCard
