"""Omniglot: 1,623 characters of 50 alphabets, each drawn by 20 people."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import Final, Literal

import numpy as np
import torch

from onward.core import Damaged, InvalidInput
from onward.datasets import DATA_SETS, find

from ._arrays import from_arrays
from ._episodes import Episodes
from ._pool import divide

TRAIN: Final = 1200
"""Characters to train on in the usual protocol, those for validation among them."""


def omniglot(
    ways: int = 5,
    shots: int = 1,
    queries: int = 15,
    *,
    protocol: Literal["random", "background"] = "random",
    validation: int = 100,
    rotations: bool | Collection[str] = True,
    seed: int = 0,
    folder: str | Path | None = None,
    device: torch.device | str = "cpu",
) -> Episodes:
    """Tasks of handwritten characters (Lake, Salakhutdinov and Tenenbaum 2015): images (1, 28, 28), ink 1, paper 0.

    Args:
        ways: classes in a task.
        shots: support examples of each class.
        queries: query examples of each class; characters have 20 images.
        protocol: "random": 1,200 random characters to train on and 423 to test (Santoro et al. 2016; Finn et al. 2017);
            "background": Lake's own division, 964 characters of 30 alphabets to train on and 659 of 20 others to test.
        validation: so many of the characters to train on are for validation instead.
        rotations: whether turned characters are classes of their own, in all splits (Santoro, prototypical networks)
            or in the named ones (Reptile: `("train",)`).
        seed: of the division of characters and of the streams of tasks.
        folder: of data sets; where left out, that of `ONWARD_DATA`, or where `onward datasets get omniglot` puts them.
        device: where the images are kept and the tasks are made.

    Returns:
        the split "train"; `.split("validation")` and `.split("test")` give the others. Classes are called
        "Alphabet/character01".

    Raises:
        NotFound: the data are not here.
        Damaged: they cannot be read.
        InvalidInput: there is no such protocol; or as `from_arrays`.
    """
    images, names, background = _load(folder)
    if protocol not in ("random", "background"):
        raise InvalidInput(f"There is no protocol {protocol!r}.", mend="Take one.", options=("random", "background"))
    train = names[:background]
    test = names[background:]
    if protocol == "random":
        parts = divide(names, (TRAIN, len(names) - TRAIN), seed)
        train, test = ([names[number] for number in parts[name]] for name in ("train", "test"))
    if not 0 <= validation < len(train):
        raise InvalidInput(f"validation is {validation} of {len(train)} characters.", mend="Give 0 or more, and fewer.")
    held_out = divide(train, (len(train) - validation, validation), seed)
    split = {
        "train": [train[number] for number in held_out["train"]],
        "validation": [train[number] for number in held_out["test"]],
        "test": test,
    }
    y = np.repeat(np.array(names), images.shape[1])
    x = images.reshape(-1, 1, *images.shape[2:])
    return from_arrays(x, y, ways, shots, queries, split=split, seed=seed, device=device, rotations=rotations)


def _load(folder: str | Path | None) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.uint8]], list[str], int]:
    """Images (characters, drawers, 28, 28), names, and how many of them are of the background set."""
    images, names, background = [], [], 0
    for file in find("omniglot", *DATA_SETS["omniglot"].files, folder=folder):
        try:
            with file.open("rb") as opened, np.load(opened) as part:
                images.append(part["images"])
                pairs = zip(part["alphabet_names"][part["alphabet"]], part["character"], strict=True)
                names += [f"{alphabet}/{character}" for alphabet, character in pairs]
        except (OSError, ValueError, KeyError, IndexError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise Damaged(
                f"{file} cannot be read: {error}.", mend="Fetch it anew with: onward datasets get omniglot --force"
            ) from error
        background = background or len(names)
    return np.concatenate(images), names, background
