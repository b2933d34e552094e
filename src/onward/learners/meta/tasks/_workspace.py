"""Tasks from what a workspace has learned from: its recorded tasks, its intents, or its tenants."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
import torch

from onward.core import DEFAULT_TENANT, DatasetVersion, InvalidInput, NotFound
from onward.learners.neural import device_of, inputs_of

from ._arrays import Split
from ._episodes import Episodes
from ._groups import Episode, Group, Rules
from ._pool import divide, pool_of

Encoder = Callable[[list[str]], Any]
"""Texts -> (n, d) array, tensor or sparse matrix."""


class Taught(Protocol):
    """What is asked of a workspace; `onward.Workspace` is one."""

    house: Any

    def tenants(self) -> list[str]:
        """Every tenant, by name."""
        ...

    def champion(self, *, tenant: str) -> int | None:
        """The number of the version in service."""
        ...


class Meaning(NamedTuple):
    """A label as a tenant means it in one recorded task, or outside of tasks."""

    tenant: str
    task: str | None
    label: str


def from_workspace(  # noqa: PLR0913 - whose texts, what a task looks like, and how it is drawn
    workspace: Taught,
    encoder: Encoder,
    by: Literal["intent", "tenant"] = "intent",
    *,
    tenant: str = DEFAULT_TENANT,
    head: Literal["intent", "sentiment"] = "intent",
    ways: int = 5,
    shots: int = 5,
    queries: int = 5,
    split: Split = None,
    seed: int = 0,
    device: torch.device | str = "cpu",
) -> Episodes:
    """Tasks from the curated examples that the champions of a workspace learned from.

    These are what consent, curation and the gate let through. Intents of one recorded task (`ws.record_task`) never
    meet those of another, since a label means something within its task only; intents outside of tasks meet each other.
    Each recorded task is drawn as often as any other, and as the intents outside of tasks all together.

    Examples that judge (the evaluation split) are left out, as are intents with fewer than `shots + queries` examples,
    and recorded tasks, tenants and what is outside of tasks where a split has fewer than `ways` such intents of them.

    Args:
        workspace: an `onward.Workspace`.
        encoder: texts -> (n, d) numbers, e.g. the `transform` of a fitted vectoriser; called once.
        by: "intent": tasks are made of the intents of `tenant`, and whole intents, or where tasks were recorded whole
            recorded tasks, go to a split, each by its name. "tenant": every task is of the intents of one tenant, and
            whole tenants go to a split; the texts of tenants then meet in one learner.
        tenant: whose, with `by="intent"`.
        head: which label of a text is its class.
        ways: classes in a task.
        shots: support examples of each class.
        queries: query examples of each class.
        split: as in `from_arrays`.
        seed: of the division and of every stream of tasks.
        device: where the examples are kept and the tasks are made.

    Returns:
        what samples tasks. Its `groups`, and `metadata["group"]` of a task, name the recorded task, `None` outside of
        tasks; with `by="tenant"` the tenant, or tenant and recorded task.

    Raises:
        NotFound: no tenant asked for has a champion whose data set is kept.
        InvalidInput: `by` or `head` is no such word; labelled examples are too few; or the encoder does not give a row
            of numbers for each text.
    """
    for name, given, known in (("by", by, ("intent", "tenant")), ("head", head, ("intent", "sentiment"))):
        if given not in known:
            raise InvalidInput(f"{name} is {given!r}.", mend="Take one.", options=known)
    tenants = workspace.tenants() if by == "tenant" else [tenant]
    told = [one for whose in tenants for one in _taught(workspace, whose, head)]
    if not told:
        raise NotFound(
            f"There are no examples with the label {head!r} of {', '.join(tenants) or 'any tenant'}.",
            why="Tasks are made of what a champion learned from.",
            mend="Record labelled interactions, then run: onward cycle",
        )
    classes = sorted({meaning for meaning, _ in told}, key=lambda one: (one.tenant, one.task or "", one.label))
    number = {meaning: at for at, meaning in enumerate(classes)}
    codes = np.array([number[meaning] for meaning, _ in told])
    x = inputs_of(encoder([text for _, text in told])).to(device_of(device))
    pool = pool_of(x, codes, tuple(meaning.label for meaning in classes))
    splits = _divided(classes, by, split, seed)
    return Episodes(pool, splits, next(iter(splits)), Rules(Episode(ways, shots, queries), seed, drop_small=True))


def _divided(classes: Sequence[Meaning], by: str, split: Split, seed: int) -> dict[str, list[Group]]:
    """Split -> groups of what goes to it as a whole: a recorded task, an intent outside of tasks, or a tenant."""
    units: dict[str, list[int]] = {}
    for at, one in enumerate(classes):
        units.setdefault(one.tenant if by == "tenant" else one.task or one.label, []).append(at)
    numbers = list(units.values())
    return {
        name: _groups([at for unit in members for at in numbers[unit]], classes, by)
        for name, members in divide(list(units), split, seed).items()
    }


def _groups(numbers: Sequence[int], classes: Sequence[Meaning], by: str) -> list[Group]:
    """A group for each recorded task, and one for what a tenant has outside of tasks."""
    groups: dict[Hashable, list[int]] = {}
    for at in numbers:
        one = classes[at]
        within = one.tenant if one.task is None else (one.tenant, one.task)
        groups.setdefault(within if by == "tenant" else one.task, []).append(at)
    return [Group(label, members) for label, members in groups.items()]


def _taught(workspace: Taught, tenant: str, head: str) -> Iterator[tuple[Meaning, str]]:
    """Labels and texts of the examples that the tenant's champion learned from."""
    champion = workspace.champion(tenant=tenant)
    if champion is None:
        return
    version = workspace.house.registry.version(champion, tenant)
    dataset: DatasetVersion = workspace.house.datasets.get(tenant, version.dataset)
    for example in dataset.examples:
        label = getattr(example.labels, head)
        if label is not None and example.split != "evaluation":
            yield Meaning(tenant, example.task, label), example.text
