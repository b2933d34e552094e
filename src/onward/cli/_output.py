"""The one place that writes. Nothing that a user said is ever read as markup or as a control code."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, TextIO

import msgspec
import typer
from rich import box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

NOTHING: Final = "-"
PIPE_WIDTH: Final = 10_000
"""Columns where nobody looks: lines in a pipe are never wrapped."""


def emit(value: Any) -> None:
    """Print a value as one line of JSON, in UTF-8 whatever the terminal speaks."""
    _put(msgspec.json.encode(value) + b"\n")


def show(parts: Iterable[RenderableType]) -> None:
    """Print tables, trees, styled texts; a plain string is a line of its own, and is not interpreted."""
    for part in parts:
        _put(rendered(part, sys.stdout).encode(sys.stdout.encoding or "utf8", "backslashreplace"))


def tabbed(cells: Iterable[str | None]) -> None:
    """Print one line, a tab between the cells and none in them."""
    line = "\t".join(NOTHING if cell is None else clean(cell) for cell in cells) + "\n"
    _put(line.encode(sys.stdout.encoding or "utf8", "backslashreplace"))


def verbatim(text: str) -> None:
    """Print text that is for programs as it is, in UTF-8; on a terminal, what cannot be printed is written out."""
    if sys.stdout.isatty():
        show(text.removesuffix("\n").split("\n"))
    else:
        _put(text.encode())


def rendered(part: RenderableType, stream: TextIO) -> str:
    """A part as that stream shows it: coloured only on a terminal, wrapped only there, and no command ever."""
    watched = stream.isatty()
    console = Console(file=stream, highlight=False, width=None if watched else PIPE_WIDTH)
    line = Text(clean(part)) if isinstance(part, str) else part
    with console.capture() as capture:
        console.print(line, soft_wrap=isinstance(line, Text) and (bool(line.no_wrap) or not watched))
    return capture.get()


def _put(data: bytes) -> None:
    try:
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains once more at exit
        if isinstance(error, BrokenPipeError):
            raise typer.Exit from error
        raise


def clean(text: str) -> str:
    r"""The text on one line, whatever cannot be printed written out.

    >>> clean("red \x1b[31m and\nnext")
    'red \\x1b[31m and\\nnext'
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """A table; cells are shown as they are, `None` as a dash, numbers to the right."""
    result = Table(title=Text(clean(title)), title_justify="left", box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for column in columns:
        result.add_column(Text(clean(column), no_wrap=True, overflow="ellipsis"), overflow="fold")
    for row in rows:
        result.add_row(*map(_cell, row))
    return result


def facts(pairs: Iterable[tuple[str, object]]) -> Table:
    """Names and values, one pair a line."""
    result = Table(box=None, show_header=False, pad_edge=False)
    for name, value in pairs:
        result.add_row(Text(clean(name), style="bold"), _cell(value))
    return result


def _cell(value: object) -> Text:
    if isinstance(value, Text):
        return value
    if isinstance(value, datetime):
        return Text(when(value))
    return Text(figure(value)) if isinstance(value, float) else Text(NOTHING if value is None else clean(str(value)))


def figure(value: float) -> str:
    """A figure: counts as they are, shares to three digits after the point, tiny ones by their order.

    >>> [figure(value) for value in (46.0, 0.91666, 2.6e-10, 0.0)]
    ['46', '0.917', '2.6e-10', '0.000']
    """
    if value.is_integer() and abs(value) > 1:
        return f"{value:.0f}"
    return f"{value:.1e}" if 0 < abs(value) < 0.0005 else f"{value:.3f}"


def when(at: datetime) -> str:
    """A time, in UTC to the second.

    >>> when(datetime(2026, 3, 2, 8, 1, 26, 5, tzinfo=UTC))
    '2026-03-02 08:01:26Z'
    """
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(sep=" ", timespec="seconds") + "Z"


def following(text: str) -> Text:
    """The line that names the next command."""
    return Text(f"Next: {clean(text)}", style="dim", no_wrap=True)


def pasted(name: str, command: str) -> Text:
    """A name and a command, which stays in one piece so that it can be pasted."""
    return Text.assemble((f"{clean(name):<20}", "bold"), clean(command), no_wrap=True)
