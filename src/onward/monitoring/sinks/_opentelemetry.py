"""To OpenTelemetry: instruments that read the tracker whenever a reader collects."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from onward.core import MissingExtra
from onward.monitoring.tracker import LearningProgressTracker, Store

from ._figures import FIGURES, Figure, Reading

if TYPE_CHECKING:
    from opentelemetry.metrics import CallbackOptions, Meter, MeterProvider, Observation

SCOPE: Final = "onward"


def observe(source: LearningProgressTracker | Store, provider: MeterProvider | None = None) -> Meter:
    """Register the figures of `prometheus_text` as observable instruments; return their meter.

    Names are those of Prometheus with a dot after `onward`; a summary becomes `.count` (a counter), `.sum` (which may
    go down) and `.quantile` (a gauge with the attribute `quantile`). Where the numbers go is the provider's business:
    give it an OTLP exporter, for instance. They are read from the store at every collection.

    Args:
        source: a tracker, or its store.
        provider: where to register; the global one where left out.

    Raises:
        MissingExtra: the OpenTelemetry API is not installed.
    """
    try:
        from opentelemetry.metrics import Observation, get_meter_provider
    except ImportError as error:
        raise MissingExtra("opentelemetry", "opentelemetry") from error
    meter = (provider or get_meter_provider()).get_meter(SCOPE)
    create: dict[str, Any] = {
        "gauge": meter.create_observable_gauge,
        "counter": meter.create_observable_counter,
        "count": meter.create_observable_counter,
        "sum": meter.create_observable_up_down_counter,
        "quantile": meter.create_observable_gauge,
    }
    for figure in FIGURES:
        name = figure.name.replace("onward_", "onward.", 1)
        if figure.kind == "summary":
            for part in ("count", "sum", "quantile"):
                call = _reader(source, figure, part, Observation)
                create[part](f"{name}.{part}", callbacks=[call], description=figure.said)
        else:
            call = _reader(source, figure, "", Observation)
            create[figure.kind](name, callbacks=[call], description=figure.said)
    return meter


def _reader(
    source: LearningProgressTracker | Store, figure: Figure, part: str, observation: type[Observation]
) -> Callable[[CallbackOptions], Iterable[Observation]]:
    def read(_: CallbackOptions) -> Iterable[Observation]:
        samples = figure.samples(Reading(source))
        return [observation(one.value, dict(one.labels)) for one in samples if one.part == part]

    return read
