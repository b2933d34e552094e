"""What more than one text learner needs: which examples to learn from, which to replay, when to stop."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Literal

import numpy as np

from onward.core import DatasetVersion, Example, InvalidInput, MissingExtra

HeadName = Literal["intent", "sentiment"]
HEAD_NAMES: Final[tuple[HeadName, ...]] = ("intent", "sentiment")


def learning_examples(dataset: DatasetVersion) -> tuple[Example, ...]:
    """The examples of the train and validation splits, in the data set's order."""
    return tuple(e for e in dataset.examples if e.split != "evaluation")


def labelled_examples(dataset: DatasetVersion, learner: str) -> list[Example]:
    """Those of the learning examples with a text, a weight above 0, and an intent or a sentiment.

    Args:
        learner: who asks.

    Raises:
        InvalidInput: there are none.
    """
    available = learning_examples(dataset)
    found = [e for e in available if e.text.strip() and e.weight > 0 and any(label(e, head) for head in HEAD_NAMES)]
    if not found:
        raise InvalidInput(
            f"The data set has nothing that the {learner} learner can learn.",
            why=f"None of its {len(available)} examples for training has a text and an intent or a sentiment.",
            mend="Record corrections or labelled interactions, or train another learner.",
        )
    return found


def label(example: Example, head: HeadName) -> str | None:
    """What the example says of a head; `None` where it says nothing or the empty string."""
    return (example.labels.intent if head == "intent" else example.labels.sentiment) or None


def stratified(examples: Sequence[Example], count: int, seed: int) -> list[Example]:
    """At most `count` examples, spread over pairs of intent and sentiment as evenly as they allow, in their order.

    >>> from onward.core import Labels
    >>> intents = "aaaaaaaaabb"
    >>> many = [Example(id=str(i), text="", labels=Labels(intent=x), split="train") for i, x in enumerate(intents)]
    >>> sorted(e.labels.intent for e in stratified(many, 4, seed=0))
    ['a', 'a', 'b', 'b']
    """
    if len(examples) <= count:
        return list(examples)
    turns: Counter[tuple[str | None, str | None]] = Counter()
    ranked: list[tuple[int, int, int]] = []
    for draw, place in enumerate(np.random.default_rng(seed).permutation(len(examples)).tolist()):
        stratum = (examples[place].labels.intent, examples[place].labels.sentiment)
        ranked.append((turns[stratum], draw, place))
        turns[stratum] += 1
    return [examples[place] for place in sorted(place for _, _, place in sorted(ranked)[:count])]


def within_replay_budget(examples: Sequence[Example], budget: int, seed: int) -> list[Example]:
    """All new examples and, where all together are more than `budget`, only a stratified sample of the old ones."""
    if len(examples) <= budget:
        return list(examples)
    new = sum(e.new for e in examples)
    old = {e.id for e in stratified([e for e in examples if not e.new], max(budget - new, 0), seed)}
    return [e for e in examples if e.new or e.id in old]


def deadline(budget: float | None) -> Callable[[], bool]:
    """A question to ask at safe points: have `budget` seconds (wall time) passed since this call?

    >>> deadline(None)()
    False
    >>> deadline(0.0)()
    True
    """
    if budget is None:
        return lambda: False
    end = time.monotonic() + budget
    return lambda: time.monotonic() >= end


@contextmanager
def one_thread() -> Iterator[None]:
    """Sums in one order: a training ends in the same bytes however many threads torch has where it goes on.

    Raises:
        MissingExtra: PyTorch is not installed.
    """
    try:
        import torch
    except ImportError as error:
        raise MissingExtra("PyTorch", "neural") from error
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
