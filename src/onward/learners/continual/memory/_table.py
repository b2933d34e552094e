"""The rows of a buffer, in memory or in files, with their keys and what the policy knows of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ._columns import closed, write
from ._policy import Choice, Ledger, Offer
from ._spill import Spill


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Examples of a buffer, on its device.

    Args:
        x, y: (n, ...) as they were added.
        task: (n,) long.
        extra: (n, ...) the other columns, by name.
        index: (n,) rows of the buffer.
    """

    x: Tensor
    y: Tensor
    task: Tensor
    extra: dict[str, Tensor]
    index: Tensor

    def __len__(self) -> int:
        return len(self.index)


class Table:
    """Rows 0..size-1 of columns that are allocated once.

    Args:
        device: where they are kept, or where samples go that are kept in files; that of the first rows if `None`.
        folder: of the files.
        snapshots: see `Spill`.
    """

    def __init__(self, device: torch.device | None, folder: Path | None, snapshots: int) -> None:
        self.device, self.folder, self.snapshots = device, folder, snapshots
        self.spill = None if folder is None else Spill(folder, snapshots)
        self.columns: dict[str, Tensor] = {}
        self.ledger = Ledger(0)
        self.keys: np.ndarray | None = None

    def begin(self, parts: Mapping[str, Tensor], capacity: int) -> None:
        """Make room for rows of this kind."""
        self.device = self.device or next(iter(parts.values())).device
        self.columns = self._allocated({name: (part.shape[1:], part.dtype) for name, part in parts.items()}, capacity)
        if self.spill is not None:
            self.spill.begin(self.columns)
        self.ledger = Ledger(capacity)

    def put(self, offer: Offer, choice: Choice, chosen: Mapping[str, Tensor], keys: np.ndarray | None) -> None:
        """Do as the policy chose.

        Args:
            chosen: the rows that it chose.
            keys: of all rows of the offer.
        """
        rows, slots, ledger = choice.rows, choice.slots, self.ledger
        self.write(slots, chosen)
        if choice.priority is not None:
            self._ranked()
            ledger.priority[slots] = choice.priority
            ledger.groups[slots] = 0 if offer.groups is None else offer.groups[rows]
        if choice.cuts is not None:
            ledger.cuts = choice.cuts
        if keys is not None or self.keys is not None:
            self._keyed()[slots.numpy()] = None if keys is None else keys[rows.numpy()]
        ledger.seen += offer.count
        ledger.size = max(ledger.size, int(slots.numpy().max(initial=-1)) + 1)

    def write(self, slots: Tensor, parts: Mapping[str, Tensor]) -> None:
        """Put rows into different slots."""
        write(self.columns, slots, parts)
        if self.spill is not None:
            self.spill.touch(slots)

    def take(self, index: Tensor) -> Sample:
        """Copies of rows."""
        assert self.device is not None
        where = index if self.spill is not None else index.to(self.device)
        found = {name: column.index_select(0, where).to(self.device) for name, column in self.columns.items()}
        x, y, task = (found.pop(name) for name in ("x", "y", "task"))
        return Sample(x, y, task, found, index)

    def drop(self, gone: Tensor) -> int:
        """Overwrite rows, and close the gaps with those behind them; how many went."""
        movers, gaps, left = closed(gone)
        size, ledger = self.ledger.size, self.ledger
        own = [ledger.priority, ledger.groups] if len(ledger.priority) else []
        for column in (*self.columns.values(), *own):
            column[gaps.to(column.device)] = column[movers.to(column.device)]
            column[left:size] = 0
        if self.keys is not None:
            self.keys[gaps.numpy()] = self.keys[movers.numpy()]
            self.keys[left:size] = None
        if self.spill is not None:
            self.spill.touch(torch.cat([gaps, torch.arange(left, size)]))
        ledger.size = left
        return size - left

    def state(self) -> dict[str, Any]:
        """A copy of all of it; of rows in files, where they are kept."""
        ledger, size = self.ledger, self.ledger.size
        rows = {name: column[:size] for name, column in self.columns.items()}
        return {
            "capacity": ledger.capacity,
            "size": size,
            "seen": ledger.seen,
            "priority": ledger.priority[:size].clone(),
            "groups": ledger.groups[:size].clone(),
            "cuts": ledger.cuts.clone(),
            "keys": None if self.keys is None else self.keys[:size].tolist(),
            "rows": {n: part.clone() for n, part in rows.items()} if self.spill is None else self.spill.keep(rows),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """The way back; nothing is changed where the rows cannot be read."""
        capacity, size = int(state["capacity"]), int(state["size"])
        if self.spill is None:
            columns = self._copied(state["rows"], capacity)
        else:
            card = self.spill.find(state["rows"])
            kinds = {n: (column.shape[1:], getattr(torch, column.dtype)) for n, column in card.columns.items()}
            columns = self._allocated(kinds, capacity)
            self.spill.fill(columns, card)
            self.device = self.device or torch.device("cpu")
        self.columns, self.keys = columns, None
        self.ledger = Ledger(capacity, size, int(state["seen"]), cuts=state["cuts"].cpu().clone())
        if len(state["priority"]):
            self._ranked()
            self.ledger.priority[:size] = state["priority"].cpu()
            self.ledger.groups[:size] = state["groups"].cpu()
        if state["keys"] is not None and capacity:
            self._keyed()[:size] = state["keys"]

    def _copied(self, rows: Mapping[str, Tensor], capacity: int) -> dict[str, Tensor]:
        if rows:
            self.device = self.device or next(iter(rows.values())).device
        columns = self._allocated({name: (part.shape[1:], part.dtype) for name, part in rows.items()}, capacity)
        for name, part in rows.items():
            columns[name][: len(part)].copy_(part)
        return columns

    def _allocated(self, kinds: Mapping[str, tuple[tuple[int, ...], torch.dtype]], capacity: int) -> dict[str, Tensor]:
        def column(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
            if self.spill is not None:
                return self.spill.allocate((capacity, *shape), dtype)
            return torch.empty((capacity, *shape), dtype=dtype, device=self.device)

        with torch.inference_mode(mode=False):  # tensors made in it could not be written to outside
            return {name: column(*kind) for name, kind in kinds.items()}

    def _ranked(self) -> None:
        if len(self.ledger.priority):
            return
        with torch.inference_mode(mode=False):
            self.ledger.priority = torch.zeros(self.ledger.capacity, dtype=torch.float64)
            self.ledger.groups = torch.zeros(self.ledger.capacity, dtype=torch.long)

    def _keyed(self) -> np.ndarray:
        if self.keys is None:
            self.keys = np.full(self.ledger.capacity, None, dtype=object)
        return self.keys
