"""Two workspaces never share a place for blobs: each would drop what only the other needs."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.conversations import lines
from tests.postgres import Server

import onward
from onward.core import Damaged, InvalidInput, ManualClock
from onward.storage import Blobs

LINEAR = {"training": {"learners": ["linear"]}}


def test_the_second_workspace_is_refused(tmp_path: Path, clock: ManualClock) -> None:
    place = f"blobs=file://{tmp_path / 'shared'}"
    with onward.open(f"file://{tmp_path / 'one'}?{place}", settings=LINEAR, clock=clock) as ws:
        ws.record_many(lines(300))
        assert ws.cycle().status == "promoted"
        before = sorted((tmp_path / "shared").rglob("*"))
        for opening in (onward.open, onward.doctor):
            with pytest.raises(InvalidInput, match="another workspace"):
                opening(f"file://{tmp_path / 'two'}?{place}")
        ws.back_up(tmp_path / "kept")
    assert sorted((tmp_path / "shared").rglob("*")) == before
    with onward.open(f"file://{tmp_path / 'one'}?{place}", settings=LINEAR, clock=clock) as ws:
        assert ws.doctor() == ()
    with onward.restore(tmp_path / "kept", f"file://{tmp_path / 'back'}?{place}") as back:
        assert back.champion() is not None
    with onward.open(tmp_path / "other", settings=LINEAR, clock=clock) as ws:
        ws.record("hello")
        ws.back_up(tmp_path / "other_kept")
    with pytest.raises(InvalidInput, match="another workspace"):
        onward.restore(tmp_path / "other_kept", f"file://{tmp_path / 'elsewhere'}?{place}")


def test_a_rebuilt_workspace_owns_what_it_owned(tmp_path: Path, clock: ManualClock) -> None:
    url = f"file://{tmp_path / 'one'}?blobs=file://{tmp_path / 'far'}"
    with onward.open(url, settings=LINEAR, clock=clock) as ws:
        ws.record_many(lines(300))
        assert ws.cycle().status == "promoted"
    shutil.rmtree(tmp_path / "one" / "records" / "meta")
    for file in (tmp_path / "one").glob("onward.db*"):
        file.unlink()
    assert onward.doctor(url, mend=True)[0].mended
    with onward.open(url, settings=LINEAR, clock=clock) as ws:
        assert ws.champion() is not None


@pytest.mark.parametrize("bucket", ["file", "memory"])
def test_a_place_that_could_not_be_asked_is_asked_before_it_is_changed(tmp_path: Path, bucket: str) -> None:
    far = tmp_path / "far"
    url = f"file://{far}" if bucket == "file" else f"memory://{tmp_path.name}"
    first, second = Blobs(tmp_path / "1", url), Blobs(tmp_path / "2", url)
    assert first.owner is None
    name = first.put(b"said before anybody owned it")
    first.belong("one")
    if bucket == "file":
        (far / "owner").rename(far / "moved")
        (far / "owner").mkdir()  # what cannot be read: nobody knows
    second.belong("two") if bucket == "file" else None
    if bucket == "file":
        (far / "owner").rmdir()
        (far / "moved").rename(far / "owner")
    else:
        with pytest.raises(InvalidInput):
            second.belong("two")
    for change in (lambda: second.put(b"x"), lambda: second.drop(name), lambda: second.drop_folder(name)):
        with pytest.raises(InvalidInput, match="another workspace"):
            change()
    assert first.get(name) == second.get(name)
    first.drop(name)


def test_two_databases_never_share_a_folder(postgresql: Server, prepared_database: str, tmp_path: Path) -> None:
    one, two = postgresql.make(prepared_database), postgresql.make(prepared_database)
    shared = tmp_path / "shared"
    with onward.open(f"{postgresql.dsn(one)}?folder={shared}", settings=LINEAR) as ws:
        ws.record("hello")
    with onward.open(f"{postgresql.dsn(two)}?folder={tmp_path / 'own'}", settings=LINEAR) as ws:
        ws.record("good evening")
        ws.back_up(tmp_path / "kept")
    before = sorted(shared.rglob("*"))
    for opening in (onward.open, onward.doctor):
        with pytest.raises(InvalidInput, match=r"folder .*shared belongs to another workspace.*folder=FOLDER"):
            opening(f"{postgresql.dsn(two)}?folder={shared}")
        with pytest.raises(InvalidInput, match="belongs to another workspace"):
            opening(f"{postgresql.dsn(two)}?folder={shared}&blobs=file://{tmp_path / 'bucket'}")
    assert sorted(shared.rglob("*")) == before
    with onward.open(f"{postgresql.dsn(one)}?folder={shared}", settings=LINEAR) as ws:
        assert ws.doctor() == ()
    for name in (one, two):
        postgresql.drop(name)


def test_a_database_on_a_server_does_not_take_a_folder_that_holds_a_file(postgresql_url: str, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    with onward.open(folder, settings=LINEAR) as ws:
        ws.record("hello")
    with pytest.raises(InvalidInput, match=r"another workspace, in its onward.db"):
        onward.open(postgresql_url)
    with onward.open(folder, settings=LINEAR) as ws:
        assert ws.status().interactions == 1


def test_an_empty_database_beside_anothers_folder_is_told(
    postgresql: Server, prepared_database: str, tmp_path: Path, clock: ManualClock
) -> None:
    one, two = postgresql.make(prepared_database), postgresql.make(prepared_database)
    with onward.open(f"{postgresql.dsn(one)}?folder={tmp_path / 'shared'}", settings=LINEAR, clock=clock) as ws:
        ws.record_many(lines(300))
        assert ws.cycle().status == "promoted"
    with pytest.raises(Damaged, match=r"a new one needs a folder of its own"):
        onward.open(f"{postgresql.dsn(two)}?folder={tmp_path / 'shared'}")
    for name in (one, two):
        postgresql.drop(name)
