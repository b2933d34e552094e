"""Places: a folder and a bucket do the same."""

import builtins
import errno
import os
import stat
import sys

import pytest

from onward.core import InvalidInput, MissingExtra, NotFound, Unavailable
from onward.release._snapshots import open_place


@pytest.fixture(params=["folder", "bucket"])
def place(request, tmp_path):
    if request.param == "folder":
        return open_place(tmp_path / "new" / "place")
    pytest.importorskip("fsspec")
    return open_place(f"memory://{tmp_path.name}/place")


def test_files_come_back_whole(place):
    assert place.names("a") == []
    place.write("a/b/one", b"1")
    place.write("a/two", b"2")
    place.write("a/two", b"22")
    place.write_new("a/two", b"other")
    place.write_new("three", b"3")
    place.settle()
    assert place.names("a") == ["a/b/one", "a/two"]
    assert [place.read(name) for name in ("a/b/one", "a/two", "three")] == [b"1", b"22", b"3"]
    place.drop("a/two")
    place.drop("a/two")
    assert place.names("a") == ["a/b/one"]
    with pytest.raises(NotFound):
        place.read("a/two")
    with pytest.raises(NotFound):
        place.read("three/deeper")


def test_a_folder_is_its_owners_only(tmp_path):
    place = open_place(str(tmp_path / "place"))
    place.write("a/b", b"1")
    for path in ((tmp_path / "place"), *(tmp_path / "place").rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)
    with pytest.raises(Unavailable, match="cannot be read"):
        place.read("a")


def test_what_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").touch()
    place = open_place(tmp_path / "file")
    for work in (lambda: place.write("a", b""), lambda: place.drop("a/b")):
        with pytest.raises(Unavailable):
            work()
    with pytest.raises(InvalidInput):
        open_place("nosuch://key:secret@place")


def test_a_bucket_tells_no_secret(tmp_path, monkeypatch):
    pytest.importorskip("fsspec")
    place = open_place(f"memory://me:secret@{tmp_path.name}?token=secret")
    assert "me:secret" not in place.where
    assert "token" not in place.where
    monkeypatch.setattr(type(place._files), "cat_file", lambda *_: (_ for _ in ()).throw(RuntimeError("secret")))
    with pytest.raises(Unavailable) as raised:
        place.read("a")
    assert "me:secret" not in str(raised.value)


def test_without_fsspec_it_says_what_to_install(monkeypatch):
    imports = builtins.__import__

    def refuse(name, *rest, **more):
        if name.startswith("fsspec"):
            raise ImportError(name)
        return imports(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", refuse)
    for module in [name for name in sys.modules if name.startswith("fsspec")]:
        monkeypatch.delitem(sys.modules, module)
    with pytest.raises(MissingExtra, match=r"onward\[bucket\]"):
        open_place("memory://a")
    with pytest.raises(MissingExtra, match=r"onward\[s3\]"):
        open_place("s3://a")


def test_where_there_are_no_hard_links_the_first_stands_too(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    place = open_place(tmp_path)
    place.write_new("one", b"first")
    place.write_new("one", b"second")
    assert place.read("one") == b"first"
    monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
    with pytest.raises(Unavailable):
        place.write_new("two", b"")


def test_what_a_buckets_error_chains_is_not_kept(tmp_path, monkeypatch):
    pytest.importorskip("fsspec")
    place = open_place(f"memory://{tmp_path.name}")
    monkeypatch.setattr(type(place._files), "cat_file", lambda *_: (_ for _ in ()).throw(RuntimeError("key=secret")))
    with pytest.raises(Unavailable) as raised:
        place.read("a")
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__
