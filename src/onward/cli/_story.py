"""The story that `onward demo` tells: learn, learn more, refuse poison, roll back."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from rich.console import RenderableType
from rich.text import Text

import onward
from onward.core import MissingExtra

from ._call import DEFAULT_TENANT
from ._cycle import headline
from ._days import Days, entities_can_be_learned
from ._learning import save_page
from ._output import clean, following, pasted, table, when
from ._progress import bars
from ._verdict import accuracies, decision, verdict_table

PICTURE: Final = "learning.png"
PROGRESS: Final = "progress.png"
PAGE: Final = "report.html"


@dataclass(slots=True)
class Told:
    """What happened, for machines."""

    cycles: list[onward.CycleResult] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)


def tell(workspace: onward.Workspace, days: Days, watch: bool, told: Told) -> Iterator[RenderableType]:
    """The whole story, part by part, as it happens."""
    yield from _day_one(workspace, days, watch, told)
    if told.cycles[-1].champion is None:
        yield "The gate passed no candidate, so nothing is in service. That is what it is for."
        yield following(f"{_here(workspace)} show {told.cycles[-1].candidate}")
        return
    yield from _questions(workspace, days, told)
    yield from _day_two(workspace, days, watch, told)
    yield from _poison(workspace, days, watch, told)
    yield from _rollback(workspace, told)
    yield from _leave(workspace, days, told)
    yield from _end(workspace, days, told)


def _day_one(workspace: onward.Workspace, days: Days, watch: bool, told: Told) -> Iterator[RenderableType]:
    yield _chapter("Day 1: conversations come in, the first champion is made")
    if not entities_can_be_learned():
        yield "spaCy is not installed, so entities are left out. Add it with: pip install 'onward[text]'"
    yield from _record(workspace, days.first)
    yield from _cycle(workspace, watch, told)


def _questions(workspace: onward.Workspace, days: Days, told: Told) -> Iterator[RenderableType]:
    yield _chapter("The champion answers, and every answer can be traced")
    answers = workspace.predict(days.questions)
    rows = [
        (text, answer.labels.intent, answer.labels.sentiment, _entities(text, answer))
        for text, answer in zip(days.questions, answers, strict=True)
    ]
    yield table("", ("Question", "Intent", "Sentiment", "Entities"), rows)
    trace = workspace.trace(answers[0].interaction or "")
    told.facts["trace"] = trace.interaction.id
    version = trace.version.number if trace.version else None
    yield f"The first answer came from version {version}, which {trace.interactions_taught_from} interactions taught."
    if trace.teachers:
        yield f'The nearest of them: "{clean(trace.teachers[0].text)}" ({trace.teachers[0].interaction})'
    yield following(f"{_here(workspace)} trace {trace.interaction.id}")


def _day_two(workspace: onward.Workspace, days: Days, watch: bool, told: Told) -> Iterator[RenderableType]:
    yield _chapter("Day 2: two new intents; the old ones must not be forgotten")
    yield from _record(workspace, days.second)
    yield from _cycle(workspace, watch, told)


def _poison(workspace: onward.Workspace, days: Days, watch: bool, told: Told) -> Iterator[RenderableType]:
    yield _chapter("Day 3: somebody poisons the data, 40 % of the intents are wrong")
    yield from _record(workspace, days.poisoned)
    yield from _cycle(workspace, watch, told)
    quarantined = told.facts["quarantined"] = len(workspace.quarantined())
    champion = workspace.champion()
    yield f"Version {champion} stays in service; {quarantined} interactions are in quarantine and teach nothing."


def _rollback(workspace: onward.Workspace, told: Told) -> Iterator[RenderableType]:
    yield _chapter("Day 4: somebody dislikes the new version; one transaction takes it back, another puts it forth")
    newest = workspace.champion()
    if len(workspace.history()) < 2 or newest is None:
        yield "There is only one version that ever served: nothing to go back to."
        return
    back = workspace.rollback(by="demo", reason="support prefers the old one")
    told.facts["rolled back"] = [back.previous, back.version]
    workspace.promote(newest, by="demo", reason="it was not the model after all")
    rows = [(when(t.at), t.cause, t.previous, t.version, t.by, t.reason) for t in workspace.history()]
    yield table("Which version served when", ("At", "What", "From", "To", "By", "Why"), rows)


def _leave(workspace: onward.Workspace, days: Days, told: Told) -> Iterator[RenderableType]:
    if days.leaver is None:
        return
    yield _chapter("A user withdraws consent")
    gone = workspace.forget(days.leaver)
    told.facts["forgotten"] = gone.interactions
    marked = ", ".join(map(str, gone.marked_versions)) or "none"
    who = f"{gone.interactions} interactions of {clean(gone.user)}"
    yield f"{who} are erased and teach no later version; marked: {marked}."


def _end(workspace: onward.Workspace, days: Days, told: Told) -> Iterator[RenderableType]:
    yield _chapter("What there is now")
    versions = workspace.versions()
    rows = [
        (v.number, v.learner, decision(v), *accuracies(v), "in service" if v.number == workspace.champion() else "")
        for v in versions
    ]
    yield table("Versions", ("Version", "Learner", "Gate", "Accuracy", "Intent", "Sentiment", "Entities", ""), rows)
    told.facts["report"] = str(save_page(workspace, DEFAULT_TENANT, workspace.folder / PAGE))
    try:
        told.facts["picture"] = str(workspace.plot(workspace.folder / PICTURE))
        workspace.tracker().visualize_learning_progress(save_path=workspace.folder / PROGRESS)
        told.facts["progress"] = str(workspace.folder / PROGRESS)
    except MissingExtra as error:
        yield str(error)
    here = _here(workspace)
    pairs = [
        ("picture", told.facts.get("picture", "-")),
        ("progress", told.facts.get("progress", "-")),
        ("page to browse", told.facts["report"]),
        ("the gate's reasons", f"{here} show {told.cycles[-1].candidate}"),
        ("who served when", f"{here} history"),
        ("ask it yourself", f"{here} predict {shlex.quote(days.questions[0])}"),
        ("your own data", f"{_program()} demo --data FILE   (JSON Lines or CSV with text and intent)"),
    ]
    yield Text("\nWhere to look next", style="bold")
    yield from (pasted(*pair) for pair in pairs)


def _record(workspace: onward.Workspace, day: bytes) -> Iterator[RenderableType]:
    recorded = workspace.record_file(day, source="demo")
    yield f"Recorded {recorded.interactions} interactions and {recorded.feedback} pieces of feedback."
    for line in recorded.bad:
        yield Text(f"  line {line.number} set aside: {clean(line.reason)}", style="dim")


def _cycle(workspace: onward.Workspace, watch: bool, told: Told) -> Iterator[RenderableType]:
    with bars(wanted=watch) as progress:
        result = workspace.cycle(force=True, reason="demo", progress=progress)
    told.cycles.append(result)
    counts = result.counts
    yield (
        f"Curated {counts['examples']} examples, {counts['new']} new, {counts['evaluation']} for evaluation only; "
        f"{counts['set aside']} interactions set aside."
    )
    yield headline(result)
    if result.verdict is not None:
        yield verdict_table(result.verdict, brief=True)


def _here(workspace: onward.Workspace) -> str:
    return f"{_program()} --workspace {shlex.quote(str(workspace.folder))}"


def _program() -> str:
    """What starts this program again, also where its folder is not on the PATH."""
    if shutil.which("onward"):
        return "onward"
    started = sys.argv[0]
    if Path(started).is_file() and os.access(started, os.X_OK):
        return shlex.quote(started)
    return f"{shlex.quote(sys.executable)} -m onward"


def _entities(text: str, answer: onward.Prediction) -> str:
    return ", ".join(f"{text[e.start : e.end]} ({e.label})" for e in answer.labels.entities or ()) or "-"


def _chapter(title: str) -> Text:
    return Text(f"\n── {title}", style="bold cyan")
