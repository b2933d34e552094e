"""How learning an experience went."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Stopped = Literal["steps", "budget", "interrupted"]


@dataclass(frozen=True, slots=True)
class LearnReport:
    """How learning an experience went.

    Args:
        steps: done, those before an interruption among them.
        examples: in the experience.
        seconds: wall time of this call.
        losses: mean loss of the batches of each epoch, without what the methods add.
        accuracies: share right of the batches of each epoch, 0..1, each batch before its step; none of real targets.
        stopped: why it ended.
    """

    steps: int
    examples: int
    seconds: float
    losses: tuple[float, ...]
    accuracies: tuple[float, ...]
    stopped: Stopped

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON."""
        return asdict(self) | {"losses": list(self.losses), "accuracies": list(self.accuracies)}
