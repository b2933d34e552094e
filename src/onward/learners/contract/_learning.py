"""That it learns what it is shown, and nothing else."""

from __future__ import annotations

from dataclasses import replace

from onward.core import HEADS, Example, Labels, Training

from ._lessons import lessons, new_lessons, only
from ._subject import Subject, probe, require, same, share_right, texts_of


def check_learns(subject: Subject) -> None:
    """It says of its training texts, with each of its heads, what they say; and nothing with any other head."""
    model = subject.base().model
    for head in subject.heads:
        share = share_right(model, lessons(), head)
        require(share >= 0.9, f"{head}: only {share:.0%} of the training texts are right.")
    for said in probe(model):
        require(set(said.labels.heads) <= set(subject.heads), f"Says {said.labels}, but learns {subject.heads}.")
        require(set(said.confidence) == set(said.labels.heads) - {"entities"}, f"Confidences are {said.confidence}.")
        require(all(0 <= c <= 1 for c in said.confidence.values()), f"Confidences are {said.confidence}.")


def check_same_seed_same_model(subject: Subject) -> None:
    """The same seed, data and settings give the same model."""
    again = subject.train(lessons())
    require(same(probe(again.model), probe(subject.base().model)), "A second training predicts otherwise.")


def check_any_labels(subject: Subject) -> None:
    """Each example may say something of any heads: every head learns from the examples that speak of it."""
    mixed = [only(example, HEADS[i % len(HEADS)]) for i, example in enumerate(lessons())]
    model = subject.train(mixed).model
    for head in subject.heads:
        share = share_right(model, lessons(), head)
        require(share >= 0.5, f"{head}: only {share:.0%} right, learned from the third of the texts that speak of it.")


def check_one_head(subject: Subject) -> None:
    """With the labels of one head only, that head is learned, and the others stay silent."""
    for head in subject.heads:
        model = subject.train([only(example, head) for example in lessons()[::2]]).model
        said = model.predict(texts_of(lessons()))
        require({h for p in said for h in p.labels.heads} == {head}, f"Taught {head} only, it speaks of other heads.")


def check_one_label(subject: Subject) -> None:
    """A head that knows one label only says it."""
    for head in set(subject.heads) - {"entities"}:
        alike = [only(example, head) for example in lessons()]
        wanted = getattr(alike[0].labels, head)
        model = subject.train([e for e in alike if getattr(e.labels, head) == wanted]).model
        require(
            {getattr(p.labels, head) for p in model.predict(texts_of(alike))} == {wanted},
            f"{head}: not always {wanted}.",
        )


def check_learns_new_label(subject: Subject) -> None:
    """A label that the champion never saw is learned by full and by quick training, and the old ones are kept."""
    if "intent" not in subject.heads:
        return
    old = [replace(example, new=False) for example in lessons()]
    for quick in (False, True):
        model = subject.train([*old, *new_lessons()], subject.base().model, Training(quick=quick)).model
        for name, examples in (("new", new_lessons()), ("old", lessons())):
            share = share_right(model, examples, "intent")
            require(share >= 0.8, f"quick={quick}: only {share:.0%} of the {name} texts are right.")


def check_champion_unchanged(subject: Subject) -> None:
    """Training from the champion leaves the champion as it was."""
    champion = subject.base().model
    before = probe(champion)
    old = [replace(example, new=False) for example in lessons()]
    subject.train([*old, *new_lessons()], champion, Training(quick=True))
    require(same(probe(champion), before), "The champion predicts otherwise after a training.")


def check_evaluation_unseen(subject: Subject) -> None:
    """What the evaluation split says makes no difference."""
    poison = [
        Example(
            id=f"poison-{i}", text=e.text, labels=Labels(intent="x", sentiment="x", entities=()), split="evaluation"
        )
        for i, e in enumerate(lessons())
    ]
    model = subject.train([*lessons(), *poison]).model
    require(same(probe(model), probe(subject.base().model)), "A poisoned evaluation split changed the model.")
