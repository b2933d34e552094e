from __future__ import annotations

import json
import re
from base64 import b64encode
from datetime import UTC, datetime
from hashlib import sha256
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.monitoring.served import CYCLES, HISTORY, VERSIONS

from onward.core import Unavailable
from onward.monitoring import LearningProgressTracker
from onward.monitoring.alerts import Alert
from onward.monitoring.drift import drift
from onward.monitoring.reports import Loop, html_report, save_html

AT = datetime(2026, 3, 9, tzinfo=UTC)
LOOP = Loop(tenant="<shop>", champion=1, versions=VERSIONS, history=HISTORY, cycles=CYCLES)
EVIL = ("<script>alert(1)</script>", "</script><img src=x onerror=alert(2)>", "' onmouseover='alert(3)", "]]>&amp;<!--")
VOID = {"meta"}


class Page(HTMLParser):
    """What a browser would make of the page: elements, attributes, texts by element, all of them closed."""

    def __init__(self, page):
        super().__init__()
        self.open, self.tags, self.texts, self.data = [], [], [], []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        self.texts.append((self.open[-1] if self.open else "", text))

    def of(self, tag):
        return [text for name, text in self.texts if name == tag]

    def count(self, tag):
        return sum(name == tag for name, _ in self.tags)


def _tracked(names, count=50):
    tracker = LearningProgressTracker(max_history=200_000)
    for number, name in enumerate(names):
        rng = np.random.default_rng(number)
        scores = np.clip(0.8 - 0.5 * np.exp(-np.arange(count) / 20) + rng.normal(0, 0.03, count), 0, 1)
        times = 1.79e9 + 60 * np.arange(count)
        tracker.record_learning_events(
            {"task_type": name, "performance_score": scores, "learning_rate": 0.1, "timestamp": times}
        )
    return tracker


def _data(page):
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page)
    return json.loads(text)


def test_everything_is_on_the_page():
    tracker = _tracked(["greetings", "refunds"], 300)
    tracker.create_goal("accuracy", "as good as people", target_performance=0.9)
    tracker.update_goal_progress("accuracy", 0.45)
    tracker.create_goal("done", target_performance=0.5, direction="minimize")
    tracker.update_goal_progress("done", 0.4)
    for value in range(100):
        tracker.log_metric("latency", value)
    alerts = [{"what": "latency", "how": "critical", "about": {"p95": 3}, "sent": ["mail"], "open": True}]
    page = Page(html_report(tracker, LOOP, at=AT, alerts=alerts))
    wanted = ["Tasks", "Curves", "Goals", "Versions", "In service", "Cycles", "Alerts", "Metrics"]
    assert [title for title in page.of("h2") if title != "Convergence"] == wanted
    shown = set(page.of("td")) | set(page.of("th")) | set(page.of("span")) | set(page.of("p"))
    for words in (
        "greetings",
        "300",
        "as good as people",
        "at least 0.9",
        "at most 0.5",
        "in service; learned from <u1>",
        "ann <ann>",
        "rollback",
        "reason 3 <b>",
        "refused",
        "critical",
        "p95: 3",
        "mail",
        "yes",
        "latency",
        "100",
    ):
        assert words in shown or words in page.of("small"), words
    assert [a["value"] for tag, a in page.tags if tag == "progress"] == ["50.00", "100.00"]
    assert page.count("rect") == 3
    assert "Version 1 is in service. 600 learning events. Tenant <shop>. Written 2026-03-09 00:00:00 UTC." in page.of(
        "p"
    )


def test_alerts_are_told_by_what_matters():
    alert = Alert(
        id="al1",
        tenant="default",
        rule="slow",
        subject="metric latency",
        severity="critical",
        message="<b>too slow</b>",
        value=900.0,
        opened=AT,
        updated=AT,
    )
    page = Page(html_report(LearningProgressTracker(), at=AT, alerts=[alert]))
    assert page.of("h2") == ["Tasks", "Alerts"]
    assert {"slow", "critical", "<b>too slow</b>"} <= set(page.of("td"))
    assert "al1" not in page.of("th") + page.of("td")


def test_drift_is_told():
    before, now = {"x": list(range(200))}, {"x": list(range(500, 700))}
    found = drift(before, now)
    page = Page(html_report(_tracked(["a"]), at=AT, drift=found))
    assert page.of("h2")[-1] == "Drift"
    assert "Drift: 100 % of the columns changed." in page.of("p")
    same = Page(html_report(_tracked(["a"]), at=AT, drift=drift(before, before)))
    assert "No drift: 0 % of the columns changed, which is tolerated." in same.of("p")


def test_nothing_recorded_is_a_page_too():
    page = Page(html_report(LearningProgressTracker(), at=AT))
    assert "No learning event was recorded yet." in page.of("p")
    assert page.of("h2") == ["Tasks"]


def test_no_name_becomes_markup():
    tracker = _tracked(EVIL)
    for name in EVIL:
        tracker.create_goal(name, name, target_performance=1.0)
        tracker.log_metric(name, 1.0)
    clean, page = Page(html_report(_tracked("abcd"), at=AT)), Page(html_report(tracker, at=AT, alerts=[{"<b>": "<i>"}]))
    assert page.count("script") == clean.count("script") == 3
    assert not any(name == "img" or any(key.startswith("on") for key in found) for name, found in page.tags)
    assert sorted(set(EVIL) & set(page.of("h3"))) == sorted(EVIL)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(name=st.text(min_size=1, max_size=40).filter(lambda text: text.strip() and "\0" not in text))
def test_any_name_leaves_the_page_whole(name):
    tracker = LearningProgressTracker()
    tracker.record_learning_event(name, 0.5, 0.1)
    page = html_report(tracker, at=AT)
    assert Page(page).count("script") == 3
    assert _data(page)["tasks"][0]["name"] == name


def test_nothing_is_loaded_and_only_its_own_scripts_may_run():
    page = html_report(_tracked("ab"), LOOP, at=AT)
    parsed = Page(page)
    assert not any(key in found for _, found in parsed.tags for key in ("src", "href", "style"))
    (policy,) = [found["content"] for _, found in parsed.tags if "http-equiv" in found]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    scripts = [text for tag, text in re.findall(r"<script([^>]*)>(.*?)</script>", page, re.DOTALL) if not tag]
    assert rules["script-src"].split() == [_hash(text) for text in scripts]
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    assert rules["style-src"] == _hash(style)


def _hash(text):
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def test_the_licence_of_the_charts_travels_with_them():
    page = html_report(_tracked("a"), at=AT)
    assert page.count("Copyright (c) 2022 Leon Sorokin") == 2
    assert "Permission is hereby granted, free of charge" in page


def test_it_is_small_and_its_curves_are_exact():
    tracker = _tracked([f"task {n}" for n in range(10)], 2000)
    page = html_report(tracker, LOOP, at=AT)
    assert len(page.encode()) < 300_000
    data = _data(page)
    assert len(data["tasks"]) == 10
    for task in data["tasks"]:
        curve = tracker.get_learning_curve(task["name"], 100, bands=True)
        ends = data["start"] + np.cumsum(task["x"])[[-1]] / data["ticks"]
        assert ends == pytest.approx(curve.times[[-1]], abs=1e-3)
        assert task["y"][-1] / data["scale"] == pytest.approx(curve.scores[-1], abs=1e-4)
        assert max(task["high"]) / data["scale"] == pytest.approx(curve.high.max(), abs=1e-4)
        assert min(task["low"]) / data["scale"] == pytest.approx(curve.low.min(), abs=1e-4)


def test_of_many_tasks_the_last_ones_have_charts_and_all_a_row():
    page = Page(html_report(_tracked([f"task {n}" for n in range(40)], 10), at=AT))
    assert len(page.of("h3")) == 24
    assert "Of 40 tasks, the 24 that were recorded last." in page.of("p")
    rows = [text for tag, text in page.texts if tag == "th" and text.startswith("task ")]
    assert len(set(rows)) == 40


def test_events_without_times_of_their_own_are_numbered():
    tracker = LearningProgressTracker()
    columns = {"task_type": "a", "performance_score": [0.1] * 50 + [0.9] * 50, "learning_rate": 0.1, "timestamp": 5.0}
    tracker.record_learning_events(columns)
    data = _data(html_report(tracker, at=AT))
    assert not data["timed"]
    assert np.cumsum(data["tasks"][0]["x"])[-1] + data["start"] == 100
    assert [mark[0] + data["start"] for mark in data["tasks"][0]["changed"]] == [pytest.approx(100, abs=1)]


def test_charts_are_told_to_those_who_do_not_see_them():
    page = Page(html_report(_tracked(["a"]), LOOP, at=AT))
    charts = [found for _, found in page.tags if found.get("role") == "img"]
    assert len(charts) == 3
    assert all(found["aria-label"] for found in charts)
    assert page.count("caption") == page.count("table")
    assert any("need JavaScript" in text for text in page.of("p"))


def test_a_page_is_saved_whole_or_not_at_all(tmp_path):
    assert save_html("<p>é", tmp_path / "page.html").read_text(encoding="utf8") == "<p>é"
    with pytest.raises(Unavailable, match="cannot be written"):
        save_html("x", tmp_path / "nowhere" / "page.html")
    assert [file.name for file in tmp_path.iterdir()] == ["page.html"]
