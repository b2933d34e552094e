"""Checkpoints: after each period all that it takes to go on as if nothing had happened."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from safetensors.numpy import load, save

from onward.core import Damaged, content_hash, decode, encode

from ._training import Course

FOLDER: Final = "few-shot"
STATE, ARRAYS = "state.json", "arrays.safetensors"
MOMENTS: Final = ("step", "exp_avg", "exp_avg_sq")


@dataclass(frozen=True, slots=True)
class State:
    """What `state.json` says.

    Args:
        key: hash of all that decides the training: another key, another training.
        arrays: hash of the arrays' file.
    """

    key: str
    losses: list[float]
    accuracies: list[float]
    best_period: int
    arrays: str


def write_checkpoint(folder: Path, key: str, course: Course) -> None:
    """Write where the course stands in one atomic step, and remove the one before."""
    home = folder / FOLDER
    partial, final = home / "partial", home / f"period-{len(course.losses):04}"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    data = save(_arrays(course))
    (partial / ARRAYS).write_bytes(data)
    state = State(key, course.losses, course.accuracies, course.best_period, content_hash(data))
    (partial / STATE).write_bytes(encode(state))
    shutil.rmtree(final, ignore_errors=True)
    os.replace(partial, final)  # noqa: PTH105
    for older in set(home.glob("period-*")) - {final}:
        shutil.rmtree(older)


def _arrays(course: Course) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for number, parameter in enumerate(course.parameters):
        found[f"now.{number}"] = parameter.detach().numpy()
        found[f"best.{number}"] = course.best[number]
        for name in MOMENTS:
            found[f"{name}.{number}"] = course.optimizer.state[parameter][name].numpy()
    return found


def read_checkpoint(folder: Path, key: str, course: Course) -> None:
    """Put the course where the newest whole checkpoint of this very training left it, if there is one."""
    for found in sorted((folder / FOLDER).glob("period-*"), reverse=True):
        state = _state(found, key)
        if state is not None:
            _restore(course, state, load((found / ARRAYS).read_bytes()))
            return


def _state(found: Path, key: str) -> State | None:
    try:
        state = decode((found / STATE).read_bytes(), State)
        whole = content_hash((found / ARRAYS).read_bytes()) == state.arrays
    except (OSError, Damaged):
        return None
    return state if whole and state.key == key else None


def _restore(course: Course, state: State, arrays: dict[str, Any]) -> None:
    import torch

    for number, parameter in enumerate(course.parameters):
        with torch.no_grad():
            parameter.copy_(torch.from_numpy(arrays[f"now.{number}"]))
        moments = {name: torch.from_numpy(arrays[f"{name}.{number}"].copy()) for name in MOMENTS}
        course.optimizer.state[parameter] = moments
    course.best = [arrays[f"best.{number}"] for number in range(len(course.parameters))]
    course.losses, course.accuracies = list(state.losses), list(state.accuracies)
    course.best_period, course.resumed = state.best_period, len(state.losses)
