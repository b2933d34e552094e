"""The days of the demo's story: our own conversations, or a user's file told the same way."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import msgspec

import onward
from onward.core import InvalidInput, NotFound, SystemClock, plain
from onward.experience import FileContents, read_file, read_lines

FLIPPED: Final = 0.4
FEWEST: Final = 150
QUESTIONS: Final = 4
FEW_INTENTS: Final = "For a task with fewer intents use the commands init, record and cycle in a folder of your own."
SHIPPED: Final = Path(onward.__file__).parent / "_examples" / "support"
IN_THE_SOURCES: Final = Path(onward.__file__).parents[2] / "examples" / "support"


@dataclass(frozen=True, slots=True)
class Days:
    """The story's material: JSON Lines for each day, questions for the champion, and who withdraws consent."""

    first: bytes
    second: bytes
    poisoned: bytes
    questions: tuple[str, ...]
    leaver: str | None


def our_days() -> Days:
    """The support assistant of a bicycle shop, from `examples/support`."""
    folder = SHIPPED if SHIPPED.is_dir() else IN_THE_SOURCES
    try:
        first, second, poisoned, live = (
            _learnable((folder / f"{name}.jsonl").read_bytes()) for name in ("day1", "day2", "day3_poisoned", "day4")
        )
    except OSError as error:
        raise NotFound("The demo's conversations are not installed.", mend="Use: onward demo --data FILE") from error
    questions = tuple(i.text for i in read_lines(live, source="live", now=SystemClock().now()).interactions)
    return Days(first, second, poisoned, questions[:QUESTIONS], "u-013")


def days_of(file: Path) -> Days:
    """A user's own file as the same story: all but two intents first, those two next, then a poisoned batch.

    Raises:
        NotFound: there is no such file.
        InvalidInput: too few labelled texts, or too few intents, to tell the story.
    """
    contents = read_file(file, now=SystemClock().now())
    labelled = [i for i in contents.interactions if i.labels.intent is not None]
    counts = Counter(str(i.labels.intent) for i in labelled)
    late = [name for name, count in counts.most_common() if count >= 20][-2:]
    if len(labelled) < FEWEST or len(counts) < 4 or len(late) < 2:
        raise InvalidInput(
            f"{file} has {len(labelled)} texts with an intent, of {len(counts)} intents.",
            why=f"The story needs {FEWEST} texts and four intents, two of them with 20 texts each."
            + _set_aside(contents),
            mend=FEW_INTENTS if len(counts) < 4 else "Give more lines, or look at the built-in story: onward demo",
        )
    shuffled = random.Random(0).sample(labelled, len(labelled))  # noqa: S311 - a story, not a secret
    cut = len(shuffled) // 5
    poison, rest = shuffled[:cut], shuffled[cut:]
    early = [i for i in rest if i.labels.intent not in late]
    names = sorted(counts)
    return Days(
        first=_lines([plain(i) for i in early[: len(early) * 3 // 4]], contents),
        second=_lines([plain(i) for i in rest if i.labels.intent in late or i in early[len(early) * 3 // 4 :]]),
        poisoned=_lines([_flipped(plain(i), names, n) for n, i in enumerate(poison)]),
        questions=tuple(i.text for i in poison[:QUESTIONS]),
        leaver=next((i.user for i in early if i.user is not None), None),
    )


def entities_can_be_learned() -> bool:
    """Whether spaCy is installed."""
    return find_spec("spacy") is not None


def _set_aside(contents: FileContents) -> str:
    if not contents.bad:
        return ""
    first = contents.bad[0]
    return f" Lines set aside: {len(contents.bad)}; the first is line {first.number}: {first.reason}"


def _flipped(line: dict[str, Any], names: Sequence[str], number: int) -> dict[str, Any]:
    chance = random.Random(number)  # noqa: S311 - a story, not a secret
    line["source"] = "poisoned"
    if chance.random() < FLIPPED:
        line["labels"]["intent"] = chance.choice([name for name in names if name != line["labels"]["intent"]])
    return line


def _lines(lines: Sequence[Mapping[str, Any]], also: FileContents | None = None) -> bytes:
    feedback = [plain(one) for one in also.feedback] if also else []
    return _learnable(b"\n".join(msgspec.json.encode(line) for line in [*lines, *feedback]))


def _learnable(data: bytes) -> bytes:
    """The lines, without entities where nothing is installed that learns them; what is not JSON stays as it is."""
    return data if entities_can_be_learned() else b"\n".join(map(_without_entities, data.splitlines()))


def _without_entities(line: bytes) -> bytes:
    try:
        row = msgspec.json.decode(line)
        for place in (row, row.get("labels"), row.get("correction")):
            if isinstance(place, dict):
                place.pop("entities", None)
        return msgspec.json.encode(row)
    except (msgspec.MsgspecError, AttributeError):
        return line
