from __future__ import annotations

import sys
from pathlib import Path

import pytest
from tests.monitoring.served import HISTORY, VERSIONS

from onward.core import MissingExtra, Unavailable
from onward.monitoring import plot_versions


def test_an_empty_history_is_a_picture_too(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    assert plot_versions([], [], tmp_path / "empty.svg").read_text().startswith("<?xml")


def test_versions_and_what_served_when_are_a_picture(tmp_path: Path) -> None:
    matplotlib = pytest.importorskip("matplotlib")
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        drawn = plot_versions(VERSIONS, HISTORY, tmp_path / "versions.svg", {"set": "work of cycle 1"}).read_text()
    for words in (
        "passed the gate",
        "refused by the gate",
        "other candidates",
        "work of cycle 1",
        "evaluation set 2, not frozen",
        "version 4",
        "rollback",
    ):
        assert words in drawn
    assert "version 5" not in drawn


def test_an_unknown_format_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    with pytest.raises(Unavailable, match="cannot be written"):
        plot_versions([], [], tmp_path / "versions.docx")


def test_without_matplotlib_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtra, match=r"onward\[plots\]"):
        plot_versions([], [], tmp_path / "never.png")
