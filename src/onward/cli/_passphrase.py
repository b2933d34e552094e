"""The passphrase of back-ups: from a file or the environment, never from the command line, which others can see."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Final

import typer

VARIABLE: Final = "ONWARD_PASSPHRASE"
PassphraseFile = Annotated[
    Path | None,
    typer.Option("--passphrase-file", metavar="FILE", help=f"Its first line encrypts the back-ups; or {VARIABLE}."),
]


def read_passphrase(file: Path | None) -> str | None:
    """The first line of a file; else what the environment says; else none."""
    if file is None:
        return os.environ.get(VARIABLE) or None
    try:
        lines = file.read_text(encoding="utf8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"The passphrase cannot be read: {error}") from error
    if not lines or not lines[0]:
        raise typer.BadParameter(f"{file} has no passphrase in its first line.")
    return lines[0]
