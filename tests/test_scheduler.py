import signal
import threading

import pytest

import onward
from onward.core import InvalidInput, SystemClock, Unavailable
from onward.monitoring import LearningProgressTracker
from onward.scheduler import schedule
from onward.storage import hold

SETTINGS = {"training": {"learners": ["linear"]}}


@pytest.fixture
def workspace(tmp_path):
    with onward.open(tmp_path, settings=SETTINGS) as opened:
        yield opened


def _in_thread(workspace, results, **options):
    stop = threading.Event()
    arguments = {"every": 3600.0, "tenant": "default", "on_result": results.append, "stop": stop, **options}
    thread = threading.Thread(target=schedule, args=(workspace,), kwargs=arguments)
    thread.start()
    return thread, stop


def test_the_first_cycle_runs_at_once_and_the_next_at_the_interval(workspace):
    results = []
    schedule(workspace, every=0.02, tenant="default", on_result=results.append, max_cycles=3)
    assert [result.status for result in results] == ["skipped"] * 3
    assert results == workspace.cycles()


def test_enough_new_interactions_start_a_cycle_before_the_interval(workspace):
    results, ran = [], threading.Semaphore(0)

    def told(result):
        results.append(result)
        ran.release()

    thread, stop = _in_thread(workspace, results, on_new=3, on_result=told)
    assert ran.acquire(timeout=60)
    for number in range(3):
        workspace.record(f"text {number}")
    assert ran.acquire(timeout=60)
    stop.set()
    thread.join(timeout=60)
    assert len(results) == 2
    assert not thread.is_alive()


def test_a_stop_from_outside_ends_it_and_no_cycle_runs_any_more(workspace):
    results, stop = [], threading.Event()

    def told(result):
        results.append(result)
        stop.set()

    schedule(workspace, every=0.01, tenant="default", on_result=told, stop=stop)
    assert len(results) == 1
    schedule(workspace, every=0.01, tenant="default", on_result=results.append, stop=stop)
    assert len(results) == 1


def test_a_signal_ends_it_after_the_running_cycle_and_the_old_handlers_are_back(workspace):
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    results = []

    def told(result):
        results.append(result)
        signal.raise_signal(signal.SIGTERM)
        assert signal.getsignal(signal.SIGINT) == before[0], "a second signal is an ordinary one"

    schedule(workspace, every=0.01, tenant="default", on_result=told)
    assert len(results) == 1
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_busy_workspace_is_told_and_tried_again(workspace):
    told, results = [], []
    database = workspace.house.storage.database
    holding = hold(database, "cycle:default", SystemClock())
    holding.__enter__()

    def busy(error):
        told.append(error)
        if len(told) == 2:
            holding.__exit__(None, None, None)

    schedule(workspace, every=0.01, tenant="default", on_result=results.append, on_busy=busy, max_cycles=1)
    assert [error.code for error in told] == ["busy"] * 2
    assert [result.status for result in results] == ["skipped"]


def test_busy_is_logged_where_nobody_listens(workspace, caplog):
    stop = threading.Event()
    caplog.set_level("INFO", logger="onward")
    with hold(workspace.house.storage.database, "cycle:default", SystemClock()):
        threading.Timer(0.5, stop.set).start()
        schedule(workspace, every=0.1, tenant="default", on_result=lambda _: None, stop=stop)
    assert any("cycle busy" in record.getMessage() for record in caplog.records)


def test_a_storage_that_cannot_be_used_ends_it(workspace):
    workspace.close()
    with pytest.raises(Unavailable):
        schedule(workspace, every=1, tenant="default", on_result=lambda _: None)


@pytest.mark.parametrize(("every", "on_new"), [(0, 0), (-1, 0), (float("nan"), 0), (float("inf"), 0), (1, -1)])
def test_what_is_no_schedule_is_refused(workspace, every, on_new):
    with pytest.raises(InvalidInput, match="schedule"):
        schedule(workspace, every=every, on_new=on_new, tenant="default", on_result=lambda _: None)


def test_alerts_are_looked_at_between_cycles(tmp_path):
    with onward.open(tmp_path, settings={**SETTINGS, "alerts": {"every_seconds": 0.01}}) as workspace:
        ran = threading.Semaphore(0)
        thread, stop = _in_thread(workspace, [], on_result=lambda _: ran.release())
        assert ran.acquire(timeout=60)
        LearningProgressTracker(workspace=workspace).log_metric("latency", 250.0)
        for _ in range(600):
            if "latency" in {alert.rule for alert in workspace.alerts()} or stop.wait(0.1):
                break
        stop.set()
        thread.join(timeout=60)
        assert "latency" in {alert.rule for alert in workspace.alerts()}
        assert len(workspace.cycles()) == 1
