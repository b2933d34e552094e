"""The figures of one model version on named evaluation sets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

from onward.core import HeadScore, Scorecard, SetScore

from ._intents import found_by_label
from ._outcomes import HeadOutcomes, Judged, Outcomes, pooled


def scorecard(outcomes: Sequence[Outcomes]) -> Scorecard:
    """The figures of one model on each of its evaluation sets and on all of them pooled ("overall").

    Macro figures average over the labels that people gave in the set; a label that only the model gave costs
    the recall of the labels it was given instead of. Entities are counted as exact spans over the set (micro); where
    nobody sees a span, their figures are the share of examples on which the model said so. For tasks all figures are
    the accuracy, as their labels differ from task to task.
    """
    return Scorecard(_set_score(pooled(outcomes, "overall")), tuple(_set_score(part) for part in outcomes))


def head_accuracy(head: HeadOutcomes) -> float:
    """Accuracy as in `HeadScore`: mean share right, and for entities F1 of exact spans over all examples."""
    right, wrong, missed = head.spans.sum(axis=0)
    if right + wrong + missed == 0:
        return float(head.right.mean())
    return float(2 * right / (2 * right + wrong + missed))


def _set_score(outcomes: Outcomes) -> SetScore:
    heads = {head: _head_score(head, found) for head, found in outcomes.heads.items()}
    if outcomes.new:
        heads = {head: replace(one, labels=_labels(outcomes.heads[head])) for head, one in heads.items()}
    return SetScore(outcomes.name, len(outcomes.scores), outcomes.accuracy, {str(k): v for k, v in heads.items()})


def _head_score(head: Judged, found: HeadOutcomes) -> HeadScore:
    accuracy = head_accuracy(found)
    if head == "task":
        return HeadScore(len(found.right), accuracy, accuracy, accuracy, accuracy)
    precision, recall, f1 = _micro(found) if head == "entities" else _macro(found)
    return HeadScore(len(found.right), accuracy, precision, recall, f1)


def _labels(head: HeadOutcomes) -> dict[str, tuple[int, int]]:
    """How many of each label's examples were found."""
    wanted, right = Counter(head.wanted), found_by_label(head)
    return {label: (right[label], count) for label, count in wanted.items()}


def _micro(head: HeadOutcomes) -> tuple[float, float, float]:
    right, wrong, missed = (int(count) for count in head.spans.sum(axis=0))
    f1 = head_accuracy(head)
    if right + wrong + missed == 0:
        return f1, f1, f1
    return right / max(right + wrong, 1), right / max(right + missed, 1), f1


def _macro(head: HeadOutcomes) -> tuple[float, float, float]:
    wanted, said, right = Counter(head.wanted), Counter(head.said), found_by_label(head)
    precision = (right[label] / max(said[label], 1) for label in wanted)
    recall = (right[label] / count for label, count in wanted.items())
    f1 = (2 * right[label] / (count + said[label]) for label, count in wanted.items())
    return fmean(precision), fmean(recall), fmean(f1)
