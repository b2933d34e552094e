"""Tasks to be encoded."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from onward.learners.meta import Examples, MetaLearningTask


def task_of(x: Any, y: Any, name: str = "", **metadata: Any) -> MetaLearningTask:
    examples = Examples(torch.as_tensor(x), torch.as_tensor(y))
    return MetaLearningTask(examples, examples, name, metadata)


def blobs(
    seed: int, *, ways: int = 3, shots: int = 4, d: int = 6, apart: float = 3.0, scale: float = 1.0
) -> MetaLearningTask:
    """Classes around random centres, `apart` standard deviations away from the origin."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(ways, d))
    centres *= apart / np.linalg.norm(centres, axis=1, keepdims=True)
    y = np.repeat(np.arange(ways), shots)
    return task_of(scale * (centres[y] + rng.normal(size=(len(y), d)) / d**0.5), y, f"blobs {seed}")
