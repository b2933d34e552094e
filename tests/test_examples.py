"""The examples run, and say what they promise."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture(autouse=True)
def _as_a_user_runs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """In an empty folder, with the settings of the example; nothing of it stays behind."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ONWARD_TRAINING__LEARNERS", raising=False)
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = set(sys.modules)
    yield
    for module in set(sys.modules) - before:
        if str(getattr(sys.modules[module], "__file__", "")).startswith(str(EXAMPLES)):
            del sys.modules[module]
    assert list(tmp_path.iterdir()) == []


def said(name: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    return capsys.readouterr().out.splitlines()


def test_first_cycle(capsys: pytest.CaptureFixture[str]) -> None:
    lines = said("first_cycle", capsys)
    assert [line.rpartition("; ")[2] for line in lines if line.startswith("day")] == ["promoted", "promoted"]
    assert "version 2 says gift_card" in lines
    assert sum(line.startswith("  taught by day") for line in lines) == 5
    assert lines[-1] == "rollback 2 -> 1 by example"


def test_own_learner(capsys: pytest.CaptureFixture[str]) -> None:
    lines = said("own_learner", capsys)
    assert lines[0].startswith("promoted: better than always answering the most frequent label")
    assert {line.split(": ")[0].split(", ")[1] for line in lines[1:]} == {"linear", "words"}


def test_autonomous(capsys: pytest.CaptureFixture[str]) -> None:
    lines = said("autonomous", capsys)
    assert lines[0].startswith("promoted: ")
    assert lines[1:] == [
        "the analyzer says greeting, the champion refund",
        "1 cycle, 1 improvement",
        "back in service: True",
    ]


def test_disaster_drill(capsys: pytest.CaptureFixture[str]) -> None:
    lines = said("disaster_drill", capsys)
    assert lines[0] == "cycle: promoted"
    assert lines[2:] == ["again: only what is new", "restored: True []", "lost: ['lost']", "rebuilt: True []"]


def test_numpy_maml(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch")
    lines = said("numpy_maml", capsys)
    assert [line.split(":")[0] for line in lines] == ["MAML", "Reptile"]
    for line in lines:
        before, after = (float(word.rstrip(",")) for word in line.split() if word[0].isdigit())
        assert after < 0.75 * before
        assert line.endswith("by model, since it is no torch module")


def test_few_shot_sinusoid(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch")
    head, *rows = said("few_shot_sinusoid", capsys)
    assert head.split() == ["steps", "0", "1", "2", "5", "10"]
    maml, fine_tuned = ([float(word) for word in row.split()[1:]] for row in rows)
    assert maml[0] > 2
    assert maml[1] < 1.2
    assert maml == sorted(maml, reverse=True)
    assert all(one < 0.6 * other for one, other in zip(maml[1:], fine_tuned[1:], strict=True))


def test_every_example_is_tested() -> None:
    assert {file.stem for file in EXAMPLES.glob("*.py")} == {
        "first_cycle",
        "own_learner",
        "autonomous",
        "disaster_drill",
        "numpy_maml",
        "few_shot_sinusoid",
    }
