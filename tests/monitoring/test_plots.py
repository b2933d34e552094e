from __future__ import annotations

import sys
from pathlib import Path

import pytest

from onward.core import MissingExtra
from onward.monitoring import plot_versions


def test_an_empty_history_is_a_picture_too(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    assert plot_versions([], [], tmp_path / "empty.svg").read_text().startswith("<?xml")


def test_without_matplotlib_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtra, match=r"onward\[plots\]"):
        plot_versions([], [], tmp_path / "never.png")
