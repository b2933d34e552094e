"""Which data sets can be fetched: from where, how their bytes are known, and what is made of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from ._omniglot import FILES, convert


@dataclass(frozen=True, slots=True)
class Source:
    """A file to download.

    Args:
        url: http or https.
        md5: of its bytes, hexadecimal, as the publisher or the usual loaders state it.
        most: bytes; more than so many are refused while they come.
    """

    url: str
    md5: str
    most: int

    @property
    def name(self) -> str:
        """The last part of the URL."""
        return self.url.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class DataSet:
    """A public data set.

    Args:
        name: what `onward datasets get` takes.
        about: what is in it, one line.
        licence: as its publisher states it.
        sources: what is downloaded.
        files: what is made of them, relative to the folder of data sets.
        convert: makes the files: downloaded file and target, one call each, in order.
    """

    name: str
    about: str
    licence: str
    sources: Sequence[Source]
    files: Sequence[str]
    convert: Callable[[Path, Path], None]


_OMNIGLOT: Final = "https://raw.githubusercontent.com/brendenlake/omniglot/master/python"

DATA_SETS: Final[Mapping[str, DataSet]] = MappingProxyType(
    {
        "omniglot": DataSet(
            name="omniglot",
            about="1,623 handwritten characters of 50 alphabets, each drawn by 20 people",
            licence="MIT (Brenden Lake)",
            sources=(
                Source(f"{_OMNIGLOT}/images_background.zip", "68d2efa1b9178cc56df9314c21c6e718", 64 * 2**20),
                Source(f"{_OMNIGLOT}/images_evaluation.zip", "6b91aef0f799c5bb55b94e3f2daec811", 64 * 2**20),
            ),
            files=FILES,
            convert=convert,
        )
    }
)
"""Name -> data set."""
