"""Files that appear whole or not at all."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from onward.core import Unavailable


@contextmanager
def whole(file: Path) -> Iterator[Path]:
    """A file to write beside the wanted one, which takes its place in the end.

    Raises:
        Unavailable: it cannot be written; what was there stays.
    """
    part = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    try:
        yield part
        part.replace(file)
    except OSError as error:
        mend = "Choose another file name."
        raise Unavailable(f"{file} cannot be written.", why=f"{error.strerror or error}.", mend=mend) from error
    finally:
        with suppress(OSError):
            part.unlink()
