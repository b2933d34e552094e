"""What every place of blobs promises: a local folder, another folder, and buckets that fsspec speaks to."""

from __future__ import annotations

import importlib.util
import os
import shutil
import stat
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import fsspec
import pytest
from fsspec.implementations.dirfs import DirFileSystem
from fsspec.implementations.local import LocalFileSystem
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from onward.core import Damaged, NotFound, Unavailable, content_hash, encode
from onward.storage import Blobs
from onward.storage._bucket import Bucket
from onward.storage._folder import Folder
from onward.storage._manifest import FileEntry, Manifest

DATA = b"what users say, " * 20
FILES = {"model.json": b'{"a": 1}' * 50, "deep/weights.bin": bytes(range(256)), "deep/er/empty": b""}
ABSENT = "0" * 64


class Inside(Protocol):
    """The stored files of a place, past the blobs, by their path below its root."""

    def __getitem__(self, key: str) -> bytes: ...
    def __setitem__(self, key: str, data: bytes) -> None: ...
    def __delitem__(self, key: str) -> None: ...
    def __iter__(self) -> Iterator[str]: ...


class InFolder:
    """A folder's files."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def __getitem__(self, key: str) -> bytes:
        return (self.root / key).read_bytes()

    def __setitem__(self, key: str, data: bytes) -> None:
        (self.root / key).parent.mkdir(parents=True, exist_ok=True)
        (self.root / key).write_bytes(data)

    def __delitem__(self, key: str) -> None:
        (self.root / key).unlink()

    def __iter__(self) -> Iterator[str]:
        found = (p for kind in ("blobs", "artifacts") for p in (self.root / kind).rglob("*") if p.is_file())
        return iter(sorted(path.relative_to(self.root).as_posix() for path in found))


class InBucket:
    """A bucket's objects."""

    def __init__(self, files: Any, root: str) -> None:
        self.files, self.root = files, root.rstrip("/")

    def __getitem__(self, key: str) -> bytes:
        return self.files.cat_file(f"{self.root}/{key}")

    def __setitem__(self, key: str, data: bytes) -> None:
        self.files.pipe_file(f"{self.root}/{key}", data)

    def __delitem__(self, key: str) -> None:
        self.files.rm_file(f"{self.root}/{key}")

    def __iter__(self) -> Iterator[str]:
        found = sorted(self.files.find(self.root))
        return iter(key.removeprefix("/").removeprefix(self.root.removeprefix("/") + "/") for key in found)


class Subject:
    """One place under test: `here` opens its blobs, as another machine would with another name."""

    def __init__(self, here: Callable[[str], Blobs], inside: Inside, *, bucket: bool) -> None:
        self.here, self.inside, self.is_bucket = here, inside, bucket
        self.blobs = here("one")


def over(files: Any, root: str, local: Path) -> Blobs:
    """Blobs in a bucket of a file system that no URL names."""
    blobs = Blobs(local)
    blobs._content = Bucket(files, root, Folder(local / "cache"), "test://bucket")
    return blobs


def _folder(tmp_path: Path) -> Subject:
    return Subject(lambda _: Blobs(tmp_path / "shop"), InFolder(tmp_path / "shop"), bucket=False)


def _file(tmp_path: Path) -> Subject:
    url = (tmp_path / "my share").as_uri()
    return Subject(lambda name: Blobs(tmp_path / name, url), InFolder(tmp_path / "my share"), bucket=False)


def _memory(tmp_path: Path) -> Subject:
    url = f"memory://{uuid.uuid4().hex}/shop"
    files, root = fsspec.url_to_fs(url)
    return Subject(lambda name: Blobs(tmp_path / name, url), InBucket(files, root), bucket=True)


def _dir(tmp_path: Path) -> Subject:
    """Needs its folders made, as sftp and smb do."""
    (tmp_path / "remote/shop").mkdir(parents=True)
    files = DirFileSystem(str(tmp_path / "remote"), LocalFileSystem(auto_mkdir=False))
    return Subject(lambda name: over(files, "shop", tmp_path / name), InFolder(tmp_path / "remote/shop"), bucket=True)


def _s3(tmp_path: Path) -> Subject:
    url = f"s3://onward-tests/{uuid.uuid4().hex}/shop"
    files, root = fsspec.url_to_fs(url, skip_instance_cache=True, use_listings_cache=False)
    files.makedirs("onward-tests", exist_ok=True)
    return Subject(lambda name: Blobs(tmp_path / name, url), InBucket(files, root), bucket=True)


PLACES = {"folder": _folder, "file": _file, "memory": _memory, "dir": _dir, "s3": _s3}


@pytest.fixture(scope="session")
def s3() -> Iterator[bool]:
    """S3 over HTTP on this machine, by moto's server."""
    if not all(importlib.util.find_spec(name) for name in ("s3fs", "moto", "flask_cors")):
        yield False
        return
    server = importlib.import_module("moto.server").ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    environment = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**environment, "AWS_ENDPOINT_URL": f"http://{host}:{port}"}.items():
            patch.setenv(name, value)
        yield True
    server.stop()


@pytest.fixture(params=PLACES)
def subject(request: pytest.FixtureRequest, tmp_path: Path, s3: bool) -> Subject:
    if request.param == "s3" and not s3:
        pytest.skip("S3 over HTTP: install s3fs and 'moto[s3,server]'")
    return PLACES[request.param](tmp_path)


@pytest.fixture(params=[name for name in PLACES if name in ("memory", "dir", "s3")])
def bucket(request: pytest.FixtureRequest, tmp_path: Path, s3: bool) -> Subject:
    if request.param == "s3" and not s3:
        pytest.skip("S3 over HTTP: install s3fs and 'moto[s3,server]'")
    return PLACES[request.param](tmp_path)


def put(blobs: Blobs, files: dict[str, bytes] = FILES) -> str:
    with blobs.scratch() as scratch:
        folder = scratch / "made"
        for name, data in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
        stored = blobs.put_folder(folder)
        assert not folder.exists()
        return stored


def held(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def flipped(data: bytes, place: int = 0) -> bytes:
    return bytes(byte ^ (1 if at == place else 0) for at, byte in enumerate(data)) or b"more"


def test_bytes_come_back_on_every_machine(subject: Subject) -> None:
    name = subject.blobs.put(DATA)
    assert name == content_hash(DATA)
    other = subject.here("two")
    assert other.get(name) == DATA
    other.verify(name)
    assert subject.blobs.put(b"") == content_hash(b"")
    assert other.get(content_hash(b"")) == b""
    assert list(other.names()) == sorted([name, content_hash(b"")])
    assert list(other.artifacts()) == []


def test_folders_come_back_on_every_machine(subject: Subject) -> None:
    name = put(subject.blobs)
    other = subject.here("two")
    assert held(subject.blobs.folder(name)) == held(other.folder(name)) == held(other.folder(name)) == FILES
    other.verify_folder(name)
    assert {path: entry.size for path, entry in other.manifest(name).files.items()} == {
        path: len(data) for path, data in FILES.items()
    }
    assert content_hash(other.manifest(name)) == name
    assert list(other.artifacts()) == [name]
    assert list(other.names()) == []


def test_a_folder_without_files_is_one_too(subject: Subject) -> None:
    with subject.blobs.scratch() as scratch:
        (scratch / "made/deep").mkdir(parents=True)
        name = subject.blobs.put_folder(scratch / "made")
    assert not list(subject.here("two").folder(name).iterdir())


def test_the_layout_is_one(subject: Subject) -> None:
    name, artifact = subject.blobs.put(DATA), put(subject.blobs)
    place = f"artifacts/{artifact[:2]}/{artifact}"
    files = [f"{place}/files/{path}" for path in FILES]
    assert list(subject.inside) == sorted([f"blobs/{name[:2]}/{name}", f"{place}/MANIFEST.json", *files])


def test_odd_but_harmless_names_come_back(subject: Subject) -> None:
    files = {name: name.encode() for name in ("a?versionId=1", "b#2", "c*[d]", "e f/%20", "naïve", "x:y", "~", "-r")}
    assert held(subject.here("two").folder(put(subject.blobs, files))) == files


def test_what_is_absent_is_not_found(subject: Subject) -> None:
    blobs = subject.blobs
    for use in (blobs.get, blobs.verify, blobs.folder, blobs.manifest, blobs.verify_folder):
        with pytest.raises(NotFound, match=ABSENT):
            use(ABSENT)
    blobs.drop(ABSENT)
    blobs.drop_folder(ABSENT)
    assert blobs.age(ABSENT) is None


@pytest.mark.parametrize("name", ["", "..", "../../etc/passwd", "/etc/passwd", "A" * 64, "a" * 63, "a" * 62 + "/a"])
def test_only_a_hash_names_content(subject: Subject, name: str) -> None:
    blobs = subject.blobs
    uses = (blobs.get, blobs.verify, blobs.drop, blobs.folder, blobs.manifest, blobs.verify_folder, blobs.drop_folder)
    for use in (*uses, blobs.age):
        with pytest.raises(NotFound, match="not a content hash"):
            use(name)


def test_what_lies_beside_the_content_is_not_listed(subject: Subject) -> None:
    subject.inside["blobs/ab/notes.txt"] = b"mine"
    subject.inside["artifacts/ab/notes/MANIFEST.json"] = b"{}"
    assert [*subject.blobs.names(), *subject.blobs.artifacts()] == []


def test_dropped_is_gone_everywhere_and_can_come_again(subject: Subject) -> None:
    name, artifact, other = subject.blobs.put(DATA), put(subject.blobs), subject.here("two")
    other.drop(name)
    other.drop_folder(artifact)
    assert list(subject.inside) == []
    assert [*other.names(), *other.artifacts()] == []
    for use, gone in ((other.get, name), (subject.blobs.get, name), (other.folder, artifact)):
        with pytest.raises(NotFound):
            use(gone)
    assert (subject.blobs.put(DATA), put(subject.blobs)) == (name, artifact)
    assert held(other.folder(artifact)) == FILES


def test_content_has_an_age(subject: Subject) -> None:
    for name in (subject.blobs.put(DATA), put(subject.blobs)):
        age = subject.here("two").age(name)
        assert age is not None
        assert 0 <= age < 60


def test_every_flipped_or_torn_stored_file_is_seen_and_mended(subject: Subject) -> None:
    name, artifact = subject.blobs.put(DATA), put(subject.blobs)
    whole = {key: subject.inside[key] for key in subject.inside}
    for key, data in whole.items():
        for torn in (flipped(data), flipped(data, len(data) - 1), data[: len(data) // 2], data + b"x"):
            if torn == data:
                continue
            subject.inside[key] = torn
            verify = subject.blobs.verify if key.startswith("blobs") else subject.blobs.verify_folder
            if torn != data + b"x" or "MANIFEST" not in key:
                with pytest.raises(Damaged):
                    verify(name if key.startswith("blobs") else artifact)
            assert (subject.blobs.put(DATA), put(subject.blobs)) == (name, artifact)
            assert {key: subject.inside[key] for key in subject.inside} == whole


def test_every_missing_file_of_an_artifact_is_seen_and_mended(subject: Subject) -> None:
    artifact = put(subject.blobs)
    for key in subject.inside:
        del subject.inside[key]
        new = subject.here(f"new-{key.rpartition('/')[2]}")
        with pytest.raises((NotFound, Damaged)):
            new.verify_folder(artifact)
        with pytest.raises((NotFound, Damaged)):
            new.folder(artifact)
        assert put(subject.blobs) == artifact
        assert held(new.folder(artifact)) == FILES


HOSTILE = st.one_of(
    st.sampled_from(
        ["/etc/passwd", "..", "../x", "a/../../x", "a//b", "./a", "a/.", "a/", "", "a\\b", "..\\x", "a\0b"]
    ),
    st.lists(st.sampled_from(["..", ".", "", "a"]), min_size=2, max_size=6)
    .map("/".join)
    .filter(
        lambda path: path.strip("a/") or not path.replace("/", "") or "//" in path or path[0] == "/" or path[-1] == "/"
    ),
    st.text(st.characters(categories=["Cc", "Cf", "Zl", "Zp", "Co"]), min_size=1, max_size=5),
    st.just("x" * 256),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@given(path=HOSTILE)
def test_no_manifest_names_a_place_outside(subject: Subject, path: str, tmp_path: Path) -> None:
    manifest = Manifest({path: FileEntry(content_hash(b"harm"), 4)})
    name = content_hash(manifest)
    place = f"artifacts/{name[:2]}/{name}"
    subject.inside[f"{place}/MANIFEST.json"] = encode(manifest)
    subject.inside[f"{place}/files/model.json"] = b"harm"
    outside = {file for file in tmp_path.rglob("*") if "cache" not in file.parts}
    for use in (subject.blobs.manifest, subject.blobs.folder, subject.blobs.verify_folder):
        with pytest.raises(Damaged, match="cannot name a file"):
            use(name)
    assert {file for file in tmp_path.rglob("*") if "cache" not in file.parts} == outside


def test_a_file_is_no_folder_of_another(subject: Subject) -> None:
    entry = FileEntry(content_hash(b""), 0)
    manifest = Manifest({"a/b": entry, "a": entry})
    name = content_hash(manifest)
    subject.inside[f"artifacts/{name[:2]}/{name}/MANIFEST.json"] = encode(manifest)
    with pytest.raises(Damaged, match="a/b"):
        subject.blobs.manifest(name)


@pytest.mark.parametrize("odd", ["a\\b", "a\nb", os.fsdecode(b"\xff")])
def test_a_file_that_no_manifest_may_name_is_not_stored(subject: Subject, odd: str) -> None:
    with subject.blobs.scratch() as scratch:
        (scratch / "made").mkdir()
        (scratch / "made" / odd).write_bytes(b"")
        with pytest.raises(Damaged, match="rename the file"):
            subject.blobs.put_folder(scratch / "made")
    assert list(subject.inside) == []


def test_two_can_store_and_read_the_same_at_once(subject: Subject, request: pytest.FixtureRequest) -> None:
    if request.node.callspec.id == "memory":
        pytest.skip("fsspec's memory shows half-written files, which no bucket does")
    found: list[object] = []

    def work(name: str) -> None:
        blobs = subject.here(name)
        found.append((blobs.put(DATA), put(blobs)))
        found.append(held(blobs.folder(put(blobs))) == FILES)

    threads = [threading.Thread(target=work, args=(name,)) for name in ("one", "two", "one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 2
    assert True in found


def test_only_the_owner_reads_what_is_here(subject: Subject, tmp_path: Path) -> None:
    subject.blobs.put(DATA)
    subject.here("two").folder(put(subject.blobs))
    for path in [path for top in ("one", "two", "shop", "my share") for path in (tmp_path / top).rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_a_copy_is_handed_out_without_the_bucket_and_a_damaged_one_is_fetched_anew(bucket: Subject) -> None:
    artifact, other = put(bucket.blobs), bucket.here("two")
    copy = other.folder(artifact)
    (copy / "model.json").write_bytes(b"torn")
    (copy / "added").symlink_to("/etc/passwd")
    assert held(other.folder(artifact)) == FILES
    assert not (copy / "added").is_symlink()
    for key in list(bucket.inside):
        del bucket.inside[key]
    assert held(other.folder(artifact)) == FILES
    with pytest.raises(NotFound):
        other.verify_folder(artifact)
    (copy / "model.json").unlink()
    with pytest.raises(NotFound):
        other.folder(artifact)


def test_copies_that_nobody_asks_for_are_removed_after_a_day(bucket: Subject) -> None:
    old, used = put(bucket.blobs), put(bucket.blobs, {"used": b"1"})
    for name in (old, used):
        os.utime(bucket.blobs.folder(name).parent, (0, 0))
    bucket.blobs.folder(used)
    new = put(bucket.blobs, {"new": b"1"})
    copies = (bucket.blobs.root / "cache/artifacts").glob("??/*")
    assert {path.name for path in copies} == {used, new}
    assert held(bucket.blobs.folder(old)) == FILES


def test_no_room_for_a_copy_is_no_harm_to_what_is_stored(bucket: Subject) -> None:
    cache = bucket.blobs.root / "cache"
    shutil.rmtree(cache / "artifacts")
    (cache / "artifacts").write_bytes(b"")
    artifact = put(bucket.blobs)
    assert held(bucket.here("two").folder(artifact)) == FILES
    with pytest.raises((Unavailable, Damaged)):
        bucket.blobs.folder(artifact)
    (cache / "artifacts").unlink()
    (cache / "artifacts").mkdir()
    assert held(bucket.blobs.folder(artifact)) == FILES
