"""To Prometheus: as text that it scrapes, and as a collector for prometheus_client."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import TYPE_CHECKING, Final

from onward.core import MissingExtra
from onward.monitoring.tracker import LearningProgressTracker, Store

from ._figures import FIGURES, Figure, Labels, Reading, Sample

if TYPE_CHECKING:
    from prometheus_client.core import Metric

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
"""What an HTTP answer with this text says it is."""


def prometheus_text(source: LearningProgressTracker | Store) -> str:
    r"""What was recorded, in Prometheus' text format 0.0.4: nothing has to be installed for it.

    Scores and metrics are summaries: `_count`, `_sum` and the quantiles 0.5, 0.9, 0.95 and 0.99 over all values that
    ever came, each within 0.5 % of a value that is there. Labels are `task`; `name`, `task` and `client` for metrics;
    `goal` and `direction` for goals.

    Args:
        source: a tracker, or its store.

    >>> tracker = LearningProgressTracker()
    >>> tracker.log_metric("latency", 12.5, client_id='"a"')
    >>> print(prometheus_text(tracker).splitlines()[6])
    onward_metric_sum{name="latency",task="",client="\"a\""} 12.5
    """
    reading = Reading(source)
    return "".join(f"{line}\n" for figure in FIGURES for line in _lines(figure, list(figure.samples(reading))))


def _lines(figure: Figure, samples: list[Sample]) -> Iterator[str]:
    if samples:
        name = f"{figure.name}_total" if figure.kind == "counter" else figure.name
        yield f"# HELP {name} {figure.said}"
        yield f"# TYPE {name} {figure.kind}"
        yield from (f"{name}{_ending(one)}{{{_told(one.labels)}}} {_number(one.value)}" for one in samples)


def _ending(sample: Sample) -> str:
    return f"_{sample.part}" if sample.part in {"sum", "count"} else ""


def _told(labels: Labels) -> str:
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())


def _escaped(value: str) -> str:
    plain = value.encode("utf8", "replace").decode()
    return plain.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _number(value: float) -> str:
    return f"{'-' if value < 0 else '+'}Inf" if value in {inf, -inf} else repr(float(value))


class PrometheusCollector:
    """The same figures for a registry of prometheus_client, read whenever it is scraped.

    Args:
        source: a tracker, or its store.

    Raises:
        MissingExtra: prometheus_client is not installed.

    >>> from prometheus_client import CollectorRegistry
    >>> registry, tracker = CollectorRegistry(), LearningProgressTracker()
    >>> registry.register(PrometheusCollector(tracker))
    >>> tracker.record_learning_event("intents", 0.9, 0.01)
    >>> registry.get_sample_value("onward_performance_score_last", {"task": "intents"})
    0.9
    """

    def __init__(self, source: LearningProgressTracker | Store) -> None:
        try:
            from prometheus_client.core import Metric
        except ImportError as error:
            raise MissingExtra("prometheus_client", "prometheus") from error
        self._source, self._metric = source, Metric

    def collect(self) -> Iterator[Metric]:
        """Every figure that has a number."""
        reading = Reading(self._source)
        for figure in FIGURES:
            samples = list(figure.samples(reading))
            if samples:
                metric = self._metric(figure.name, figure.said, figure.kind)
                for one in samples:
                    ending = "_total" if figure.kind == "counter" else _ending(one)
                    metric.add_sample(figure.name + ending, dict(one.labels), one.value)
                yield metric
