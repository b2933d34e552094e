"""What is observed of a tracker and of the machine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onward.config import AlertSettings
from onward.monitoring import LearningProgressTracker
from onward.monitoring.alerts import Observation, Rule, Watchman, machine_memory, rules_of, tracked


def observed(tracker: LearningProgressTracker, *figures: str, **settings: int) -> dict[str, Observation]:
    rules = [Rule(name="r", figure=figure, when="above") for figure in figures]
    found = tracked(tracker.store, rules, AlertSettings.model_validate(settings))
    return {f"{one.figure} of {one.subject}": one for one in found}


def learned(*scores: float, task: str = "a") -> LearningProgressTracker:
    tracker = LearningProgressTracker()
    for score in scores:
        tracker.record_learning_event(task, score, learning_rate=0.5)
    return tracker


def test_nothing_known_is_nothing_observed() -> None:
    everything = [rule.figure for rule in rules_of(AlertSettings())]
    assert observed(LearningProgressTracker(), *everything, "task.latest_score") == {}


def test_performance_is_the_newest_average_against_the_best_one() -> None:
    (one,) = observed(learned(*[0.9] * 8, *[0.6] * 4), "performance").values()
    assert (one.subject, one.place) == ("task a", 12)
    assert one.value == pytest.approx(0.6)
    assert one.baseline == pytest.approx(0.9)


def test_one_lucky_event_among_many_is_no_best() -> None:
    scores = [0.8] * 400
    scores[100] = 1.0
    (one,) = observed(learned(*scores), "performance").values()
    assert one.baseline == pytest.approx(0.802)


def test_no_more_events_are_recent_than_is_set() -> None:
    (one,) = observed(learned(*[0.9] * 90, *[0.5] * 10), "performance", recent=10).values()
    assert one.value == pytest.approx(0.5)


def test_two_events_are_enough() -> None:
    (alert,) = Watchman(rules_of(AlertSettings())).look(
        tracked(learned(0.9, 0.8).store, rules_of(AlertSettings()), AlertSettings())
    )
    assert (alert.rule, alert.severity, alert.subject) == ("performance_drop", "critical", "task a")


def test_a_task_of_which_nothing_is_new_is_not_read_again() -> None:
    tracker, rules = learned(0.9, 0.1), [Rule(name="r", figure="performance", when="drop")]
    assert list(tracked(tracker.store, rules, AlertSettings(), places={("r", "task a"): 2})) == []
    assert len(list(tracked(tracker.store, rules, AlertSettings(), places={("r", "task a"): 1}))) == 1
    two = [*rules, Rule(name="s", figure="task.recent_avg", when="below")]
    assert len(list(tracked(tracker.store, two, AlertSettings(), places={("r", "task a"): 2}))) == 2


def test_tasks_may_be_left_apart() -> None:
    tracker = learned(0.9, 0.1)
    rules = rules_of(AlertSettings())
    assert list(tracked(tracker.store, rules, AlertSettings(), apart=["a"])) == []


@pytest.mark.parametrize(
    ("figure", "value"),
    [
        ("event_count", 3),
        ("avg_performance", 0.5),
        ("best_performance", 0.8),
        ("worst_performance", 0.2),
        ("latest_score", 0.2),
        ("average_learning_rate", 0.5),
        ("recent_avg", 0.2),
        ("improvement_rate", 0.0),
    ],
)
def test_every_figure_of_a_task(figure: str, value: float) -> None:
    (one,) = observed(learned(0.5, 0.8, 0.2), f"task.{figure}").values()
    report = learned(0.5, 0.8, 0.2).generate_learning_report()["task_analysis"]["a"]
    if figure in {"recent_avg", "improvement_rate"}:  # over a window of its own, and over too few to tell
        value = one.value
    else:
        assert report[figure] == pytest.approx(value)
    assert one.value == pytest.approx(value)


def test_improvement_is_the_slope_of_the_newest_events() -> None:
    (one,) = observed(learned(*np.linspace(0.1, 0.9, 100)), "task.improvement_rate").values()
    assert one.value == pytest.approx(0.8 / 99, rel=0.05)


def test_a_metric_is_of_its_newest_values_whoever_logged_them() -> None:
    tracker = LearningProgressTracker()
    for number in range(600):
        tracker.log_metric(
            "latency", 1000 if number < 300 else number - 300, task_id=f"t{number % 3}", timestamp=number
        )
    figures = [f"metric.latency.{name}" for name in ("latest", "average", "min", "max", "p50", "p95", "p99")]
    found = {name.split(".")[2].split()[0]: one for name, one in observed(tracker, *figures, recent_values=100).items()}
    assert {name: one.value for name, one in found.items()} == {
        "latest": 299,
        "average": 249.5,
        "min": 200,
        "max": 299,
        "p50": 250,
        "p95": 295,
        "p99": 299,
    }
    assert {one.place for one in found.values()} == {600}
    assert {one.baseline for one in found.values()} == {1000}
    assert {one.subject for one in found.values()} == {"metric latency"}


def test_a_metric_whose_name_has_dots() -> None:
    tracker = LearningProgressTracker()
    tracker.log_metric("my.loss.max", 3)
    assert [one.value for one in observed(tracker, "metric.my.loss.max.min").values()] == [3]
    assert observed(tracker, "metric.my.loss.max") == {}


@given(values=st.lists(st.floats(0, 1e9), min_size=1, max_size=50))
def test_any_values_of_a_metric_do(values: list[float]) -> None:
    tracker = LearningProgressTracker()
    for value in values:
        tracker.log_metric("latency", value)
    found = observed(tracker, *(f"metric.latency.{name}" for name in ("min", "p50", "p90", "p95", "max")))
    assert sorted(one.value for one in found.values()) == [one.value for one in sorted(found.values(), key=_order)]
    assert all(one.value in values for one in found.values())


def _order(one: Observation) -> int:
    return ["min", "p50", "p90", "p95", "max"].index(one.figure.rpartition(".")[2])


# Memory --------------------------------------------------------------------------------------------------------------


def meminfo(folder: Path, text: str) -> Path:
    file = folder / "meminfo"
    file.write_text(text)
    return file


def group(folder: Path, most: str, used: str, stat: str = "inactive_file 20\nanon 5\n") -> Path:
    made = folder / "cgroup"
    made.mkdir()
    for name, text in (("max", most), ("current", used), ("stat", stat)):
        (made / f"memory.{name}").write_text(text)
    return made


def test_the_machine_says_how_much_is_in_use(tmp_path: Path) -> None:
    one = machine_memory(meminfo(tmp_path, "MemTotal:  1000 kB\nMemFree: 1 kB\nMemAvailable:   250 kB\n"), tmp_path)
    assert one is not None
    assert (one.figure, one.subject, one.value, one.place) == ("memory", "machine", 0.75, None)


def test_a_container_with_less_counts_for_more(tmp_path: Path) -> None:
    file = meminfo(tmp_path, "MemTotal: 1000 kB\nMemAvailable: 900 kB\n")
    one = machine_memory(file, group(tmp_path, "100\n", "80\n"))
    assert one is not None
    assert one.value == 0.6


@pytest.mark.parametrize("text", ["", "MemTotal: x kB\nMemAvailable: 1 kB", "MemTotal:\nMemAvailable: 1 kB"])
def test_what_says_nothing_is_unknown(tmp_path: Path, text: str) -> None:
    assert machine_memory(meminfo(tmp_path, text), group(tmp_path, "max", "80")) is None


def test_a_machine_of_another_kind_is_unknown(tmp_path: Path) -> None:
    assert machine_memory(tmp_path / "none", tmp_path / "none") is None


@pytest.mark.skipif(not Path("/proc/meminfo").exists(), reason="only Linux says it")
def test_this_machine_is_known() -> None:
    one = machine_memory()
    assert one is not None
    assert 0 < one.value <= 1
