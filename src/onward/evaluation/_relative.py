"""Checks against the champion, on the same examples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from onward.config import GateSettings
from onward.core import Check

from ._finding import Finding, told
from ._forgetting import OVERALL, Loss, forgetting
from ._intents import Recall, recalls
from ._outcomes import Outcomes
from ._pairs import Pair, joined
from ._significance import at_least, holm, sign_flip, surely_not_worse, tarone

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ROUNDING = 1e-9  # a loss of exactly the bound is allowed, and thirds add up to nought


def better(new: Pair, old: Pair, margin: float, level: float) -> Finding:
    """Whether the candidate is better on the new work; or not behind on it, and better on all work together.

    Two ways to pass, each at half the level. With a margin, the first way asks for surely not worse by the margin.
    """
    chances = [_chance_on_new(new, margin)]
    if old.count and new.gains.sum() >= -ROUNDING:
        chances.append(sign_flip(joined([old, new], "all").gains))
    chance = min(1.0, 2 * min(chances))
    passed = chance <= level
    return Finding(Check("better", passed, chance, level, _better_reason(new, old, margin, chance, level)), "keep")


def leaves(new: Pair, old: Pair) -> Finding:
    """A champion that is to go: nothing need be better than it."""
    figures = ", ".join(_figures(pair) for pair in (new, old) if pair.count)
    reason = f"the champion learned from what was withdrawn: no worse than it is enough ({figures})"
    return Finding(Check("leaving", True, 0.0, 0.0, reason), "keep")


def _chance_on_new(new: Pair, margin: float) -> float:
    return surely_not_worse(new.gains, margin) if margin and new.count else sign_flip(new.gains)


def _better_reason(new: Pair, old: Pair, margin: float, chance: float, level: float) -> str:
    passed = chance <= level
    verdict = f"{'' if passed else 'no '}better than the champion"
    if margin:
        verdict = f"{'surely' if passed else 'not surely'} within {margin:g} of the champion"
    figures = ", ".join(_figures(pair) for pair in (new, old) if pair.count)
    return f"{verdict}: {figures} (p = {chance:.2g}, at most {level:.2g})"


def _figures(pair: Pair) -> str:
    return f"{pair.champion.accuracy:.3f} -> {pair.candidate.accuracy:.3f} on {pair.count} examples of {pair.name}"


def not_worse(new: Pair, gate: GateSettings) -> Iterator[Finding]:
    """Whether the candidate is not significantly behind on the new work, over all heads nor in any of them (Holm)."""
    sides = [("", new.champion.scores, new.candidate.scores)] if new.count else []
    sides += [(f" {h}", new.champion.heads[h].right, new.candidate.heads[h].right) for h in new.heads]
    chances = holm([_harm(after - before, gate) for _, before, after in sides])
    for (head, before, after), chance in zip(sides, chances, strict=True):
        yield _not_worse(head, before, after, chance, gate)


def _harm(gains: NDArray[np.float64], gate: GateSettings) -> float:
    """Chance of falling so far behind without being worse; 1 where it is surely within the margin allowed."""
    if gate.margin and surely_not_worse(gains, gate.margin) <= gate.significance:
        return 1.0
    return sign_flip(-gains)


def _not_worse(
    head: str, before: NDArray[np.float64], after: NDArray[np.float64], chance: float, gate: GateSettings
) -> Finding:
    passed = chance > gate.significance
    reason = (
        f"{'not ' if passed else ''}worse on the new work{head and f' in{head}'}: {before.mean():.3f} -> "
        f"{after.mean():.3f} on {len(after)} examples (p = {chance:.2g}, above {gate.significance:g} needed)"
    )
    return Finding(Check(f"not worse{head}", passed, chance, gate.significance, reason), "refuse")


def forgotten(candidate: Sequence[Outcomes], champion: Sequence[Outcomes], gate: GateSettings) -> Iterator[Finding]:
    """Whether any older set, over all heads or in one, loses more than `gate.max_loss` and not by chance.

    A loss counts when it is above the bound, and the exact test of "no loss at all" rejects at a level that all these
    questions share (Tarone): an equally good candidate fails any of them with a chance of at most
    `gate.significance`, however many sets there are and however many answers differ.
    """
    losses = forgetting(candidate, champion, min_set=gate.min_set)
    level = tarone([loss.least for loss in losses if loss.most > gate.max_loss], gate.significance)
    for loss in losses:
        yield _forgotten(loss, gate.max_loss, level)


def _forgotten(loss: Loss, bound: float, level: float) -> Finding:
    passed, said = not_by_chance(loss.lost, bound, loss.chance, level)
    head = "" if loss.head == OVERALL else f" {loss.head}"
    reason = (
        f"{'keeps' if passed else 'forgets'} older work {short(loss.name)}{head}: {loss.before:.3f} -> "
        f"{loss.after:.3f} on {loss.count} examples (at most {bound:g} may be lost){said}"
    )
    return Finding(Check(f"forgetting {short(loss.name)}{head}", passed, loss.lost, bound, reason), "refuse")


def short(name: str) -> str:
    return "..".join(part[:12] for part in name.split(".."))


def forgotten_intents(old: Pair, gate: GateSettings) -> list[Finding]:
    """Whether any intent loses more than `gate.max_intent_loss` of its recall over all older sets, and not by chance.

    Not by chance: so many lost examples would be seen with a chance of at most `gate.significance`, over all intents
    together (Holm), if each were lost with chance `gate.max_loss`. One check lists the intent that lost most; every
    forgotten intent gets its own.
    """
    judged = recalls(old, gate.min_intent)
    chances = holm([at_least(max(0, round(one.before) - one.after), one.count, gate.max_loss) for one in judged])
    return told([_recall(one, chance, gate) for one, chance in zip(judged, chances, strict=True)])


def _recall(one: Recall, chance: float, gate: GateSettings) -> Finding:
    passed, said = not_by_chance(one.lost, gate.max_intent_loss, chance, gate.significance)
    reason = (
        f"{'keeps' if passed else 'forgets'} intent {one.intent}: {one.figures} "
        f"(at most {gate.max_intent_loss:g} may be lost){said}"
    )
    return Finding(Check(f"intent {one.intent}", passed, one.lost, gate.max_intent_loss, reason), "refuse")


def not_by_chance(lost: float, bound: float, chance: float, level: float) -> tuple[bool, str]:
    """Whether a loss is borne, since it is within the bound or may be chance; and how the latter is told."""
    if lost <= bound + ROUNDING:
        return True, ""
    passed = chance > level
    return passed, f", {'which may be chance' if passed else 'not by chance'} (p = {chance:.2g}, level {level:.2g})"
