"""Random numbers that can be stopped and gone on with, and how to draw without replacement with them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import Field, replace
from typing import Any, ClassVar, Final, Self

import torch
from torch import Tensor

from onward.core import InvalidInput
from onward.learners.neural import device_of, whole

WIDE: Final = 8
"""From so many candidates for each one drawn, Floyd's way is faster than sorting them all."""


class Stream:
    """A generator on a device and a count of the tasks drawn from it: what a checkpoint of a distribution keeps.

    Args:
        seed: any whole number.
        name: streams of one seed and different names are independent.
        device: where the numbers are drawn. The same seed gives other numbers on another kind of device.

    Raises:
        InvalidInput: the seed is no whole number, or there is no such device.
    """

    def __init__(self, seed: int, name: str, device: torch.device | str) -> None:
        whole(None, seed=seed)
        self.generator = seeded(seed, f"tasks {name}", device_of(device))
        self.name = name
        self.drawn = 0

    def ids(self, batch_size: int) -> list[str]:
        """Names for so many further tasks.

        Raises:
            InvalidInput: `batch_size` is no whole number from 1 on.
        """
        whole(1, batch_size=batch_size)
        first = self.drawn
        self.drawn += batch_size
        return [f"{self.name}-{number}" for number in range(first, self.drawn)]

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        """Numbers in [low, high), of torch's default dtype."""
        return torch.rand(shape, generator=self.generator, device=self.generator.device) * (high - low) + low

    def normal(self, *shape: int) -> Tensor:
        """Standard normal numbers, of torch's default dtype."""
        return torch.randn(shape, generator=self.generator, device=self.generator.device)

    def state_dict(self) -> dict[str, Any]:
        """All that is needed to go on from here."""
        return {"generator": self.generator.get_state(), "drawn": self.drawn}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from there.

        Raises:
            InvalidInput: it is no state of a stream on this kind of device.
        """
        try:
            self.generator.set_state(state["generator"].cpu())
            self.drawn = int(state["drawn"])
        except (KeyError, AttributeError, TypeError, ValueError, RuntimeError) as error:
            raise InvalidInput(
                f"This is no state of a task distribution on {self.generator.device.type}: {error}.",
                mend="Give what `state_dict()` of the same distribution returned.",
            ) from error


class Streamed:
    """What draws its tasks from a stream, and so can be gone on with."""

    __slots__ = ()
    _stream: Stream

    def state_dict(self) -> dict[str, Any]:
        """Where the stream of tasks stands: with it a checkpointed training goes on with the very same tasks."""
        return self._stream.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from where `state_dict` was taken.

        Raises:
            InvalidInput: it is no such state.
        """
        self._stream.load_state_dict(state)


class Endless(Streamed):
    """A frozen record of how tasks are made, with a stream of its own `name` and `seed`."""

    __slots__ = ()
    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]
    seed: int
    name: str

    def split(self, name: str, *, seed: int | None = None) -> Self:
        """An independent stream of tasks: they are endless, so every name is a split."""
        return replace(self, name=name, seed=self.seed if seed is None else seed)


def seeded(seed: int, name: str, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator; those of one seed and different names are independent."""
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return torch.Generator(device).manual_seed(int.from_bytes(digest[:8], "little", signed=True))


def distinct(limits: Tensor, count: int, widest: int, generator: torch.Generator) -> Tensor:
    """For each limit so many different whole numbers below it, every order as likely as any other.

    Args:
        limits: (m,) whole numbers, each at least `count`.
        count: how many are drawn for each.
        widest: the largest limit, known beforehand so that the device need not be asked.
        generator: on the device of `limits`.

    Returns:
        (m, count) whole numbers.

    Where limits are small, the places of the smallest of random keys; else Floyd's algorithm (Bentley and Floyd 1987,
    Communications of the ACM 30(9)), all rows at once, and a shuffle, for which the time does not depend on the limits.
    """
    if widest <= WIDE * count:
        keys = torch.rand(len(limits), widest, generator=generator, device=limits.device)
        keys.masked_fill_(torch.arange(widest, device=limits.device) >= limits[:, None], 2.0)
        return keys.topk(count, largest=False).indices
    tops = limits - count + torch.arange(count, device=limits.device)[:, None]
    raw = torch.randint(2**62, (count, len(limits)), generator=generator, device=limits.device)
    chosen = raw % (tops + 1)
    for at in range(1, count):
        taken = (chosen[:at] == chosen[at]).any(0)
        chosen[at] = torch.where(taken, tops[at], chosen[at])
    keys = torch.rand(len(limits), count, generator=generator, device=limits.device)
    return chosen.t().gather(1, keys.argsort(1))


def halves(x: Tensor, y: Tensor, shots: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Support x and y, query x and y: the first `shots` examples of each task (T, n, ...), and the rest."""
    return (
        x[:, :shots].contiguous(),
        y[:, :shots].contiguous(),
        x[:, shots:].contiguous(),
        y[:, shots:].contiguous(),
    )


class Told(Sequence[Mapping[str, Any]]):
    """What is told of each task of a batch, made when it is asked for.

    Args:
        columns: name -> tensor (T, ...), read from its device only when somebody looks.
        names: column -> what its numbers stand for.
    """

    def __init__(self, columns: Mapping[str, Tensor], names: Mapping[str, Sequence[Any]] | None = None) -> None:
        self._columns, self._names = columns, names or {}

    def __len__(self) -> int:
        return len(next(iter(self._columns.values())))

    def __getitem__(self, at: Any) -> Any:
        if isinstance(at, slice):
            return Told({name: column[at] for name, column in self._columns.items()}, self._names)
        return {name: self._read(name, column[at].tolist()) for name, column in self._columns.items()}

    def _read(self, name: str, value: Any) -> Any:
        known = self._names.get(name)
        if known is None:
            return value
        return tuple(known[number] for number in value) if isinstance(value, list) else known[value]
