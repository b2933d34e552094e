"""Blobs on disk: what damage is seen, what it costs, and who may read."""

import gzip
import os
import stat
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from onward.core import Damaged, InvalidInput, Unavailable
from onward.storage import Blobs

DATA = b"what users say, " * 20
FILES = {"model.json": b'{"a": 1}' * 50, "deep/weights.bin": bytes(range(256))}


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "shop")


def put(blobs: Blobs, files: dict[str, bytes] = FILES) -> str:
    with blobs.scratch() as scratch:
        folder = scratch / "made"
        for name, data in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
        return blobs.put_folder(folder)


def file_of(blobs: Blobs, name: str) -> Path:
    return blobs.root / "blobs" / name[:2] / name


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(data=st.data())
def test_bytes_changed_on_disk_never_come_back_as_others(blobs: Blobs, data: st.DataObject) -> None:
    name = blobs.put(DATA)
    file = file_of(blobs, name)
    whole = file.read_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    change = data.draw(st.sampled_from(["flip", "cut", "insert"]))
    torn = bytearray(whole)
    if change == "flip":
        torn[place] ^= data.draw(st.integers(1, 255))
    elif change == "cut":
        del torn[place:]
    else:
        torn.insert(place, data.draw(st.integers(0, 255)))
    file.write_bytes(torn)
    try:
        assert blobs.get(name) == DATA
    except Damaged as error:
        assert "back-up" in str(error)  # noqa: PT017
    assert blobs.put(DATA) == name
    assert blobs.get(name) == DATA  # storing it again mends it


@pytest.mark.parametrize(
    "stored",
    [b"", gzip.compress(b"other"), b"\x1f\x8b\x08\x00" + bytes(6) + b"\xff" * 9],
    ids=["nothing", "other", "no stream"],
)
def test_other_bytes_are_damaged(blobs: Blobs, stored: bytes) -> None:
    name = blobs.put(DATA)
    file_of(blobs, name).write_bytes(stored)
    with pytest.raises(Damaged):
        blobs.get(name)


def test_the_same_bytes_are_stored_once(blobs: Blobs) -> None:
    name = blobs.put(DATA)
    before = file_of(blobs, name).stat()
    blobs.put(DATA)
    after = file_of(blobs, name).stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    assert len([path for path in blobs.root.rglob("*") if path.is_file()]) == 1


def _flip(folder: Path) -> None:
    data = bytearray((folder / "model.json").read_bytes())
    data[3] ^= 1
    (folder / "model.json").write_bytes(data)


def _forge(folder: Path) -> None:
    manifest = (folder.parent / "MANIFEST.json").read_text()
    (folder / "model.json").unlink()
    start, end = manifest.index('"model.json"'), manifest.index("}", manifest.index('"model.json"')) + 1
    (folder.parent / "MANIFEST.json").write_text((manifest[:start] + manifest[end:]).replace(",}", "}"))


DAMAGE = {
    "flipped": _flip,
    "cut": lambda folder: os.truncate(folder / "model.json", 5),
    "emptied": lambda folder: os.truncate(folder / "deep/weights.bin", 0),
    "missing": lambda folder: (folder / "deep/weights.bin").unlink(),
    "added": lambda folder: (folder / "deep/more").write_bytes(b""),
    "renamed": lambda folder: (folder / "model.json").rename(folder / "model2.json"),
    "no manifest": lambda folder: (folder.parent / "MANIFEST.json").unlink(),
    "torn manifest": lambda folder: os.truncate(folder.parent / "MANIFEST.json", 30),
    "other manifest": lambda folder: (folder.parent / "MANIFEST.json").write_bytes(b'{"files":{}}'),
    "forged manifest": _forge,
    "a link": lambda folder: (folder / "link").symlink_to("model.json"),
    "a link to a folder": lambda folder: (folder / "link").symlink_to("deep"),
    "a link to nothing": lambda folder: (folder / "link").symlink_to("nothing"),
    "a link for a file": lambda folder: (
        (folder / "model.json").rename(folder.parent / "elsewhere"),
        (folder / "model.json").symlink_to(folder.parent / "elsewhere"),
    ),
    "a pipe": lambda folder: os.mkfifo(folder / "pipe"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_changed_folder_is_damaged_and_storing_it_again_mends_it(blobs: Blobs, damage: str) -> None:
    name = put(blobs)
    DAMAGE[damage](blobs.folder(name))
    with pytest.raises(Damaged, match="back-up"):
        blobs.folder(name)
    assert put(blobs) == name
    found = blobs.folder(name)
    assert {path: (found / path).read_bytes() for path in FILES} == FILES


def test_a_link_to_a_folder_is_refused_and_what_it_leads_to_left_alone(blobs: Blobs, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir(mode=0o755)
    with blobs.scratch() as scratch:
        (scratch / "link").symlink_to(outside)
        with pytest.raises(Damaged, match="plain files"):
            blobs.put_folder(scratch)
    assert stat.S_IMODE(outside.stat().st_mode) == 0o755


@pytest.mark.parametrize("odd", ["pipe", "file", "nothing", "link"])
def test_only_a_folder_of_plain_files_is_stored(blobs: Blobs, odd: str) -> None:
    with blobs.scratch() as scratch:
        folder = scratch / "made"
        if odd == "pipe":
            folder.mkdir()
            os.mkfifo(folder / "pipe")
        elif odd == "file":
            folder.write_bytes(b"1")
        elif odd == "link":
            folder.symlink_to(scratch)
        with pytest.raises(Damaged, match="plain files"):
            blobs.put_folder(folder)
    assert not list((blobs.root / "artifacts").iterdir())


def test_only_the_owner_can_read_what_is_stored(blobs: Blobs) -> None:
    with blobs.scratch() as scratch:
        (scratch / "made/deep").mkdir(parents=True, mode=0o777)
        (scratch / "made/deep/file").write_bytes(b"1")
        (scratch / "made/deep/file").chmod(0o777)
        blobs.put_folder(scratch / "made")
    blobs.put(DATA)
    blobs.workbench("cy_1")
    for path in blobs.root.rglob("*"):
        if path.name != "cycles":
            assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_dropping_leaves_nothing_behind_and_what_is_half_gone_comes_whole_again(blobs: Blobs) -> None:
    name = put(blobs)
    blobs.drop_folder(name)
    assert not [path for path in blobs.root.rglob("*") if path.is_file()]
    put(blobs)
    (blobs.folder(name) / "model.json").unlink()  # as a crash in the middle of removing would leave it
    put(blobs)
    assert (blobs.folder(name) / "model.json").is_file()
    assert not list((blobs.root / "scratch").iterdir())


def test_what_a_crash_left_is_removed_a_day_later(blobs: Blobs) -> None:
    scratch = blobs.root / "scratch"
    for name, age in (("old", 90_000), ("new", 3_600)):
        (scratch / name / "made").mkdir(parents=True)
        there = (scratch / name).stat().st_mtime
        os.utime(scratch / name, (there - age, there - age))
    Blobs(blobs.root)
    assert [path.name for path in scratch.iterdir()] == ["new"]


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "/etc", "a b", "a\0b"])
def test_a_workbench_has_a_plain_name(blobs: Blobs, name: str) -> None:
    for use in (blobs.workbench, blobs.clear_workbench):
        with pytest.raises(InvalidInput, match="workbench"):
            use(name)


def test_a_folder_that_cannot_be_written_is_unavailable(blobs: Blobs, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Unavailable, match="Not a directory"):
        Blobs(tmp_path / "file")
    name = put(blobs)
    (blobs.root / "cycles").write_bytes(b"")
    with pytest.raises(Unavailable):
        blobs.workbench("cy_1")
    (blobs.root / "scratch").rmdir()
    (blobs.root / "scratch").write_bytes(b"")
    with pytest.raises(Unavailable):
        blobs.put(DATA)
    with pytest.raises(Unavailable):
        blobs.drop_folder(name)
    assert blobs.folder(name).is_dir()


def test_a_place_taken_by_something_else_is_unavailable(blobs: Blobs) -> None:
    name = put(blobs)
    blobs.drop_folder(name)
    place = blobs.root / "artifacts" / name[:2]
    place.rmdir()
    place.write_bytes(b"")
    with pytest.raises(Unavailable):
        put(blobs)
