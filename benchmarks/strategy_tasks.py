"""Few-shot tasks of four kinds of real data, and a small network trained on them, for benchmarks/strategy.py."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import roc_auc_score
from torch import Tensor
from torch.nn.functional import cross_entropy

from benchmarks.real_data import banking77, folder
from onward.learners.meta import MetaLearningTask

VALIDATION, TEST = 5, 10  # query examples of each class
Draw = Callable[[str, int, int, np.random.Generator], tuple[Any, ...]]


@dataclass(frozen=True)
class Shape:
    """Tasks that are trained together: one family, so many ways and shots."""

    family: str
    ways: int
    shots: int


SHAPES = [
    *(Shape("digits", ways, shots) for ways, shots in ((2, 5), (5, 1), (5, 5))),
    *(Shape("omniglot", ways, shots) for ways, shots in ((5, 1), (5, 5), (20, 1))),
    *(Shape("banking77", ways, shots) for ways, shots in ((5, 1), (5, 5), (10, 5))),
    *(Shape("defects", 2, shots) for shots in (5, 10, 20)),
]


@dataclass(frozen=True)
class Tasks:
    """Stacked tasks of one shape: what they are to an encoder, and what is trained and judged on."""

    shape: Shape
    support: tuple[Tensor, Tensor]
    validation: tuple[Tensor, Tensor]
    test: tuple[Tensor, Tensor]
    tasks: list[MetaLearningTask]

    def one(self, at: int) -> Tasks:
        parts = [(x[at : at + 1], y[at : at + 1]) for x, y in (self.support, self.validation, self.test)]
        return Tasks(self.shape, *parts, self.tasks[at : at + 1])


def sources(*, scaled: bool = True) -> dict[str, dict[str, list[NDArray[np.float32]]]]:
    """Family -> "train" and "test" -> the inputs of each class, or (defects) without and with bugs of each project.

    Args:
        scaled: inputs of the order of 1; or else as they are shipped.
    """
    return {
        "digits": _digits(16 if scaled else 1),
        "omniglot": _omniglot(255 if scaled else 1),
        "banking77": _banking77(),
        "defects": _defects(np.log1p if scaled else np.abs),
    }


def _digits(scale: int) -> dict[str, Any]:
    x, y = load_digits(return_X_y=True)
    rows = np.arange(len(x)) % 2  # the same ten classes, other images
    return {
        part: [(x[(y == digit) & (rows == half)] / scale).astype(np.float32) for digit in range(10)]
        for half, part in enumerate(("train", "test"))
    }


def _omniglot(scale: int) -> dict[str, Any]:
    place = folder()
    assert place is not None
    found = {}
    for part, name in (("train", "background"), ("test", "evaluation")):
        images = np.load(place / "omniglot" / f"omniglot_{name}_28x28_u8.npz")["images"]
        small = images.reshape(*images.shape[:2], 14, 2, 14, 2).mean(axis=(3, 5)) / scale
        found[part] = list(small.reshape(*images.shape[:2], 196).astype(np.float32))
    return found


def _banking77() -> dict[str, Any]:
    texts, _ = banking77()
    names = sorted({one.label for one in texts})
    np.random.default_rng(0).shuffle(names)
    train = [one.text for one in texts if one.label in names[:50]]
    vectoriser = TfidfVectorizer(sublinear_tf=True, min_df=2).fit(train)
    reduce = TruncatedSVD(64, random_state=0).fit(vectoriser.transform(train))
    rows = reduce.transform(vectoriser.transform([one.text for one in texts])).astype(np.float32)
    by_name = [rows[[at for at, one in enumerate(texts) if one.label == name]] for name in names]
    return {"train": by_name[:50], "test": by_name[50:]}


def _defects(magnitude: Callable[[Any], Any]) -> dict[str, Any]:
    place = folder()
    assert place is not None
    projects: dict[str, list[list[float]]] = {}
    with gzip.open(place / "defects" / "jureczko_ck.csv.gz", "rt", encoding="utf8") as file:
        for row in csv.DictReader(file):
            name = row.pop("release")
            projects.setdefault(name, []).append([float(value) for value in row.values()])
    pairs: dict[str, list[Any]] = {"train": [], "test": []}
    names = sorted({name.rpartition("-")[0] for name in projects})
    held = set(np.random.default_rng(0).permutation(names)[: len(names) // 3])
    for name, rows in projects.items():
        table = np.array(rows)
        x = (np.sign(table[:, :-1]) * magnitude(np.abs(table[:, :-1]))).astype(np.float32)
        pair = [x[table[:, -1] == 0], x[table[:, -1] > 0]]
        if min(map(len, pair)) >= 20 + VALIDATION + TEST:
            pairs["test" if name.rpartition("-")[0] in held else "train"].append(pair)
    return pairs


def draw(shape: Shape, classes: list[Any], count: int, seed: int) -> Tasks:
    """So many tasks of a shape."""
    rng = np.random.default_rng([seed, SHAPES.index(shape)])
    parts: list[list[Any]] = [[], [], []]
    for _ in range(count):
        if shape.family == "defects":
            chosen = classes[rng.integers(len(classes))]
        else:
            chosen = [classes[at] for at in rng.permutation(len(classes))[: shape.ways]]
        sizes = np.cumsum([shape.shots, VALIDATION, TEST])
        picked = [rows[rng.permutation(len(rows))[: sizes[-1]]] for rows in chosen]
        for part, (first, last) in zip(parts, zip((0, *sizes), sizes, strict=False), strict=True):
            part.append(np.concatenate([rows[first:last] for rows in picked]))
    each = [
        (
            torch.tensor(np.stack(x)),
            torch.arange(shape.ways).repeat_interleave(len(x[0]) // shape.ways).repeat(count, 1),
        )
        for x in parts
    ]
    name = f"{shape.family} {shape.ways} x {shape.shots}"
    tasks = [
        MetaLearningTask((each[0][0][at], each[0][1][at]), (each[1][0][at], each[1][1][at]), f"{name} {seed}.{at}")
        for at in range(count)
    ]
    return Tasks(shape, each[0], each[1], each[2], tasks)


def train(tasks: Tasks, configuration: dict[str, Any], seed: int = 0) -> tuple[list[float], list[float]]:
    """Validation and test accuracy (defects: AUC) of each task's own network, trained by SGD with momentum 0.9."""
    x, y = tasks.support
    count, size, d = x.shape
    hidden = configuration["architecture_params"]["hidden"]
    generator = torch.Generator().manual_seed(seed)
    first = torch.randn(1, d, hidden, generator=generator).mul(d**-0.5).repeat(count, 1, 1)
    second = torch.randn(1, hidden, tasks.shape.ways, generator=generator).mul(hidden**-0.5).repeat(count, 1, 1)
    weights = [first, torch.zeros(count, 1, hidden), second, torch.zeros(count, 1, tasks.shape.ways)]
    for weight in weights:
        weight.requires_grad_()
    optimizer = torch.optim.SGD(
        weights, configuration["learning_rate"], momentum=0.9, weight_decay=configuration["regularization"]
    )
    for rows in _batches(size, configuration["batch_size"], configuration["num_epochs"], generator):
        outputs = _outputs(weights, x[:, rows])
        loss = cross_entropy(outputs.flatten(0, 1), y[:, rows].flatten(), reduction="sum") / len(rows)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        return _judge(weights, tasks.validation, tasks.shape), _judge(weights, tasks.test, tasks.shape)


def _batches(size: int, batch: int, epochs: int, generator: torch.Generator) -> Iterator[Tensor]:
    for _ in range(epochs):
        yield from torch.randperm(size, generator=generator).split(batch)


def _outputs(weights: list[Tensor], x: Tensor) -> Tensor:
    first, bias, second, other = weights
    return torch.baddbmm(other, torch.relu(torch.baddbmm(bias, x, first)), second)


def _judge(weights: list[Tensor], examples: tuple[Tensor, Tensor], shape: Shape) -> list[float]:
    """A network that came to infinities guesses."""
    outputs, y = torch.nan_to_num(_outputs(weights, examples[0])), examples[1]
    if shape.family != "defects":
        return [float(one) for one in (outputs.argmax(dim=2) == y).float().mean(dim=1)]
    scores = (outputs[..., 1] - outputs[..., 0]).clamp(-1e30, 1e30)
    return [float(roc_auc_score(labels, score)) for labels, score in zip(y.numpy(), scores.numpy(), strict=True)]
