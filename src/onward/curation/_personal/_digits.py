"""Runs of digit groups, as phone and card numbers are written."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import accumulate

Span = tuple[int, int]

_RUN = re.compile(r"\d++(?:[ ().\-/]{1,3}\d++)*+")
_GROUP = re.compile(r"\d++")


def digits(text: str) -> str:
    """The ASCII digits of a text, in order."""
    return "".join(_GROUP.findall(text))


def runs(text: str, fewest: int) -> Iterator[list[Span]]:
    """The groups of every longest run that has at least `fewest` digits."""
    for run in _RUN.finditer(text):
        start, end = run.span()
        if end - start >= fewest:
            groups = [found.span() for found in _GROUP.finditer(text, start, end)]
            if len(groups) == 1 or sum([end - start for start, end in groups]) >= fewest:
                yield groups


def pick(
    groups: list[Span], sizes: range, most: int, fits: Callable[[int, int, int], bool], done: int = 0
) -> Iterator[Span]:
    """At most `most` neighbouring groups, their digits counting to one of `sizes`, that fit together.

    Leftmost first, longest first; every group is looked at a bounded number of times. `fits` is asked with the place
    where the last pick ended, which is `done` at first, and with the start and end of the groups.
    """
    if len(groups) == 1:  # most often
        start, end = groups[0]
        if end - start in sizes and fits(done, start, end):
            yield start, end
        return
    before = [0, *accumulate([end - start for start, end in groups])]
    first, count = 0, len(groups)
    while first < count:
        start = groups[first][0]
        for last in range(min(first + most, count), first, -1):
            end = groups[last - 1][1]
            if before[last] - before[first] in sizes and fits(done, start, end):
                yield start, end
                first, done = last, end
                break
        else:
            first += 1
