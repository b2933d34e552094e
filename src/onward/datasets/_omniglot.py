"""Omniglot's archives, and the arrays that are made of them."""

from __future__ import annotations

import io
import re
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from onward.core import Damaged, MissingExtra

FILES: Final = tuple(f"omniglot/omniglot_{part}_28x28_u8.npz" for part in ("background", "evaluation"))
SIDE: Final = 28
DRAWERS: Final = 20
MEMBER: Final = re.compile(r"[^/]+/([^/]+)/(character\d+)/\d+_(\d+)\.png")
MOST: Final = 1_000_000
"""Bytes of one drawing; Omniglot's have a few hundred."""
MANY: Final = 50_000


def convert(archive: Path, target: Path) -> None:
    """Write the drawings of an archive as arrays: `images` (characters, 20, 28, 28) bytes, ink 255 on paper 0.

    Also `alphabet` (characters,), the place in `alphabet_names` of each character's, and `character`, its name. The
    drawings of 105 x 105 are brought to 28 x 28 by Lanczos' filter, as usual. Nothing is unpacked to disk: paths in the
    archive are read as names only.

    Raises:
        Damaged: it is no such archive.
        MissingExtra: Pillow is not installed.
    """
    drawings: dict[tuple[str, str], dict[int, Any]] = defaultdict(dict)
    for alphabet, character, drawer, data in _members(archive):
        drawings[alphabet, character][drawer] = _drawn(data, archive)
    short = [name for name, mine in drawings.items() if len(mine) != DRAWERS]
    if short or not drawings:
        raise Damaged(
            f"{archive.name} has {len(drawings)} characters, {len(short)} of them without {DRAWERS} drawings.",
            mend="Fetch it again.",
        )
    names = sorted(drawings)
    alphabets = sorted({alphabet for alphabet, _ in names})
    np.savez_compressed(
        target,
        images=np.stack([np.stack([drawings[name][at] for at in sorted(drawings[name])]) for name in names]),
        alphabet=np.array([alphabets.index(alphabet) for alphabet, _ in names], dtype=np.uint8),
        alphabet_names=np.array(alphabets),
        character=np.array([character for _, character in names]),
    )


def _members(archive: Path) -> Iterator[tuple[str, str, int, bytes]]:
    """Alphabet, character, drawer and bytes of every drawing; whatever else is in the archive is passed over."""
    try:
        with zipfile.ZipFile(archive) as opened:
            for member in opened.infolist()[:MANY]:
                told = MEMBER.fullmatch(member.filename)
                if told and member.file_size <= MOST:
                    yield told[1], told[2], int(told[3]), opened.read(member)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        raise Damaged(f"{archive.name} is no zip archive that can be read: {error}.", mend="Fetch it again.") from error


def _drawn(data: bytes, archive: Path) -> Any:
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingExtra("Pillow", "plots") from error
    try:
        with Image.open(io.BytesIO(data)) as image:
            small = image.convert("L").resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise Damaged(f"{archive.name} holds a drawing that is no image: {error}.", mend="Fetch it again.") from error
    return 255 - np.asarray(small)
