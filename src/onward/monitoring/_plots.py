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
        versions: oldest first, the best candidate of a cycle before its others; without a scorecard they are left out.
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
    """Each cycle's best candidate on every set, joined by lines; the other learners' candidates as faint dots."""
    first_of = {version.cycle: version for version in reversed(versions)}
    best = [version for version in versions if first_of[version.cycle] is version]
    place = {version.cycle: at for at, version in enumerate(best)}
    for position, (name, points) in enumerate(_by_set(best, place).items(), 1):
        label = names.get(name, f"evaluation set {position}, not frozen")
        axes.plot(*zip(*points, strict=True), marker=".", alpha=0.6, label=label)
    others = [(place[v.cycle], _overall(v)) for v in versions if v not in best]
    _scatter(axes, others, ".", "#8c959f", "other learners' candidates")
    for decision, (marker, color) in MARKS.items():
        decided = [v for v in best if v.verdict and v.verdict.decision == decision]
        _scatter(axes, [(place[v.cycle], _overall(v)) for v in decided], marker, color, SAID[decision])
    axes.set(title="Each cycle's best candidate on every evaluation set", xlabel="cycle", ylabel="accuracy")
    axes.set_xticks(list(place.values()), [f"version {v.number}\n{v.learner}" for v in best])
    axes.set_ylim(top=1.01)
    axes.margins(x=0.1)
    axes.grid(alpha=0.3)
    if axes.lines:
        axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize="small")


def _by_set(versions: Sequence[ModelVersion], place: Mapping[str, int]) -> dict[str, list[tuple[int, float]]]:
    sets: dict[str, list[tuple[int, float]]] = {}
    for version in versions:
        for score in version.scorecard.sets if version.scorecard else ():
            sets.setdefault(score.name, []).append((place[version.cycle], score.accuracy))
    return sets


def _overall(version: ModelVersion) -> float:
    return version.scorecard.overall.accuracy if version.scorecard else 0.0


def _scatter(axes: Axes, points: Sequence[tuple[int, float]], marker: str, color: str, label: str) -> None:
    if points:
        across, up = zip(*points, strict=True)
        axes.scatter(across, up, marker=marker, color=color, s=90, zorder=3, label=label)


def _service(axes: Axes, history: Sequence[Transition]) -> None:
    steps = list(range(len(history) + 1))
    numbers = [transition.version for transition in history]
    axes.step(steps, [*numbers, numbers[-1]] if numbers else [0], where="post", color="#0969da", linewidth=2)
    for step, transition in enumerate(history):
        axes.annotate(
            f"{transition.cause}\nv{transition.version}",
            (step, transition.version),
            xytext=(4, 5),
            textcoords="offset points",
            fontsize="small",
        )
    axes.set(title="Version in service", xlabel="change", ylabel="version")
    axes.set_xticks(steps)
    axes.margins(y=0.9)
    axes.grid(alpha=0.3)
