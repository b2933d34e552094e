"""Examples on a device, and where those of each class lie."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from onward.core import InvalidInput
from onward.learners.neural import classes_of, device_of, inputs_of, plain_number

from ._stream import seeded

SHARES: Final = "Give shares that add up to 1, or numbers of classes that add up to all: train, (validation,) test."
Codes = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """Examples by class.

    Args:
        x: (n, ...) inputs; bytes are pixels, given as 0..1.
        order: (n,) row numbers of `x`, class by class.
        starts: (classes,) where each class begins in `order`.
        sizes: (classes,) how many examples each has; the same on the CPU in `counts`.
        labels: what each class is called.
        counts: as `sizes`.
        y: (n, ...) real targets; `None` where the class is the target.
    """

    x: Tensor
    order: Tensor
    starts: Tensor
    sizes: Tensor
    labels: tuple[Hashable, ...]
    counts: tuple[int, ...]
    y: Tensor | None = None

    def digest(self) -> str:
        """SHA-256 (hex) of the examples, and of which class each is; a second for a few hundred megabytes."""
        told = hashlib.sha256(repr((self.x.dtype, self.x.shape, self.labels, self.counts)).encode())
        for part in (self.order, self.x, self.y):
            if part is not None:
                told.update(part.contiguous().flatten().view(torch.uint8).cpu().numpy().data)
        return told.hexdigest()

    def take(self, places: Tensor) -> Tensor:
        """The inputs at places (T, S) of `order`: (T, S, ...)."""
        taken = self.x.index_select(0, self.order[places.flatten()])
        if taken.dtype == torch.uint8:
            taken = taken.to(torch.get_default_dtype()).div_(255)
        return taken.view(*places.shape, *self.x.shape[1:])


def make_pool(x: Any, y: Any, device: torch.device | str, *, rotations: bool) -> Pool:
    """Sort examples by class, once; with `rotations` every class is there four times, turned by 0 to 270 degrees.

    Raises:
        InvalidInput: `x` and `y` differ in length, hold what is no number, or cannot be turned; or there is no such
            device.
    """
    labels, codes = classes_of(y)
    pool = pool_of(inputs_of(x).to(device_of(device)), codes, labels)
    return _turned(pool) if rotations else pool


def pool_of(x: Tensor, codes: Codes, labels: tuple[Hashable, ...], y: Tensor | None = None) -> Pool:
    """Examples and the number of the class of each.

    Raises:
        InvalidInput: there are none, or more of one than of the other.
    """
    if len(x) != len(codes) or not len(codes):
        raise InvalidInput(f"There are {len(x)} inputs and {len(codes)} labels.", mend="Give one label for each input.")
    counts = np.bincount(codes, minlength=len(labels))
    order, starts, sizes = (
        torch.from_numpy(part).to(x.device)
        for part in (np.argsort(codes, kind="stable"), np.cumsum(counts) - counts, counts)
    )
    return Pool(x, order, starts, sizes, labels, tuple(counts.tolist()), y)


def _turned(pool: Pool) -> Pool:
    """Classes c, then the same turned by 90 degrees, by 180, by 270: class `c + turns * classes`."""
    if pool.x.ndim < 3 or pool.x.shape[-1] != pool.x.shape[-2]:
        raise InvalidInput(
            f"Inputs of shape {tuple(pool.x.shape[1:])} cannot be turned by 90 degrees.",
            mend="Give square images (n, ..., H, H), or rotations=False.",
        )
    n = len(pool.x)
    return Pool(
        torch.cat([torch.rot90(pool.x, turns, (-2, -1)) for turns in range(4)]),
        torch.cat([pool.order + turns * n for turns in range(4)]),
        torch.cat([pool.starts + turns * n for turns in range(4)]),
        pool.sizes.repeat(4),
        pool.labels + tuple((label, 90 * turns) for turns in (1, 2, 3) for label in pool.labels),
        pool.counts * 4,
    )


def divide(labels: Sequence[Hashable], split: Any, seed: int) -> Mapping[str, list[int]]:
    """Whole classes to splits: name -> class numbers. See `from_arrays` for what `split` may be.

    Raises:
        InvalidInput: it does not fit these classes.
    """
    if split is None:
        return {"all": list(range(len(labels)))}
    try:
        if isinstance(split, Mapping):
            return _as_told(labels, split)
        parts = [plain_number(part) for part in split]
    except TypeError as error:
        raise InvalidInput(f"The split is {split!r}.", mend=f"{SHARES} Or a list of classes for each name.") from error
    counts = _counts(parts, len(labels))
    names = {2: ("train", "test"), 3: ("train", "validation", "test")}[len(parts)]
    shuffled = torch.randperm(len(labels), generator=seeded(seed, "split")).tolist()
    ends = np.cumsum(counts).tolist()
    return {name: sorted(shuffled[end - count : end]) for name, count, end in zip(names, counts, ends, strict=True)}


def _counts(parts: list[Any], classes: int) -> list[int]:
    good = len(parts) in (2, 3) and all(isinstance(part, int | float) and part >= 0 for part in parts)
    if good and all(isinstance(part, int) for part in parts) and sum(parts) == classes:
        return parts
    if good and abs(sum(parts) - 1) < 1e-6 and any(isinstance(part, float) for part in parts):
        ends = [round(float(end) * classes) for end in np.cumsum(parts)]
        return [end - start for start, end in zip([0, *ends], ends, strict=False)]
    raise InvalidInput(
        f"The split {tuple(parts)} does not divide {classes} classes.",
        mend=SHARES,
    )


def _as_told(labels: Sequence[Hashable], split: Mapping[str, Any]) -> dict[str, list[int]]:
    if not split:
        raise InvalidInput("The split has no names.", mend="Give a list of classes for each name, or split=None.")
    numbers = {label: number for number, label in enumerate(labels)}
    told = [label for members in split.values() for label in members]
    unknown = [label for label in told if label not in numbers]
    if unknown or len(set(told)) != len(told):
        what = (
            f"has {len(unknown)} classes that no example has, such as {unknown[0]!r}"
            if unknown
            else "names a class twice"
        )
        raise InvalidInput(f"The split {what}.", mend="Name each class of `y` once, or leave it out.")
    return {name: [numbers[label] for label in members] for name, members in split.items()}
