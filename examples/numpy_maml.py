"""Learning sinusoids from ten examples with a network that is all NumPy: whatever gives gradients can be meta-trained.

The outer steps need PyTorch: pip install "onward[neural]"
Run: python examples/numpy_maml.py
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onward.learners.meta import MAML, MetaLearner, Reptile
from onward.learners.meta.tasks import Sinusoid

Array = NDArray[Any]
Arrays = dict[str, Array]


@dataclass(frozen=True)
class Waves:
    """y = tanh(x a + b) c. Algorithms of first order ask for its gradient alone, MAML for Hessian products as well."""

    width: int = 40
    seed: int = 0

    def parameters(self) -> Arrays:
        draw = np.random.default_rng(self.seed)
        a, b = draw.normal(size=(1, self.width)), draw.uniform(-3, 3, self.width)
        return {"a": a, "b": b, "c": draw.normal(size=(self.width, 1)) / np.sqrt(self.width)}

    def predict(self, params: Arrays, x: Array) -> Array:
        return np.tanh(x @ params["a"] + params["b"]) @ params["c"]

    def loss_and_gradient(self, params: Arrays, x: Array, y: Array) -> tuple[float, Arrays]:
        """Mean squared error, and its gradient by the chain rule."""
        hidden = np.tanh(x @ params["a"] + params["b"])
        off = hidden @ params["c"] - y
        top = 2 * off / off.size
        below = top @ params["c"].T * (1 - hidden**2)
        return float(np.mean(off**2)), {"a": x.T @ below, "b": below.sum(0), "c": hidden.T @ top}

    def hessian_vector_product(self, params: Arrays, x: Array, y: Array, direction: Arrays) -> Arrays:
        """How the gradient moves along a direction: every line of it, differentiated."""
        hidden = np.tanh(x @ params["a"] + params["b"])
        slope = 1 - hidden**2
        moved = slope * (x @ direction["a"] + direction["b"])
        top = 2 * (hidden @ params["c"] - y) / y.size
        moved_top = 2 * (moved @ params["c"] + hidden @ direction["c"]) / y.size
        below = (moved_top @ params["c"].T + top @ direction["c"].T) * slope
        below -= top @ params["c"].T * 2 * hidden * moved
        return {"a": x.T @ below, "b": below.sum(0), "c": moved.T @ top + hidden.T @ moved_top}


def main() -> None:
    tasks = Sinusoid(seed=0)
    held = tasks.split("test").sample_batch(100)
    for algorithm, outer_rate in ((MAML(inner_rate=0.02), 0.02), (Reptile(10, 0.02, "sgd", 0, adapt_steps=10), 0.5)):
        learner = MetaLearner(Waves(), algorithm, loss="mse", outer_rate=outer_rate)
        before = np.mean(learner.evaluate_tasks(held)["loss"])
        for _ in range(100):
            learner.meta_train_step(tasks.sample_batch(10))
        after = np.mean(learner.evaluate_tasks(held)["loss"])
        print(f"{type(algorithm).__name__}: squared error {before:.2f} -> {after:.2f}, by {learner.engine}")


if __name__ == "__main__":
    main()
