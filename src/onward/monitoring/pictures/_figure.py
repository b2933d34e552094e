"""How every picture looks, and the one way to save it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from onward.core import MissingExtra, Unavailable
from onward.monitoring._whole import whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK: Final = "#1f2328"
SOFT: Final = "#59636e"
FAINT: Final = "#d1d9e0"
TRACK: Final = "#eaeef2"
COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Okabe and Ito's, told apart by the colour-blind; without the yellow, which white paper swallows."""
DASHES: Final = ("-", (0, (5, 1.5)), (0, (1.2, 1.2)))
"""Where the colours come round again, the lines are dashed, then dotted."""
BASE: Final = 9.0
SMALL: Final = 8.0
DPI: Final = 144


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of so many inches, on white.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtra("matplotlib", "plots") from error
    return Figure(figsize=(width, height), dpi=DPI, facecolor="white")


def save_figure(figure: Figure, path: str | Path) -> Path:
    """Save a figure; the file appears whole or not at all.

    Args:
        figure: any of matplotlib's.
        path: .png, .svg, .pdf, or whatever else matplotlib writes.

    Raises:
        Unavailable: the file cannot be written, or nobody knows the format.
    """
    file = Path(path)
    kind = file.suffix.lower().removeprefix(".")
    known = figure.canvas.get_supported_filetypes()
    if kind not in known:
        why = f"Pictures are not written as {kind!r}."
        mend = "Choose another ending, .png for instance."
        raise Unavailable(f"{file} cannot be written.", why=why, mend=mend, options=known)
    with whole(file) as part:
        figure.savefig(part, format=kind, dpi=DPI)
    return file


def look(number: int) -> tuple[str, object]:
    """The colour and the dashes of the line with this number."""
    return COLOURS[number % len(COLOURS)], DASHES[number // len(COLOURS) % len(DASHES)]


def titled(axes: Axes, title: str, said: str = "") -> None:
    """Give a panel the common look, its title and, behind that, how it is read."""
    axes.set_title(title, loc="left", fontsize=BASE + 2, fontweight="bold", color=INK, pad=8)
    if said:
        axes.set_title(said, loc="right", fontsize=SMALL, color=SOFT, pad=8)
    axes.tick_params(colors=SOFT, labelsize=SMALL, length=3)
    axes.grid(visible=True, color=TRACK, linewidth=0.8)
    axes.set_axisbelow(True)
    for name, spine in axes.spines.items():
        spine.set_visible(name in {"left", "bottom"})
        spine.set_color(FAINT)


def empty(axes: Axes, said: str) -> None:
    """Say in the middle of a panel why nothing is in it."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.text(0.5, 0.5, said, transform=axes.transAxes, ha="center", va="center", fontsize=BASE, color=SOFT)
