"""Pictures of learning. Needs matplotlib (the `plots` extra)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from onward.core import MissingExtra, ModelVersion, Transition, Unavailable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MARKS: Final = {"promote": ("o", "#1a7f37"), "keep": ("s", "#9a6700"), "refuse": ("X", "#cf222e")}
SAID: Final = {"promote": "passed the gate", "keep": "kept out: not better", "refuse": "refused by the gate"}


def plot_versions(
    versions: Sequence[ModelVersion],
    history: Sequence[Transition],
    file: Path,
    names: Mapping[str, str] | None = None,
) -> Path:
    """Save a picture: accuracy of every version on every evaluation set, and which version served when.

    Args:
        versions: oldest first; those without a scorecard are left out.
        history: the audit trail of the champion alias.
        file: .png, .svg or .pdf.
        names: evaluation set -> the name to show; their order where left out.

    Raises:
        MissingExtra: matplotlib is not installed.
        Unavailable: the file cannot be written.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtra("matplotlib", "plots") from error
    figure = Figure(figsize=(9, 6), layout="constrained")
    upper, lower = figure.subplots(2, 1, height_ratios=(3, 1))
    _accuracies(upper, [version for version in versions if version.scorecard], names or {})
    _service(lower, history)
    try:
        figure.savefig(file, dpi=120)
    except (OSError, ValueError) as error:
        raise Unavailable(f"{file} cannot be written.", why=f"{error}.", mend="Choose another file name.") from error
    return file


def _accuracies(axes: Axes, versions: Sequence[ModelVersion], names: Mapping[str, str]) -> None:
    sets: dict[str, list[tuple[int, float]]] = {}
    for version in versions:
        for score in version.scorecard.sets if version.scorecard else ():
            sets.setdefault(score.name, []).append((version.number, score.accuracy))
    for position, (name, points) in enumerate(sets.items(), 1):
        axes.plot(
            *zip(*points, strict=True), marker=".", alpha=0.6, label=names.get(name, f"evaluation set {position}")
        )
    for decision, (marker, color) in MARKS.items():
        points = [
            (v.number, v.scorecard.overall.accuracy)
            for v in versions
            if v.verdict and v.scorecard and v.verdict.decision == decision
        ]
        if points:
            across, up = zip(*points, strict=True)
            axes.scatter(across, up, marker=marker, color=color, s=90, zorder=3, label=SAID[decision])
    axes.set(title="Accuracy of every version on every evaluation set", xlabel="version", ylabel="accuracy")
    axes.set_xticks([version.number for version in versions], [f"{v.number}\n{v.learner}" for v in versions])
    axes.set_ylim(top=1.01)
    axes.grid(alpha=0.3)
    if axes.lines:
        axes.legend(loc="lower right", fontsize="small")


def _service(axes: Axes, history: Sequence[Transition]) -> None:
    steps = list(range(len(history) + 1))
    numbers = [transition.version for transition in history]
    axes.step(steps, [*numbers, numbers[-1]] if numbers else [0], where="post", color="#0969da", linewidth=2)
    for step, transition in enumerate(history):
        axes.annotate(f"{transition.cause}\nv{transition.version}", (step, transition.version), fontsize="small")
    axes.set(title="Version in service", xlabel="change", ylabel="version")
    axes.set_xticks(steps)
    axes.margins(y=0.4)
    axes.grid(alpha=0.3)
