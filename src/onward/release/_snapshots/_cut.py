"""A snapshot as it would have been at an earlier moment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from onward.core import decode, encode
from onward.storage import stamp

from ._reading import Read, Row

BY_TIME: Final[Mapping[str, str]] = {
    "interactions": "recorded",
    "feedback": "recorded",
    "quarantine": "at",
    "evaluation_sets": "at",
    "cycles": "started",
    "conditions": "since",
}
"""Table -> the column that says when a row came. What is in no table of this module stays: above all, withdrawals of
consent and the marks that follow from them are never taken back."""
ABANDONED: Final = "the workspace was restored to a time before it ended"


@dataclass(frozen=True, slots=True)
class Cut:
    """What stays of a snapshot.

    Args:
        at: the moment, as it is stored.
        transitions: sequences of those that stay: per alias, all before the first that came later.
        versions: numbers of those that stay: created by then, or named by a transition that stays.
        datasets: (tenant, id) of those that a version that stays learned from.
        place: of the last data set version that stays; what taught in later ones did not.
    """

    at: str
    transitions: frozenset[int]
    versions: frozenset[int]
    datasets: frozenset[tuple[str, str]]
    place: int

    def rows(self, table: str, read: Read) -> Iterator[Row]:
        """What stays of a table."""
        if table == "aliases":
            yield from self._aliases(read)
            return
        for row in read(table):
            if self._stays(table, row):
                yield self._as_of(table, row)

    def _stays(self, table: str, row: Row) -> bool:
        if table in BY_TIME:
            return self._is_before(row.get(BY_TIME[table]))
        if table == "transitions":
            return row["sequence"] in self.transitions
        if table in {"versions", "marks"}:
            return row["number" if table == "versions" else "version"] in self.versions
        if table == "datasets":
            return _came_before(row, self.at, self.datasets)
        if table == "lessons":
            return bool(row["start"] <= self.place)
        return table != "standings"  # they hold places of what is cut away: alerts look anew

    def _is_before(self, time: str | None) -> bool:
        return time is None or time <= self.at

    def _as_of(self, table: str, row: Row) -> Row:
        if table == "lessons" and row["stop"] is not None and row["stop"] > self.place:
            return {**row, "stop": None}
        if table != "cycles":
            return row
        body = decode(row["body"], dict[str, Any])
        result = body["result"]
        if result.get("finished") is None or stamp(datetime.fromisoformat(result["finished"])) <= self.at:
            return row
        ended = {**result, "status": "abandoned", "reason": ABANDONED, "champion": None, "candidate": None}
        return {**row, "status": "abandoned", "body": encode({**body, "result": ended}).decode()}

    def _aliases(self, read: Read) -> Iterator[Row]:
        latest: dict[tuple[str, str], int] = {}
        for row in _in_order(read):
            if row["sequence"] in self.transitions:
                latest[row["tenant"], row["alias"]] = row["version"]
        for (tenant, alias), version in latest.items():
            yield {"tenant": tenant, "alias": alias, "version": version}


def cut_at(at: datetime, read: Read) -> Cut:
    """What stays of a snapshot, whose rows `read` gives by table, at a moment before it."""
    moment = stamp(at)
    later: set[tuple[str, str]] = set()
    transitions, served = set(), set()
    for row in _in_order(read):
        alias = (row["tenant"], row["alias"])
        if row["at"] > moment:
            later.add(alias)
        if alias not in later:
            transitions.add(row["sequence"])
            served.add(row["version"])
    kept = [row for row in read("versions") if row["created"] <= moment or row["number"] in served]
    datasets = frozenset((row["tenant"], row["dataset"]) for row in kept)
    places = [row.get("place", 0) for row in read("datasets") if _came_before(row, moment, datasets)]
    return Cut(
        moment,
        frozenset(transitions),
        frozenset(row["number"] for row in kept),
        datasets,
        max(places, default=0),
    )


def _came_before(row: Row, moment: str, datasets: frozenset[tuple[str, str]]) -> bool:
    """Whether a data set version was there, or a version that stays learned from it."""
    return bool(row["created"] <= moment) or (row["tenant"], row["id"]) in datasets


def _in_order(read: Read) -> list[Row]:
    return sorted(read("transitions"), key=lambda row: row["sequence"])
