"""`onward trace`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text
from rich.tree import Tree

import onward

from ._call import Call, command
from ._output import clean, figure, when

if TYPE_CHECKING:
    from onward.workspace import Trace

Id = Annotated[str, typer.Argument(metavar="ID", help="Id of the interaction.")]


@command
def trace(call: Call, interaction: Id) -> None:
    """Follow an interaction: the version that answered, what taught it, and what learned from the interaction.

    Example: onward trace day1-0001 --json
    """
    with call.open() as workspace:
        found = workspace.trace(interaction, tenant=call.tenant)
    call.answer(found, _human(found))


def _human(found: Trace) -> Iterator[Tree]:
    interaction = found.interaction
    root = _branch(None, f"Interaction {interaction.id}, {when(interaction.at)}: {_text(found)}")
    for said in found.feedback:
        parts = [("score", said.score), ("correction", _said(said.correction)), ("remark", said.remark or None)]
        _branch(root, f"Feedback {said.id}: " + ", ".join(f"{name} {v}" for name, v in parts if v is not None))
    if interaction.task is not None:
        _branch(root, f"{str(interaction.part).capitalize()} of task {interaction.task}")
    if found.version is None:
        _branch(root, "No version of this workspace answered")
    else:
        _version(root, found, found.version)
    numbers = ", ".join(map(str, found.taught))
    _branch(root, f"Versions that learned from it: {numbers or 'none'}")
    yield root


def _text(found: Trace) -> str:
    if found.erased is None:
        return found.interaction.text
    return f"erased {when(found.erased.at)}; SHA-256 of what was there: {found.erased.sha256}"


def _said(labels: onward.Labels | None) -> str | None:
    if labels is None:
        return None
    spans = None if labels.entities is None else " ".join(f"{e.start}:{e.end}:{e.label}" for e in labels.entities)
    pairs = (("intent", labels.intent), ("sentiment", labels.sentiment), ("entities", spans))
    return ", ".join(f"{head}={value or 'none'}" for head, value in pairs if value is not None)


def _version(root: Tree, found: Trace, version: onward.ModelVersion) -> None:
    intent = found.interaction.prediction.labels.intent if found.interaction.prediction else None
    branch = _branch(root, f"Version {version.number} ({version.learner}) answered: {intent or 'no intent'}")
    if found.service is not None:
        since = found.service
        _branch(branch, f"In service from {when(since.at)}, {since.cause} by {since.by}: {since.reason}")
    taught = found.interactions_taught_from
    told = "nobody knows any more who taught it" if taught is None else f"{taught} interactions taught it"
    data = _branch(branch, f"Data set {version.dataset[:12]}: {told}")
    for teacher in found.teachers:
        _branch(data, f"{figure(teacher.likeness)} alike, {teacher.interaction}: {teacher.text}")


def _branch(parent: Tree | None, text: str) -> Tree:
    label = Text(clean(text))
    return Tree(label) if parent is None else parent.add(label)
