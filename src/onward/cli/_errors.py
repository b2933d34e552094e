"""What goes wrong, told in one form: what, why, how to mend it; and the exit codes."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from rich.text import Text

from ._output import clean, rendered

EXIT_CODES: Final[Mapping[int, str]] = {
    0: "done",
    1: "unexpected; also a cycle in which no learner could make a candidate",
    2: "bad input; also a file of which no line could be used",
    3: "not found",
    4: "busy: somebody else holds what is needed",
    5: "damaged: stored bytes are not what was stored; also by the doctor",
    6: "an optional package is missing",
    7: "the cycle refused its candidate",
    8: "the storage or a source is unavailable; or a channel took no test",
    130: "interrupted",
}
UNEXPECTED, BAD_INPUT, DAMAGED, REFUSED, UNAVAILABLE, INTERRUPTED = 1, 2, 5, 7, 8, 130
DEBUG: Final = "ONWARD_DEBUG"


def problem(error: str, what: str, *, why: str = "", mend: str = "", options: Sequence[str] = ()) -> dict[str, Any]:
    """An error in the form that `OnwardError.to_dict` gives."""
    return {"error": error, "what": what, "why": why, "mend": mend, "options": list(options)}


def interrupted() -> dict[str, Any]:
    """Somebody pressed Ctrl-C."""
    return problem(
        "interrupted",
        "Interrupted.",
        why="Whatever was acknowledged is stored, and the champion is in service.",
        mend="An unfinished cycle goes on where it stopped: onward cycle",
    )


def misused(message: str, path: str, options: Sequence[str] = ()) -> dict[str, Any]:
    """The command line was not understood."""
    return problem("invalid_input", clean(" ".join(message.split())), mend=f"See: {path} --help", options=options)


def unexpected(error: Exception) -> dict[str, Any]:
    """Something that nobody foresaw; with ONWARD_DEBUG its traceback is printed."""
    if os.environ.get(DEBUG):
        traceback.print_exception(error)
    return problem(
        "unexpected",
        f"Something unexpected happened: {clean(f'{type(error).__name__}: {error}')}",
        why="Most likely a mistake in Onward or in a plug-in.",
        mend=f"See where with: {DEBUG}=1 onward ...",
    )


def report(found: Mapping[str, Any], *, json: bool) -> None:
    """Print an error on standard error."""
    if json:
        text = msgspec.json.encode(found).decode() + "\n"
    else:
        text = "".join(rendered(line, sys.stderr) for line in _lines(found))
    sys.stderr.write(text)
    sys.stderr.flush()


def _lines(found: Mapping[str, Any]) -> list[Text]:
    lines = [Text.assemble(("Error: ", "bold red"), clean(found["what"]))]
    for title, key in (("Why:   ", "why"), ("Mend:  ", "mend")):
        if found[key]:
            lines.append(Text.assemble((title, "bold"), clean(found[key]), no_wrap=key == "mend"))
    if found["options"]:
        lines.append(Text.assemble(("Known: ", "bold"), clean(", ".join(found["options"]))))
    return lines
