"""The learning progress tracker: what every learner and every cycle reports into."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from time import monotonic
from time import time as now
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, overload

import msgspec

from onward.core import Clock, InvalidInput, NotFound, SystemClock, log
from onward.monitoring.statistics import trend
from onward.storage import Database

from ._batches import measurements_of
from ._check import check_name, check_number, check_step, check_time, is_event, metadata_body, refuse
from ._curves import LearningCurve, smoothed
from ._durable import DurableStore
from ._export import read_export, write_export
from ._goals import GoalProgress, goal_of, new_goal
from ._memory import MemoryStore
from ._metrics import describe, metric_sources, source_of
from ._records import Kind, LearningEvent, Measurement, Source
from ._report import convergence_analysis, goal_summary, learning_report, real_time_metrics, trend_of
from ._store import TAIL, Store
from ._views import Events, Goals, event_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from onward.monitoring.sinks import Feed, Sink, SinkStatus

What = Literal["event", "goal", "convergence", "alert"]
WHATS: Final = ("event", "goal", "convergence", "alert")
MOST: Final = 50_000_000


class House(Protocol):
    """What the tracker needs of a workspace's inside."""

    @property
    def clock(self) -> Clock: ...
    @property
    def storage(self) -> Stored: ...


class Stored(Protocol):
    """Where a workspace's database is."""

    @property
    def database(self) -> Database: ...


class Housed(Protocol):
    """A workspace."""

    @property
    def house(self) -> House: ...


class LearningProgressTracker:
    """Records how learning goes, and says what that means. Safe to share between threads.

    In memory, the newest `max_history` events and metrics are kept as they were; sums, averages and quantiles count all
    that ever came. With a workspace every one of them is durable when the call returns, and shared with all processes
    that have the workspace open.

    Args:
        max_history: measurements kept in memory, 1 to 50 million; each takes some 50 bytes, and its metadata. A
            workspace keeps all.
        workspace: where to keep them; in memory only where left out.
        tenant: whose learning it is, in the workspace.
        durable: with `False` a recording call returns at once and its event is written within a second; what a process
            had not written when it was killed is lost.
        clock: what says when an event happened; the workspace's, or the machine's.

    Raises:
        InvalidInput: `max_history` is out of range.

    >>> tracker = LearningProgressTracker()
    >>> for step in range(3):
    ...     tracker.record_learning_event("classification", 0.5 + step / 8, learning_rate=0.01, episode_count=step)
    >>> tracker.get_real_time_metrics()["current_performance"]
    0.75
    """

    def __init__(
        self,
        max_history: int = 50_000,
        *,
        workspace: Housed | None = None,
        tenant: str = "default",
        durable: bool = True,
        clock: Clock | None = None,
    ) -> None:
        if not 1 <= check_number("max_history", max_history) <= MOST:
            raise InvalidInput(f"max_history is {max_history!r}.", mend=f"Give a whole number of 1 to {MOST:,}.")
        clock = clock or (workspace.house.clock if workspace is not None else SystemClock())
        self._now = now if isinstance(clock, SystemClock) else lambda: clock.now().timestamp()
        self._store: MemoryStore | DurableStore
        if workspace is None:
            self._store = MemoryStore(int(max_history))
        else:
            self._store = DurableStore(workspace.house.storage.database, check_name("tenant", tenant), durable=durable)
        self._tasks: dict[str, Source] = {}
        self._told: dict[What, list[Callable[[Any], object]]] = {}
        self._converged = 0
        self._telling = threading.local()
        self._feeds: tuple[Feed, ...] = ()
        self._lock = threading.Lock()

    # Recording -------------------------------------------------------------------------------------------------------

    def record_learning_event(
        self,
        task_type: str,
        performance_score: float,
        learning_rate: float,
        episode_count: int = 0,
        convergence_metric: float = 0.0,
        *,
        timestamp: float | None = None,
        **metadata: Any,
    ) -> None:
        """Record one step of learning.

        Args:
            task_type: what is learned: a text of 1 to 200 characters.
            performance_score: 0..1, higher is better.
            learning_rate: above 0, finite.
            episode_count: 0 or more.
            convergence_metric: 0 or more, finite; lower is closer.
            timestamp: POSIX seconds; now where left out.
            metadata: whatever else is worth keeping, as JSON holds it.

        Raises:
            InvalidInput: a value is out of its range; nothing is recorded.
            Unavailable: the workspace cannot be written; nothing is recorded.
        """
        try:
            source = self._tasks[task_type]
        except (KeyError, TypeError):
            source = self._task(task_type)
        if not is_event(performance_score, learning_rate, episode_count, convergence_metric):
            raise refuse(performance_score, learning_rate, episode_count, convergence_metric)
        time = self._now() if timestamp is None else check_time(timestamp)
        body = metadata_body(metadata) if metadata else ""
        score, rate, near = float(performance_score), float(learning_rate), float(convergence_metric)
        event = (source, time, score, int(episode_count), rate, near, body)
        self._store.add_one(*event)
        if self._told or self._feeds:
            self._tell_of([Measurement(*event)])

    def record_learning_events(self, events: Iterable[Mapping[str, Any]] | Mapping[str, Any]) -> int:
        """Record many events at once: all of them, or none. Returns how many.

        Args:
            events: dicts with the arguments of `record_learning_event`; or one dict of columns, each a sequence or
                array of one length, or one value for all.

        Raises:
            InvalidInput: saying which event is wrong, and why.

        >>> tracker = LearningProgressTracker()
        >>> tracker.record_learning_events({"task_type": "a", "performance_score": [0.1, 0.2], "learning_rate": 0.01})
        2
        """
        measurements = measurements_of(events, self._now(), self._task)
        self._store.add(measurements)
        if self._told or self._feeds:
            self._tell_of(measurements)
        return len(measurements)

    def _task(self, name: object) -> Source:
        known = check_name("task_type", name)
        source = self._tasks[known] = Source("task", known)
        return source

    def log_metric(
        self,
        name: str,
        value: float,
        *,
        step: int | None = None,
        task_id: str | None = None,
        client_id: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        timestamp: float | None = None,
    ) -> None:
        """Record one value of any metric: a loss, a gradient norm, a latency.

        Args:
            name: one of `onward.monitoring.METRICS`, or any other text of 1 to 200 characters.
            value: finite; for a known metric within its range.
            step: 0 or more.
            task_id: which task, where a metric is told apart by task.
            client_id: which client, likewise.
            metadata: whatever else is worth keeping.
            timestamp: POSIX seconds; now where left out.

        Raises:
            InvalidInput: a value is out of its range; nothing is recorded.
        """
        source = source_of(name, value, task_id, client_id)
        time = self._now() if timestamp is None else check_time(timestamp)
        body = metadata_body(metadata or {})
        logged = Measurement(source, time, float(value), check_step(step), None, None, body)
        self._store.add_one(*logged)
        self._mirror([logged])

    def configure_experiment(self, name: str, configuration: Mapping[str, Any]) -> None:
        """Keep the configuration of an experiment under its name; the last one stands.

        Raises:
            InvalidInput: JSON cannot hold it.
        """
        kept = msgspec.json.decode(metadata_body(configuration) or "{}")
        self._store.revise("experiment", check_name("name", name), lambda _: dict(kept))
        self._settle()

    def get_experiments(self) -> dict[str, dict[str, Any]]:
        """Experiment configurations by name."""
        return self._store.notes("experiment")

    def flush(self) -> None:
        """Return once everything recorded so far is as durable as it gets; sinks have ten seconds to follow.

        Raises:
            Unavailable: something recorded with `durable=False` could not be stored, and is lost.
        """
        self._store.flush()
        for feed in self._feeds:
            feed.flush()

    # Goals -----------------------------------------------------------------------------------------------------------

    def create_goal(
        self,
        goal_id: str,
        description: str = "",
        *,
        target_performance: float,
        direction: Literal["maximize", "minimize"] = "maximize",
    ) -> GoalProgress:
        """Set a goal.

        Args:
            goal_id: its name.
            description: in words.
            target_performance: what is to be reached.
            direction: `"maximize"`, or `"minimize"` where lower is better: then it is complete at the target or below.

        Raises:
            InvalidInput: a value cannot be used, or there is a goal of this name already.
        """
        goal = new_goal(goal_id, description, target_performance, direction, self._now())

        def change(before: dict[str, Any] | None) -> dict[str, Any]:
            if before is not None:
                raise InvalidInput(f"There is a goal {goal_id!r} already.", mend="Choose another name.")
            return goal.to_dict()

        self._store.revise("goal", goal.goal_id, change)
        self._settle()
        return goal

    def update_goal_progress(self, goal_id: str, performance: float) -> GoalProgress:
        """Note how far a goal is; return how it stands.

        Raises:
            NotFound: there is no such goal; the known ones are named.
            InvalidInput: the value is no finite number.
        """
        value, time, known = check_number("performance", performance), self._now(), check_name("goal_id", goal_id)
        was_done = False

        def change(before: dict[str, Any] | None) -> dict[str, Any]:
            nonlocal was_done
            if before is None:
                raise NotFound(
                    f"There is no goal {goal_id!r}.", mend="Create it first, or name a known one.", options=self.goals
                )
            was_done = before["is_completed"]
            return goal_of(before).after(value, time).to_dict()

        reached = Measurement(Source("goal", known), time, value)
        goal = goal_of(self._store.revise("goal", known, change, also=[reached]))
        self._mirror([reached])
        if goal.is_completed and not was_done:
            self._tell("goal", goal)
        return goal

    def get_goal_summary(self) -> dict[str, Any]:
        """How the goals stand: counts, completion rate, and every goal with when it will be reached.

        Keys: `total_goals`, `completed_goals`, `active_goals` (counts), `completion_rate` (0..1), `average_completion`
        (per cent) and `goals` {id: GoalProgress.to_dict()}.
        """
        return goal_summary(self._store, list(self.goals.values()))

    # Reading ---------------------------------------------------------------------------------------------------------

    @property
    def store(self) -> Store:
        """Where the measurements are kept: what pictures and reports read."""
        return self._store

    @property
    def learning_events(self) -> Events:
        """The events that are kept, oldest first: sized, iterable, sliceable."""
        return Events(self._store)

    @property
    def goals(self) -> Goals:
        """The goals by id: sized, iterable, sliceable."""
        return Goals(self._store)

    @overload
    def get_learning_curve(
        self, task_type: str, window_size: int = ..., *, bands: Literal[False] = ...
    ) -> tuple[NDArray[Any], NDArray[Any]]: ...
    @overload
    def get_learning_curve(self, task_type: str, window_size: int = ..., *, bands: Literal[True]) -> LearningCurve: ...
    def get_learning_curve(
        self, task_type: str, window_size: int = 100, *, bands: bool = False
    ) -> tuple[NDArray[Any], NDArray[Any]] | LearningCurve:
        """The smoothed scores of a task over time.

        Up to 16,384 events every event is a point; beyond, each point stands for a block of 64, 256, ... of them, and
        the band still holds every peak.

        Args:
            task_type: a task that was recorded.
            window_size: events averaged, 1 or more; fewer at the beginning.
            bands: return a `LearningCurve` with the lowest and highest score of each window as well.

        Returns:
            (timestamps, scores): arrays of one length, oldest first; POSIX seconds and 0..1.

        Raises:
            NotFound: nothing was recorded of this task; the known ones are named.
            InvalidInput: the window is below 1.
        """
        window = check_number("window_size", window_size)
        if window < 1:
            raise InvalidInput(f"window_size is {window_size!r}.", mend="Give a whole number of 1 or more.")
        curve = smoothed(self._store.curve(self._known("task", task_type)), int(window))
        return curve if bands else (curve.times, curve.scores)

    def get_performance_trend(self, task_type: str) -> dict[str, Any]:
        """Whether a task gets better, by its newest 256 events.

        Keys: `trend` ("improving", "declining", "stable" or "insufficient_data"), `confidence` (0..1: 1 - p of a
        Mann-Kendall test that holds under autocorrelation), `recent_avg`, `improvement_rate` (Theil-Sen slope, score
        per event) with `improvement_interval`, and `improvement_rate_per_hour` (`None` where no time passed).

        Raises:
            NotFound: nothing was recorded of this task.
        """
        times, values = self._store.tail(self._known("task", task_type), TAIL)
        return trend_of(trend(values, times))

    def get_convergence_analysis(self) -> dict[str, Any]:
        """How often tasks converged: see `onward.monitoring.statistics.standing` for the criterion.

        Keys: `total_convergences`, `convergence_rate` (per hour of what was recorded) and `task_statistics`
        {task: {count, avg_convergence_metric, last_time}}.
        """
        return convergence_analysis(self._store)

    def generate_learning_report(self) -> dict[str, Any]:
        """All of it: events, performance, learning dynamics, every task, goals and convergence.

        Keys: `total_learning_events`, `overall_performance` {average, best, worst, median}, `learning_dynamics`
        {average_learning_rate, average_convergence_metric, events_per_hour}, `task_analysis` {task: {event_count,
        avg_performance, best_performance, latest_score, performance_trend, ...}}, `goals`, `convergence`.
        """
        return learning_report(self._store, list(self.goals.values()))

    def get_real_time_metrics(self) -> dict[str, Any]:
        """How learning stands right now; quick however much was recorded.

        Keys: `current_performance`, `current_learning_rate`, `recent_avg_performance` (of the newest 100 events),
        `performance_trend` (of the task that was recorded last), `active_goals_count`, `total_learning_events`.
        """
        return real_time_metrics(self._store, list(self.goals.values()))

    def get_metric_summary(
        self, name: str, *, task_id: str | None = None, client_id: str | None = None
    ) -> dict[str, Any]:
        """What all values of a metric add up to, over all tasks and clients where none is named.

        Keys: `count`, `average`, `min`, `max`, `latest`, and `quantiles` {"0.5", "0.9", "0.95", "0.99"}, each within
        0.5 % of a value that is there.

        Raises:
            NotFound: there are no such values; the known metrics are named.
        """
        return describe(self._store, metric_sources(self._store, name, task_id, client_id))

    def generate_dashboard_view(self) -> dict[str, Any]:
        """Everything that a dashboard shows, as JSON holds it.

        Keys: `real_time`, `report`, `metrics` {name: summary}, `experiments`.
        """
        names = sorted({source.name for source in self._store.summaries("metric")})
        return {
            "real_time": self.get_real_time_metrics(),
            "report": self.generate_learning_report(),
            "metrics": {name: self.get_metric_summary(name) for name in names},
            "experiments": self.get_experiments(),
        }

    def _known(self, kind: Kind, name: str) -> Source:
        source = Source(kind, name)
        known = self._store.summaries(kind)
        if source not in known:
            what = f"Nothing was recorded of {name!r}."
            raise NotFound(what, mend="Name a task that was.", options={one.name for one in known})
        return source

    # Pictures and files ----------------------------------------------------------------------------------------------

    def visualize_learning_progress(
        self, task_types: Iterable[str] | str | None = None, save_path: str | Path | None = None
    ) -> Figure:
        """A figure: curves by task, distribution of scores, learning rate, goals. See `onward.monitoring.pictures`.

        Args:
            task_types: which tasks; all where left out.
            save_path: .png, .svg or .pdf to save it to as well.

        Raises:
            NotFound: a task was never recorded, or nothing was.
            MissingExtra: matplotlib is not installed.
            Unavailable: the file cannot be written.
        """
        from onward.monitoring.pictures import learning_figure, save_figure

        names = [task_types] if isinstance(task_types, str) else task_types
        if names is None:
            names = [one.name for one in self._store.summaries("task")]
        figure = learning_figure(self._store, [self._known("task", name) for name in names], list(self.goals.values()))
        if save_path is not None:
            save_figure(figure, Path(save_path))
        return figure

    def export_learning_data(self, file: str | Path) -> Path:
        """Write events, metrics, goals, convergence history, experiments and the report; return the file.

        Args:
            file: .json, .parquet (needs the `parquet` extra) or .h5 (needs the `hdf5` extra). It appears whole or not
                at all.

        Raises:
            InvalidInput: the ending is none of these.
            MissingExtra: what writes it is not installed.
            Unavailable: it cannot be written.
        """
        return write_export(self._store, Path(file), self.generate_learning_report())

    def import_learning_data(self, file: str | Path) -> int:
        """Read what `export_learning_data` wrote into this tracker, which holds nothing yet; return how many events.

        Raises:
            NotFound: there is no such file.
            InvalidInput: there is something in this tracker, or the file is no export.
        """
        return read_export(self._store, Path(file))

    # Telling ---------------------------------------------------------------------------------------------------------

    def on(self, what: What, call: Callable[[Any], object]) -> Callable[[], None]:
        """Call somebody back, on the thread that records, once a thing is kept; return what takes that back.

        Args:
            what: "event" (gets a `LearningEvent`), "goal" (a `GoalProgress` that was just completed), "convergence" (a
                dict: task, time, convergence_metric), or "alert" (an `Alert`).
            call: what it raises is logged, and harms nobody; of what it records itself nobody is told.

        Raises:
            InvalidInput: there is no such thing.
        """
        if what not in WHATS:
            raise InvalidInput(f"{what!r} never happens.", mend="Choose one.", options=WHATS)
        with self._lock:
            if what == "convergence" and not self._told.get(what):
                self._converged = self._store.converged()
            self._told.setdefault(what, []).append(call)

        def off() -> None:
            with self._lock:
                if call in self._told.get(what, ()):
                    self._told[what].remove(call)

        return off

    def _tell_of(self, measurements: Sequence[Measurement]) -> None:
        self._mirror(measurements)
        if self._told.get("event"):
            for one in measurements:
                self._tell("event", event_of(one))
        if self._told.get("convergence"):
            for moment in self._new_convergences():
                self._tell("convergence", moment)

    def _new_convergences(self) -> list[dict[str, Any]]:
        with self._lock:
            since, self._converged = self._converged, self._store.converged()
            new = self._converged - since
            found = self._store.newest("convergence", new) if new else []
        return [{"task": one.source.name, "time": one.time, "convergence_metric": one.value} for one in found]

    def tell(self, alert: object) -> None:
        """Hand an alert to those who asked to be called back."""
        self._tell("alert", alert)

    def _tell(self, what: What, about: object) -> None:
        if getattr(self._telling, "now", False):  # whoever listens may record: nobody is told of that
            return
        self._telling.now = True
        try:
            for call in tuple(self._told.get(what, ())):
                try:
                    call(about)
                except Exception as error:  # noqa: BLE001 - whoever listens must not stop whoever records
                    log.warning("callback failed", what=what, exc_info=error)
        finally:
            self._telling.now = False

    # Sinks -----------------------------------------------------------------------------------------------------------

    def add_sink(self, sink: Sink, *, capacity: int = 100_000) -> Feed:
        """Mirror to a sink what is recorded from now on, and all experiments and goals: see `onward.monitoring.sinks`.

        A thread of its own hands everything over. Whoever records never waits for it: what the sink is too slow for, or
        fails on, is missed there, counted in `sinks`, logged once, and kept here all the same.

        Args:
            sink: MLflow's, Weights & Biases', TensorBoard's, or your own; the tracker closes it.
            capacity: measurements that may wait for it, 1 or more.

        Raises:
            InvalidInput: the capacity is below 1.
            Unavailable: as `flush`, which it calls.
        """
        from onward.monitoring.sinks import Feed

        self.flush()
        store = self._store.committed() if isinstance(self._store, DurableStore) else self._store
        feed = Feed(store, sink, capacity=capacity)
        feed.settle()
        with self._lock:
            self._feeds = (*self._feeds, feed)
        return feed

    @property
    def sinks(self) -> tuple[SinkStatus, ...]:
        """How the sinks stand, in the order in which they were added."""
        return tuple(feed.status for feed in self._feeds)

    def close_sinks(self, timeout: float = 10.0) -> tuple[SinkStatus, ...]:
        """Hand over what waits, close all sinks, and say how they stood.

        What is not through in so many seconds is missed. The end of the process does the same.
        """
        with self._lock:
            feeds, self._feeds = self._feeds, ()
        end = monotonic() + timeout
        return tuple(feed.close(max(0.0, end - monotonic())) for feed in feeds)

    def _mirror(self, measurements: Sequence[Measurement]) -> None:
        for feed in self._feeds:
            feed.offer(measurements)

    def _settle(self) -> None:
        for feed in self._feeds:
            feed.settle()


__all__ = ["LearningEvent", "LearningProgressTracker"]
