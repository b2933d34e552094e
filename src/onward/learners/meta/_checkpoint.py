"""What outlives the process: checkpoints that a training goes on from bit for bit, and saved learners."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from torch import Tensor

from onward.core import Damaged, InvalidInput
from onward.learners.neural import is_kept, keep, kept, put_together, refuse_foreign, taken_apart

from ._identity import Named
from .engine import Params

CHECKPOINT: Final = "checkpoint"
LEARNER: Final = "learner"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What `checkpoint.json` says.

    Args:
        training: what decides the training; with anything else it is another one.
        state: all that it takes to go on, tensors by name.
    """

    training: dict[str, str]
    state: Any


@dataclass(frozen=True, slots=True)
class Saved:
    """What `learner.json` says beside the meta-parameters.

    Args:
        loss: its name; empty where it is a function.
        step: meta-training steps behind it.
    """

    network: str
    algorithm: Named
    loss: str
    step: int


def write_checkpoint(folder: Path, training: Mapping[str, str], state: Mapping[str, Any]) -> None:
    """Keep the state of a training, instead of the one before, in one step.

    Raises:
        InvalidInput: the state holds what cannot be kept.
        Unavailable: the folder cannot be written; the checkpoint before stays.
    """
    tensors: dict[str, Tensor] = {}
    card = Checkpoint(dict(training), taken_apart(dict(state), "state", tensors))
    keep(folder, CHECKPOINT, card, tensors)


def read_checkpoint(folder: Path, training: Mapping[str, str]) -> dict[str, Any] | None:
    """The state that was kept last; `None` where none was.

    Raises:
        Damaged: it is not what was kept.
        InvalidInput: it is of another training.
    """
    if not is_kept(folder, CHECKPOINT):
        return None
    card, tensors = kept(folder, CHECKPOINT, Checkpoint)
    refuse_foreign(card.training, training, folder)
    state = put_together(card.state, tensors)
    if not isinstance(state, dict):
        raise Damaged(f"{folder} holds no state of a training.", mend="Restore a back-up.")
    return state


def save_learner(folder: Path, saved: Saved, meta: Params) -> None:
    """Keep a learner's meta-parameters.

    Raises:
        Unavailable: the folder cannot be written.
    """
    keep(folder, LEARNER, saved, {name: value.cpu().contiguous() for name, value in meta.items()})


def load_learner(folder: Path) -> tuple[Saved, Params]:
    """What `save_learner` kept.

    Raises:
        NotFound: there is nothing.
        Damaged: it is not what was kept.
    """
    return kept(folder, LEARNER, Saved)


def refuse_misfit(saved: Saved, network: str, algorithm: Named, folder: Path) -> None:
    """Say where a network or an algorithm is another than the saved one.

    Raises:
        InvalidInput: it is.
    """
    if saved.network != network:
        raise InvalidInput(
            f"{folder} was saved from another network:\n{saved.network}",
            mend="Hand in a network that is built like it.",
        )
    if saved.algorithm != algorithm:
        raise InvalidInput(
            f"{folder} was saved with {saved.algorithm}, not {algorithm}.",
            mend="Hand in the same algorithm, or none.",
        )
