"""The page's own script, run by node with as much of a browser as it needs."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from datetime import UTC, datetime

import numpy as np
import pytest

from onward.monitoring import LearningProgressTracker
from onward.monitoring.reports import html_report

NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(NODE is None, reason="node is not installed")
BROWSER = """
const made = [];
const box = (id) => ({ id, clientWidth: 800 });
globalThis.document = {
  documentElement: {},
  getElementById: (id) => (id === "data" ? { textContent: DATA } : EMPTY ? null : box(id)),
};
globalThis.matchMedia = () => ({ matches: DARK, addEventListener: () => {} });
globalThis.getComputedStyle = () => ({ getPropertyValue: () => " #123456 " });
globalThis.addEventListener = () => {};
globalThis.devicePixelRatio = 2;
const pen = new Proxy({ points: [] }, { get: (own, key) => own[key] ?? ((x, y) => own.points.push([key, x, y])),
  set: (own, key, value) => ((own[key] = value), true) });
globalThis.uPlot = class {
  constructor(options, data, box) {
    const marks = options.hooks?.draw.map((draw) => {
      pen.points.length = 0;
      draw({ ctx: pen, bbox: { left: -1e12, width: 2e12 }, valToPos: (value) => value });
      return pen.points.filter(([key]) => key === "moveTo").length;
    });
    const told = options.series.map((one) => one.value(null, data[0][0]));
    const nearest = options.cursor.dataIdx?.({ data }, 1, 1);
    made.push({ box: box.id, data, marks, told, nearest, bands: options.bands, labels: options.series.map((s) => s.label),
      stroke: options.series[1].stroke });
  }
};
uPlot.join = (tables) => [tables[0][0], ...tables.map((table) => table[1])];
SCRIPT
console.log(JSON.stringify(made));
"""


def _made(page, *, dark=False, empty=False):
    """The charts that the script makes of a page."""
    (data,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page)
    script = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)[-1]
    names = {"DATA": json.dumps(data), "EMPTY": json.dumps(empty), "DARK": json.dumps(dark), "SCRIPT": script}
    source = re.sub("|".join(names), lambda found: names[found[0]], BROWSER)
    done = subprocess.run([NODE, "-"], input=source, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def tracker():
    tracker = LearningProgressTracker()
    steps = np.where(np.arange(400) < 200, 0.5, 0.8) + np.random.default_rng(0).normal(0, 0.01, 400)
    for name, scores in (("</script>", steps), ("b", np.linspace(0, 1, 400))):
        times = 1.79e9 + 60 * np.arange(400)
        tracker.record_learning_events(
            {"task_type": name, "performance_score": scores, "learning_rate": 0.1, "timestamp": times}
        )
    return tracker


def test_every_task_has_its_curve_band_and_marks(tracker):
    whole, first, second = _made(html_report(tracker, at=datetime.now(UTC)))
    assert whole["labels"] == ["Time", "</script>", "b"]
    assert [chart["box"] for chart in (whole, first, second)] == ["overview", "task-0", "task-1"]
    x, y, low, high = first["data"]
    curve = tracker.get_learning_curve("</script>", 26, bands=True)
    assert np.allclose(x, curve.times, atol=1e-3)
    assert np.allclose(y, curve.scores, atol=1e-4)
    assert np.allclose(low, curve.low, atol=1e-4)
    assert np.allclose(high, curve.high, atol=1e-4)
    assert first["bands"][0]["series"] == [3, 2]
    assert first["marks"] == [len(_data(tracker)["converged"]) + 1]
    assert first["told"][0] == "2026-09-21 14:13:20 UTC"
    assert whole["nearest"] == 1


def _data(tracker):
    page = html_report(tracker, at=datetime.now(UTC))
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page)
    return json.loads(text)["tasks"][0]


def test_colours_follow_the_system(tracker):
    page = html_report(tracker, at=datetime.now(UTC))
    assert [_made(page, dark=dark)[0]["stroke"] for dark in (False, True)] == ["#0072b2", "#56b4e9"]


def test_without_tasks_nothing_is_drawn():
    assert _made(html_report(LearningProgressTracker(), at=datetime.now(UTC)), empty=True) == []


def test_events_without_times_are_numbered():
    tracker = LearningProgressTracker()
    tracker.record_learning_events({"task_type": "a", "performance_score": [0.1, 0.2], "learning_rate": 0.1})
    whole, _ = _made(html_report(tracker, at=datetime.now(UTC)))
    assert whole["labels"][0] == "Event"
    assert whole["data"][0] == [1, 2]
    assert whole["told"][0] == "event 1"
