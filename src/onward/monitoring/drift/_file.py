"""A stored reference is one safetensors file: numbers as tensors, the rest as JSON in its head, a hash over both."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from onward.core import Damaged, NotFound, Unavailable, content_hash, decode, encode

if TYPE_CHECKING:
    from numpy.typing import NDArray

T = TypeVar("T")
FORMAT: Final = "1"


def write(path: Path, card: Any, tensors: Mapping[str, NDArray[Any]]) -> Path:
    """Write the file in whole or not at all.

    Raises:
        Unavailable: it cannot be written; what stood there stays.
    """
    from safetensors.numpy import save

    body = encode(card).decode()
    head = {"format": FORMAT, "card": body, "hash": _hash(body, tensors)}
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.write(save(dict(tensors), metadata=head))
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise Unavailable(f"{path} cannot be written.", why=f"{error}.", mend="Choose another file.") from error
    return path


def read(path: Path, kind: type[T]) -> tuple[T, dict[str, NDArray[Any]]]:
    """Card and tensors of a file; nothing in it is executed.

    Raises:
        NotFound: there is no such file.
        Damaged: it is not what was written.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            head = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
    except FileNotFoundError as error:
        raise NotFound(f"There is no file {path}.", mend="Save a reference there first.") from error
    except (SafetensorError, OSError) as error:
        raise _damaged(path, f"{error}.") from error
    body = head.get("card", "")
    if head.get("format") != FORMAT or head.get("hash") != _hash(body, tensors):
        raise _damaged(path, "Its format is another, or its hash is not the one that it states.")
    return decode(body, kind), tensors


def _hash(body: str, tensors: Mapping[str, NDArray[Any]]) -> str:
    parts = {name: [str(one.dtype), list(one.shape), content_hash(one.tobytes())] for name, one in tensors.items()}
    return content_hash([body, parts])


def _damaged(path: Path, why: str) -> Damaged:
    return Damaged(f"{path} is no stored reference.", why=why, mend="Make the reference again, or restore a back-up.")
