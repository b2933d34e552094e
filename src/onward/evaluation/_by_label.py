"""How well each label is found: for whoever watches, the gate looks at intents by itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from onward.core import Head

from ._outcomes import Outcomes

CLASSIFIED: Final[tuple[Head, ...]] = ("intent", "sentiment")


def recall_by_label(outcomes: Iterable[Outcomes]) -> dict[Head, dict[str, float]]:
    """Share of each label's examples that a model found, 0..1, over all evaluation sets; the commonest labels first."""
    wanted: dict[Head, Counter[str]] = {head: Counter() for head in CLASSIFIED}
    found: dict[Head, Counter[str]] = {head: Counter() for head in CLASSIFIED}
    for scored in outcomes:
        for head in CLASSIFIED:
            if head in scored.heads:
                pairs = list(zip(scored.heads[head].wanted, scored.heads[head].said, strict=True))
                wanted[head].update(want for want, _ in pairs)
                found[head].update(want for want, say in pairs if want == say)
    return {
        head: {label: found[head][label] / count for label, count in wanted[head].most_common()}
        for head in CLASSIFIED
        if wanted[head]
    }
