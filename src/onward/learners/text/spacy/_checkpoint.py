"""Checkpoints: after each epoch all that it takes to go on as if nothing had happened."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from safetensors.numpy import load, save

from onward.core import Damaged, content_hash, decode, encode

from ._pupil import Pupil, Standing
from ._weights import Arrays, moments_of, set_moments, set_weights, weights_of

STATE, WEIGHTS = "state.json", "weights.safetensors"
FOLDER: Final = "spacy"


@dataclass(frozen=True, slots=True)
class Epoch:
    """What an epoch came to: the loss and, where there are validation examples, the score of each head."""

    losses: dict[str, float]
    scores: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What `state.json` says.

    Args:
        key: hash of all that decides the training: another key, another training.
        weights: hash of the weights' file.
    """

    key: str
    seed: int
    dataset: str
    counts: dict[str, int]
    history: list[Epoch]
    heads: dict[str, Standing]
    weights: str


def write_checkpoint(folder: Path, state: State, pupils: Sequence[Pupil]) -> None:
    """Write the state after `len(state.history)` epochs in one atomic step, and remove the one before.

    Args:
        state: `heads` and `weights` are filled in here.
    """
    home = folder / FOLDER
    partial, final = home / "partial", home / f"epoch-{len(state.history):04}"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    data = save({key: array for pupil in pupils for key, array in _arrays(pupil).items()})
    (partial / WEIGHTS).write_bytes(data)
    whole = State(
        key=state.key,
        seed=state.seed,
        dataset=state.dataset,
        counts=state.counts,
        history=state.history,
        heads={pupil.head: pupil.standing for pupil in pupils},
        weights=content_hash(data),
    )
    (partial / STATE).write_bytes(encode(whole))
    shutil.rmtree(final, ignore_errors=True)
    os.replace(partial, final)  # noqa: PTH105
    for older in set(home.glob("epoch-*")) - {final}:
        shutil.rmtree(older)


def _arrays(pupil: Pupil) -> Arrays:
    network = pupil.component.model
    groups = {
        "now": weights_of(network),
        "best": pupil.best_weights or {},
        "moments": moments_of(network, pupil.optimizer),
    }
    return {f"{pupil.head}/{group}/{key}": array for group, arrays in groups.items() for key, array in arrays.items()}


def read_checkpoint(folder: Path, key: str, pupils: Sequence[Pupil]) -> State | None:
    """Put the pupils where the newest whole checkpoint of this very training left them; `None` where there is none."""
    for found in sorted((folder / FOLDER).glob("epoch-*"), reverse=True):
        state = _state(found, key)
        if state is not None:
            arrays = load((found / WEIGHTS).read_bytes())
            for pupil in pupils:
                _restore(pupil, state.heads[pupil.head], arrays)
            return state
    return None


def _state(found: Path, key: str) -> State | None:
    try:
        state = decode((found / STATE).read_bytes(), State)
        whole = content_hash((found / WEIGHTS).read_bytes()) == state.weights
    except (OSError, Damaged):
        return None
    return state if whole and state.key == key else None


def _restore(pupil: Pupil, standing: Standing, arrays: Arrays) -> None:
    network = pupil.component.model
    set_weights(network, _group(arrays, f"{pupil.head}/now/"))
    set_moments(network, pupil.optimizer, _group(arrays, f"{pupil.head}/moments/"))
    pupil.best_weights = _group(arrays, f"{pupil.head}/best/") or None
    pupil.standing = standing


def _group(arrays: Arrays, prefix: str) -> Arrays:
    return {key.removeprefix(prefix): array for key, array in arrays.items() if key.startswith(prefix)}
