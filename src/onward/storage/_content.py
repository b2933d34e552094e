"""What every place of content-addressed things offers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final, Protocol

from onward.core import NotFound

from ._manifest import Manifest

BYTES: Final = "blobs"
ARTIFACTS: Final = "artifacts"
MANIFEST: Final = "MANIFEST.json"
FILES: Final = "files"
OWNER: Final = "owner"
DIGITS: Final = frozenset("0123456789abcdef")


class Content(Protocol):
    """Stored bytes and artifacts under the hash of their content; safe to share between threads and processes.

    Whatever `write` and `store` return from is durable and was visible in one step; whatever was cut off before does
    not exist. What is handed out as an artifact is verified; stored bytes are verified by the caller. Both folders and
    buckets hold `blobs/<aa>/<hash>` and `artifacts/<aa>/<hash>/{MANIFEST.json,files/}`, so that one can be copied
    into the other. Every method may raise `Unavailable`.
    """

    def read(self, name: str) -> bytes:
        """What was written under a name; NotFound, or Damaged where it cannot be read."""

    def write(self, name: str, data: bytes) -> None:
        """Put bytes under a name, over whatever is there."""

    def drop(self, name: str) -> None:
        """Remove bytes; nothing happens where there are none."""

    def names(self) -> Iterator[str]:
        """The names under which bytes are."""

    def store(self, name: str, manifest: Manifest, folder: Path) -> None:
        """Take a folder in; nothing is stored under its name. It may be moved."""

    def manifest(self, name: str) -> Manifest:
        """What an artifact holds, the hash of the manifest checked; NotFound or Damaged."""

    def folder(self, name: str) -> Path:
        """An artifact's files, verified; NotFound or Damaged."""

    def verify_folder(self, name: str) -> None:
        """As `folder`, of what is stored and not of a copy."""

    def drop_folder(self, name: str) -> None:
        """Remove an artifact, which is gone in one step, and every copy here."""

    def artifacts(self) -> Iterator[str]:
        """The names of the artifacts."""

    def owner(self) -> str | None:
        """Whose content this is; `None`: nobody has said."""

    def own(self, owner: str) -> None:
        """Say whose content this is from now on."""

    def age(self, name: str) -> float | None:
        """Seconds since the bytes or the artifact under a name was stored; `None`: there is none, or nobody knows."""


def key_of(kind: str, name: str) -> str:
    """Where a name is, below the root.

    >>> key_of("blobs", "ab" * 32)[:15]
    'blobs/ab/ababab'
    """
    if not is_name(name):
        raise NotFound(f"{name!r} is not a content hash.", mend="Give the 64 hexadecimal digits.")
    return f"{kind}/{name[:2]}/{name}"


def is_name(name: object) -> bool:
    """Whether it is a SHA-256 in hexadecimal digits; what comes out of a damaged row may be anything."""
    return isinstance(name, str) and len(name) == 64 and set(name) <= DIGITS


def nothing_stored(name: str) -> NotFound:
    """The error of missing bytes."""
    return NotFound(f"Nothing is stored under {name}.", mend="Restore a back-up.")


def no_artifact(name: str) -> NotFound:
    """The error of a missing artifact."""
    return NotFound(f"No artifact is stored under {name}.", mend="Restore a back-up, or train anew.")
