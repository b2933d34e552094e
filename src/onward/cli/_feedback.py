"""`onward feedback`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer
from rich.console import RenderableType

from ._call import Call, command
from ._output import following
from ._values import read_entity, read_remark

Id = Annotated[str, typer.Argument(metavar="ID", help="Id of the interaction.")]
Score = Annotated[float | None, typer.Option(help="0 (bad) to 1 (good); a high one confirms the prediction.")]
Intent = Annotated[str | None, typer.Option(help="What the intent should have been.")]
Sentiment = Annotated[str | None, typer.Option(help="What the sentiment should have been.")]
Entities = Annotated[
    list[str] | None,
    typer.Option("--entity", metavar="START:END:LABEL", help="An entity that should have been found; repeatable."),
]
NoEntities = Annotated[bool, typer.Option("--no-entities", help="There are no entities in the text.")]
Remark = Annotated[str | None, typer.Option(metavar="JSON", help="Anything structured: a JSON object.")]
User = Annotated[str | None, typer.Option(help="Who says it.")]


@command
def feedback(
    call: Call,
    interaction: Id,
    score: Score = None,
    intent: Intent = None,
    sentiment: Sentiment = None,
    entity: Entities = None,
    no_entities: NoEntities = False,
    remark: Remark = None,
    user: User = None,
) -> None:
    """Say something of an interaction: a score, a correction, a remark; at least one of them.

    Example: onward feedback in_019cad --intent refund --entity 4:12:PRODUCT
    """
    entities = _entities(entity or [], none=no_entities)
    said = {"intent": intent, "sentiment": sentiment, "entities": entities}
    correction = {head: label for head, label in said.items() if label is not None}
    structured = None if remark is None else read_remark(remark)
    with call.open() as workspace:
        made = workspace.feedback(
            interaction,
            score=score,
            correction=correction or None,
            remark=structured,
            user=user,
            tenant=call.tenant,
        )
    call.answer({"feedback": made, "interaction": interaction}, _human(call, made))


def _entities(spans: list[str], *, none: bool) -> list[dict[str, Any]] | None:
    if spans and none:
        raise typer.BadParameter("Say --entity or --no-entities, not both.")
    return [read_entity(span) for span in spans] if spans or none else None


def _human(call: Call, made: str) -> Iterator[RenderableType]:
    yield f"Feedback {made} recorded"
    yield following(call.again("cycle"))
