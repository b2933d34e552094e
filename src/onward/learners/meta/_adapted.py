"""A network that has learned one task."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from onward.core import InvalidInput

from .algorithms import Adapted

if TYPE_CHECKING:
    from ._learner import MetaLearner


class AdaptedModel:
    """A network that has learned one task. Calling it gives outputs for (n, ...) inputs.

    Batch norms take the statistics of the inputs of a call together: of MAML and its like those of the queries, as in
    the papers, so that what is said of a query depends on those beside it. Fewer queries than the task has classes (of
    other targets, a single one) go through the network with the support examples, so that one alone is answered as
    well. Metric learners always do so.

    Args:
        classes: whether its outputs are scores of classes.
    """

    def __init__(self, learner: MetaLearner, adapted: Adapted, *, classes: bool) -> None:
        self._learner, self._adapted, self._classes = learner, adapted, classes

    @property
    def losses(self) -> list[float]:
        """Loss on the support set before each step, and after the last; none of an algorithm without steps."""
        return [] if not self._adapted.losses.numel() else [float(loss) for loss in self._adapted.losses[:, 0]]

    @property
    def accuracies(self) -> list[float]:
        """The share right, 0..1, likewise; none of real targets."""
        right = self._adapted.accuracies
        return [] if right is None else [float(share) for share in right[:, 0]]

    def __call__(self, x: Tensor) -> Tensor:
        """(n, ...) inputs -> (n, ...): scores of classes, or real values.

        Raises:
            InvalidInput: there are none, the network does not take them, or what it says of one is no number.
        """
        x = torch.as_tensor(x)
        if not x.ndim or not len(x):
            raise InvalidInput("There are no inputs to answer.", mend="Give a tensor (n, ...) of at least one.")
        said = self._learner.outputs(self._adapted, x.unsqueeze(0))[0]
        if bool(said.isnan().any()):
            raise InvalidInput(
                f"{int(said.isnan().flatten(1).any(1).sum())} of {len(x)} answers are no numbers.",
                why="The inputs hold what is no finite number, or the network diverged.",
                mend="Leave such examples out.",
            )
        return said

    def predict(self, x: Tensor) -> Tensor:
        """(n,) classes of (n, ...) inputs; of a task whose targets are none, the values themselves.

        Raises:
            InvalidInput: as a call.
        """
        said = self(x)
        return said.argmax(-1) if self._classes else said
