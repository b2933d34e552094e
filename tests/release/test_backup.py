"""Back-ups: whole and unchanged, or refused."""

import gzip
import io
import os
import re
import shutil
import stat
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from onward.core import Damaged, ModelVersion, NotFound, Unavailable, encode
from onward.release import back_up, read_back_up
from onward.storage import Blobs

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
FILES = {"model.json": b'{"a": 1}' * 50, "deep/weights.bin": bytes(range(256)) * 20}


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "shop")


@pytest.fixture
def version(blobs: Blobs) -> ModelVersion:
    with blobs.scratch() as scratch:
        for name, data in FILES.items():
            (scratch / "made" / name).parent.mkdir(parents=True, exist_ok=True)
            (scratch / "made" / name).write_bytes(data)
        artifact = blobs.put_folder(scratch / "made")
    return ModelVersion(
        number=3,
        tenant="t",
        learner="linear",
        parent=2,
        dataset="d",
        artifact=artifact,
        config={"seed": 1},
        created=NOON,
        cycle="cy_1",
        marks=("m",),
        pinned=True,
    )


@pytest.fixture
def file(version: ModelVersion, blobs: Blobs, tmp_path: Path) -> Path:
    return back_up(version, blobs, tmp_path / "kept")


def test_a_back_up_comes_back_in_an_empty_workspace(version: ModelVersion, file: Path, tmp_path: Path) -> None:
    empty = Blobs(tmp_path / "other")
    assert read_back_up(file, empty) == version
    found = empty.folder(version.artifact)
    assert {name: (found / name).read_bytes() for name in FILES} == FILES
    assert not list((tmp_path / "other/scratch").iterdir())


def test_a_back_up_brings_back_what_was_dropped_or_damaged(version: ModelVersion, file: Path, blobs: Blobs) -> None:
    blobs.drop_folder(version.artifact)
    assert read_back_up(file, blobs) == version
    (blobs.folder(version.artifact) / "model.json").write_bytes(b"torn")
    with pytest.raises(Damaged):
        blobs.folder(version.artifact)
    assert read_back_up(file, blobs) == version
    assert (blobs.folder(version.artifact) / "model.json").read_bytes() == FILES["model.json"]
    assert read_back_up(file, blobs) == version


def test_a_back_up_is_one_file_that_only_its_owner_reads(version: ModelVersion, file: Path, blobs: Blobs) -> None:
    assert file.name == f"onward-v3-{version.artifact[:12]}.tar.gz"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert back_up(version, blobs, file.parent) == file
    assert list(file.parent.iterdir()) == [file]
    with tarfile.open(file) as archive:
        assert {(entry.uid, entry.uname, entry.mtime) for entry in archive} == {(0, "", 0)}


def test_what_is_gone_or_damaged_is_not_backed_up(version: ModelVersion, blobs: Blobs, tmp_path: Path) -> None:
    (blobs.folder(version.artifact) / "model.json").write_bytes(b"torn")
    with pytest.raises(Damaged):
        back_up(version, blobs, tmp_path / "kept")
    blobs.drop_folder(version.artifact)
    with pytest.raises(NotFound):
        back_up(version, blobs, tmp_path / "kept")
    assert not (tmp_path / "kept").exists()


def test_a_place_that_cannot_be_written_is_unavailable(version: ModelVersion, blobs: Blobs, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for target in (tmp_path / "file", tmp_path / "file/deeper", Path("/dev/full")):
        with pytest.raises(Unavailable, match="cannot be written"):
            back_up(version, blobs, target)


def test_a_back_up_that_fails_leaves_nothing_behind(version: ModelVersion, blobs: Blobs, tmp_path: Path) -> None:
    target = tmp_path / "kept"
    (target / f"onward-v3-{version.artifact[:12]}.tar.gz/in the way").mkdir(parents=True)
    with pytest.raises(Unavailable):
        back_up(version, blobs, target)
    assert len(list(target.iterdir())) == 1


def test_no_file_is_no_back_up(blobs: Blobs, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no back-up"):
        read_back_up(tmp_path / "nothing.tar.gz", blobs)


def test_what_unpacks_to_more_than_it_may_is_stopped(
    blobs: Blobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = shutil.disk_usage(tmp_path)._replace(free=10_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: free)
    for first, refusal in (("artifact/zeros", Damaged), ("version.json", Unavailable)):
        with tarfile.open(tmp_path / "bomb.tar.gz", "w:gz") as archive:
            for name, size in ((first, 9_000), ("artifact/more", 9_000)):
                entry = tarfile.TarInfo(name)
                entry.size = size
                archive.addfile(entry, io.BytesIO(bytes(size)))
        with pytest.raises(refusal):
            read_back_up(tmp_path / "bomb.tar.gz", blobs)


def test_what_killed_back_ups_left_is_swept_a_day_later(version: ModelVersion, blobs: Blobs, tmp_path: Path) -> None:
    for name, age in ((".unfinished-old", 2 * 86_400), (".unfinished-new", 60)):
        (tmp_path / "kept" / name).mkdir(parents=True)
        os.utime(tmp_path / "kept" / name, (time.time() - age,) * 2)
    file = back_up(version, blobs, tmp_path / "kept")
    assert set((tmp_path / "kept").iterdir()) == {file, tmp_path / "kept" / ".unfinished-new"}


@pytest.mark.parametrize(
    "data",
    [b"", b"hello", gzip.compress(b"hello"), gzip.compress(b"\0" * 10_240)],
    ids=["nothing", "text", "compressed text", "an empty archive"],
)
def test_other_files_are_damaged(blobs: Blobs, tmp_path: Path, data: bytes) -> None:
    (tmp_path / "file.tar.gz").write_bytes(data)
    with pytest.raises(Damaged, match="not a whole back-up"):
        read_back_up(tmp_path / "file.tar.gz", blobs)


def test_a_folder_is_no_back_up(blobs: Blobs, tmp_path: Path) -> None:
    with pytest.raises(Damaged):
        read_back_up(tmp_path, blobs)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(data=st.data())
def test_a_changed_back_up_is_refused_or_gives_the_version_unharmed(
    version: ModelVersion, file: Path, tmp_path: Path, data: st.DataObject
) -> None:
    """Bytes changed inside the archive as well as outside of it: whatever comes back is what was stored."""
    packed = file.read_bytes()
    inside = data.draw(st.booleans())
    torn = bytearray(gzip.decompress(packed) if inside else packed)
    if data.draw(st.booleans()):
        del torn[data.draw(st.integers(0, len(torn) - 1)) :]
    else:
        # The first blocks hold the version's record and the names; most of the rest is content.
        for _ in range(data.draw(st.integers(1, 3))):
            torn[data.draw(st.integers(0, min(len(torn), 4000) - 1))] = data.draw(st.integers(0, 255))
    changed = tmp_path / "changed.tar.gz"
    changed.write_bytes(gzip.compress(torn, 1) if inside else torn)
    empty = Blobs(tmp_path / "other")
    try:
        found = read_back_up(changed, empty)
    except Damaged:
        return
    assert found.artifact == version.artifact or not inside
    place = empty.folder(found.artifact)
    assert {name: (place / name).read_bytes() for name in FILES} == FILES


def archive_of(version: ModelVersion, place: Path, change: Callable[[tarfile.TarFile, ModelVersion], None]) -> Path:
    with tarfile.open(place, "w:gz", format=tarfile.PAX_FORMAT) as archive:
        change(archive, version)
    return place


def add(archive: tarfile.TarFile, name: str, data: bytes = b"", **fields: object) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    for field, value in fields.items():
        setattr(entry, field, value)
    archive.addfile(entry, io.BytesIO(data))


def record(archive: tarfile.TarFile, version: ModelVersion) -> None:
    add(archive, "version.json", encode(version))


FORGED: dict[str, Callable[[tarfile.TarFile, ModelVersion], None]] = {
    "empty": lambda archive, version: None,
    "no record": lambda archive, version: add(archive, "artifact/a", b"1"),
    "no artifact": record,
    "a record that is none": lambda archive, version: add(archive, "version.json", b"{}"),
    "a deep record": lambda archive, version: add(archive, "version.json", b'{"config":{"a":' + b"[" * 50_000),
    "an artifact that is a file": lambda archive, version: (record(archive, version), add(archive, "artifact", b"1")),
    "another artifact": lambda archive, version: (record(archive, version), add(archive, "artifact/a", b"1")),
    "a path upwards": lambda archive, version: (record(archive, version), add(archive, "../escaped", b"1")),
    "a path upwards from inside": lambda archive, version: add(archive, "artifact/../../../escaped", b"1"),
    "an absolute path": lambda archive, version: (record(archive, version), add(archive, "/tmp/../escaped", b"1")),
    "a name with a null": lambda archive, version: add(archive, "a", pax_headers={"path": "artifact/a\0b"}),
    "an endless name": lambda archive, version: add(archive, "artifact/" + "a" * 5000, b"1"),
    "an endless time": lambda archive, version: add(archive, "artifact/a", b"1", pax_headers={"mtime": "1e300"}),
    "a link upwards": lambda archive, version: (
        add(archive, "artifact/link", type=tarfile.SYMTYPE, linkname="../.."),
        add(archive, "artifact/link/../escaped", b"1"),
    ),
    "a link out": lambda archive, version: add(archive, "artifact", type=tarfile.SYMTYPE, linkname="/etc"),
    "a hard link out": lambda archive, version: add(
        archive, "artifact/passwd", type=tarfile.LNKTYPE, linkname="/etc/passwd"
    ),
    "a link inside": lambda archive, version: (
        record(archive, version),
        add(archive, "artifact/a", b"1"),
        add(archive, "artifact/link", type=tarfile.SYMTYPE, linkname="a"),
    ),
    "a device": lambda archive, version: add(archive, "artifact/null", type=tarfile.CHRTYPE),
    "a pipe": lambda archive, version: add(archive, "artifact/pipe", type=tarfile.FIFOTYPE),
    "a record that is a link": lambda archive, version: (
        add(archive, "artifact/a", b"1"),
        add(archive, "version.json", type=tarfile.SYMTYPE, linkname="nowhere"),
    ),
}


@pytest.mark.parametrize("forged", FORGED)
def test_a_forged_archive_is_damaged_and_writes_nothing_outside(
    version: ModelVersion, blobs: Blobs, tmp_path: Path, forged: str
) -> None:
    place = tmp_path / "in/here/forged.tar.gz"
    place.parent.mkdir(parents=True)
    archive_of(version, place, FORGED[forged])
    with pytest.raises(Damaged):
        read_back_up(place, blobs)
    assert not [path for path in tmp_path.rglob("escaped*") if "artifacts" not in path.parts]
    assert not Path("/escaped").exists()
    assert not list((blobs.root / "scratch").iterdir())
    assert blobs.folder(version.artifact).is_dir()


CRAMPED = """
import resource, sys
from pathlib import Path
from onward.core import Unavailable
from onward.release import read_back_up
from onward.storage import Blobs

blobs = Blobs(Path(sys.argv[2]))
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))  # as on a full disk, whoever asks
for work in (lambda: read_back_up(Path(sys.argv[1]), blobs), lambda: blobs.put(bytes(range(256)) + b"x" * 10_000_000)):
    try:
        work()
    except Unavailable as error:
        print(error.what)
"""


def test_without_space_it_is_unavailable_not_damaged(file: Path, tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", CRAMPED, file, tmp_path / "small"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert re.fullmatch(r"\S+ cannot be unpacked\.\n\S+ cannot be written\.\n", ran.stdout)
    assert not [path for path in (tmp_path / "small").rglob("*") if path.is_file()]
