"""Few-shot tasks: recorded whole, and asked about by name or with a support set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from onward.core import Example, Interaction, InvalidInput, NotFound, content_hash, encode, plain
from onward.curation import support_of
from onward.experience import read_file, read_lines
from onward.loop import House

from ._lines import json_line, plain_line

Support = str | Path | Sequence[Interaction | Mapping[str, Any]]
"""Labelled examples: records, dicts like the lines of a file, or a file of them."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks, within which task, and the support examples given with the question."""

    tenant: str
    user: str | None
    task: str | None
    given: tuple[Interaction, ...]


def lines_of_task(
    task: str,
    support: Iterable[Interaction | Mapping[str, Any]],
    queries: Iterable[str | Interaction | Mapping[str, Any]],
    **more: Any,
) -> list[dict[str, Any]]:
    """A task as lines to record.

    Args:
        task: its name.
        support, queries: as in `Workspace.record_task`.
        more: for lines that do not say it.

    Raises:
        InvalidInput: one of them is no record; or `queries` is one text, not several.
    """
    if isinstance(queries, str):
        raise InvalidInput("The queries are one text.", mend="Give a list of texts, of one text too.")
    asked = ({"text": query} if isinstance(query, str) else plain_line(query) for query in queries)
    both = [*((plain_line(one), "support") for one in support), *((one, "query") for one in asked)]
    return [{**more, **line, "task": task, "part": part} for line, part in both]


def read_support(
    house: House, tenant: str, task: str | None, support: Support, user: str | None
) -> tuple[str, tuple[Interaction, ...]]:
    """The name of the task, a hash of what its support set says where it has none; and the support examples given.

    Raises:
        InvalidInput: one of them cannot be used.
    """
    if not isinstance(support, str | Path):
        support = list(support)  # read twice
    if task is None:
        said = [(one.text, plain(one.labels)) for one in _read(house, support, {"tenant": tenant})]
        task = f"support-{content_hash(sorted(said, key=encode))[:24]}"
    whose = {"tenant": tenant, "task": task, "part": "support"}
    given = _read(house, support, whose if user is None else {**whose, "user": user})
    for one in given:
        if (one.tenant, one.task, one.part) != (tenant, task, "support"):
            raise InvalidInput(
                f"{one.text[:40]!r} is no support example of task {task!r}: it names another tenant, task or part.",
                mend="Give only examples that teach this task.",
            )
    _check_recorded(house, tenant, given)
    return task, given


def _check_recorded(house: House, tenant: str, given: Sequence[Interaction]) -> None:
    """The first record under an id stands: an example that says something else could not be recorded."""
    under = {known.id: known for known, _ in house.experience.exchanges(tenant, {one.id for one in given})}
    for one in given:
        known = under.setdefault(one.id, one)
        if (known.text, known.labels, known.task, known.part) != (one.text, one.labels, one.task, one.part):
            raise InvalidInput(
                f"Support example {one.text[:40]!r} has the id {one.id!r}, which says something else already.",
                mend="Leave the ids out, or give others; change a label that is recorded by feedback.",
            )


def _read(house: House, support: Support, more: Mapping[str, Any]) -> tuple[Interaction, ...]:
    now = house.clock.now()
    if isinstance(support, str | Path):
        contents = read_file(Path(support), now=now, more=more)
    else:
        data = b"\n".join(json_line(plain_line(one)) for one in support)
        contents = read_lines(data, source="api", now=now, more=more)
    if contents.bad or contents.feedback:
        number, why = (contents.bad[0].number, contents.bad[0].reason) if contents.bad else (1, "it is feedback.")
        raise InvalidInput(
            f"Support example {number} cannot be used: {why}", mend='Write {"text": "...", "intent": "..."}.'
        )
    return contents.interactions


def support_set(
    house: House, tenant: str, task: str, given: Iterable[Interaction] = (), before: str | None = None
) -> tuple[Example, ...]:
    """What teaches a task: what was recorded of it, as curation lets it through, and what is given with the question.

    Args:
        before: only what was recorded before this interaction.

    Raises:
        NotFound: nothing teaches the task.
        InvalidInput: nothing of it may be learned from.
    """
    experience = house.experience
    names = experience.support(tenant, task, before)
    known = set(names)
    exchanges = [*experience.exchanges(tenant, names), *((one, []) for one in given if one.id not in known)]
    if not exchanges:
        raise NotFound(
            f"Nobody has recorded a support set of task {task!r:.80} for tenant {tenant!r}.",
            mend='Record lines with "task", "part": "support" and an intent, or give a support set with the question.',
        )
    examples = support_of(
        exchanges,
        tenant=tenant,
        settings=house.settings,
        withdrawn=experience.withdrawn(tenant),
        quarantined=frozenset(experience.quarantined(tenant)),
    )
    if not examples:
        raise InvalidInput(
            f"Nothing in the support set of task {task!r:.80} may be learned from.",
            why="It is quarantined, without consent or of poor quality.",
            mend="Look at: onward quarantine; or record better examples.",
        )
    return examples
