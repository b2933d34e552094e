"""Handwritten digits that come with scikit-learn: real images that need no download."""

from __future__ import annotations

import torch
from sklearn.datasets import load_digits

from ._arrays import Split, from_arrays
from ._episodes import Episodes


def digits(
    ways: int = 3,
    shots: int = 1,
    queries: int = 15,
    *,
    split: Split = (5, 5),
    seed: int = 0,
    device: torch.device | str = "cpu",
    drop_small: bool = False,
) -> Episodes:
    """Tasks of 1,797 digits of 10 classes, images (1, 8, 8) in 0..1 (Alpaydin and Kaynak 1998, in scikit-learn).

    Args:
        ways: classes in a task.
        shots: support examples of each class.
        queries: query examples of each class; the smallest has 174.
        split: as in `from_arrays`; five classes to train on and five to test where left out.
        seed: of the division of classes and of the streams of tasks.
        device: where the images are kept and the tasks are made.
        drop_small: as in `from_arrays`.

    Raises:
        InvalidInput: as `from_arrays`.

    >>> digits().split("test")
    Episodes(test: 5 classes, 3-way 1-shot, 15 queries)
    """
    x, y = load_digits(return_X_y=True)
    images = x.reshape(-1, 1, 8, 8) / 16
    return from_arrays(images, y, ways, shots, queries, split=split, seed=seed, device=device, drop_small=drop_small)
