"""What a cycle tells the tracker, in the transaction that ends it: told once, however often it was interrupted."""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

import msgspec
from sqlalchemy import Connection

from onward.core import CycleResult, Head, InvalidInput, ModelVersion
from onward.storage import Database

from .drift import text_drift
from .tracker import LARGEST, DurableStore, Measurement, Source, check_name

IN_SERVICE: Final = "in service"
"""The task under which the accuracy of the version in service is kept, cycle by cycle."""
LABELS: Final = 200
FEWEST, MOST = 50, 500
"""Texts that a change of theirs is told from, at least and at most."""
DECIDED: Final = ("promoted", "kept", "refused")
KIB: Final = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True, slots=True)
class Figures:
    """What a cycle found beside its versions.

    Args:
        in_service: accuracy, 0..1, of the version that is in service now.
        rate: the learning rate that was set.
        drifted: what `drift_of_texts` said.
        recalls: head -> label -> recall, 0..1, of the best candidate; the 200 commonest labels of each are kept.
    """

    in_service: float | None = None
    rate: float = 1.0
    drifted: float | None = None
    recalls: Mapping[Head, Mapping[str, float]] = field(default_factory=dict)


NO_FIGURES: Final = Figures()


def report_cycle(
    database: Database,
    connection: Connection,
    result: CycleResult,
    versions: Sequence[ModelVersion] = (),
    figures: Figures = NO_FIGURES,
) -> None:
    """Add what a cycle came to, inside the caller's transaction.

    As learning events: each candidate's accuracy under its learner's name, with its figures by head as metadata; and
    that of the version in service afterwards, on the same evaluation sets, under "in service". As metrics: seconds,
    examples, peak memory, the status of the cycle, seconds of each
    training, its losses and validation scores by head and epoch, and each candidate's accuracy by head,
    and the best candidate's recall of every label.

    Args:
        database: of the workspace.
        connection: of the transaction.
        result: the cycle's.
        versions: its candidates, with scorecards.
        figures: what else was found.
    """
    time = (result.finished or result.started).timestamp()
    events = _events(result, versions, figures.in_service, figures.rate, time)
    measured = [*events, *_metrics(result, versions, time), *_of_labels(figures, time)]
    DurableStore(database, result.tenant).add_in(connection, measured)


def drift_of_texts(before: Sequence[str], new: Sequence[str]) -> float | None:
    """1 where new texts are surely of another kind than those before, else 0; `None` where there are too few to tell.

    A classifier is taught to tell them apart (`onward.monitoring.drift.text_drift`) from at most 500 of each.

    >>> drift_of_texts([], ["hello"]) is None
    True
    """
    if min(len(before), len(new)) < FEWEST:
        return None
    return text_drift(_some(before), _some(new)).share_drifted


def _some(texts: Sequence[str]) -> Sequence[str]:
    return texts[:: -(-len(texts) // MOST)]


def _events(
    result: CycleResult, versions: Sequence[ModelVersion], in_service: float | None, rate: float, time: float
) -> Iterator[Measurement]:
    about: dict[str, Any] = {"cycle": result.id, "status": result.status, "champion": result.champion}
    scores = [(v.learner, v.scorecard.overall.accuracy, _figures(v)) for v in versions if v.scorecard]
    if in_service is not None:
        scores.append((IN_SERVICE, in_service, {}))
    best = scores[0][1] if scores else 0.0
    for name, accuracy, figures in scores:
        body = msgspec.json.encode(about | figures).decode()
        gap = abs(accuracy - (best if in_service is None else in_service))
        yield Measurement(Source("task", name), time, accuracy, result.counts.get("train", 0), rate, gap, body)


def _figures(version: ModelVersion) -> dict[str, Any]:
    heads = version.scorecard.overall.heads if version.scorecard else {}
    decision = version.verdict.decision if version.verdict else None
    by_head = {name: {"accuracy": head.accuracy, "f1": head.f1} for name, head in heads.items()}
    return {"version": version.number, "decision": decision, "heads": by_head}


def _metrics(result: CycleResult, versions: Sequence[ModelVersion], time: float) -> Iterator[Measurement]:
    yield Measurement(Source("metric", "cycle_seconds"), time, result.seconds)
    yield Measurement(Source("metric", "cycle_failed"), time, float(result.status == "failed"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KIB
    yield Measurement(Source("metric", "memory"), time, float(peak))
    if result.status in DECIDED:
        yield Measurement(Source("metric", "cycle_promoted"), time, float(result.promoted))
    for name in ("examples", "new", "set aside"):
        if name in result.counts:
            yield Measurement(Source("metric", "cycle_examples", name), time, float(result.counts[name]))
    for version in versions:
        yield from _of_training(version, time)


def _of_labels(figures: Figures, time: float) -> Iterator[Measurement]:
    if figures.drifted is not None:
        yield Measurement(Source("metric", "drift"), time, figures.drifted)
    for head, recalls in figures.recalls.items():
        for label, recall in islice(recalls.items(), LABELS):
            with suppress(InvalidInput):  # a label may be longer than a name
                yield Measurement(Source("metric", "recall", check_name("label", label), head), time, recall)


def _of_training(version: ModelVersion, time: float) -> Iterator[Measurement]:
    report: Mapping[str, Any] = version.config.get("report", {})
    if _is_number(report.get("seconds")):
        yield Measurement(Source("metric", "training_seconds", version.learner), time, float(report["seconds"]))
    for name, curve in (("training_loss", "losses"), ("validation_score", "validation")):
        for head, epoch, value in _by_epoch(report.get(curve)):
            yield Measurement(Source("metric", name, head, version.learner), time, value, epoch)
    if version.scorecard:
        for head, score in version.scorecard.overall.heads.items():
            yield Measurement(Source("metric", "accuracy", head, version.learner), time, score.accuracy, version.number)


def _by_epoch(curve: object) -> Iterator[tuple[str, int, float]]:
    """Head, epoch and figure, from a list of {head: figure}; a learner's report may hold anything."""
    for epoch, figures in enumerate(curve if isinstance(curve, list) else (), 1):
        for head, value in (figures if isinstance(figures, dict) else {}).items():
            with suppress(InvalidInput):
                if _is_number(value):
                    yield check_name("head", head), epoch, float(value)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST
