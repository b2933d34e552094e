"""Standard input, as bytes and as lines."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import BinaryIO, Final

import typer

DASH: Final = "-"
AT_ONCE: Final = 65_536


def standard_input() -> BinaryIO:
    """Standard input as bytes; a closed one is a usage error."""
    if sys.stdin is None:
        raise typer.BadParameter("Standard input is closed. Pipe something in, or name a file.")
    return sys.stdin.buffer


def batches(stream: BinaryIO) -> Iterator[list[str]]:
    """The lines of a stream, as many at a time as are there: one where somebody types, many from a file.

    Bytes that are not UTF-8 become the replacement character.

    >>> import io
    >>> list(batches(io.BytesIO(b"one\\r\\n\\nthree")))
    [['one', ''], ['three']]
    """
    rest = b""
    while data := stream.read1(AT_ONCE):  # type: ignore[attr-defined] # buffered streams have it
        *lines, rest = (rest + data).split(b"\n")
        if lines:
            yield [_text(line) for line in lines]
    if rest:
        yield [_text(rest)]


def _text(line: bytes) -> str:
    return line.removesuffix(b"\r").decode(errors="replace")
