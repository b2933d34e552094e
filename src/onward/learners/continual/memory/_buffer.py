"""A memory of examples: columns of tensors with a bound, and a policy that says what stays."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from onward.core import InvalidInput
from onward.learners.continual._checks import keys_of
from onward.learners.neural import device_of, folder_of, keep, kept, put_together, taken_apart, text, whole

from ._columns import (
    check_finite,
    check_names,
    check_parts,
    check_rows,
    check_tensors,
    groups_of,
    names_of,
    picked,
    rows_for,
    tasks_of,
)
from ._importance import Scored
from ._merit import view_of
from ._names import policy_of
from ._policy import By, Ledger, Offer, Policy, check_by
from ._rank import distinct, leading
from ._table import Sample, Table

RECORD: Final = "buffer"


class Buffer:
    """Keeps a bounded number of examples, by a policy.

    The first `add` decides the columns, their shapes and types, and takes the room for all rows at once. Nothing here
    looks at one example at a time, but for the keys of those that are kept. Random numbers come from the generator
    that is handed in, on the CPU, and are the same whatever the device. Not for several threads. One whose rows lie in
    files cannot be copied or pickled: two would write to one folder.

    Args:
        capacity: examples at most.
        policy: which of them, by its name or itself.
        bytes: of all columns together, at most; instead of `capacity`, or besides.
        device: of the rows; that of the first examples if not said.
        folder: keep the rows in files there instead of in memory, and only samples on the device. All their room is
            taken at once. `state` writes what changed, and a kill leaves every state that was kept. A folder for each.
        snapshots: states whose rows stay in that folder, at least 1; besides, until a newer one was saved, that which
            was saved last.

    Raises:
        InvalidInput: there is no bound, or one is below 1; or the policy is none, or the device is not there.
        Unavailable: the folder cannot be written.

    >>> chance = torch.Generator().manual_seed(0)
    >>> buffer = Buffer(4)
    >>> buffer.add(torch.arange(100.0).view(100, 1), torch.arange(100) % 2, 0, chance)
    4
    >>> len(buffer), buffer.sample(2, chance).x.shape
    (4, torch.Size([2, 1]))
    """

    def __init__(
        self,
        capacity: int | None = None,
        policy: str | Policy = "reservoir",
        *,
        bytes: int | None = None,  # noqa: A002 - what it bounds
        device: torch.device | str | None = None,
        folder: Path | str | None = None,
        snapshots: int = 2,
    ) -> None:
        if capacity is None and bytes is None:
            raise InvalidInput("The buffer has no bound.", mend="Give capacity=, bytes=, or both.")
        whole(1, **{k: v for k, v in (("capacity", capacity), ("bytes", bytes)) if v is not None}, snapshots=snapshots)
        self.policy = policy_of(policy)
        self._bounds = (capacity, bytes)
        self._device = None if device is None else device_of(device)
        self._table = Table(self._device, None if folder is None else folder_of(folder), snapshots)

    def __repr__(self) -> str:
        count, limit = self._bounds
        bounds = [] if count is None else [str(count)]
        more = [*bounds, repr(self.policy), *([] if limit is None else [f"bytes={limit}"])]
        return f"Buffer({', '.join(more)})"

    def __len__(self) -> int:
        return self._table.ledger.size

    def anew(self, device: torch.device | str | None = None) -> Buffer:
        """An empty buffer of the same settings, e.g. for another learner.

        Args:
            device: where this one's is not said.
        """
        count, limit = self._bounds
        table, where = self._table, self._device or device
        return Buffer(count, self.policy, bytes=limit, device=where, folder=table.folder, snapshots=table.snapshots)

    @property
    def seen(self) -> int:
        """Examples that were ever offered."""
        return self._table.ledger.seen

    @property
    def capacity(self) -> int | None:
        """Rows at most; unknown before the first `add` where only bytes are bounded."""
        return self._table.ledger.capacity or (self._bounds[0] if self._bounds[1] is None else None)

    def room(self, x: Tensor, y: Tensor, **extra: Tensor) -> int:
        """Rows at most; where nothing was added yet, of such examples (n, ...), as `add` is to be given them.

        Raises:
            InvalidInput: one takes more bytes than all may.
        """
        parts = {"x": x, "y": y, "task": torch.empty(1, dtype=torch.int64), **extra}
        return self.capacity or rows_for(parts, *self._bounds)

    @property
    def bytes(self) -> int:
        """Taken by all columns, used or not."""
        return sum(column.numel() * column.element_size() for column in self._table.columns.values())

    def check(self, x: Tensor, y: Tensor) -> None:
        """Refuse examples (n, ...) that could not be added, before anything is learned from them.

        Raises:
            InvalidInput: they do not fit what is there.
        """
        parts, columns = {"x": x, "y": y}, self._table.columns
        check_parts({name: columns[name] for name in parts if columns}, parts, len(x))

    def add(
        self,
        x: Tensor,
        y: Tensor,
        task: Tensor | int,
        generator: torch.Generator,
        *,
        keys: Sequence[str | None] | None = None,
        merit: Tensor | None = None,
        check: bool = True,
        **extra: Tensor,
    ) -> int:
        """Offer examples; how many of them are kept.

        Args:
            x, y: (n, ...).
            task: (n,) long, or of all.
            keys: a text for each by which it can be forgotten, or `None`.
            merit: (n,) how much each is worth keeping, for policies that ask for it.
            check: whether NaN, infinity and keys that are no texts are refused among what would be kept, which costs a
                pass over it and makes a GPU wait. For callers that have looked already.
            extra: (n, ...) further columns, e.g. `logits`.

        Raises:
            InvalidInput: they do not fit what is there, or are refused; nothing is changed.
            Unavailable: there is no room on the disk, at the first `add` of a buffer in a folder.
        """
        check_tensors({"x": x, "y": y, **extra})
        count, table = len(x), self._table
        parts = {
            "x": x.detach(),
            "y": y.detach(),
            "task": tasks_of(task, count, x.device),
            **{name: part.detach() for name, part in extra.items()},
        }
        check_parts(table.columns, parts, count)
        names = names_of(keys, count)
        if not count:
            return 0
        offer = self._offer(parts, count, merit)
        ledger = table.ledger if table.columns else Ledger(rows_for(parts, *self._bounds))
        choice = self.policy.choose(ledger, offer, generator)
        chosen = picked(parts, choice.rows)
        if check:
            check_finite(chosen)
            if names is not None:
                check_names(names[choice.rows.numpy()])
        if not table.columns:
            table.begin(parts, ledger.capacity)
        table.put(offer, choice, chosen, names)
        return len(choice.rows)

    def sample(self, count: int, generator: torch.Generator, balanced: By | None = None) -> Sample:
        """Different examples at random: so many, or all where there are fewer.

        Args:
            balanced: "class" or "task": each as often as the others, as far as there are enough of it.

        Raises:
            InvalidInput: nothing is there yet.
        """
        self._refuse_empty()
        whole(0, count=count)
        if balanced is None:
            return self._table.take(distinct(count, len(self), generator))
        groups = self._groups(balanced)
        chance, ties = torch.rand(2, len(self), generator=generator).to(groups.device)
        return self._table.take(leading(groups, chance, count, ties=ties))

    def at(self, index: Tensor) -> Sample:
        """The examples of (n,) rows.

        Raises:
            InvalidInput: there is no such row, or nothing is there yet.
        """
        self._refuse_empty()
        check_rows(index, len(self))
        return self._table.take(index)

    def contents(self, task: int | None = None) -> Sample:
        """All examples, or all of one task, in the order of their rows."""
        self._refuse_empty()
        if task is None:
            return self._table.take(torch.arange(len(self)))
        whole(None, task=task)
        return self._table.take((self._groups("task") == task).nonzero().squeeze(1))

    def counts(self, by: By = "class") -> dict[int, int]:
        """How many there are of each class or task; of real targets, of each task."""
        if not len(self):
            return {}
        numbers, counts = self._groups(by).unique(return_counts=True)
        return dict(zip(numbers.tolist(), counts.tolist(), strict=True))

    def keys(self) -> list[str | None]:
        """The key of each row."""
        keys = self._table.keys
        return [None] * len(self) if keys is None else keys[: len(self)].tolist()

    def update(self, index: Tensor, **columns: Tensor) -> None:
        """Write columns of different rows anew, e.g. newer logits.

        Args:
            index: (n,) rows.
            columns: (n, ...).

        Raises:
            InvalidInput: there is no such column, the rows do not fit, or one holds NaN or infinity.
        """
        self._refuse_empty()
        own = self._table.columns
        check_tensors(columns)
        check_rows(index, len(self))
        check_parts({name: column for name, column in own.items() if name in columns} or own, columns, len(index))
        check_finite(columns)
        self._table.write(index.cpu(), {name: part.detach() for name, part in columns.items()})

    def forget(self, keys: Collection[str]) -> int:
        """Drop the examples with these keys and overwrite their rows; how many.

        What earlier states hold, in a checkpoint or in the folder, stays there: see `prune`.

        Raises:
            InvalidInput: it is one text, whose letters would be taken for keys; or one of them is no text.
        """
        asked = keys_of(keys)
        if not asked or self._table.keys is None:
            return 0
        return self.drop(torch.tensor([key in asked for key in self.keys()], dtype=torch.bool))

    def drop(self, mask: Tensor) -> int:
        """Drop the rows where (n,) `mask` is true and overwrite them; how many. Others take their places.

        Raises:
            InvalidInput: the mask is none of truth values, or has another length.
        """
        check_tensors({"The mask": mask})
        if mask.shape != (len(self),) or mask.dtype != torch.bool:
            raise InvalidInput(
                f"The mask is {mask.dtype} of shape {tuple(mask.shape)} for {len(self)} rows.",
                mend="Give True or False for each.",
            )
        return self._table.drop(mask.cpu())

    def prune(self) -> None:
        """Remove from the folder the rows of every state but the latest, e.g. after `forget` and a new checkpoint.

        Raises:
            Busy: another buffer writes to the folder, as that of a learner does.
        """
        if self._table.spill is not None:
            self._table.spill.prune()

    def settle(self) -> None:
        """Say that the latest state is durable: of a buffer in a folder, no state before it is gone on from any more.

        Until then the state that was settled before, or restored, stays in the folder, however many came after it.
        """
        if self._table.spill is not None:
            self._table.spill.settle()

    def state(self) -> dict[str, Any]:
        """All that it takes to go on bit for bit: a copy. Of a buffer in a folder, the rows are kept there, durably.

        Raises:
            Unavailable: the folder cannot be written; earlier states stay.
            Busy: another buffer writes to the folder.
        """
        return {"policy": text(self.policy), "bounds": list(self._bounds), **self._table.state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """The way back, into a buffer of the same bounds and policy; whatever was there goes.

        Raises:
            InvalidInput: the state belongs to another buffer.
            NotFound: the folder no longer holds its rows.
            Damaged: its rows are not what was kept.
        """
        own = {"policy": text(self.policy), "bounds": list(self._bounds)}
        found = {name: state.get(name) for name in own}
        if found != own or ("snapshot" in state["rows"]) != (self._table.spill is not None):
            raise InvalidInput(
                f"This state is of another buffer: {found}.", why=f"Here it is {own}.", mend="Use the same settings."
            )
        self._table.restore(state)

    def save(self, folder: Path | str) -> None:
        """Keep all of it in a folder, in one step: as `onward.learners.neural.keep`.

        Raises:
            Unavailable: the folder cannot be written; what was there stays.
        """
        tensors: dict[str, Tensor] = {}
        keep(folder_of(folder), RECORD, taken_apart(self.state(), RECORD, tensors), tensors)
        self.settle()

    def load(self, folder: Path | str) -> None:
        """Restore what `save` kept.

        Raises:
            NotFound: nothing was kept there.
            Damaged: it is not what was kept.
            InvalidInput: it belongs to another buffer.
        """
        self.restore(put_together(*kept(folder_of(folder), RECORD, dict)))

    def _offer(self, parts: Mapping[str, Tensor], count: int, merit: Tensor | None) -> Offer:
        policy = self.policy
        if policy.scored and (merit is None or merit.shape != (count,)):
            raise InvalidInput(f"{policy} asks what each example is worth.", mend="Give merit=, one for each.")
        groups = None
        if policy.by is not None:
            groups = groups_of(parts, policy.by).cpu()
        return Offer(count, groups, None if merit is None else merit.detach().double().cpu())

    def _groups(self, by: By) -> Tensor:
        check_by(by)
        return groups_of(self._table.columns, by)[: len(self)]

    def _refuse_empty(self) -> None:
        if not len(self):
            raise InvalidInput("The buffer is empty.", mend="Add examples first.")


def buffer_of(
    memory: int | Buffer, policy: str | Policy = "reservoir", device: torch.device | str | None = None
) -> Buffer:
    """An empty buffer: of so many examples under a policy, or like another buffer, whose own policy then counts.

    Raises:
        InvalidInput: a setting cannot be used.
        Unavailable: its folder cannot be written.

    >>> buffer_of(20, "ring"), buffer_of(Buffer(20))
    (Buffer(20, Ring(by='class', each=None)), Buffer(20, Reservoir()))
    """
    if isinstance(memory, Buffer):
        return memory.anew(device)
    return Buffer(memory, policy, device=device)


def merits_for(
    buffer: Buffer,
    network: nn.Module,
    scores: Callable[[Tensor], Tensor],
    x: Tensor,
    y: Tensor,
    held: Tensor | None = None,
    **extra: Tensor,
) -> Tensor | None:
    """(n,) what examples are worth to the policy of a buffer; `None` where it does not ask.

    Args:
        scores: (n, ...) examples -> (n, C), by way of `network`, without gradients.
        held: what is kept in the place of x, and `extra`, further columns: how many rows some bytes are depends on it.

    Raises:
        InvalidInput: the network, or targets of this kind, give it nothing to look at; or no example has room.

    >>> merits_for(Buffer(3), nn.Linear(2, 2), nn.Linear(2, 2), torch.zeros(1, 2), torch.zeros(1))
    """
    if not isinstance(buffer.policy, Scored):
        return None
    room = buffer.room(x if held is None else held, y, **extra)
    return buffer.policy.merits(view_of(network, scores, x, y), room)
