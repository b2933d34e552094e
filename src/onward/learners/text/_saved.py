"""How text models that answer with NumPy are saved: a JSON file and one of tensors, whose hash the first states."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

from safetensors import SafetensorError
from safetensors.numpy import load, save

from onward.core import Damaged, content_hash, decode, encode

CARD: Final = "model.json"
WEIGHTS: Final = "weights.safetensors"


class Card(Protocol):
    """What every `model.json` says: its format, and the hash of the tensors' file."""

    @property
    def format(self) -> int: ...

    @property
    def weights(self) -> str: ...


C = TypeVar("C", bound=Card)


def write_model(folder: Path, tensors: Mapping[str, Any], card: Callable[[str], Card]) -> None:
    """Write both files.

    Args:
        tensors: NumPy arrays by name.
        card: makes the card, given the hash of the tensors' file.
    """
    weights = save(dict(tensors))
    (folder / WEIGHTS).write_bytes(weights)
    (folder / CARD).write_bytes(encode(card(content_hash(weights))))


def read_model(folder: Path, what: str, kind: type[C], form: int) -> tuple[C, dict[str, Any]]:
    """Read both files back; nothing in the folder is executed.

    Args:
        what: the model should be, e.g. "a linear model".
        kind: of the card.
        form: the format that is read.

    Raises:
        Damaged: a file is missing, is not what was saved, or is of another format.
    """
    card = decode(_read(folder / CARD, what), kind)
    if card.format != form:
        raise damaged(folder, what, f"{CARD} has format {card.format}; this version of Onward reads {form}.")
    data = _read(folder / WEIGHTS, what)
    if content_hash(data) != card.weights:
        raise damaged(folder, what, f"The hash of {WEIGHTS} is not the one that {CARD} states.")
    try:
        return card, load(data)
    except SafetensorError as error:
        raise damaged(folder, what, f"{WEIGHTS}: {error}.") from error


def damaged(folder: Path, what: str, why: str) -> Damaged:
    """The error of a folder that holds no such model."""
    return Damaged(f"{folder} does not hold {what}.", why=why, mend="Restore a back-up, or roll back.")


def _read(file: Path, what: str) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise damaged(file.parent, what, f"{file.name} cannot be read: {error}.") from error
