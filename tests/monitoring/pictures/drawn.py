"""Trackers to draw, and what a drawn figure shows."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text

from onward.monitoring import LearningProgressTracker
from onward.monitoring.pictures import learning_figure
from onward.monitoring.tracker import Source

BEGIN = 1_790_000_000.0
MINUTE = 60.0


def learning(count: int, *, top: float = 0.9, noise: float = 0.03, seed: int = 0) -> np.ndarray:
    """Scores that rise quickly, then slowly."""
    rng = np.random.default_rng(seed)
    return np.clip(top - 0.5 * np.exp(-4 * np.arange(count) / count) + rng.normal(0, noise, count), 0, 1)


def tracked(*names: str, count: int = 300, timed: bool = True, **more: Any) -> LearningProgressTracker:
    """A tracker that saw these tasks learn, an event a minute."""
    tracker = LearningProgressTracker(max_history=400_000)
    for number, name in enumerate(names):
        columns = {
            "task_type": name,
            "performance_score": learning(count, top=0.95 - 0.03 * number, seed=number),
            "learning_rate": 0.1 * 0.1 ** (4 * np.arange(count) // count),
            "timestamp": BEGIN + MINUTE * np.arange(count) if timed else BEGIN,
        }
        tracker.record_learning_events({**columns, **more})
    return tracker


def picture(tracker: LearningProgressTracker) -> Figure:
    """The figure of all that a tracker knows."""
    sources = list(tracker.store.summaries("task"))
    return learning_figure(tracker.store, sources, list(tracker.goals.values()))


def panel(figure: Figure, title: str) -> Axes:
    (found,) = [axes for axes in figure.axes if axes.get_title(loc="left") == title]
    return found


def pixels(figure: Figure) -> np.ndarray:
    """(height, width, 3) colours, 0..1, the lowest row first."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[::-1, :, :3] / 255.0


def has_colour(figure: Figure, axes: Axes, x: float, y: float, colour: str, near: int = 4) -> bool:
    """Whether a colour is where the data is."""
    seen = pixels(figure)
    column, row = np.rint(axes.transData.transform((x, y))).astype(int)
    around = seen[max(0, row - near) : row + near + 1, max(0, column - near) : column + near + 1]
    return bool((np.abs(around - np.array(to_rgb(colour))).max(axis=2) < 0.08).any())


def texts(figure: Figure) -> list[Text]:
    """Every text that can be seen."""
    FigureCanvasAgg(figure).draw()
    found = list(figure.texts)
    for axes in figure.axes:
        found += [*axes.texts, *(axes.legend_.get_texts() if axes.legend_ else ())]
        found += [axes.title, axes._left_title, axes._right_title]
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            inside = [tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
            found += [axis.label, axis.get_offset_text(), *inside]
    return [text for text in found if text.get_text().strip() and text.get_visible()]


def said(figure: Figure) -> list[str]:
    return [text.get_text() for text in texts(figure)]


def clashes(figure: Figure) -> list[tuple[str, str]]:
    """Texts that lie on each other, and those that leave the figure."""
    boxes = [(text.get_text(), text.get_window_extent().padded(-0.5)) for text in texts(figure)]
    outside = [(text, "the edge") for text, box in boxes if not _within(box, figure.bbox)]
    return outside + [(one, two) for (one, a), (two, b) in combinations(boxes, 2) if a.overlaps(b)]


def _within(box: Any, whole: Any) -> bool:
    return box.x0 >= whole.x0 and box.x1 <= whole.x1 and box.y0 >= whole.y0 and box.y1 <= whole.y1


def source(name: str) -> Source:
    return Source("task", name)
