"""Images in folders, one folder a class: Mini-ImageNet, CIFAR-FS, and whatever is laid out like them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, Literal

import numpy as np
import torch

from onward.core import InvalidInput, MissingExtra, NotFound
from onward.learners.neural import whole

from ._arrays import Split, from_arrays
from ._episodes import Episodes

COLOURS: Final = ("RGB", "L")
KINDS: Final = frozenset({".png", ".jpg", ".jpeg"})
SPLITS: Final[Mapping[str, Sequence[str]]] = {
    "train": ("train",),
    "validation": ("val", "validation", "valid"),
    "test": ("test",),
}
"""What a split is called -> what its folder or list may be called."""


def image_folder(  # noqa: PLR0913 - where the images lie, what a task looks like, and how it is drawn
    folder: str | Path,
    ways: int = 5,
    shots: int = 1,
    queries: int = 15,
    *,
    size: int = 84,
    colours: Literal["RGB", "L"] = "RGB",
    split: Split = None,
    seed: int = 0,
    device: torch.device | str = "cpu",
    drop_small: bool = False,
) -> Episodes:
    """Tasks of images in folders, as Mini-ImageNet is usually laid out (Vinyals et al. 2016; Ravi and Larochelle 2017).

    All images are read once, brought to one size, and kept as bytes: Mini-ImageNet takes 1.3 GB.

    Args:
        folder: `FOLDER/{train,val,test}/CLASS/*.png` or .jpg; or `FOLDER/CLASS/*`, divided by `split`.
        ways: classes in a task.
        shots: support examples of each class.
        queries: query examples of each class.
        size: height and width that images are brought to; as a whole, not cut.
        colours: "RGB" gives (3, size, size), "L" grey (1, size, size).
        split: as in `from_arrays`, where the folder is not divided already.
        seed: of the division of classes and of the streams of tasks.
        device: where the images are kept and the tasks are made.
        drop_small: leave out classes with fewer than `shots + queries` images instead of refusing them.

    Raises:
        NotFound: there is no such folder, or there are no images in it.
        InvalidInput: an image cannot be read, or `colours` are none of these; or as `from_arrays`.
        MissingExtra: Pillow is not installed.
    """
    root = _folder(folder)
    divided = {name: found for name, told in SPLITS.items() if (found := _first(root, told)) is not None}
    if divided and split is not None:
        raise InvalidInput(f"{root} is divided already: {', '.join(divided)}.", mend="Leave split out.")
    places = divided or {"": root}
    files, labels, classes = [], [], {}
    for name, place in places.items():
        mine = {f"{name}/{one.name}" if name else one.name: _images(one) for one in _subfolders(place)}
        classes[name] = [label for label, images in mine.items() if images]
        files += [image for images in mine.values() for image in images]
        labels += [label for label, images in mine.items() for _ in images]
    x = read_images(files, size, colours)
    chosen = classes if divided else split
    return from_arrays(x, labels, ways, shots, queries, split=chosen, seed=seed, device=device, drop_small=drop_small)


def cifar_fs(
    folder: str | Path,
    ways: int = 5,
    shots: int = 1,
    queries: int = 15,
    *,
    lists: str = "bertinetto",
    size: int = 32,
    seed: int = 0,
    device: torch.device | str = "cpu",
    drop_small: bool = False,
) -> Episodes:
    """Tasks of CIFAR-100 images as CIFAR-FS divides its classes, 64, 16 and 20 (Bertinetto et al. 2019).

    CIFAR-100 as arrays needs no folder: `from_arrays(images, names, split={"train": [...], ...})`.

    Args:
        folder: the folder `cifar100` of the published archive: `FOLDER/data/CLASS/*.png`, and the lists of classes
            `FOLDER/splits/LISTS/{train,val,test}.txt`, one name a line.
        ways: classes in a task.
        shots: support examples of each class.
        queries: query examples of each class.
        lists: the folder of lists.
        size: height and width that images are brought to.
        seed: of the streams of tasks.
        device: where the images are kept and the tasks are made.
        drop_small: leave out classes with fewer than `shots + queries` images instead of refusing them.

    Raises:
        NotFound: a folder, a list, or a class that a list names is not there.
        InvalidInput: an image cannot be read; or as `from_arrays`.
        MissingExtra: Pillow is not installed.
    """
    root = _folder(folder)
    told = {name: _first(root / "splits" / lists, [f"{one}.txt" for one in names]) for name, names in SPLITS.items()}
    classes = {name: file.read_text(encoding="utf8").split() for name, file in told.items() if file is not None}
    if not classes:
        raise NotFound(
            f"There are no lists of classes in {root / 'splits' / lists}.", mend="Give train.txt, val.txt, test.txt."
        )
    found = {label: _images(_folder(root / "data" / label)) for members in classes.values() for label in members}
    x = read_images([file for mine in found.values() for file in mine], size, "RGB")
    labels = [label for label, mine in found.items() for _ in mine]
    return from_arrays(x, labels, ways, shots, queries, split=classes, seed=seed, device=device, drop_small=drop_small)


def read_images(files: Sequence[Path], size: int, colours: Literal["RGB", "L"]) -> torch.Tensor:
    """Images of one size as bytes (n, channels, size, size), read by as many threads as there are cores.

    Raises:
        NotFound: there are none.
        InvalidInput: one cannot be read, `size` is below 1, or `colours` are none of these.
        MissingExtra: Pillow is not installed.
    """
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError as error:
        raise MissingExtra("Pillow", "plots") from error
    whole(1, size=size)
    if colours not in COLOURS:
        raise InvalidInput(f"colours is {colours!r}.", mend="Take one.", options=COLOURS)
    if not files:
        raise NotFound(
            "There are no images.", mend=f"Put them into a folder for each class, as {', '.join(sorted(KINDS))}."
        )
    bad = (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError)
    pixels = np.empty((len(files), size, size, len(colours)), dtype=np.uint8)

    def read(at: int) -> None:
        try:
            with Image.open(files[at]) as image:
                resized = image.convert(colours).resize((size, size), Image.Resampling.BILINEAR)
        except bad as error:
            raise InvalidInput(f"{files[at]} is no image: {error}.", mend="Mend it, or take it away.") from error
        pixels[at] = np.asarray(resized).reshape(size, size, -1)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for _ in pool.map(read, range(len(files))):
            pass
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous()


def _folder(path: str | Path) -> Path:
    folder = Path(path)
    if not folder.is_dir():
        raise NotFound(f"There is no folder {folder}.", mend="Name the folder that the images lie in.")
    return folder


def _first(folder: Path, names: Sequence[str]) -> Path | None:
    return next((folder / name for name in names if (folder / name).exists()), None)


def _subfolders(folder: Path) -> list[Path]:
    return sorted(one for one in folder.iterdir() if one.is_dir())


def _images(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.suffix.lower() in KINDS)
