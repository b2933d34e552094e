"""`onward datasets`."""

from types import MappingProxyType

import pytest
from tests.cli.terminal import run
from tests.datasets.mirror import Mirror, archive, md5, serving

from onward import datasets
from onward.datasets import DATA_SETS, DataSet, Source
from onward.datasets._omniglot import convert

DATA = archive("images_background", {"Latin": 2})


def test_list_tells_what_is_here(tmp_path):
    env = {"ONWARD_DATA": str(tmp_path)}
    answer = run("datasets", env=env)
    assert answer.code == 0
    assert "omniglot" in answer.out
    assert "Next: onward datasets get omniglot" in answer.out
    assert run("datasets", "list", "--json", env=env).value[0]["files"] == []
    for file in DATA_SETS["omniglot"].files:
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).touch()
    expected = [str(tmp_path / file) for file in DATA_SETS["omniglot"].files]
    assert run("datasets", "list", "--json", env=env).value[0]["files"] == expected
    assert run("datasets", "--to", tmp_path, "--json", env={"ONWARD_DATA": None}).value[0]["files"] == expected
    assert "Next" not in run("datasets", env=env).out


def test_get_puts_it_where_it_is_told(tmp_path, monkeypatch):
    with serving(Mirror({"/one.zip": DATA})) as mirror:
        one = DataSet("letters", "", "", [Source(f"{mirror.url}/one.zip", md5(DATA), 10**6)], ["l/one.npz"], convert)
        monkeypatch.setattr(datasets._fetch, "DATA_SETS", MappingProxyType({"letters": one}))
        answer = run("datasets", "get", "letters", "--json", env={"ONWARD_DATA": str(tmp_path / "data")})
        assert answer.value == {
            "name": "letters",
            "files": [str(tmp_path / "data" / "l" / "one.npz")],
            "downloaded": len(DATA),
        }
        assert "Here already" in run("datasets", "get", "letters", "--to", tmp_path / "data").out
        again = run("datasets", "get", "letters", "--to", tmp_path / "data", "--force")
        assert "MB fetched" in again.out
        assert str(tmp_path / "data" / "l" / "one.npz") in again.out


def test_what_goes_wrong_is_told(tmp_path):
    with serving(Mirror({"/images_background.zip": DATA})) as mirror:
        changed = run("datasets", "get", "omniglot", "--to", tmp_path, "--from", mirror.url, "--json")
    assert changed.code == 5
    assert changed.error["error"] == "damaged"
    away = run("datasets", "get", "omniglot", "--to", tmp_path, "--from", "http://127.0.0.1:9", "--json")
    assert away.code == 8
    assert "cannot be fetched" in away.error["what"]
    assert run("datasets", "get", "mnist", "--json").error["options"] == ["omniglot"]


@pytest.mark.parametrize("arguments", [("get",), ("list", "omniglot"), ("put", "omniglot")])
def test_misuse(arguments):
    answer = run("datasets", *arguments)
    assert answer.code == 2
    assert "Mend:" in answer.err
