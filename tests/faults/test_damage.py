"""Torn and flipped bytes in every file of a workspace: it is told, and the champion is never silently another one."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import onward
from onward.core import OnwardError, plain
from onward.release import Ailment
from onward.workspace import Workspace
from tests.faults.harness import ASKED, Tally, thorough
from tests.faults.operations import SETTINGS

Damage = Callable[[bytes, random.Random], bytes]


def flipped(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data))
    return data[:at] + bytes([data[at] ^ (1 << chance.randrange(8))]) + data[at + 1 :]


def scrambled(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data))
    return data[:at] + chance.randbytes(min(16, len(data) - at)) + data[at + 16 :]


def torn(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data))]


def blank(data: bytes, chance: random.Random) -> bytes:
    """A sector that was never written."""
    at = chance.randrange(len(data)) & ~511
    return data[:at] + bytes(min(512, len(data) - at)) + data[at + 512 :]


def emptied(data: bytes, chance: random.Random) -> bytes:
    return b""


def grown(data: bytes, chance: random.Random) -> bytes:
    return data + chance.randbytes(64)


DAMAGES: dict[str, Damage] = {
    "flipped": flipped,
    "scrambled": scrambled,
    "torn": torn,
    "blank": blank,
    "emptied": emptied,
    "grown": grown,
}


@pytest.fixture(scope="module")
def whole(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace as a power cut leaves it: what was last written stands in the log beside the database."""
    folder = tmp_path_factory.mktemp("whole")
    shutil.copytree(prepared / "two", folder / "going")
    with onward.open(folder / "going", settings=SETTINGS) as ws:
        ws.rollback(to=1)
        ws.feedback("chat-0-0", score=1.0, id="said")
        shutil.copytree(folder / "going", folder / "ws")
    assert (folder / "ws" / "onward.db-wal").stat().st_size > 0
    return folder / "ws"


@pytest.fixture(scope="module")
def truth(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    place = tmp_path_factory.mktemp("truth") / "ws"
    shutil.copytree(whole, place)
    with onward.open(place, create=False) as ws:
        assert ws.doctor() == ()
        return held(ws)


def held(ws: Workspace) -> dict[str, Any]:
    """All that a user is told, and that teaches."""
    experience = ws.house.experience
    return {
        "answers": plain(ws.predict(ASKED, record=False)),
        "champion": ws.champion(),
        "history": plain(ws.history()),
        "versions": plain(ws.versions()),
        "cycles": plain(ws.cycles()),
        "interactions": plain(experience.interactions("default")),
        "feedback": plain(experience.feedback("default")),
        "sets": [one.name for one in ws.house.evaluation_sets.all("default")],
    }


def told(ws: Workspace) -> dict[str, Any] | None:
    """What it tells of itself; `None` where it says that it cannot."""
    try:
        return held(ws)
    except OnwardError:
        return None


def looked_at(place: Path, *, mend: bool = False) -> list[Ailment] | None:
    try:
        return list(onward.doctor(place, mend=mend))
    except OnwardError:
        return None


def files_of(folder: Path) -> list[Path]:
    return sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())


def harmed(whole: Path, place: Path, name: Path, damage: str, chance: random.Random) -> None:
    """A copy of the whole workspace with one file damaged."""
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(whole, place)
    file = place / name
    if damage == "removed":
        file.unlink()
        return
    file.write_bytes(DAMAGES[damage](file.read_bytes(), chance))


def check_told(place: Path, truth: dict[str, Any], tally: Tally) -> str:
    """Nothing but our errors; and whatever is not as it was, the doctor names."""
    try:
        with onward.open(place, create=False) as ws:
            found = told(ws)
    except OnwardError:
        found = None
    ailments = looked_at(place)
    if ailments:
        tally.findings.update(one.kind for one in ailments)
        assert all(one.what and one.mend for one in ailments)
    if found == truth:
        return "noticed" if ailments or ailments is None else "harmless"
    if ailments or ailments is None:
        return "noticed"
    assert found is not None, "it cannot be used, and the doctor finds nothing"
    wrong = {key for key in truth if found[key] != truth[key]}
    assert wrong <= {"interactions", "feedback"}, wrong
    return "unnoticed"


def check_mended(place: Path, truth: dict[str, Any]) -> None:
    """What is mended answers as it did, or says that it cannot: never otherwise."""
    if looked_at(place, mend=True) is None:
        return
    left = looked_at(place) or []
    try:
        with onward.open(place, create=False) as ws:
            found = told(ws)
    except OnwardError:
        return
    if found is not None and not [one for one in left if one.grave]:
        assert found["champion"] in (truth["champion"], None)
        if found["champion"] is not None:
            assert found["answers"] == truth["answers"]


def kind_of(name: Path) -> str:
    return name.name if name.name.startswith("onward") else name.parts[0]


COLUMNS = (
    "interactions.body",
    "interactions.tenant",
    "feedback.tenant",
    "transitions.at",
    "transitions.version",
    "versions.body",
    "versions.created",
    "cycles.body",
    "datasets.created",
    "aliases.version",
    "evaluation_sets.blob",
)


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("value", ["NULL", "x'ff00'"])
def test_rows_that_hold_what_no_row_may(
    whole: Path, truth: dict[str, Any], tally: Tally, tmp_path: Path, column: str, value: str
) -> None:
    """As after damage to a page that still reads as one."""
    place = tmp_path / "ws"
    shutil.copytree(whole, place)
    table, _, name = column.partition(".")
    with closing(sqlite3.connect(place / "onward.db")) as raw:
        raw.execute("PRAGMA writable_schema=ON")
        raw.execute("UPDATE sqlite_master SET sql = replace(sql, 'NOT NULL', '') WHERE name = ?", (table,))
        raw.commit()
    with closing(sqlite3.connect(place / "onward.db")) as raw:
        raw.execute(f"UPDATE {table} SET {name} = {value} WHERE rowid = (SELECT max(rowid) FROM {table})")
        raw.commit()
    assert check_told(place, truth, tally) == "noticed"
    check_mended(place, truth)


def test_torn_and_flipped_bytes(
    whole: Path, truth: dict[str, Any], chance: random.Random, tally: Tally, tmp_path: Path
) -> None:
    """Some files once in every check, every file in every way by `make faults`."""
    names, ways = files_of(whole), [*DAMAGES, "removed"]
    some = chance.sample(names, thorough(12, len(names)))
    plan = [(name, way) for name in some for way in chance.sample(ways, thorough(1, len(ways)))]
    plan += [(Path(f"onward.db{side}"), way) for side in ("", "-wal") for way in ways] * thorough(1, 12)
    outcomes = []
    for name, way in plan:
        harmed(whole, tmp_path / "ws", name, way, chance)
        try:
            outcome = check_told(tmp_path / "ws", truth, tally)
            check_mended(tmp_path / "ws", truth)
        except BaseException as error:
            error.add_note(f"{name} was {way}")
            raise
        outcomes.append((kind_of(name), outcome))
        tally.counts[f"{kind_of(name)}: {outcome}"] += 1
    assert {"noticed"} >= {outcome for kind, outcome in outcomes if kind in ("artifacts", "blobs")}
    assert tally.counts["onward.db: noticed"]
