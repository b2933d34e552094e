"""Where data sets are looked for."""

from pathlib import Path

import pytest

from onward.core import NotFound
from onward.datasets import find, places


def test_the_variable_alone_where_it_is_set(monkeypatch, tmp_path):
    monkeypatch.setenv("ONWARD_DATA", str(tmp_path))
    assert places() == (tmp_path,)


def test_beside_the_checkout_then_the_cache(monkeypatch, tmp_path):
    monkeypatch.delenv("ONWARD_DATA", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    in_cache, beside = tmp_path / "home/.cache/onward/a.npz", tmp_path / "shared/data/a.npz"
    with pytest.raises(NotFound, match=r"onward datasets get letters.*ONWARD_DATA"):
        find("letters", "a.npz")
    for file in (in_cache, beside):
        file.parent.mkdir(parents=True)
        file.touch()
        assert [found.resolve() for found in find("letters", "a.npz")] == [file]


def test_all_files_in_one_folder(monkeypatch, tmp_path):
    (tmp_path / "a").touch()
    with pytest.raises(NotFound, match=f"no a and b in {tmp_path}"):
        find("letters", "a", "b", folder=tmp_path)
    Path(tmp_path / "b").touch()
    assert find("letters", "a", "b", folder=str(tmp_path)) == (tmp_path / "a", tmp_path / "b")
