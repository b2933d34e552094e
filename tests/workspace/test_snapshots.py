"""Back-ups beside what goes wrong around them: lost content, strangers' files, other formats, clocks, two at once."""

from __future__ import annotations

import errno
import os
import shutil
import zlib
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import event, select
from tests.postgres import Server

import onward
from onward.core import Busy, Damaged, InvalidInput, ManualClock
from onward.release import keep_records, open_repository
from onward.release._doctor._books import check_books
from onward.release._doctor._folder import check_permissions
from onward.release._snapshots import chosen, chunk_file, snapshot_file
from onward.storage import schema
from onward.workspace import Workspace

WORD = "correct horse"


def champions_artifact(ws: Workspace) -> str:
    number = ws.champion()
    assert number is not None
    return ws.house.registry.version(number).artifact


def rewritten(kept: Path, name: str, change: Callable[[dict[str, Any]], None]) -> None:
    """Change what a snapshot says, and seal it again: as another Onward would have written it."""
    repository = open_repository(kept)
    said = msgspec.json.decode(repository.opened(name))
    change(said)
    file = snapshot_file(name)
    repository.place.write(file, repository._seal.close(zlib.compress(msgspec.json.encode(said)), file))


def test_a_champion_without_its_artifact_is_not_told_as_dropped(ws: Workspace, folder: Path, tmp_path: Path) -> None:
    artifact = champions_artifact(ws)
    shutil.rmtree(folder / "artifacts" / artifact[:2] / artifact)
    snapshot = ws.back_up(tmp_path / "kept")
    assert "missing" in snapshot.damaged[artifact]


def test_what_comes_while_the_doctor_looks_is_no_alarm(ws: Workspace) -> None:
    """A version is pinned and moved to while the rows that were read are given back."""
    storage, done = ws.house.storage, []

    def meanwhile(*_: object) -> None:
        if not done:
            done.append(True)
            ws.rollback(reason="meanwhile")

    event.listen(storage.database.backend.reading, "checkin", meanwhile)
    found = [one.ailment for one in check_books(storage)]
    assert done
    assert [one for one in found if one.grave] == []
    assert ws.doctor() == ()


def test_two_encrypted_back_ups_that_begin_at_once(ws: Workspace, tmp_path: Path) -> None:
    ws.back_up(tmp_path / "one", passphrase=WORD)
    ws.back_up(tmp_path / "two", passphrase=WORD)
    first = open_repository(tmp_path / "one", WORD)
    (snapshot,) = first.snapshots()
    stored = first.stored(snapshot.id)
    shutil.copy(tmp_path / "two" / "repository.json", tmp_path / "one" / "repository.json")
    with pytest.raises(Busy, match="two back-ups at once"):
        first.add(stored.snapshot, stored.contents)


def test_a_snapshot_of_another_format_is_never_let_go(ws: Workspace, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    name = ws.back_up(kept).id
    rewritten(kept, name, lambda said: said.update(contents={"tables": 7}))
    (found,) = ws.doctor(source=kept, mend=True)
    assert "Update Onward" in found.mend
    assert not found.mended
    assert open_repository(kept).ids() == [name]


def test_a_snapshot_of_a_newer_schema_is_refused(ws: Workspace, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    name = ws.back_up(kept).id
    newer = str(schema.SCHEMA_VERSION + 1)
    rewritten(kept, name, lambda said: said.update(snapshot={**said["snapshot"], "schema": newer}))
    with pytest.raises(Damaged, match=f"schema {newer}"):
        onward.restore(kept, tmp_path / "back")
    assert not (tmp_path / "back").exists()


def test_a_clock_that_was_ahead_once_hides_nothing(ws: Workspace, tmp_path: Path, clock: ManualClock) -> None:
    kept = tmp_path / "kept"
    right = clock.now()
    clock.advance(timedelta(hours=1))
    ws.back_up(kept)
    clock.advance(-timedelta(hours=1))
    ws.record("said between", id="between")
    clock.advance(timedelta(minutes=30))
    newest = ws.back_up(kept)
    repository = open_repository(kept)
    assert chosen(repository, right + timedelta(minutes=45)).snapshot.id == newest.id
    with onward.restore(kept, tmp_path / "back", at=right + timedelta(minutes=45)) as back:
        assert "between" in {one.id for one in back.house.experience.interactions("default")}


def test_strangers_files_are_no_snapshots(ws: Workspace, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    name = ws.back_up(kept).id
    for stray in ("x.sync-conflict.snapshot", ".DS_Store", "deep/sn_1.snapshot"):
        (kept / "snapshots" / stray).parent.mkdir(exist_ok=True)
        (kept / "snapshots" / stray).write_bytes(b"?")
    assert open_repository(kept).ids() == [name]
    assert ws.doctor(source=kept) == ()
    assert ws.prune(kept, keep=1).snapshots == ()
    onward.restore(kept, tmp_path / "back").close()


def test_a_chunk_that_cannot_be_read_does_not_end_the_examination(
    ws: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "kept"
    ws.back_up(kept)
    one, two = sorted(path for path in (kept / "chunks").rglob("*") if path.is_file())[:2]
    read = Path.read_bytes

    def refuse(path: Path) -> bytes:
        if path == one:
            raise OSError(errno.EIO, "Input/output error")
        return read(path)

    two.write_bytes(b"torn")
    monkeypatch.setattr(Path, "read_bytes", refuse)
    found = ws.doctor(source=kept)
    assert {Path(each.where.split(" ")[0]).name for each in found} == {one.name, two.name}
    assert [each.mended for each in ws.doctor(source=kept, mend=True) if one.name in each.where] == [False]
    assert one.exists()
    one = next((kept / "snapshots").iterdir())
    assert any(one.name in each.where for each in ws.doctor(source=kept))


def test_the_newest_snapshot_is_the_only_one_that_a_back_up_reads(ws: Workspace, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    for _ in range(3):
        ws.back_up(kept)
    for path in sorted((kept / "snapshots").iterdir())[:-1]:
        path.unlink()
        path.mkdir()  # reading it would raise Unavailable
    assert ws.back_up(kept).written == 0


def test_every_missing_record_is_written(ws: Workspace, folder: Path) -> None:
    for number in range(80):
        ws.house.registry.mark([1], f"mark {number}")
    with ws.house.storage.database.read() as connection:
        count = len(connection.execute(select(schema.marks)).all())
    keep_records(ws.house.storage)
    assert len(list((folder / "records" / "marks").glob("*.json"))) == count


def test_a_mount_point_says_where_to_restore(ws: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ws.back_up(tmp_path / "kept")
    (tmp_path / "mount" / "lost+found").mkdir(parents=True)
    monkeypatch.setattr(Path, "is_mount", lambda path: path == tmp_path / "mount")
    with pytest.raises(InvalidInput, match="a folder inside it"):
        onward.restore(tmp_path / "kept", tmp_path / "mount")


def test_a_restore_to_a_server_that_was_cut_off_leaves_no_settings(
    ws: Workspace, tmp_path: Path, postgresql: Server
) -> None:
    kept, target = tmp_path / "kept", tmp_path / "back"
    repository = open_repository(kept, create=True)
    contents = repository.stored(ws.back_up(kept).id).contents
    chunk = kept / chunk_file(next(iter(contents.blobs.values())).chunks[0])
    whole = chunk.read_bytes()
    chunk.write_bytes(b"torn")
    url = f"{postgresql.dsn(postgresql.make())}?folder={target}"
    with pytest.raises(Damaged):
        onward.restore(kept, url)
    assert not (target / "onward.toml").exists()
    chunk.write_bytes(whole)
    (ws.folder / "onward.toml").write_text("[training]\n")
    ws.back_up(kept)
    onward.restore(kept, url).close()
    assert (target / "onward.toml").read_text() == "[training]\n"


def test_what_goes_away_while_the_doctor_looks_is_passed_over(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    look, gone = Path.lstat, next((ws.folder / "records").glob("*/*.json"))

    def late(path: Path) -> os.stat_result:
        if path == gone:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory")
        return look(path)

    monkeypatch.setattr(Path, "lstat", late)
    assert list(check_permissions(ws.folder)) == []
