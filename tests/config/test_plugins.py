"""The plug-in table."""

import re
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from onward.config import BUILT_IN, Settings, known_learners, load_learner, settings_from
from onward.core import InvalidInput, MissingExtra

PLUGIN = """
from onward.core import MissingExtra

def create(settings):
    return ("made", settings.training.seed)

def lacking(settings):
    raise MissingExtra("thing", "things")

number = 5
"""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "a_plugin_of_ours.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "a_plugin_of_ours", raising=False)
    return "a_plugin_of_ours"


@pytest.mark.parametrize("kind", BUILT_IN)
def test_every_built_in_learner_loads(kind: str) -> None:
    module = BUILT_IN[kind].partition(":")[0]
    try:
        there = find_spec(module)
    except ModuleNotFoundError:
        there = None
    if there is None:
        pytest.skip(f"{module} is not part of this installation")
    learner = load_learner(kind, Settings())
    assert callable(learner.train)
    assert callable(learner.load)


def test_ones_own_learner_is_made_with_the_settings(plugin: str) -> None:
    made = settings_from({"plugins": {"mine": f"{plugin}:create"}, "training": {"seed": 7}})
    assert load_learner("mine", made) == ("made", 7)  # type: ignore[comparison-overlap]


def test_ones_own_learner_stands_before_a_built_in_one(plugin: str) -> None:
    made = settings_from({"plugins": {"linear": f"{plugin}:create"}})
    assert known_learners(made) == {**BUILT_IN, "linear": f"{plugin}:create"}


def test_learners_of_installed_packages_are_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plugin: str) -> None:
    package = tmp_path / "someone-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: someone\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text(
        f"[onward.learners]\ntheirs = {plugin}:create\nlinear = {plugin}:create\n"
    )
    assert known_learners(Settings()) == {"theirs": f"{plugin}:create", **BUILT_IN, "linear": f"{plugin}:create"}
    assert load_learner("theirs", Settings()) == ("made", 0)  # type: ignore[comparison-overlap]


def test_an_unknown_learner_is_answered_with_the_known_ones() -> None:
    with pytest.raises(InvalidInput, match="spacey") as caught:
        load_learner("spacey", settings_from({"plugins": {"mine": "a:b"}}))
    assert caught.value.options == ("continual", "few-shot", "linear", "mine", "spacy")


@pytest.mark.parametrize(
    "place",
    ["no_such_module:create", "json:no_such_name", "json", ":create", "", ".relative:create", "json:__name__", "a b:c"],
)
def test_an_entry_that_leads_nowhere_is_said(place: str) -> None:
    with pytest.raises(InvalidInput, match=f"'mine' .*{re.escape(repr(place))}"):
        load_learner("mine", settings_from({"plugins": {"mine": place}}))


def test_a_missing_extra_stays_one(plugin: str) -> None:
    with pytest.raises(MissingExtra, match=r"onward\[things\]"):
        load_learner("mine", settings_from({"plugins": {"mine": f"{plugin}:lacking"}}))
