"""Metrics of any kind: the known ones, and what their values add up to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from math import inf
from types import MappingProxyType
from typing import Any, Final

from onward.core import InvalidInput, NotFound

from ._check import check_name, check_number
from ._records import Source
from ._store import Store
from ._summary import Summary

METRICS: Final[Mapping[str, tuple[float, float]]] = MappingProxyType(
    {
        "meta_loss": (-inf, inf),
        "task_adaptation_loss": (-inf, inf),
        "task_evaluation_accuracy": (0.0, 1.0),
        "gradient_norm": (0.0, inf),
        "learning_rate": (0.0, inf),
        "num_tasks_processed": (0.0, inf),
        "client_local_loss": (-inf, inf),
        "model_divergence": (0.0, inf),
        "latency": (0.0, inf),
        "memory": (0.0, inf),
    }
)
"""The known metrics, and the range of each. Latency is in milliseconds, memory in bytes."""
QUANTILES: Final = (0.5, 0.9, 0.95, 0.99)


def source_of(name: str, value: object, task: str | None, client: str | None) -> Source:
    """The series that a value belongs to.

    Raises:
        InvalidInput: the name or the value cannot be used.
    """
    number = check_number("value", value)
    name = check_name("name", name)
    low, high = METRICS.get(name, (-inf, inf))
    if not low <= number <= high:
        raise InvalidInput(f"{name} is {value!r}.", mend=f"Give a number between {low:g} and {high:g}.")
    return Source(
        "metric",
        name,
        "" if task is None else check_name("task_id", task),
        "" if client is None else check_name("client_id", client),
    )


def metric_sources(store: Store, name: str, task: str | None, client: str | None) -> dict[Source, Summary]:
    """The series of a metric, of one task or client where they are named.

    Raises:
        NotFound: there is none.
    """
    known = store.summaries("metric")
    found = {
        source: summary
        for source, summary in known.items()
        if source.name == name and task in {None, source.task} and client in {None, source.client}
    }
    if not found:
        options = {source.name for source in known}
        raise NotFound(f"No value of {name!r} was logged like that.", mend="Name a metric that was.", options=options)
    return found


def describe(store: Store, series: Mapping[Source, Summary]) -> dict[str, Any]:
    """What the values of some series add up to."""
    summaries: Sequence[Summary] = sorted(series.values(), key=lambda summary: summary.last_time)
    whole = reduce(Summary.plus, summaries)
    found = store.quantiles(list(series), QUANTILES)
    return {
        "count": whole.size,
        "average": whole.average,
        "min": whole.low,
        "max": whole.high,
        "latest": whole.last,
        "quantiles": {f"{wanted:g}": value for wanted, value in zip(QUANTILES, found, strict=True)},
    }
