"""`onward predict`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Any

import typer
from rich.console import RenderableType

import onward

from ._call import Call, command
from ._input import DASH, batches, standard_input
from ._output import emit, facts, figure, following, tabbed

TextOrDash = Annotated[
    str, typer.Argument(metavar="TEXT", help="What the user said; - reads one text per line from standard input.")
]
NoRecord = Annotated[bool, typer.Option("--no-record", help="Do not record the interaction.")]
User = Annotated[str | None, typer.Option(help="Who said it.")]
Task = Annotated[str | None, typer.Option(metavar="NAME", help="A few-shot task: adapt to its support set first.")]
Support = Annotated[
    str | None, typer.Option(metavar="FILE", help="Labelled examples that teach the task: a .jsonl or .csv file.")
]


@command
def predict(
    call: Call,
    text: TextOrDash,
    no_record: NoRecord = False,
    user: User = None,
    task: Task = None,
    support: Support = None,
) -> None:
    """Ask the champion what a text means, and record the interaction.

    With --task or --support the labels are those of a few-shot task, taught by its support set: what was recorded of
    the task, and what the file holds.

    With - each line of standard input is a text, and each result a line: one JSON object with --json, else
    intent, sentiment, entities and text between tabs.

    Example: onward predict "where is my parcel?" --json
    """
    with call.open() as workspace:

        def ask(texts: list[str]) -> list[onward.Prediction]:
            return workspace.predict(
                texts, task=task, support=support, tenant=call.tenant, user=user, record=not no_record
            )

        if text != DASH:
            predictions = ask([text])
            call.answer(as_json(text, predictions[0]), _human(call, text, predictions[0]))
            return
        for texts in batches(standard_input()):
            _print_lines(call, zip(texts, ask(texts), strict=True))


def _print_lines(call: Call, results: Iterable[tuple[str, onward.Prediction]]) -> None:
    for text, prediction in results:
        if call.json:
            emit(as_json(text, prediction))
        else:
            tabbed(_cells(text, prediction))


def as_json(text: str, prediction: onward.Prediction) -> dict[str, Any]:
    """A prediction as `--json` prints it; a head that the champion has not learned is null."""
    labels = prediction.labels
    entities = None if labels.entities is None else [_entity(text, entity) for entity in labels.entities]
    return {
        "text": text,
        "intent": labels.intent,
        "sentiment": labels.sentiment,
        "entities": entities,
        "confidence": dict(prediction.confidence),
        "version": prediction.version,
        "interaction": prediction.interaction,
    }


def _entity(text: str, entity: onward.Entity) -> dict[str, Any]:
    place = {"start": entity.start, "end": entity.end}
    return {**place, "label": entity.label, "text": text[entity.start : entity.end]}


def _human(call: Call, text: str, prediction: onward.Prediction) -> Iterator[RenderableType]:
    result = as_json(text, prediction)
    found = result["entities"]
    yield facts(
        [
            *((head, _sure(result[head], prediction.confidence.get(head))) for head in ("intent", "sentiment")),
            ("entities", None if found is None else "; ".join(f"{e['label']} {e['text']!r}" for e in found) or "none"),
            ("version", prediction.version),
            ("interaction", prediction.interaction),
        ]
    )
    if prediction.interaction:
        yield following(call.again(f"feedback {prediction.interaction} --score 1"))


def _sure(label: str | None, confidence: float | None) -> str | None:
    return label if label is None or confidence is None else f"{label} ({figure(confidence)})"


def _cells(text: str, prediction: onward.Prediction) -> list[str | None]:
    labels = prediction.labels
    entities = ",".join(f"{e.start}:{e.end}:{e.label}" for e in labels.entities or ())
    return [labels.intent, labels.sentiment, entities or None, text]
