"""What a snapshot is, and what it is made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A whole workspace as of one moment, in a place for back-ups.

    Args:
        id: sorts by the order in which they were made, whatever the clock said.
        workspace: id of the workspace that it is of.
        at: everything acknowledged before this time is in it.
        schema: version of the tables it was written from.
        rows: table -> how many.
        blobs: how many data set versions and evaluation sets; `artifacts`: how many saved models.
        size: bytes of all its content, before compression.
        written: bytes that were not in the place before, compressed.
        lacking: blobs and artifacts that rows name and the snapshot does not hold -> why. Retention drops artifacts:
            "dropped" is in order.
    """

    id: str
    workspace: str
    at: datetime
    schema: str
    rows: Mapping[str, int]
    blobs: int
    artifacts: int
    size: int
    written: int
    lacking: Mapping[str, str] = field(default_factory=dict)

    @property
    def damaged(self) -> dict[str, str]:
        """What was damaged in the workspace, or missing, when the snapshot was made, and is lacking for that."""
        return {name: why for name, why in self.lacking.items() if why != "dropped"}


@dataclass(frozen=True, slots=True)
class FilePart:
    """A file's content: bytes in all, and the chunks that follow each other."""

    size: int
    chunks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TablePart:
    """A table's rows as JSON Lines of arrays, in the order of the columns."""

    columns: tuple[str, ...]
    rows: int
    size: int
    chunks: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """Everything that a snapshot holds.

    Args:
        tables: name -> rows.
        blobs: content hash -> content.
        artifacts: content hash -> relative path -> content.
        files: name -> content, of what is neither: onward.toml.
    """

    tables: Mapping[str, TablePart] = field(default_factory=dict)
    blobs: Mapping[str, FilePart] = field(default_factory=dict)
    artifacts: Mapping[str, Mapping[str, FilePart]] = field(default_factory=dict)
    files: Mapping[str, FilePart] = field(default_factory=dict)

    def parts(self) -> Iterable[FilePart | TablePart]:
        """Everything that is made of chunks."""
        folders = chain.from_iterable(folder.values() for folder in self.artifacts.values())
        return chain(self.tables.values(), self.blobs.values(), folders, self.files.values())

    @property
    def size(self) -> int:
        """Bytes before compression."""
        return sum(part.size for part in self.parts())

    def chunks(self) -> set[str]:
        """The names of all chunks."""
        return {chunk for part in self.parts() for chunk in part.chunks}


@dataclass(frozen=True, slots=True)
class Stored:
    """A snapshot's file."""

    snapshot: Snapshot
    contents: Contents
