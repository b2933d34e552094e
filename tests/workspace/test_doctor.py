"""The doctor: clean where all is well, names what is not, mends what is safe, rebuilds what is lost."""

from __future__ import annotations

import os
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Connection, Table, delete, insert, text, update
from tests.conversations import lines
from tests.postgres import Server

import onward
from onward.core import ManualClock, NotFound, OnwardError
from onward.release import Ailment
from onward.storage import hold, schema
from onward.workspace import Workspace

LINEAR = {"training": {"learners": ["linear"]}}
OLD = time.time() - 2 * 86_400


def files_of(place: Path) -> list[Path]:
    return sorted(path for path in place.rglob("*") if path.is_file())


def change(ws: Workspace, table: Table, where: str, **values: object) -> None:
    ws.house.storage.database.write(lambda c: c.execute(update(table).where(text(where)).values(**values)))


def remove(ws: Workspace, table: Table, where: str) -> None:
    def work(connection: Connection) -> None:
        connection.execute(delete(table).where(text(where)))

    ws.house.storage.database.write(work)


def told(found: tuple[Ailment, ...]) -> list[tuple[str, str]]:
    return [(one.kind, one.where) for one in found if one.grave]


def test_a_healthy_workspace_is_clean_and_stays_as_it_is(ws: Workspace) -> None:
    before = {file: file.read_bytes() for file in files_of(ws.folder)}
    assert ws.doctor() == ()
    assert ws.doctor(mend=True) == ()
    assert {file: file.read_bytes() for file in files_of(ws.folder)} == before


def test_a_server_is_clean_too(postgresql_url: str, clock: ManualClock) -> None:
    with onward.open(postgresql_url, settings=LINEAR, clock=clock) as ws:
        ws.record_many(lines(300))
        assert ws.cycle().status == "promoted"
        assert ws.doctor() == ()
        change(ws, schema.interactions, "sequence = 3", body="{}")
        change(ws, schema.tallies, "name = 'interactions'", rows=5)
        damaged = ("damaged", "interactions 3 ('chat-0-2' of 'default')")
        assert told(ws.doctor()) == [damaged, ("disagrees", "tallies, interactions of default")]
    assert told(onward.doctor(postgresql_url, mend=True, clock=clock)) == [
        damaged,
        ("disagrees", "tallies, interactions of default"),
    ]
    assert told(onward.doctor(postgresql_url, clock=clock)) == [damaged]


RECORDS: dict[str, tuple[Table, str, dict[str, object], str, str]] = {
    "a torn body": (schema.interactions, "sequence = 7", {"body": '{"id": "x'}, "damaged", "interactions 7"),
    "another id": (schema.interactions, "sequence = 7", {"id": "other"}, "damaged", "interactions 7"),
    "another user": (schema.feedback, "sequence = 1", {"user": "other"}, "damaged", "feedback 1"),
    "another artifact": (schema.versions, "number = 1", {"artifact": "0" * 64}, "damaged", "versions 1"),
    "a torn version": (schema.versions, "number = 2", {"body": "[]"}, "damaged", "versions 2"),
    "no time": (schema.transitions, "sequence = 1", {"at": "yesterday"}, "damaged", "transitions 1"),
    "a naive time": (schema.transitions, "sequence = 1", {"at": "2026-01-01T00:00:00"}, "damaged", "transitions 1"),
    "a cycle of another": (schema.cycles, "status = 'promoted'", {"status": "kept"}, "damaged", "cycles"),
    "a torn cycle": (schema.cycles, "status = 'promoted'", {"body": "7"}, "damaged", "cycles"),
    "a broken chain": (schema.transitions, "sequence = 2", {"previous": None}, "disagrees", "transition 2"),
    "a missing data set": (schema.datasets, "rowid = 1", {"id": "x"}, "missing", "version 1"),
    "a missing version": (schema.transitions, "sequence = 1", {"version": 9}, "missing", "transitions.version 9"),
}


@pytest.mark.parametrize("case", RECORDS)
def test_a_wrong_record_is_named(ws: Workspace, case: str) -> None:
    table, where, values, kind, named = RECORDS[case]
    with ws.house.storage.database.backend.writing.connect() as connection:
        connection.exec_driver_sql("ROLLBACK")
        connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        connection.execute(update(table).where(text(where)).values(**values))
        connection.commit()
    found = ws.doctor()
    assert any(one.kind == kind and one.where.startswith(named) and one.mend for one in found), found


def test_an_alias_follows_the_trail(ws: Workspace) -> None:
    change(ws, schema.aliases, "alias = 'champion'", version=1)
    (found,) = [one for one in ws.doctor() if one.kind == "disagrees"]
    assert (found.where, ws.champion()) == ("alias champion of default", 1)
    assert [one.mended for one in ws.doctor(mend=True)] == [True]
    assert ws.champion() == 2
    remove(ws, schema.aliases, "alias = 'champion'")
    ws.doctor(mend=True)
    assert ws.champion() == 2
    assert ws.doctor() == ()


def test_an_alias_without_a_trail_is_left_alone(ws: Workspace) -> None:
    row = {"tenant": "default", "alias": "challenger", "version": 1}
    ws.house.storage.database.write(lambda c: c.execute(insert(schema.aliases).values(**row)))
    (found,) = ws.doctor(mend=True)
    assert (found.where, found.mended) == ("alias challenger of default", False)


def test_an_alias_is_not_moved_to_what_is_damaged(ws: Workspace) -> None:
    change(ws, schema.aliases, "alias = 'champion'", version=1)
    ws.house.storage.blobs.drop_folder(ws.version(2).artifact)
    found = ws.doctor(mend=True)
    assert any(one.where == "alias champion of default" and not one.mended for one in found)
    assert ws.champion() == 1


def test_every_file_may_be_torn_or_flipped(ws: Workspace, reopen: Callable[[], Workspace], tmp_path: Path) -> None:
    """Each is named; what the back-up holds is brought back; then all is well and the answers are the same."""
    ws.back_up(tmp_path / "kept")
    before = ws.predict("hello team", record=False)
    rng = random.Random(0)
    victims = [file for name in ("blobs", "artifacts", "records") for file in files_of(ws.folder / name)]
    assert len(victims) > 15
    for number, file in enumerate(victims):
        whole = file.read_bytes()
        flipped = bytearray(whole)
        flipped[rng.randrange(len(whole))] ^= 1 << rng.randrange(8)
        file.write_bytes([bytes(flipped), whole[: rng.randrange(len(whole))], b""][number % 3])
        place = next(part for part in file.parts[::-1] if len(part) == 64 or part.endswith(".json"))
        place = next((part for part in file.parts if len(part) == 64), place)
        found = ws.doctor()
        assert any(place in one.where for one in found), file
        if number % 4 == 0:
            assert all(one.mended for one in ws.doctor(mend=True, source=tmp_path / "kept") if place in one.where)
            assert ws.doctor() == ()
        else:
            file.write_bytes(whole)
    assert reopen().predict("hello team", record=False) == before


def test_what_is_lost_of_the_champion_names_the_way_back(ws: Workspace, reopen: Callable[[], Workspace]) -> None:
    ws.house.storage.blobs.drop_folder(ws.version(2).artifact)
    found = reopen().doctor(mend=True)
    assert {one.kind for one in found} == {"missing", "damaged"}
    assert all("rollback --to 1" in one.mend and not one.mended for one in found)
    assert ws.rollback(to=1).version == 1
    assert reopen().predict("hello", record=False).version == 1


def test_what_retention_dropped_is_in_order(ws: Workspace, tmp_path: Path) -> None:
    with onward.open(tmp_path / "ws", settings={**LINEAR, "retention": {"keep_versions": 1, "keep_days": 0}}) as strict:
        for _ in range(2):
            strict.cycle(force=True)
            number = strict.versions()[-1].number
            if strict.champion() != number:
                strict.promote(number, force=True, reason="to rotate")
        strict.cycle(force=True)
        dropped = [one for one in strict.versions() if strict.dropped(one)]
        assert dropped
        assert strict.dropped(strict.version(strict.champion() or 0)) == ()
        assert [one for one in strict.doctor() if one.grave] == []


def test_orphans_are_dropped_when_they_are_old_and_nobody_works(ws: Workspace, clock: ManualClock) -> None:
    blobs = ws.house.storage.blobs
    old, young = blobs.put(b"old"), blobs.put(b"young")
    with blobs.scratch() as scratch:
        (scratch / "made").mkdir()
        (scratch / "made" / "file").write_bytes(b"1")
        artifact = blobs.put_folder(scratch / "made")
    for path in (ws.folder / "blobs" / old[:2] / old, ws.folder / "artifacts" / artifact[:2] / artifact):
        os.utime(path, (OLD, OLD))
    found = ws.doctor()
    assert [(one.kind, one.grave, one.mended) for one in found] == [("orphan", False, False)] * 3
    with hold(ws.house.storage.database, "cycle:default", clock):
        assert not any(one.mended for one in ws.doctor(mend=True))
    mended = ws.doctor(mend=True)
    assert {one.where.split()[1]: one.mended for one in mended} == {old: True, artifact: True, young: False}
    assert set(blobs.names()) >= {young}
    assert old not in set(blobs.names())
    blobs.drop(young)
    assert ws.doctor() == ()


def test_what_others_may_read_is_closed(ws: Workspace) -> None:
    victims = [ws.folder, ws.folder / "onward.db", ws.folder / "blobs", *files_of(ws.folder / "artifacts")[:2]]
    for path in victims:
        path.chmod(0o755)
    found = ws.doctor()
    assert sorted(one.where for one in found if one.kind == "open to others") == sorted(map(str, victims))
    assert all(one.mended for one in ws.doctor(mend=True))
    assert ws.doctor() == ()


def test_what_is_left_over_is_removed(ws: Workspace, clock: ManualClock) -> None:
    (ws.folder / "scratch" / "left").mkdir()
    (ws.folder / "scratch" / "file").touch()
    (ws.folder / "scratch" / "young").mkdir()
    ws.house.storage.blobs.workbench("cy_1")
    for path in ("scratch/left", "scratch/file", "cycles/cy_1"):
        os.utime(ws.folder / path, (OLD, OLD))
    assert [(one.kind, one.mended) for one in ws.doctor(mend=True)] == [("left over", True)] * 3
    assert [path.name for path in (ws.folder / "scratch").iterdir()] == ["young"]
    assert ws.doctor() == ()


def test_a_dead_holder_and_its_cycle_are_noted(ws: Workspace, clock: ManualClock) -> None:
    def die(stage: str, done: int, total: int, note: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ws.cycle(force=True, progress=die)
    change(ws, schema.leases, "name = 'cycle:default'", expires="2020-01-01T00:00:00.000000+00:00", holder="h:1")
    assert {(one.kind, one.grave) for one in ws.doctor(mend=True)} == {("unfinished", False), ("left over", False)}
    remove(ws, schema.leases, "name = 'cycle:default'")
    ws.cycle(force=True)
    assert ws.doctor() == ()


def test_settings_that_cannot_be_read_are_named(ws: Workspace) -> None:
    (ws.folder / "onward.toml").write_text("[nonsense")
    (found,) = onward.doctor(ws.folder)
    assert (found.kind, found.where) == ("damaged", "onward.toml")
    with pytest.raises(NotFound):
        onward.doctor(ws.folder / "nowhere")


def test_a_champion_that_does_not_load_is_named(ws: Workspace, reopen: Callable[[], Workspace], tmp_path: Path) -> None:
    plugins = {"linear": "tests.cli.absent:create"}
    with onward.open(tmp_path / "ws", settings={**LINEAR, "plugins": plugins}) as broken:
        (found,) = broken.doctor()
    assert "torch is not installed" in found.what


def test_pages_of_the_database_may_be_torn(folder: Path) -> None:
    """Nothing is made worse: what can still be opened is not replaced."""
    onward.open(folder).close()
    file = folder / "onward.db"
    data = bytearray(file.read_bytes())
    for page in range(4096 * 60, len(data), 4096):
        data[page : page + 2000] = b"\xff" * 2000
    file.write_bytes(data)
    found = onward.doctor(folder, mend=True)
    assert any(one.kind == "damaged" and "Restore a back-up" in one.mend for one in found), found
    assert file.read_bytes() == bytes(data)


# A lost database ---------------------------------------------------------------------------------------------------

LOSSES: dict[str, Callable[[Path], object]] = {
    "gone": lambda file: file.unlink(),
    "empty": lambda file: file.write_bytes(b""),
    "no database": lambda file: file.write_bytes(b"rotten" * 10_000),
    "its head torn": lambda file: file.write_bytes(b"\0" * 100 + file.read_bytes()[100:]),
}


@pytest.mark.parametrize("loss", LOSSES)
def test_a_lost_database_is_rebuilt(ws: Workspace, folder: Path, clock: ManualClock, loss: str) -> None:
    ws.pin(1)
    ws.rollback()
    before = (ws.champion(), ws.history(), ws.versions(), ws.predict("hello team", record=False))
    known = {
        i for v in ws.versions() for e in ws.house.datasets.get("default", v.dataset).examples for i in e.interactions
    }
    ws.close()
    LOSSES[loss](folder / "onward.db")
    left = (folder / "onward.db").read_bytes() if (folder / "onward.db").exists() else None
    (found,) = onward.doctor(folder, clock=clock)
    assert (found.kind, found.mended) == ("lost", False)
    with pytest.raises(OnwardError):
        onward.open(folder)
    found = onward.doctor(folder, mend=True, clock=clock)
    assert (found[0].kind, found[0].mended) == ("lost", True)
    assert [one for one in found if one.grave and not one.mended] == []
    if left is not None:
        (aside,) = folder.glob("onward-damaged-*.db")
        assert aside.read_bytes() == left
    assert onward.doctor(folder, clock=clock) == ()
    with onward.open(folder, settings=LINEAR, clock=clock) as back:
        assert (back.champion(), back.history(), back.versions(), back.predict("hello team", record=False)) == before
        recovered = back.house.experience.interactions("default")
        assert {one.id for one in recovered} == known
        assert {one.source for one in recovered} == {"recovered"}
        assert "u16" in back.house.experience.withdrawn("default")
        assert len(back.house.experience.withdrawn("default")) == 1
        assert len(back.house.evaluation_sets.all("default")) == 2
        back.record_many(lines(200, intents=("order_status", "refund", "greeting", "gift_card"), seed=3))
        assert back.cycle(force=True).status in {"promoted", "kept"}


def test_a_lost_server_is_rebuilt(
    postgresql: Server, postgresql_url: str, folder: Path, tmp_path: Path, clock: ManualClock
) -> None:
    with onward.open(folder, settings=LINEAR, clock=clock) as ws:
        ws.back_up(tmp_path / "kept")
    with onward.restore(tmp_path / "kept", postgresql_url) as ws:
        before = (ws.champion(), ws.history(), ws.versions())
    new = f"{postgresql.dsn(postgresql.make())}?folder={tmp_path / 'folder'}"
    assert [one.kind for one in onward.doctor(new)] == ["lost"]
    assert onward.doctor(new, mend=True)[0].mended
    assert onward.doctor(new) == ()
    with onward.open(new, settings=LINEAR, clock=clock) as ws:
        assert (ws.champion(), ws.history(), ws.versions()) == before
        assert ws.record("counts on", id="new") == "new"


def test_without_its_books_data_sets_and_evaluations_come_back(folder: Path, clock: ManualClock) -> None:
    (folder / "onward.db").unlink()
    shutil.rmtree(folder / "records" / "datasets")
    shutil.rmtree(folder / "records" / "evaluation_sets")
    torn = folder / "records" / "versions" / "1.json"
    torn.write_bytes(torn.read_bytes()[:-9])
    found = onward.doctor(folder, mend=True, clock=clock)
    assert any(one.kind == "lost" and one.where == str(torn) for one in found)
    assert any(one.kind == "lost" and "version 1 is gone" in one.what for one in found)
    with onward.open(folder, settings=LINEAR, clock=clock) as back:
        assert [v.number for v in back.versions()] == [2]
        assert back.champion() == 2
        assert len(back.house.evaluation_sets.all("default")) == 1
        assert back.status().interactions > 400


def test_another_database_is_told_by_its_books(ws: Workspace, folder: Path, tmp_path: Path) -> None:
    ws.close()
    with onward.open(tmp_path / "new") as new:
        new.record("hello")
    shutil.copy(tmp_path / "new" / "onward.db", folder / "onward.db")
    for side in ("-wal", "-shm"):
        (folder / f"onward.db{side}").unlink(missing_ok=True)
    found = onward.doctor(folder)
    assert any(one.kind == "disagrees" and "versions/1.json" in one.where for one in found)
    assert (folder / "records" / "versions" / "1.json").exists()


def test_books_that_are_missing_are_written(ws: Workspace) -> None:
    shutil.rmtree(ws.folder / "records")
    assert not any(one.grave for one in ws.doctor())
    ws.doctor(mend=True)
    assert ws.doctor() == ()
    (ws.folder / "records").chmod(0o700)
    shutil.rmtree(ws.folder / "records")
    (ws.folder / "records").touch()
    assert ws.rollback(to=1).version == 1  # the move stands, the books are written by the doctor


def test_who_taught_whom_agrees_with_what_is_stored(ws: Workspace) -> None:
    before = ws.trace("chat-0-1").taught
    remove(ws, schema.lessons, "interaction = 'chat-0-1'")
    assert ws.trace("chat-0-1").taught == ()
    found = [one for one in ws.doctor() if one.kind == "disagrees"]
    assert [one.what for one in found] == ["1 interactions teach in it, and are not noted to."] * 2
    assert [one.mended for one in ws.doctor(mend=True)] == [True, True]
    assert ws.trace("chat-0-1").taught == before == (1, 2)
    assert ws.doctor() == ()
