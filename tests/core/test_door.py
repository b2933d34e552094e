"""The front doors: every name they promise is there, and nothing heavy comes in with them."""

import json
import pkgutil
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec

import pytest

import onward

PACKAGES = ("core", "config", "storage", "experience", "registry", "release")
HEAVY = {"spacy", "sklearn", "scipy", "matplotlib", "typer", "rich", "sqlalchemy", "torch", "numpy"}


def run(code: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)


def test_importing_onward_loads_nothing_heavy() -> None:
    loaded = json.loads(run("import json, sys, onward; print(json.dumps(sorted(sys.modules)))").stdout)
    assert "onward" in loaded
    assert not HEAVY & {name.partition(".")[0] for name in loaded}


def test_the_stages_below_the_learners_load_nothing_heavy_but_the_database() -> None:
    code = "import json, sys\n" + "".join(f"import onward.{name}\n" for name in PACKAGES)
    loaded = json.loads(run(code + "print(json.dumps(sorted(sys.modules)))").stdout)
    assert not {"spacy", "sklearn", "scipy", "matplotlib", "typer", "torch"} & {n.partition(".")[0] for n in loaded}


@pytest.mark.parametrize("name", onward.__all__)
def test_onward_offers_what_it_names(name: str) -> None:
    home = onward._DOOR[name].partition(":")[0]
    if find_spec(f"onward.{home}") is None:
        pytest.skip(f"onward.{home} is not part of this installation")
    assert getattr(onward, name) is getattr(onward, name)


def test_a_wrong_name_is_answered_with_the_right_ones() -> None:
    with pytest.raises(AttributeError, match=r"'workspace_'; it offers .*Workspace.*open"):
        onward.workspace_  # noqa: B018


@pytest.mark.parametrize("package", PACKAGES)
def test_every_private_module_is_behind_the_door(package: str) -> None:
    door = import_module(f"onward.{package}")
    names = [name for name in vars(door) if not name.startswith("_")]
    assert names
    for module in pkgutil.iter_modules(door.__path__):
        assert module.name.startswith("_")
    for name in getattr(door, "__all__", names):
        assert getattr(door, name) is not None


def test_logs_are_silent_unless_the_application_listens() -> None:
    quiet = run("from onward.core import log; log.warning('lease lost', name='a')")
    assert (quiet.stdout, quiet.stderr) == ("", "")
    heard = run("import logging; logging.basicConfig(); from onward.core import log; log.warning('lease lost', n=1)")
    assert '"event": "lease lost"' in heard.stderr
    assert '"n": 1' in heard.stderr
