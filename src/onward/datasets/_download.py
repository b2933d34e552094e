"""One file over HTTP, resumed where it was cut off."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from onward.core import Damaged, Unavailable

from ._table import Source

Progress = Callable[[str, int, int, str], None]
"""Called with (stage, done, total, a short note)."""

CHUNK: Final = 2**18
SECONDS: Final = 30.0
"""Without a byte for so long, a connection is given up."""
TRIES: Final = 3
ALL_HERE: Final = 416
"""Range not satisfiable: there is nothing after what is here."""
FURTHER: Final = 206


class _Cut(Exception):
    """The connection broke before all had come."""


def download(source: Source, partial: Path, progress: Progress) -> int:
    """Bring `partial` to the whole file, going on where it ends; return how many bytes came.

    Raises:
        Unavailable: the source cannot be reached, or the connection broke three times; what came is kept.
        Damaged: it is larger than it may be; it is thrown away.
        OSError: `partial` cannot be written.
    """
    before = partial.stat().st_size if partial.exists() else 0
    tries = Retrying(
        stop=stop_after_attempt(TRIES), wait=wait_exponential(0.2), retry=retry_if_exception_type(_Cut), reraise=True
    )
    try:
        tries(_continue, source, partial, progress)
    except _Cut as error:
        raise _unreachable(source, f"the connection broke {TRIES} times: {error}") from error
    return partial.stat().st_size - before


def _continue(source: Source, partial: Path, progress: Progress) -> None:
    here = partial.stat().st_size if partial.exists() else 0
    request = urllib.request.Request(source.url, headers={"Range": f"bytes={here}-"} if here else {})  # noqa: S310
    try:
        response = urllib.request.urlopen(request, timeout=SECONDS)  # noqa: S310 - http and https only, see `fetch`
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == ALL_HERE and here:
            return
        raise _unreachable(source, f"it answers {error.code} {error.reason}") from error
    except (http.client.HTTPException, OSError) as error:
        raise _unreachable(source, str(getattr(error, "reason", error))) from error
    with response:
        here = here if response.status == FURTHER else 0
        stated = response.headers.get("Content-Length") or ""
        total = here + (int(stated) if stated.isdecimal() else 0)
        with partial.open("ab" if here else "wb") as file:
            for chunk in _chunks(response):
                here += len(chunk)
                if here > source.most:
                    break
                file.write(chunk)
                progress(source.name, here, total, f"{here / 1e6:.1f} MB")
    if here > source.most:
        partial.unlink()
        raise Damaged(
            f"{source.url} gives more than {source.most} bytes; they were thrown away.", mend="Try another place."
        )
    if here < total:
        raise _Cut(f"{here} of {total} bytes came")


def _chunks(response: http.client.HTTPResponse) -> Iterator[bytes]:
    try:
        while chunk := response.read(CHUNK):
            yield chunk
    except (http.client.HTTPException, OSError) as error:  # of TLS too
        raise _Cut(f"{type(error).__name__}: {error}") from error


def _unreachable(source: Source, why: str) -> Unavailable:
    return Unavailable(
        f"{source.url} cannot be fetched.",
        why=f"{why[:1].upper()}{why[1:]}.",
        mend="Check the network, or name a mirror. What came is kept, and the next try goes on from there.",
    )
