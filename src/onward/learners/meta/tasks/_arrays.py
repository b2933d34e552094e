"""N-way K-shot episodes from arrays and torch data sets."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from typing import Any

import torch
from torch.utils.data import Dataset

from onward.core import InvalidInput, NotFound

from ._episodes import Episodes
from ._groups import Episode, Group, Rules
from ._pool import divide, make_pool

Split = Sequence[float] | Mapping[str, Sequence[Hashable]] | None


def from_arrays(  # noqa: PLR0913 - what a task looks like, and where its examples come from
    x: Any,
    y: Any,
    ways: int = 5,
    shots: int = 1,
    queries: int = 15,
    *,
    split: Split = None,
    seed: int = 0,
    device: torch.device | str | None = None,
    rotations: bool | Collection[str] = False,
    drop_small: bool = False,
) -> Episodes:
    """Few-shot classification tasks from labelled examples.

    Args:
        x: (n, ...) inputs: tensor, array, or sparse matrix. Bytes (uint8) are pixels: kept as they are, given as 0..1.
            Real numbers of an array become torch's default dtype; a tensor keeps its own.
        y: (n,) labels, whole numbers or texts; classes may differ in size.
        ways: classes in a task.
        shots: support examples of each class.
        queries: query examples of each class.
        split: how whole classes are divided into train, validation and test: three (or two: train, test) shares that
            add up to 1, or numbers of classes that add up to all; shuffled under `seed`. Or name -> labels. The first
            is returned; `.split(name)` gives the others. `None`: all classes in one, called "all".
        seed: of the division of classes and of every stream of tasks.
        device: where the examples are kept and the tasks are made; that of `x` where left out.
        rotations: whether square images turned by 90, 180 and 270 degrees are classes of their own (Santoro et al.
            2016), in every split or in the named ones. Takes four times the memory.
        drop_small: leave out classes with fewer than `shots + queries` examples instead of refusing them.

    Raises:
        InvalidInput: inputs hold NaN or infinity; the split does not fit the classes; or classes, or examples of a
            class, are too few.
        NotFound: rotations are asked for in a split that is not there.

    >>> x, y = torch.randn(100, 8), torch.arange(100) % 10
    >>> train = from_arrays(x, y, ways=3, shots=2, queries=4, split=(6, 2, 2), seed=1)
    >>> tasks = train.sample_batch(16)
    >>> tuple(tasks.support_x.shape), tuple(tasks.query_x.shape)
    ((16, 6, 8), (16, 12, 8))
    >>> train.split("test", ways=2)
    Episodes(test: 2 classes, 2-way 2-shot, 4 queries)
    """
    if device is None:
        device = x.device if isinstance(x, torch.Tensor) else "cpu"
    rules = Rules(Episode(ways, shots, queries), seed, drop_small)
    pool = make_pool(x, y, device, rotations=bool(rotations))
    upright = len(pool.labels) // 4 if rotations else len(pool.labels)
    splits = dict(divide(pool.labels[:upright], split, seed))
    turned = set(splits) if rotations is True else set(rotations or ())
    if not turned <= set(splits):
        raise NotFound(f"Rotations are asked for in {sorted(turned)}.", mend="Name splits.", options=splits)
    for name in turned:
        splits[name] = [number + turns * upright for turns in range(4) for number in splits[name]]
    groups = {name: [Group(None, classes)] for name, classes in splits.items()}
    return Episodes(pool, groups, next(iter(groups)), rules)


def from_dataset(
    dataset: Dataset[Any], *arguments: Any, convert: Callable[[Any], Any] | None = None, **options: Any
) -> Episodes:
    """Few-shot classification tasks from a torch `Dataset` of pairs (input, label), read once from end to end.

    Args:
        dataset: map-style or iterable; labels are whole numbers or texts. Inputs must agree in shape.
        arguments: as `from_arrays` from `ways` on.
        convert: makes a tensor of an input, e.g. torchvision's `pil_to_tensor` where the set gives images; where left
            out, tensors are kept and arrays become what `from_arrays` makes of them.
        options: as `from_arrays`.

    Raises:
        InvalidInput: it is empty, or what it gives are no such pairs; or as `from_arrays`.

    >>> from torch.utils.data import TensorDataset
    >>> from_dataset(TensorDataset(torch.randn(60, 8), torch.arange(60) % 6), 3, 1, 4, split=(4, 2))
    Episodes(train: 4 classes, 3-way 1-shot, 4 queries)
    """
    items = (dataset[at] for at in range(len(dataset))) if hasattr(dataset, "__len__") else iter(dataset)
    try:
        pairs = [((convert or _tensor)(x), y.item() if isinstance(y, torch.Tensor) else y) for x, y in items]
        x = torch.stack([one for one, _ in pairs])
    except (TypeError, ValueError, RuntimeError) as error:
        raise InvalidInput(
            f"The data set cannot be read: {error}.",
            mend="It must give pairs (input, label), inputs of one shape; see `convert`.",
        ) from error
    return from_arrays(x, [label for _, label in pairs], *arguments, **options)


def _tensor(x: Any) -> torch.Tensor:
    tensor = torch.as_tensor(x)
    plain = isinstance(x, torch.Tensor) or not tensor.is_floating_point()
    return tensor if plain else tensor.to(torch.get_default_dtype())
