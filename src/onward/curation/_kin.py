"""Tasks that are near-equal: a support set that grew under one name after the other, or was handed in twice.

Two tasks are near-equal when half of the smaller one's support texts are support texts of the other, or half of its
queries are queries of the other. A text or two in common makes no kin: greetings are in many tasks.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

from onward.core import Example

from ._records import Draft
from ._text import normalise

MANY = 200
"""Tasks of a text that others are compared with, the largest ones: time grows with the tasks, not with their square."""


def near_equal(examples: Iterable[Draft | Example]) -> list[list[str]]:
    """The names of tasks that are near-equal, or connected by such, in order; tasks that are not are left out.

    >>> from onward.core import Labels
    >>> texts = {"one": "abc", "two": "abcd", "three": "axyz"}
    >>> near_equal(
    ...     Example(id=t, text=t, labels=Labels(intent="i"), split="train", task=name, part="support")
    ...     for name in texts for t in texts[name]
    ... )
    [['one', 'two']]
    """
    bags: dict[tuple[str, str | None], set[str]] = defaultdict(set)
    for one in examples:
        if one.task is not None:
            bags[one.task, one.part].add(normalise(one.text))
    leads = {task: task for task, _ in bags}
    for part in dict.fromkeys(part for _, part in bags):
        of_part = {task: texts for (task, which), texts in bags.items() if which == part}
        for pair in _pairs(of_part):
            first, second = sorted(_lead(leads, task) for task in pair)
            leads[second] = first
    groups: dict[str, list[str]] = defaultdict(list)
    for task in sorted(leads):
        groups[_lead(leads, task)].append(task)
    return [group for group in groups.values() if len(group) > 1]


def _pairs(bags: dict[str, set[str]]) -> Iterable[tuple[str, str]]:
    """Near-equal ones; each with larger ones only."""
    seen: dict[str, list[str]] = defaultdict(list)
    for task in sorted(bags, key=lambda task: (-len(bags[task]), task)):
        shared = Counter(other for text in bags[task] for other in seen[text])
        yield from ((task, other) for other, count in shared.items() if 2 * count >= len(bags[task]))
        for text in bags[task]:
            if len(seen[text]) < MANY:
                seen[text].append(task)


def _lead(leads: dict[str, str], task: str) -> str:
    while leads[task] != task:
        leads[task] = leads[leads[task]]
        task = leads[task]
    return task
