"""Where few-shot episodes come from, and drawing them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from onward.core import Example

Ints = npt.NDArray[np.int64]

FEWEST: Final = 2  # examples of a label: one to teach it, one to ask
HELD_OUT: Final = 5  # one label of so many outside of tasks checks, where there are enough
ENOUGH: Final = 10


@dataclass(frozen=True, slots=True)
class Source:
    """A task recorded, or the intents outside of tasks: each of its labels with the numbers of the label's examples."""

    labels: tuple[Ints, ...]


@dataclass(frozen=True, slots=True)
class Shape:
    """Of episodes, at most: labels, and examples that teach and ask for each label."""

    ways: int
    shots: int
    queries: int


@dataclass(frozen=True, slots=True, eq=False)
class Episodes:
    """Some episodes, one after the other: T tasks of C labels in all.

    Args:
        support: (S,) numbers of the examples that teach; support_label: (S,) 0..C-1.
        query: (Q,) numbers of those that ask; query_label: (Q,) 0..C-1.
        task: (C,) the episode of each label, 0..T-1.
    """

    support: Ints
    support_label: Ints
    query: Ints
    query_label: Ints
    task: Ints


def sources_of(examples: Sequence[Example], seed: int) -> tuple[list[Source], list[Source]]:
    """The sources to learn from, and those to check with; one that no episode can be drawn from is left out.

    Tasks check where their split is "validation". Where none does, every fifth of the intents outside of tasks does, if
    there are ten or more: what is to be learned is to tell apart intents never seen.
    """
    tasks: dict[str | None, dict[str, list[int]]] = {}
    for at, example in enumerate(examples):
        tasks.setdefault(example.task, {}).setdefault(str(example.labels.intent), []).append(at)
    plain = _known(tasks.pop(None, {}))
    checking = {example.task for example in examples if example.split == "validation"}
    learn = [_known(labels) for name, labels in tasks.items() if name not in checking]
    check = _drawable([_known(labels) for name, labels in tasks.items() if name in checking])
    if len(plain) >= ENOUGH and not check:
        order = np.random.default_rng(seed).permutation(len(plain)).tolist()
        held = len(plain) // HELD_OUT
        check = _drawable([[plain[i] for i in sorted(order[:held])]])
        plain = [plain[i] for i in sorted(order[held:])]
    return _drawable([*learn, plain]), check


def _known(labels: Mapping[str, Sequence[int]]) -> list[Ints]:
    return [np.array(labels[name], np.int64) for name in sorted(labels) if len(labels[name]) >= FEWEST]


def _drawable(sources: Sequence[list[Ints]]) -> list[Source]:
    return [Source(tuple(labels)) for labels in sources if len(labels) > 1]


def draw(sources: Sequence[Source], shape: Shape, labels: int, rng: np.random.Generator) -> Episodes:
    """Episodes from sources drawn in proportion to the root of their number of labels, until so many labels are in."""
    share = np.sqrt([len(source.labels) for source in sources])
    parts: list[tuple[Ints, Ints]] = []
    task: list[int] = []
    while len(parts) < labels:
        source = sources[int(rng.choice(len(sources), p=share / share.sum()))]
        chosen = rng.choice(len(source.labels), min(shape.ways, len(source.labels)), replace=False)
        episode = task[-1] + 1 if task else 0
        for code in chosen.tolist():
            parts.append(_some(source.labels[code], shape, rng))
            task.append(episode)
    return Episodes(
        np.concatenate([support for support, _ in parts]),
        np.repeat(np.arange(len(parts)), [len(support) for support, _ in parts]),
        np.concatenate([query for _, query in parts]),
        np.repeat(np.arange(len(parts)), [len(query) for _, query in parts]),
        np.array(task, np.int64),
    )


def _some(label: Ints, shape: Shape, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Of one label, those that teach and those that ask; of few examples half of them teach."""
    order = rng.permutation(label)
    teach = min(shape.shots, len(label) // 2)
    return order[:teach], order[teach : teach + shape.queries]
