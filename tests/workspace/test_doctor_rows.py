"""A byte that flips in what a user said is seen, named, and put right from a back-up; else the row is set aside."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

import onward
from onward.core import Busy, ManualClock
from onward.loop import unwatched
from onward.release import Ailment, examine, open_repository
from onward.storage import empty_log
from onward.workspace import Workspace

LINEAR = {"training": {"learners": ["linear"]}}
SAID = "the parcel never came"
REMARK = "rude answer"


@pytest.fixture
def shop(tmp_path: Path, clock: ManualClock) -> Path:
    """A workspace whose database is one file, and its back-up beside it."""
    folder = tmp_path / "shop"
    with onward.open(folder, settings=LINEAR, clock=clock) as ws:
        for n in range(5):
            ws.record(f"{SAID} {n}", id=f"in-{n}", user=f"user-{n}")
        ws.feedback("in-2", remark={"why": REMARK}, user="user-4", id="fb-0")
        ws.back_up(tmp_path / "kept")
    empty_log(folder / "onward.db")
    return folder


def flip(folder: Path, said: bytes, new: bytes) -> None:
    """Change bytes of the database file, wherever they stand first."""
    file = folder / "onward.db"
    data = file.read_bytes()
    assert said in data
    assert len(said) == len(new)
    file.write_bytes(data.replace(said, new, 1))


@contextmanager
def reopened(folder: Path) -> Iterator[Workspace]:
    with onward.open(folder, settings=LINEAR, create=False) as ws:
        yield ws


def grave(found: tuple[Ailment, ...]) -> list[str]:
    return [f"{one.kind} {one.where}" for one in found if one.grave and not one.mended]


FLIPS: dict[str, tuple[bytes, bytes, str]] = {
    "in what was said": (b"never came 3", b"never camf 3", "interactions 4"),
    "to what is no text": (b"never came 3", b"never cam\xe5 3", "interactions 4"),
    "in a remark": (REMARK.encode(), b"rude ansver", "feedback 1"),
    "in the form of a body": (
        b'"text":"the parcel never came 1"',
        b'"text":"the parcel never came 1\'',
        "interactions 2",
    ),
}


@pytest.mark.parametrize("case", FLIPS)
def test_a_flipped_byte_is_named_and_put_right(shop: Path, tmp_path: Path, case: str) -> None:
    before, after, row = FLIPS[case]
    with reopened(shop) as ws:
        assert ws.doctor() == ()
        whole = ws.house.experience.interactions("default"), ws.house.experience.feedback("default")
    flip(shop, before, after)
    (found,) = onward.doctor(shop)
    assert found.where.startswith(f"{row} (")
    assert "not what was stored" in found.what
    assert "--from BACKUP" in found.mend
    (offered,) = onward.doctor(shop, source=tmp_path / "kept")
    assert offered.mend.startswith("The back-up holds it")
    assert not offered.mended
    assert [one.mended for one in onward.doctor(shop, mend=True, source=tmp_path / "kept")] == [True]
    assert onward.doctor(shop) == ()
    with reopened(shop) as ws:
        assert (ws.house.experience.interactions("default"), ws.house.experience.feedback("default")) == whole


@pytest.mark.parametrize("column", ["tenant", "id", "user", "recorded", "checksum", "body"])
def test_every_column_counts(shop: Path, tmp_path: Path, column: str) -> None:
    """Whatever is wrong in a row, with its index or without."""
    with reopened(shop) as ws:
        new = 7 if column == "checksum" else "other"
        ws.house.storage.database.write(
            lambda c: c.execute(text(f'UPDATE interactions SET "{column}" = :new WHERE sequence = 2'), {"new": new})
        )
        whole = ws.house.experience.interactions("default") if column == "checksum" else None
    assert [one for one in grave(onward.doctor(shop)) if one.startswith("damaged interactions 2")]
    onward.doctor(shop, mend=True, source=tmp_path / "kept")
    assert onward.doctor(shop) == ()
    with reopened(shop) as ws:
        found = ws.house.experience.interactions("default")
        assert whole in (None, found)
        assert [(one.id, one.text) for one in found] == [(f"in-{n}", f"{SAID} {n}") for n in range(5)]


def test_an_id_whose_index_says_otherwise_is_put_right(shop: Path, tmp_path: Path) -> None:
    """The byte flips in the table only: SQLite looks for the entry to replace, and finds none, until it is made anew."""
    with reopened(shop) as ws, ws.house.storage.database.read() as connection:
        (page,) = connection.execute(text("SELECT rootpage FROM sqlite_master WHERE name = 'interactions'")).scalars()
        (size,) = connection.execute(text("PRAGMA page_size")).scalars()
    file = shop / "onward.db"
    data = bytearray(file.read_bytes())
    start = (page - 1) * size
    at = data.index(b"defaultin-3", start, start + size)
    data[at + 9 : at + 11] = b"-8"
    file.write_bytes(data)
    assert any(one.startswith("damaged interactions 4 ('in-8'") for one in grave(onward.doctor(shop)))
    onward.doctor(shop, mend=True, source=tmp_path / "kept")
    assert onward.doctor(shop) == ()
    with reopened(shop) as ws:
        assert ws.house.experience.interaction("default", "in-3").text == f"{SAID} 3"


def test_without_a_back_up_it_is_set_aside_until_one_holds_it(shop: Path, tmp_path: Path, clock: ManualClock) -> None:
    flip(shop, b"never came 3", b"never camf 3")
    flip(shop, REMARK.encode(), b"rude ansver")
    first, second = onward.doctor(shop, mend=True, clock=clock)
    assert first.mended
    assert second.mended
    again = onward.doctor(shop)
    assert grave(again) == []
    assert ["in quarantine" in one.what for one in again] == [True, True]
    with reopened(shop) as ws:
        assert ws.quarantined() == {"in-3": "its record is damaged", "in-2": "its record is damaged"}
    onward.doctor(shop, mend=True, source=tmp_path / "kept")
    assert onward.doctor(shop) == ()
    with reopened(shop) as ws:
        assert ws.quarantined() == {}


def test_what_cannot_be_read_is_said_plainly(shop: Path) -> None:
    flip(shop, b"never came 3", b"never cam\xe5 3")
    for mend in (True, False):
        (found,) = onward.doctor(shop, mend=mend)
        assert found.grave
        assert not found.mended
        assert found.mend == "Bring it back from a back-up that holds it: onward doctor --mend --from BACKUP"


def test_what_was_erased_since_the_back_up_stays_erased(shop: Path, tmp_path: Path) -> None:
    with reopened(shop) as ws:
        ws.forget("user-3")
        left = ws.house.experience.interaction("default", "in-3").context["sha256"]
        assert ws.doctor() == ()
    empty_log(shop / "onward.db")
    flip(shop, left.encode(), b"0" * 64)
    (found,) = onward.doctor(shop, mend=True, source=tmp_path / "kept")
    assert "quarantine" in found.mend
    with reopened(shop) as ws:
        assert ws.house.experience.interaction("default", "in-3").text == ""
        ws.back_up(tmp_path / "kept")
    assert b"never came 3" not in (shop / "onward.db").read_bytes()


def test_a_name_that_a_flip_hid_from_its_erasure_is_erased_when_the_row_is_back(shop: Path, tmp_path: Path) -> None:
    with reopened(shop) as ws:
        ws.house.storage.database.write(
            lambda c: c.execute(text("UPDATE interactions SET \"user\" = 'usfr-3' WHERE sequence = 4"))
        )
        ws.forget("user-3")
        assert ws.house.experience.interaction("default", "in-3").text
    onward.doctor(shop, mend=True, source=tmp_path / "kept")
    with reopened(shop) as ws:
        assert ws.house.experience.interaction("default", "in-3").text == ""
        assert ws.doctor() == ()


def test_another_workspaces_row_of_the_same_number_never_comes_back(shop: Path, tmp_path: Path) -> None:
    with onward.open(tmp_path / "other", settings=LINEAR) as other:
        for n in range(5):
            other.record(f"something else {n}", id=f"in-{n}", user=f"user-{n}")
        other.back_up(tmp_path / "foreign")
    flip(shop, b"never came 3", b"never camf 3")
    (found,) = onward.doctor(shop, mend=True, source=tmp_path / "foreign")
    assert "quarantine" in found.mend
    with reopened(shop) as ws:
        assert ws.house.experience.interaction("default", "in-3").text == "the parcel never camf 3"


def test_a_snapshot_that_is_damaged_itself_holds_nothing(shop: Path, tmp_path: Path) -> None:
    flip(shop, b"never came 3", b"never camf 3")
    for chunk in (tmp_path / "kept" / "chunks").rglob("*"):
        if chunk.is_file():
            chunk.unlink()
    found = onward.doctor(shop, source=tmp_path / "kept")
    assert any("quarantine" in one.mend for one in found if one.where.startswith("interactions 4"))


def test_a_back_up_taken_after_the_damage_tells_of_it_when_it_is_restored(shop: Path, tmp_path: Path) -> None:
    flip(shop, b"never came 3", b"never camf 3")
    with reopened(shop) as ws:
        ws.back_up(tmp_path / "kept")
    with onward.restore(tmp_path / "kept", tmp_path / "back") as back:
        assert any(one.startswith("damaged interactions 4") for one in grave(back.doctor()))
    onward.doctor(tmp_path / "back", mend=True, source=tmp_path / "kept")  # from the snapshot before
    assert onward.doctor(tmp_path / "back") == ()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 10_000), st.integers(0, 7))
def test_no_flipped_bit_of_what_was_said_passes(shop: Path, tmp_path: Path, place: int, bit: int) -> None:
    copy = tmp_path / "flipped"
    shutil.copytree(shop, copy)
    try:
        file = copy / "onward.db"
        data = bytearray(file.read_bytes())
        body = data.index(b'"text":"the parcel never came 3"')
        data[body + place % 32] ^= 1 << bit
        file.write_bytes(data)
        assert any(one.startswith("damaged interactions 4") for one in grave(onward.doctor(copy)))
    finally:
        shutil.rmtree(copy)


def test_on_a_server(postgresql_url: str, tmp_path: Path, clock: ManualClock) -> None:
    with onward.open(postgresql_url, settings=LINEAR, clock=clock) as ws:
        ws.record(f"{SAID} \u00e9", id="a", user="ann")
        ws.back_up(tmp_path / "kept")
        ws.house.storage.database.write(lambda c: c.execute(text("UPDATE interactions SET id = 'b'")))
        assert len(grave(ws.doctor())) == 1
    onward.doctor(postgresql_url, mend=True, source=tmp_path / "kept", clock=clock)
    assert onward.doctor(postgresql_url, clock=clock) == ()


def test_a_row_that_changed_meanwhile_is_left_alone(shop: Path, tmp_path: Path, clock: ManualClock) -> None:
    flip(shop, b"never came 3", b"never camf 3")
    with reopened(shop) as ws:
        found = examine(
            ws.house.storage, clock, agreements={}, repository=open_repository(tmp_path / "kept"), progress=unwatched
        )
        (one,) = [one for one in found if one.ailment.where.startswith("interactions 4")]
        assert one.remedy is not None
        ws.forget("user-3")
        with pytest.raises(Busy, match="meanwhile"):
            one.remedy()
        assert ws.house.experience.interaction("default", "in-3").text == ""
