from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from tests.monitoring.pictures.drawn import has_colour, panel, picture, tracked

from onward.monitoring.pictures._figure import COLOURS


def test_the_dark_bar_holds_half_of_the_scores_and_the_dot_is_the_median():
    figure = picture(tracked("a", count=1001, performance_score=np.linspace(0, 1, 1001)))
    axes = panel(figure, "Distribution of scores")
    whole, most, half, middle = axes.lines
    assert whole.get_xdata() == pytest.approx([0, 1])
    assert most.get_xdata() == pytest.approx([0.05, 0.95], abs=0.02)
    assert half.get_xdata() == pytest.approx([0.25, 0.75], abs=0.02)
    assert middle.get_xdata() == pytest.approx([0.5], abs=0.01)
    assert has_colour(figure, axes, 0.35, 0, COLOURS[0])
    assert not has_colour(figure, axes, 0.85, 0, COLOURS[1])
