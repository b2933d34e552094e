from __future__ import annotations

import pytest

pytest.importorskip("matplotlib")

from tests.monitoring.pictures.drawn import picture, tracked

from onward.core import Unavailable
from onward.monitoring.pictures import save_figure


@pytest.fixture(scope="module")
def figure():
    return picture(tracked("a", "b", count=20))


@pytest.mark.parametrize(("ending", "begins"), [("png", b"\x89PNG"), ("SVG", b"<?xml"), ("pdf", b"%PDF")])
def test_a_figure_is_saved(figure, tmp_path, ending, begins):
    file = tmp_path / f"figure.{ending}"
    assert save_figure(figure, file) == file
    assert file.read_bytes().startswith(begins)
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("name", ["figure.docx", "figure"])
def test_an_unknown_format_is_refused(figure, tmp_path, name):
    with pytest.raises(Unavailable) as refused:
        save_figure(figure, tmp_path / name)
    assert "png" in refused.value.options
    assert not list(tmp_path.iterdir())


def test_where_nothing_can_be_written_what_was_there_stays(figure, tmp_path):
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(Unavailable, match="cannot be written"):
        save_figure(figure, tmp_path / "folder.png")
    with pytest.raises(Unavailable, match="cannot be written"):
        save_figure(figure, tmp_path / "nowhere" / "figure.png")
    assert [one.name for one in tmp_path.iterdir()] == ["folder.png"]
