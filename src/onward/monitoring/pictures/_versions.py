"""The picture of versions: how good each was, and which served when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ._figure import BASE, INK, SMALL, SOFT, look, new_figure, save_figure, titled
from ._names import quoted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from onward.core import ModelVersion, Transition

MARKS: Final = {"promote": ("o", "#009e73"), "keep": ("s", "#e69f00"), "refuse": ("X", "#d55e00")}
SAID: Final = {"promote": "passed the gate", "keep": "kept out: not better", "refuse": "refused by the gate"}
OTHERS: Final = "#8c959f"


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
    figure = new_figure(9, 6)
    figure.set_layout_engine("constrained")
    upper, lower = figure.subplots(2, 1, height_ratios=(3, 1))
    _accuracies(upper, [version for version in versions if version.scorecard], names or {})
    _service(lower, history)
    return save_figure(figure, file)


def _accuracies(axes: Axes, versions: Sequence[ModelVersion], names: Mapping[str, str]) -> None:
    """Each cycle's best candidate on every set, joined by lines; the other learners' candidates as faint dots."""
    titled(axes, "Accuracy of each cycle's best candidate, on every evaluation set")
    first_of = {version.cycle: version for version in reversed(versions)}
    best = [version for version in versions if first_of[version.cycle] is version]
    place = {version.cycle: at for at, version in enumerate(best)}
    for number, (name, points) in enumerate(_by_set(best, place).items()):
        colour, dashes = look(number)
        label = quoted(names.get(name, f"evaluation set {number + 1}, not frozen"))
        axes.plot(*zip(*points, strict=True), color=colour, linestyle=dashes, marker=".", label=label)
    _scatter(axes, [(place[v.cycle], _overall(v)) for v in versions if v not in best], ".", OTHERS, "other candidates")
    for decision, (marker, color) in MARKS.items():
        decided = [v for v in best if v.verdict and v.verdict.decision == decision]
        _scatter(axes, [(place[v.cycle], _overall(v)) for v in decided], marker, color, SAID[decision])
    axes.set_ylabel("accuracy", fontsize=SMALL, color=SOFT)
    axes.set_xticks(list(place.values()), [quoted(f"version {v.number}\n{v.learner}") for v in best])
    axes.set_ylim(top=1.01)
    axes.margins(x=0.1)
    if axes.lines:
        axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=SMALL, frameon=False, labelcolor=INK)


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
        axes.scatter(across, up, marker=marker, color=color, s=90, zorder=3, label=label, edgecolors="white")


def _service(axes: Axes, history: Sequence[Transition]) -> None:
    from matplotlib.ticker import MaxNLocator

    titled(axes, "Version in service")
    steps = list(range(len(history) + 1))
    numbers = [transition.version for transition in history]
    axes.step(steps, [*numbers, numbers[-1]] if numbers else [0], where="post", color=look(0)[0], linewidth=2)
    for step, transition in enumerate(history):
        axes.annotate(
            f"{transition.cause}\nversion {transition.version}",
            (step, transition.version),
            xytext=(4, 5),
            textcoords="offset points",
            fontsize=BASE,
            color=INK,
        )
    axes.set_xlabel("change", fontsize=SMALL, color=SOFT)
    axes.set_ylabel("version", fontsize=SMALL, color=SOFT)
    axes.set_xticks(steps)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.margins(y=0.9)
