"""Streams from what a workspace has learned from: its months, or its data set versions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal, Protocol

import numpy as np
import torch

from onward.core import DEFAULT_TENANT, DatasetVersion, Example, InvalidInput, NotFound
from onward.learners.continual._heads import Kind

from ._arrays import Encoder, examples_of
from ._build import Cut, Holding, build
from ._parts import Rows
from ._stream import Stream

PERIODS: Final = {"day": "%Y-%m-%d", "week": "%G-W%V", "month": "%Y-%m"}
Told = tuple[str, Example]
"""The period and the example."""


class Taught(Protocol):
    """What is asked of a workspace; `onward.Workspace` is one."""

    house: Any

    def champion(self, *, tenant: str) -> int | None:
        """The number of the version in service."""
        ...


def from_workspace(
    workspace: Taught,
    encoder: Encoder,
    by: Literal["day", "week", "month", "version"] = "month",
    *,
    tenant: str = DEFAULT_TENANT,
    head: Literal["intent", "sentiment"] = "intent",
    kind: Kind = "class",
    device: torch.device | str = "cpu",
) -> Stream:
    """An experience for each period, of the curated examples that the champion of a workspace learned from.

    These are what consent, curation and the gate let through. The evaluation split of a period is its test. A period
    with nothing to learn, or nothing to test, is joined to the next. Keys are the examples' ids.

    Args:
        workspace: an `onward.Workspace`.
        encoder: texts -> (n, d) numbers, e.g. the `transform` of a fitted vectoriser; called once.
        by: the day, week or month (UTC) when the first of an example's interactions happened; "version": the data set
            version it came with.
        tenant: whose.
        head: which label of a text is its class.
        kind: the scenario of the stream.
        device: where examples are kept.

    Raises:
        NotFound: the tenant has no champion whose data set is kept, or that has labelled examples.
        InvalidInput: `by` or `head` is no such word, there are no examples of one split, or the encoder does not give
            a row of numbers for each text.
    """
    for name, given, known in (("by", by, (*PERIODS, "version")), ("head", head, ("intent", "sentiment"))):
        if given not in known:
            raise InvalidInput(f"{name} is {given!r}.", mend="Take one.", options=known)
    told = sorted(_told(workspace, tenant, by, head), key=lambda one: (one[0], one[1].id))
    if not told:
        raise NotFound(
            f"There are no examples with the label {head!r} of {tenant}.",
            why="A stream is made of what a champion learned from.",
            mend="Record labelled interactions, then run: onward cycle",
        )
    examples = [example for _, example in told]
    labels = [getattr(example.labels, head) for example in examples]
    data = examples_of([e.text for e in examples], labels, [e.id for e in examples], encoder, device)
    names, train, test = _joined([name for name, _ in told], np.array([e.split == "evaluation" for e in examples]))
    return build(Cut(data, train), names, kind, len(data.labels), Holding(0.0, 0.0, 0), Cut(data, test))


def _joined(periods: Sequence[str], judges: np.ndarray[Any, Any]) -> tuple[list[str], list[Rows], list[Rows]]:
    """Name, rows to learn and rows to test of each experience.

    Args:
        periods: of each row, in order.
        judges: whether each row is to test.
    """
    if judges.all() or not judges.any():
        raise InvalidInput(
            f"Of {len(judges)} examples {int(judges.sum())} are to test.", mend="Record more, then run: onward cycle"
        )
    ends = [at for at in range(1, len(periods) + 1) if at == len(periods) or periods[at] != periods[at - 1]]
    kept, start = [], 0
    for end in ends:
        if judges[start:end].any() and not judges[start:end].all():
            kept.append(end)
            start = end
    kept[-1] = len(periods)
    names, parts = [], []
    for start, end in zip([0, *kept[:-1]], kept, strict=True):
        first, last = periods[start], periods[end - 1]
        names.append(first if first == last else f"{first} to {last}")
        parts.append(np.arange(start, end))
    return names, [rows[~judges[rows]] for rows in parts], [rows[judges[rows]] for rows in parts]


def _told(workspace: Taught, tenant: str, by: str, head: str) -> Iterator[Told]:
    """Labelled examples of the champion and the period of each."""
    champion = workspace.champion(tenant=tenant)
    if champion is None:
        return
    dataset = workspace.house.registry.version(champion, tenant).dataset
    newest: DatasetVersion = workspace.house.datasets.get(tenant, dataset).without_tasks
    labelled = [example for example in newest.examples if getattr(example.labels, head) is not None]
    periods = _versions(workspace, newest) if by == "version" else _times(workspace, tenant, labelled, PERIODS[by])
    for example in labelled:
        if example.id in periods:
            yield periods[example.id], example


def _times(workspace: Taught, tenant: str, examples: Iterable[Example], pattern: str) -> Mapping[str, str]:
    """Example -> its period; without those none of whose interactions are there any more."""
    examples = list(examples)
    ids = {interaction for example in examples for interaction in example.interactions}
    found: dict[str, datetime] = {one.id: one.at for one, _ in workspace.house.experience.exchanges(tenant, ids)}
    times = {e.id: [found[one] for one in e.interactions if one in found] for e in examples}
    return {example: min(at).astimezone(UTC).strftime(pattern) for example, at in times.items() if at}


def _versions(workspace: Taught, newest: DatasetVersion) -> Mapping[str, str]:
    """Example -> place of the oldest data set version that is kept and has it."""
    line = [newest]
    while line[-1].parent is not None:
        try:
            line.append(workspace.house.datasets.get(newest.tenant, line[-1].parent))
        except NotFound:
            break
    width = len(str(len(line)))
    return {
        example.id: f"version {place:0{width}}"
        for place, dataset in reversed(list(enumerate(reversed(line), start=1)))
        for example in dataset.examples
    }
