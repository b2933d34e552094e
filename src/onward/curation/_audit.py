"""How far new labels contradict what was accepted before: confident learning against the accepted examples.

A label is contradicted when a judge that saw neither the text nor a near copy is more confident in another label than
it is, on average, in accepted examples of that label, and more than in the given one (Northcutt, Jiang and Chuang
2021, arXiv:1911.00068). What makes this an audit of a *batch*:

- **A batch does not vouch for itself.** The judge learns from accepted examples, and from fresh ones only for labels
  with fewer than 30 accepted examples, which are too few to know a label by: there the others of the batch help,
  never the text itself or a near copy. Confidences are averaged over the same examples, and nine tenths of them is
  enough: what is new is always a little less familiar.
- **New labels are no contradiction.** A fresh example whose label has fewer than 5 accepted examples is not judged.
  But texts of the new intent that carry an old label are.
- **Each source answers for itself.** The figures are also given apart for given, corrected and confirmed labels, so
  that many confirmations do not water down a few bad corrections.
- **Hard is not wrong.** Some honest labels are contradicted too; how many is `expected`: for each judged example the
  rate among accepted examples of its label (shrunk to the overall rate by 10 examples), of the same source where there
  are 50. Corrections come where models err, so that a judge of the same making errs there as well; for them it is the
  rate among the accepted examples that the judge does not label right, times 1.3, where it does not label them right.

Intents and sentiments are judged; an example is contradicted when one of its labels is. Intents of few-shot tasks are
judged within their task (see `_within`), against the usual rate in accepted tasks, once 50 labels have been accepted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from onward.core import LabelAudit, LabelSource

from ._judge import features, folds_of, second_opinions
from ._records import Draft
from ._text import normalise, words
from ._within import contradicted_within

if TYPE_CHECKING:
    from typing import Any

    import numpy as np
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float32]
    Mask = NDArray[np.bool_]

KNOWN = 5
LEARNED = 30  # examples of a label from which on the judge knows it
MATCHED = 50
SHRINK = 10
SLACK = 0.9
HARD_RATE = 0.25  # before any has been seen; it weighs as much as SHRINK examples
HARDER = 1.3  # where two models err together they are surer than where one does
MAX_CLASSES = 400


@dataclass(frozen=True, slots=True)
class Audit:
    """The audit, and the ids of fresh drafts whose label is doubted though it is too new to be counted."""

    labels: LabelAudit
    doubted: frozenset[str]


@dataclass(frozen=True, slots=True, eq=False)
class _Opinion:
    """One head's judgement, an entry for each draft: whether it was judged, contradicted, and how likely that was."""

    judged: Mask
    contradicted: Mask
    expected: NDArray[np.float64]


def _codes(names: Sequence[str | None], old: Mask) -> tuple[Ints, Ints]:
    """Class numbers (-1: too rare to judge by), and how many of the old each class has."""
    import numpy as np

    kinds, codes = np.unique(np.array(["" if n is None else n for n in names], dtype=object), return_inverse=True)
    stated = np.array([n is not None for n in names])
    counts = np.bincount(codes[stated], minlength=len(kinds))
    before = np.bincount(codes[stated & old], minlength=len(kinds))
    frequent = np.argsort(-counts, kind="stable")[:MAX_CLASSES]
    taken = frequent[counts[frequent] >= KNOWN]
    number = np.full(len(kinds), -1)
    number[taken] = np.arange(len(taken))
    return np.where(stated, number[codes], -1), before[taken]


def _contradicted(opinions: Floats, codes: Ints, taught: Mask) -> Mask:
    """Where another class is likelier than it is on average where it is given, and likelier than the one given."""
    import numpy as np

    rows = np.flatnonzero(codes >= 0)
    given = opinions[rows, codes[rows]]
    vouched = taught[rows]
    sums = np.bincount(codes[rows][vouched], weights=given[vouched], minlength=opinions.shape[1])
    counts = np.bincount(codes[rows][vouched], minlength=opinions.shape[1])
    usual = (SLACK * sums / np.maximum(counts, 1)).astype(np.float32)
    sure = np.where(opinions[rows] >= usual, opinions[rows], 0)
    sure[np.arange(len(rows)), codes[rows]] = 0
    found = np.zeros(len(codes), bool)
    found[rows] = sure.max(axis=1, initial=0) > given
    return found


def _rate_by_class(contradicted: Mask, codes: Ints, among: Mask, classes: int) -> NDArray[np.float64]:
    import numpy as np

    overall = contradicted[among].mean() if among.any() else 0.0
    hits = np.bincount(codes[among], weights=contradicted[among], minlength=classes)
    return np.asarray((hits + SHRINK * overall) / (np.bincount(codes[among], minlength=classes) + SHRINK))


def _expected(contradicted: Mask, right: Mask, codes: Ints, old: Mask, sources: NDArray[Any]) -> NDArray[np.float64]:
    import numpy as np

    classes = int(codes.max()) + 1
    usual = _rate_by_class(contradicted, codes, old, classes)[codes]
    for source in ("given", "confirmed"):
        same = old & (sources == source)
        if same.sum() >= MATCHED:
            alike = sources == source
            usual[alike] = _rate_by_class(contradicted, codes, same, classes)[codes[alike]]
    wrong = old & ~right
    hard = min(1.0, HARDER * (contradicted[wrong].sum() + SHRINK * HARD_RATE) / (wrong.sum() + SHRINK))
    return np.where(sources == "correction", np.where(right, 0.0, hard), usual)


def _opinion(
    matrix: Any, folds: Ints, drafts: Sequence[Draft], head: Literal["intent", "sentiment"], fresh: Mask
) -> _Opinion | None:
    """What the judge says of one head; `None` where there are not two labels to choose from."""
    import numpy as np

    codes, before = _codes([getattr(d.labels, head) if d.task is None else None for d in drafts], ~fresh)
    classes = len(before)
    if classes < 2:
        return None
    stated = codes >= 0
    of_known = stated & (before >= KNOWN)[codes]
    taught = stated & (~fresh | (before < LEARNED)[codes])
    opinions = second_opinions(matrix, codes, classes, taught, folds)
    contradicted = _contradicted(opinions, codes, taught)
    right = opinions.argmax(axis=1) == codes
    sources = np.array([d.source for d in drafts])
    expected = _expected(contradicted, right, codes, of_known & ~fresh, sources)
    learned = stated & (np.bincount(codes[taught], minlength=classes) >= LEARNED)[codes]
    return _Opinion(of_known & fresh, contradicted & fresh & (of_known | learned), expected)


def _opinion_of_tasks(matrix: Any, drafts: Sequence[Draft], fresh: Mask) -> _Opinion | None:
    """What the accepted and the fresh examples of each task say of the fresh ones; `None` where few were accepted."""
    import numpy as np

    known, usual = contradicted_within(matrix, drafts, ~fresh)
    if known.sum() < MATCHED:
        return None
    touched = {d.task for d, new in zip(drafts, fresh.tolist(), strict=True) if new}
    judged, found = contradicted_within(matrix, drafts, np.array([d.task in touched for d in drafts]))
    rate = (usual.sum() + SHRINK * HARD_RATE) / (known.sum() + SHRINK)
    return _Opinion(judged & fresh, found & fresh, np.full(len(drafts), rate))


def audit(drafts: Sequence[Draft], fresh_ids: frozenset[str]) -> Audit:
    """Audit the fresh drafts against the others."""
    import numpy as np

    fresh = np.fromiter((d.id in fresh_ids for d in drafts), bool, len(drafts))
    if not fresh.any():
        return Audit(LabelAudit(), frozenset())
    tokens = [words(normalise(d.text)) for d in drafts]
    matrix, folds = features(tokens), folds_of(tokens)
    heads = [_opinion(matrix, folds, drafts, head, fresh) for head in ("intent", "sentiment")]
    opinions = [o for o in heads if o is not None]
    judged, found, spared = np.zeros(len(drafts), bool), np.zeros(len(drafts), bool), np.ones(len(drafts))
    doubted = np.zeros(len(drafts), bool)
    for o in opinions:
        doubted |= o.contradicted
    of_tasks = _opinion_of_tasks(matrix, drafts, fresh)  # too rough to doubt a single example
    for o in (*opinions, *([of_tasks] if of_tasks else [])):
        judged |= o.judged
        found |= o.judged & o.contradicted
        spared *= np.where(o.judged, 1 - o.expected, 1.0)
    return Audit(_by_source(drafts, judged, found, 1 - spared), frozenset(_ids(drafts, doubted)))


def _by_source(drafts: Sequence[Draft], judged: Mask, found: Mask, expected: NDArray[np.float64]) -> LabelAudit:
    """The whole batch, and each source apart: many confirmations must not water down a few bad corrections."""
    import numpy as np

    named = np.array([draft.source for draft in drafts])
    kinds: list[LabelSource] = sorted(set(named[judged].tolist()))
    parts = {kind: _summary(drafts, judged & (named == kind), found & (named == kind), expected) for kind in kinds}
    return replace(_summary(drafts, judged, found, expected), sources=parts if len(parts) > 1 else {})


def _summary(drafts: Sequence[Draft], judged: Mask, found: Mask, expected: NDArray[np.float64]) -> LabelAudit:
    return LabelAudit(
        judged=int(judged.sum()),
        contradicted=int(found.sum()),
        expected=round(float(expected[judged].mean()), 6) if judged.any() else 0.0,
        suspects=_ids(drafts, found),
    )


def _ids(drafts: Sequence[Draft], mask: Mask) -> tuple[str, ...]:
    return tuple(draft.id for draft, marked in zip(drafts, mask.tolist(), strict=True) if marked)
