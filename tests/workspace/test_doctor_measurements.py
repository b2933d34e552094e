"""The doctor looks at what was measured: sums that are not those of the measurements, and what cannot be read."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Connection, Table, delete, insert, text, update

import onward
from onward.core import ManualClock
from onward.monitoring import LearningProgressTracker
from onward.storage import schema
from onward.workspace import Workspace

COUNT = 6_000
NO_NUMBER = "value is 'much'."
AWAY = "onward restore"
Change = Callable[[Connection], object]


def measure(ws: Workspace) -> LearningProgressTracker:
    """More than one page of a task, which converges once, and a few of everything else: series 1 to 5."""
    tracker = LearningProgressTracker(workspace=ws)
    scores = np.random.default_rng(1).random(COUNT)
    tracker.record_learning_events({"task_type": "a", "performance_score": scores, "learning_rate": 0.1, "by": "me"})
    tracker.record_learning_event("b", 0.5, 0.1)
    tracker.log_metric("loss", -2.5, step=3, task_id="t", client_id="c", metadata={"x": 1})
    tracker.create_goal("g", target_performance=0.9)
    tracker.update_goal_progress("g", 0.5)
    tracker.configure_experiment("e", {"layers": [1, 2]})
    return tracker


@pytest.fixture
def ws(workspace: Workspace) -> Workspace:
    measure(workspace)
    return workspace


def change(ws: Workspace, work: Change) -> None:
    def written(connection: Connection) -> None:
        work(connection)

    ws.house.storage.database.write(written)


def setting(table: Table, where: str, **values: Any) -> Change:
    return lambda connection: connection.execute(update(table).where(text(where)).values(**values))


def dropping(table: Table, where: str) -> Change:
    return lambda connection: connection.execute(delete(table).where(text(where)))


def looked_at(ws: Workspace, *, mend: bool = False) -> list[tuple[str, str, str, bool]]:
    return [(one.kind, one.where, one.what, one.mended) for one in ws.doctor(mend=mend)]


def test_what_was_measured_is_sound(ws: Workspace) -> None:
    assert looked_at(ws, mend=True) == []


SIZE = f"Its size is {COUNT}; there are"
WHOLE = f"{COUNT} measurements, {COUNT} in bins, {COUNT} in blocks."
TASK = "task 'a' of 'default'"


@pytest.mark.parametrize(
    ("work", "where", "what"),
    [
        (setting(schema.series, "id = 1", size=7), TASK, f"Its size is 7; there are {WHOLE}"),
        (dropping(schema.bins, "series = 1"), TASK, f"{SIZE} {COUNT} measurements, 0 in bins, {COUNT} in blocks."),
        (
            setting(schema.blocks, "series = 1 AND level = 0 AND number = 3", size=65),
            TASK,
            f"{SIZE} {COUNT} measurements, {COUNT} in bins, {COUNT + 1} in blocks.",
        ),
        (
            dropping(schema.blocks, "series = 4"),
            "metric 'loss', task 't', client 'c' of 'default'",
            "Its size is 1; there are 1 measurements, 1 in bins, 0 in blocks.",
        ),
    ],
)
def test_sums_are_made_anew(work: Change, where: str, what: str, ws: Workspace) -> None:
    before = LearningProgressTracker(workspace=ws).generate_dashboard_view()
    change(ws, work)
    assert looked_at(ws) == [("disagrees", where, what, False)]
    assert looked_at(ws, mend=True) == [("disagrees", where, what, True)]
    assert looked_at(ws) == []
    after = LearningProgressTracker(workspace=ws)
    assert rounded(after.generate_dashboard_view()) == rounded(before)
    after.record_learning_event("a", 0.5, 0.1)
    assert looked_at(ws) == []


def rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: rounded(one) for name, one in value.items()}
    return float(f"{value:.9g}") if isinstance(value, float) else value


def test_measurements_that_are_gone(ws: Workspace) -> None:
    """What is left is summed up; a series of which nothing is left goes."""
    change(ws, dropping(schema.measurements, f"sequence IN ({COUNT}, {COUNT + 2})"))
    assert [one[1] for one in looked_at(ws, mend=True)] == [TASK, "task 'b' of 'default'"]
    assert looked_at(ws) == []
    tracker = LearningProgressTracker(workspace=ws)
    assert len(tracker.learning_events) == COUNT - 1
    assert list(tracker.generate_learning_report()["task_analysis"]) == ["a"]
    assert tracker.store.standings()["a"][0] <= COUNT - 1
    tracker.record_learning_event("b", 0.5, 0.1)
    assert looked_at(ws) == []


@pytest.mark.parametrize(
    ("work", "where", "what"),
    [
        (
            setting(schema.measurements, "sequence = 9", series=77),
            "measurements of series 77",
            "There are 1, and no series 77.",
        ),
        (setting(schema.measurements, "sequence = 9", body="[1]"), f"measurement 9, of {TASK}", "Its metadata: "),
        (setting(schema.measurements, "sequence = 9", body="{"), f"measurement 9, of {TASK}", "Its metadata: "),
        (setting(schema.notes, "name = 'g'", body="[1]"), "notes default goal g", "Expected `object`"),
        (setting(schema.notes, "name = 'e'", body="{"), "notes default experiment e", "Input data was truncated"),
    ],
)
def test_what_only_a_back_up_mends(work: Change, where: str, what: str, ws: Workspace) -> None:
    change(ws, work)
    for mend in (False, True):
        (found,) = [one for one in ws.doctor(mend=mend) if one.kind == "damaged"]
        assert (found.where, found.mended) == (where, False)
        assert found.what.startswith(what)
        assert AWAY in found.mend


def test_a_measurement_that_is_no_number(ws: Workspace) -> None:
    """Nothing is summed up over it."""
    spoil = text("UPDATE measurements SET value = 'much' WHERE sequence = 9")
    change(ws, lambda connection: connection.execute(spoil))
    change(ws, setting(schema.series, "id = 1", size=7))
    sums, row = ws.doctor(mend=True)
    assert (sums.where, sums.mended, row.where, row.what) == (TASK, False, f"measurement 9, of {TASK}", NO_NUMBER)
    assert "could not be mended: A measurement is no number" in sums.mend
    assert [one.where for one in ws.doctor()] == [sums.where, row.where]


def test_on_a_server(postgresql_url: str, clock: ManualClock) -> None:
    with onward.open(postgresql_url, settings={"training": {"learners": ["linear"]}}, clock=clock) as ws:
        measure(ws)
        assert looked_at(ws) == []
        change(ws, setting(schema.series, "id = 1", size=7))
        change(ws, dropping(schema.bins, "series = 3"))
        orphan = {"sequence": 90_000, "series": 77, "time": 0.0, "value": 0.0, "body": ""}
        change(ws, lambda connection: connection.execute(insert(schema.measurements).values(orphan)))
        found = looked_at(ws, mend=True)
        assert [one[1] for one in found] == [TASK, "task 'b' of 'default'", "measurements of series 77"]
        assert [one[3] for one in found] == [True, True, False]
        assert [one[1] for one in looked_at(ws)] == ["measurements of series 77"]
