"""What a stored folder holds, and which names of files are taken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from onward.core import Damaged, content_hash, decode, file_hash


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file of an artifact: SHA-256 (hex) and size in bytes."""

    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a stored folder holds: relative path -> entry. Its own hash names the folder."""

    files: Mapping[str, FileEntry]


def manifest_of(folder: Path) -> Manifest:
    """Look at every file of a folder.

    Raises:
        Damaged: it holds something that is no plain file or folder, or that no record may name.
        OSError: it cannot be read.
    """
    paths = sorted(folder.rglob("*"))
    odd = [path for path in paths if path.is_symlink() or not (path.is_file() or path.is_dir())]
    if odd or folder.is_symlink() or not folder.is_dir():
        raise Damaged(
            f"{str(odd[0] if odd else folder)!r} is a link or something else.",
            why="An artifact is a folder of plain files and folders only.",
            mend="Restore a back-up.",
        )
    files = {path.relative_to(folder).as_posix(): path for path in paths if path.is_file()}
    _check_paths(files)
    return Manifest({name: FileEntry(file_hash(path), path.stat().st_size) for name, path in files.items()})


def read_manifest(data: bytes, name: str) -> Manifest:
    """The manifest that was stored under a hash; no path in it leads out of the folder.

    Raises:
        Damaged: it is not what was stored, or names what no artifact may hold.
    """
    manifest = decode(data, Manifest)
    if content_hash(manifest) != name:
        raise Damaged(f"The manifest of artifact {name} was changed after it was stored.", mend="Restore a back-up.")
    _check_paths(manifest.files)
    return manifest


def check_folder(folder: Path, stored: Manifest) -> None:
    """Compare every file of a folder with its manifest.

    Raises:
        Damaged: a file is missing, added, or has another size or hash; or a file cannot be read.
    """
    try:
        found = manifest_of(folder)
    except OSError as error:
        raise Damaged(f"{folder} cannot be read.", why=f"{error}.", mend="Restore a back-up.") from error
    wrong = sorted(path for path in {*found.files, *stored.files} if found.files.get(path) != stored.files.get(path))
    if wrong:
        raise Damaged(
            f"Artifact {folder} was changed after it was stored: {', '.join(wrong[:3])}.", mend="Restore a back-up."
        )


def _check_paths(paths: Mapping[str, object]) -> None:
    odd = [path for path in paths if not _is_plain(path)]
    within = [path for path in paths if any(parent.as_posix() in paths for parent in PurePosixPath(path).parents)]
    if odd or within:
        raise Damaged(
            f"{(odd + within)[0]!r} cannot name a file of an artifact.",
            why="Names are printable paths that stay inside the folder.",
            mend="Restore a back-up, or rename the file.",
        )


def _is_plain(path: str) -> bool:
    parts = path.split("/")
    short = all(len(part.encode(errors="replace")) <= 255 for part in parts)
    return path.isprintable() and "\\" not in path and short and not {"", ".", ".."} & set(parts)
