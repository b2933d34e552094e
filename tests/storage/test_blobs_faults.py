"""Blobs in a bucket when calls fail, uploads are cut off, disks fill up, or a URL is wrong."""

from __future__ import annotations

import builtins
import errno
import importlib
import os
import shutil
import subprocess
import sys
import traceback
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.dirfs import DirFileSystem
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import given
from hypothesis import strategies as st

from onward.core import Damaged, InvalidInput, MissingExtra, NotFound, OnwardError, Unavailable, content_hash
from onward.storage import Blobs
from onward.storage._bucket import Bucket, hidden, open_bucket, unavailable
from onward.storage._folder import Folder

DATA = b"what users say, " * 20
FILES = {"model.json": b'{"a": 1}' * 50, "deep/weights.bin": bytes(range(256)), "deep/more.bin": b"more" * 9}


class Failing:
    """A file system of which the n-th call fails (from then on every one), a cut-off one having done half its work."""

    def __init__(self, files: Any, error: Exception, *, torn: bool = False) -> None:
        self.files, self.error, self.torn = files, error, torn
        self.calls, self.left = 0, sys.maxsize

    def _step(self) -> None:
        self.calls += 1
        self.left -= 1
        if self.left < 0:
            raise self.error

    def pipe_file(self, key: str, data: bytes) -> None:
        if self.torn and self.left == 0:
            self.files.pipe_file(key, data[: len(data) // 2])
        self._step()
        self.files.pipe_file(key, data)

    def put(self, here: list[str], there: list[str]) -> None:
        for local, key in zip(here, there, strict=True):
            self.pipe_file(key, Path(local).read_bytes())

    def get(self, there: list[str], here: list[str]) -> None:
        for local, key in zip(here, there, strict=True):
            Path(local).write_bytes(self.cat_file(key))

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            self._step()
            return getattr(self.files, name)(*args, **options)

        return call


def over(files: Any, root: str, local: Path) -> Blobs:
    blobs = Blobs(local)
    blobs._content = Bucket(files, root, Folder(local / "cache"), "test://bucket")
    return blobs


def put(blobs: Blobs) -> str:
    with blobs.scratch() as scratch:
        for name, data in FILES.items():
            (scratch / "made" / name).parent.mkdir(parents=True, exist_ok=True)
            (scratch / "made" / name).write_bytes(data)
        return blobs.put_folder(scratch / "made")


def held(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def failing(tmp_path: Path) -> Failing:
    return Failing(MemoryFileSystem(skip_instance_cache=True), ConnectionError("the network is gone"))


@pytest.fixture
def root() -> str:
    return f"/{uuid.uuid4().hex}"


WORK: dict[str, Callable[[Blobs, str, str], object]] = {
    "put": lambda blobs, name, artifact: blobs.put(DATA),
    "put_folder": lambda blobs, name, artifact: put(blobs),
    "get": lambda blobs, name, artifact: blobs.get(name),
    "folder": lambda blobs, name, artifact: blobs.folder(artifact),
    "manifest": lambda blobs, name, artifact: blobs.manifest(artifact),
    "verify_folder": lambda blobs, name, artifact: blobs.verify_folder(artifact),
    "drop": lambda blobs, name, artifact: blobs.drop(name),
    "drop_folder": lambda blobs, name, artifact: blobs.drop_folder(artifact),
    "names": lambda blobs, name, artifact: list(blobs.names()),
    "artifacts": lambda blobs, name, artifact: list(blobs.artifacts()),
    "age": lambda blobs, name, artifact: blobs.age(name),
}


@pytest.mark.parametrize("stored", [False, True], ids=["over nothing", "over all"])
@pytest.mark.parametrize(
    ("work", "torn"), [*((work, False) for work in WORK), ("put", True), ("put_folder", True)], ids=str
)
def test_cut_off_at_every_call_leaves_all_or_nothing(
    failing: Failing, root: str, work: str, stored: bool, torn: bool, tmp_path: Path
) -> None:
    failing.torn = torn
    for calls in range(100):
        files = over(failing.files, f"{root}/{calls}", tmp_path / "two")
        name, artifact = (files.put(DATA), put(files)) if stored else ("0" * 64, "0" * 64)
        blobs = over(failing, f"{root}/{calls}", tmp_path / f"one{calls}")
        failing.left = calls
        try:
            WORK[work](blobs, name, artifact)
        except Unavailable as error:
            assert "the network is gone" in str(error)  # noqa: PT017
        except NotFound:
            assert not stored
            break
        else:
            break
        left = over(failing.files, f"{root}/{calls}", tmp_path / f"three{calls}")
        assert not list((blobs.root / "scratch").iterdir())
        assert not list((blobs.root / "cache/scratch").iterdir())
        for use, key in ((left.get, content_hash(DATA)), (left.folder, artifact)):
            with suppress(NotFound) if work.startswith("drop") or not torn else suppress(NotFound, Damaged):
                use(key)
                assert stored
        if stored and not work.startswith("drop"):
            assert left.get(name) == DATA
            assert held(left.folder(artifact)) == FILES
        failing.left = sys.maxsize
        if not stored:
            artifact = put(blobs)
        assert (blobs.put(DATA), put(blobs)) == (content_hash(DATA), artifact)
        assert left.get(content_hash(DATA)) == DATA
        assert held(left.folder(artifact)) == FILES
        left.drop_folder(artifact)
        left.drop(content_hash(DATA))
        assert not failing.files.find(f"{root}/{calls}")
    assert calls > 0


def test_an_artifact_whose_upload_was_cut_off_does_not_exist(failing: Failing, root: str, tmp_path: Path) -> None:
    blobs = over(failing, root, tmp_path / "one")
    failing.left = 3  # the look for what is there, and two of three files
    with pytest.raises(Unavailable):
        put(blobs)
    failing.left = sys.maxsize
    assert len(failing.files.find(root)) == 2
    assert list(blobs.artifacts()) == []
    artifact = put(blobs)
    assert list(blobs.artifacts()) == [artifact]


def test_a_mend_that_is_cut_off_leaves_no_half(failing: Failing, root: str, tmp_path: Path) -> None:
    blobs = over(failing, root, tmp_path / "one")
    artifact = put(blobs)
    key = next(key for key in failing.files.find(root) if key.endswith("weights.bin"))
    before = failing.calls
    failing.files.pipe_file(key, b"torn")
    for calls in range(100):
        failing.left = calls
        with suppress(Unavailable):
            put(blobs)
            break
        failing.left = sys.maxsize
        with pytest.raises((NotFound, Damaged)):
            blobs.verify_folder(artifact)
        failing.files.pipe_file(key, b"torn")
    failing.left = sys.maxsize
    assert failing.calls > before
    blobs.verify_folder(artifact)


ERRORS = [
    OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
    PermissionError(errno.EACCES, "Forbidden"),
    TimeoutError(),
    RuntimeError("This class is not fork-safe"),
    ValueError("s3://key:hush@host/bucket?token=hush cannot be read"),
    type("HttpError", (Exception,), {})("503"),
]


@pytest.mark.parametrize("error", ERRORS, ids=repr)
@pytest.mark.parametrize("work", WORK)
def test_whatever_goes_wrong_is_unavailable(
    failing: Failing, root: str, work: str, error: Exception, tmp_path: Path
) -> None:
    whole = over(failing.files, root, tmp_path / "one")
    name, artifact = whole.put(DATA), put(whole)
    failing.error, failing.left = error, 0
    with pytest.raises(Unavailable, match="test://bucket cannot be used") as caught:
        WORK[work](over(failing, root, tmp_path / "two"), name, artifact)
    assert "hush" not in "".join(traceback.format_exception(caught.value))
    assert type(error).__name__ in str(caught.value)
    assert ("Free space" in caught.value.mend) == (getattr(error, "errno", None) == errno.ENOSPC)


def test_a_full_disk_here_is_unavailable_and_harms_nothing(tmp_path: Path) -> None:
    """A file larger than allowed (RLIMIT_FSIZE) stands in for a full disk: the write fails half done."""
    script = """
import resource, signal, sys
from pathlib import Path
from onward.core import Unavailable
from onward.storage import Blobs
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
one, two = Blobs(Path(sys.argv[1]), "memory://shop"), Blobs(Path(sys.argv[2]), "memory://shop")
with one.scratch() as scratch:
    (scratch / "made").mkdir()
    (scratch / "made/big").write_bytes(b"x" * 100_000)
    name = one.put_folder(scratch / "made")
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
for use in (two.folder, two.verify_folder):
    try:
        use(name)
        print("handed out")
    except Unavailable as error:
        print("unavailable")
print(len(list((two.root / "cache/scratch").iterdir())), len(list((two.root / "cache/artifacts").iterdir())))
print((one.folder(name) / "big").stat().st_size)
"""
    command = [sys.executable, "-c", script, str(tmp_path / "one"), str(tmp_path / "two")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["unavailable", "unavailable", "0", "0", "100000"]


def test_a_root_that_does_not_exist_is_not_made(tmp_path: Path) -> None:
    (tmp_path / "remote").mkdir()
    files = DirFileSystem(str(tmp_path / "remote"), LocalFileSystem(auto_mkdir=False))
    blobs = over(files, "misspelt", tmp_path / "one")
    for use in (lambda: blobs.put(DATA), lambda: put(blobs)):
        with pytest.raises(Unavailable, match=r"test://bucket does not exist\. Make it first"):
            use()
    assert not list((tmp_path / "remote").iterdir())


def test_a_listing_of_nothing_is_empty(failing: Failing, root: str, tmp_path: Path) -> None:
    failing.error, failing.left = FileNotFoundError(root), 0
    blobs = over(failing, root, tmp_path)
    assert [*blobs.names(), *blobs.artifacts()] == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_files_that_nobody_may_read_are_damaged(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    artifact = put(blobs)
    (blobs.folder(artifact) / "model.json").chmod(0)
    with pytest.raises(Damaged, match="cannot be read"):
        blobs.folder(artifact)


def test_another_artifact_than_expected_is_not_stored(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path, f"memory://{uuid.uuid4().hex}")
    with blobs.scratch() as scratch:
        (scratch / "made").mkdir()
        with pytest.raises(Damaged, match="another copy"):
            blobs.put_folder(scratch / "made", expected="0" * 64)
    assert list(blobs.artifacts()) == []


def test_what_cannot_say_when_has_no_age(tmp_path: Path) -> None:
    class Timeless(MemoryFileSystem):
        def modified(self, path: str) -> Any:
            raise NotImplementedError

    blobs = over(Timeless(skip_instance_cache=True), f"/{uuid.uuid4().hex}", tmp_path)
    assert blobs.age(blobs.put(DATA)) is None


def test_a_place_taken_by_something_else_is_mended_or_told(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    name, artifact = blobs.put(DATA), put(blobs)
    place = blobs.folder(artifact).parent
    blobs.drop_folder(artifact)
    place.write_bytes(b"a file")
    with pytest.raises(Damaged):
        blobs.folder(artifact)
    assert held(blobs.folder(put(blobs))) == FILES
    assert not list((tmp_path / "scratch").iterdir())
    blobs.drop(name)
    (tmp_path / "blobs" / name[:2] / name).mkdir()
    with pytest.raises(Damaged):
        blobs.get(name)
    with pytest.raises(Unavailable, match="directory"):
        blobs.put(DATA)


def test_another_folder_that_cannot_be_written_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Unavailable, match="Not a directory"):
        Blobs(tmp_path / "one", (tmp_path / "file").as_uri())


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="there is no second disk")
def test_a_folder_on_another_disk_takes_artifacts_whole(tmp_path: Path) -> None:
    share = Path("/dev/shm") / f"onward-{uuid.uuid4().hex}"
    try:
        blobs = Blobs(tmp_path / "one", share.as_uri())
        assert held(blobs.folder(put(blobs))) == FILES
        assert blobs.folder(put(blobs)).is_relative_to(share)
    finally:
        shutil.rmtree(share, ignore_errors=True)


@pytest.mark.parametrize(
    "url",
    ["", "shop", "s3:/bucket", "s3://", "memory:///", "://bucket", "file:shop", "simplecache::s3://bucket", "S 3://x"],
)
def test_urls_that_name_no_bucket(url: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="names no bucket"):
        Blobs(tmp_path, url)


def test_an_unknown_protocol_tells_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="s4://") as caught:
        Blobs(tmp_path, "s4://bucket/shop")
    assert {"s3", "gs", "memory"} <= set(caught.value.options)


def test_a_protocol_of_which_we_have_no_extra_tells_the_package(tmp_path: Path, absent: Callable[[str], None]) -> None:
    absent("smbclient")
    with pytest.raises(InvalidInput, match="smbprotocol"):
        Blobs(tmp_path, "smb://host/share")


@pytest.fixture
def absent(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Make a package look as if it were not installed."""
    real, lacking = builtins.__import__, set()

    def importing(name: str, *args: Any, **options: Any) -> Any:
        if name.partition(".")[0] in lacking:
            raise ImportError(name)
        return real(name, *args, **options)

    loaded_before = importlib.import_module("fsspec.registry")._registry  # what it has imported, it keeps
    for protocol in [name for name in loaded_before if name in ("s3", "s3a", "gs", "gcs")]:
        monkeypatch.delitem(loaded_before, protocol)

    def take(package: str) -> None:
        lacking.add(package)
        for loaded in [name for name in sys.modules if name.partition(".")[0] == package]:
            monkeypatch.setitem(sys.modules, loaded, None)
        monkeypatch.setitem(sys.modules, package, None)

    monkeypatch.setattr(builtins, "__import__", importing)
    importlib.invalidate_caches()
    return take


@pytest.mark.parametrize(
    ("url", "package", "extra"),
    [
        ("s3://bucket/shop", "s3fs", "s3"),
        ("gs://bucket/shop", "gcsfs", "gcs"),
        ("memory://shop", "fsspec", "bucket"),
    ],
)
def test_a_missing_extra_tells_the_command(
    url: str, package: str, extra: str, tmp_path: Path, absent: Callable[[str], None]
) -> None:
    absent(package)
    with pytest.raises(MissingExtra, match=rf"{package} is not installed.*pip install 'onward\[{extra}\]'"):
        Blobs(tmp_path, url)


def test_a_folder_needs_no_extra(tmp_path: Path, absent: Callable[[str], None]) -> None:
    absent("fsspec")
    blobs = Blobs(tmp_path / "one", (tmp_path / "share").as_uri())
    assert blobs.get(blobs.put(DATA)) == DATA


def test_a_file_system_that_will_not_open_is_unavailable(tmp_path: Path) -> None:
    url = "zip://me:{}@nowhere/shop".format("hu" + "sh")
    with pytest.raises(Unavailable, match=r"zip://\*\*\*@nowhere") as caught:
        open_bucket(url, tmp_path)
    assert "hush" not in "".join(traceback.format_exception(caught.value))


WORD = st.text(st.characters(categories=["L", "N"]), min_size=4, max_size=12).map(lambda word: f"Q{word}Q")


@given(user=WORD, password=WORD, token=WORD)
def test_no_secret_of_a_url_is_shown(user: str, password: str, token: str) -> None:
    url = f"s3://{user}:{password}%40@host/bucket?token={token}"
    error = unavailable(url, ValueError(f"{url} has {user!r} and {password}@ and {token}"))
    assert isinstance(error, OnwardError)
    for secret in (user, password, token):
        assert secret not in str(error)
        assert secret not in hidden(url)
    assert "host/bucket" in str(error)
