"""Tasks from what a workspace has learned from: its intents, or its tenants."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, Protocol

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

    These are what consent, curation and the gate let through. Examples that judge (the evaluation split) are left out,
    as are intents with fewer than `shots + queries` examples, and tenants with fewer than `ways` such intents.

    Args:
        workspace: an `onward.Workspace`.
        encoder: texts -> (n, d) numbers, e.g. the `transform` of a fitted vectoriser; called once.
        by: "intent": tasks are made of any intents of `tenant`, and whole intents go to a split. "tenant": every
            task is of the intents of one tenant, and whole tenants go to a split; the texts of tenants then meet in one
            learner.
        tenant: whose, with `by="intent"`.
        head: which label of a text is its class.
        ways: classes in a task.
        shots: support examples of each class.
        queries: query examples of each class.
        split: as in `from_arrays`.
        seed: of the division and of every stream of tasks.
        device: where the examples are kept and the tasks are made.

    Raises:
        NotFound: no tenant asked for has a champion whose data set is kept.
        InvalidInput: `by` or `head` is no such word; labelled examples are too few; or the encoder does not give a row
            of numbers for each text.
    """
    for name, given, known in (("by", by, ("intent", "tenant")), ("head", head, ("intent", "sentiment"))):
        if given not in known:
            raise InvalidInput(f"{name} is {given!r}.", mend="Take one.", options=known)
    tenants = workspace.tenants() if by == "tenant" else [tenant]
    told = [(whose, label, text) for whose in tenants for label, text in _labelled(workspace, whose, head)]
    if not told:
        raise NotFound(
            f"There are no examples with the label {head!r} of {', '.join(tenants) or 'any tenant'}.",
            why="Tasks are made of what a champion learned from.",
            mend="Record labelled interactions, then run: onward cycle",
        )
    classes = sorted({(whose, label) for whose, label, _ in told})
    number = {one: at for at, one in enumerate(classes)}
    codes = np.array([number[whose, label] for whose, label, _ in told])
    x = inputs_of(encoder([text for *_, text in told])).to(device_of(device))
    pool = pool_of(x, codes, tuple(label for _, label in classes))
    rules = Rules(Episode(ways, shots, queries), seed, drop_small=True)
    if by == "tenant":
        splits = _of_tenants(classes, split, seed)
    else:
        splits = {name: [Group(None, at)] for name, at in divide(pool.labels, split, seed).items()}
    return Episodes(pool, splits, next(iter(splits)), rules)


def _of_tenants(classes: Sequence[tuple[str, str]], split: Split, seed: int) -> dict[str, list[Group]]:
    """Split -> a group for each tenant, with the numbers of its classes."""
    mine: dict[str, list[int]] = {}
    for at, (whose, _) in enumerate(classes):
        mine.setdefault(whose, []).append(at)
    groups = [Group(whose, numbers) for whose, numbers in mine.items()]
    return {name: [groups[at] for at in members] for name, members in divide(list(mine), split, seed).items()}


def _labelled(workspace: Taught, tenant: str, head: str) -> Iterator[tuple[str, str]]:
    """Labels and texts of the examples that the tenant's champion learned from."""
    champion = workspace.champion(tenant=tenant)
    if champion is None:
        return
    version = workspace.house.registry.version(champion, tenant)
    dataset: DatasetVersion = workspace.house.datasets.get(tenant, version.dataset)
    for example in dataset.examples:
        label = getattr(example.labels, head)
        if label is not None and example.split != "evaluation":
            yield label, example.text
