"""That a learner of few-shot tasks adapts to a new one, and that adapting depends on the support set alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from onward.core import Example, FewShotLearner, FewShotModel, InvalidInput, Labels, Model, Prediction

from ._lessons import WEIRD_TEXTS, lessons, only, task_lessons
from ._subject import Subject, probe, require, same, texts_of

NEW = ("dinner", "music")
"""What the task is about that the model adapts to; no training task calls it so."""


def _model(subject: Subject) -> FewShotModel:
    """What it makes of the plain lessons and the tasks; trained once per subject."""
    return _few_shot(subject.kept("tasks", [*(only(e, "intent") for e in lessons()), *task_lessons()]).model)


def _few_shot(model: Model) -> FewShotModel:
    if not isinstance(model, FewShotModel):
        raise AssertionError("Its models have no `adapt`.")  # noqa: TRY004 - a check that fails
    return model


def _new_task() -> tuple[list[Example], list[Example]]:
    """Support set and queries of a task that is not among the lessons."""
    examples = task_lessons(tasks=1, first=100, about=NEW)
    return [e for e in examples if e.part == "support"], [e for e in examples if e.part == "query"]


def _asked(model: Model) -> list[Prediction]:
    support, queries = _new_task()
    return model.predict([*texts_of(support), *texts_of(queries), "", "something else entirely"])


def check_says_it_learns_tasks(subject: Subject) -> None:
    """`learns_tasks` is true: otherwise the loop shows it no tasks."""
    learner = subject.make()
    require(isinstance(learner, FewShotLearner) and learner.learns_tasks, "It does not say that it learns tasks.")


def check_adapts(subject: Subject) -> None:
    """After adapting it says what the support set says, of its texts and of others alike, and no other label."""
    support, queries = _new_task()
    adapted = _model(subject).adapt(support)
    for name, examples, least in (("support", support, 0.9), ("query", queries, 0.8)):
        said = adapted.predict(texts_of(examples))
        share = sum(p.labels.intent == e.labels.intent for p, e in zip(said, examples, strict=True)) / len(said)
        require(share >= least, f"Only {share:.0%} of the {name} texts are right.")
    names = {e.labels.intent for e in support}
    for said_of in _asked(adapted):
        require(
            said_of.labels.intent in names,
            f"Says {said_of.labels.intent}; the support set has {sorted(map(str, names))}.",
        )
        require(set(said_of.labels.heads) == {"intent"}, f"Says {said_of.labels} of a task of intents.")
        require(all(0 <= c <= 1 for c in said_of.confidence.values()), f"Confidences are {said_of.confidence}.")


def check_adapting_changes_nothing(subject: Subject) -> None:
    """Neither the model nor what adapted before answers otherwise after adapting to another task."""
    model = _model(subject)
    before, (support, queries) = probe(model), _new_task()
    adapted = model.adapt(support)
    first = _asked(adapted)
    model.adapt([replace(e, labels=Labels(intent="all the same")) for e in queries])
    require(same(probe(model), before), "The model predicts otherwise after adapting.")
    require(same(_asked(adapted), first), "An adapted model predicts otherwise after another one was made.")


def check_same_support_same_answers(subject: Subject) -> None:
    """Only texts, labels and weights of the support set count; not its order, nor what was asked before."""
    model, (support, _) = _model(subject), _new_task()
    wanted = _asked(model.adapt(support))
    others = [replace(e, id=f"other {i}", interactions=("x",), new=False) for i, e in enumerate(support)]
    for name, examples in (("again", support), ("in another order", support[::-1]), ("under other ids", others)):
        require(same(_asked(model.adapt(examples)), wanted), f"Adapted {name}, it predicts otherwise.")


def check_adapts_alike_after_load(subject: Subject) -> None:
    """A model read back adapts as the one that was saved."""
    model, (support, _) = _model(subject), _new_task()
    room = subject.room("save-tasks")
    model.save(room)
    loaded = _few_shot(subject.make().load(room))
    require(same(_asked(loaded.adapt(support)), _asked(model.adapt(support))), "The model read back adapts otherwise.")


def check_adapted_any_batch(subject: Subject) -> None:
    """An adapted model gives a text the same prediction alone and among others, whatever the text."""
    support, queries = _new_task()
    adapted = _model(subject).adapt(support)
    texts = [*texts_of(queries), *WEIRD_TEXTS]
    together = adapted.predict(texts)
    require(same([adapted.predict([text])[0] for text in texts], together), "Alone, texts are predicted otherwise.")
    require(adapted.predict([]) == [], "Predicts something of no texts.")


def check_any_support(subject: Subject) -> None:
    """One example is enough, weird texts can teach; without any label there is `InvalidInput`."""
    model, (support, _) = _model(subject), _new_task()
    alone = model.adapt(support[:1]).predict(texts_of(support))
    require({p.labels.intent for p in alone} == {support[0].labels.intent}, "Taught one label, it says others.")
    weird = [replace(support[0], id=str(i), text=text) for i, text in enumerate(WEIRD_TEXTS)]
    require(len(model.adapt([*support, *weird]).predict(WEIRD_TEXTS)) == len(WEIRD_TEXTS), "Weird texts cannot teach.")
    for name, examples in (("no", []), ("unlabelled", [replace(e, labels=Labels()) for e in support])):
        try:
            model.adapt(examples)
        except InvalidInput:
            continue
        raise AssertionError(f"Adapted to {name} examples without raising InvalidInput.")


def check_tasks_keep_their_labels(subject: Subject) -> None:
    """Labels of tasks are never said of a text outside of them."""
    names = {e.labels.intent for e in task_lessons()}
    said = {p.labels.intent for p in probe(_model(subject))}
    require(not said & names, f"Outside of tasks it says {sorted(map(str, said & names))}.")


def check_tasks_alone(subject: Subject) -> None:
    """It learns from tasks alone, the same from the same, and then says nothing outside of tasks."""
    one, other = (_few_shot(subject.train(task_lessons()).model) for _ in range(2))
    support, _ = _new_task()
    require(same(_asked(one.adapt(support)), _asked(other.adapt(support))), "A second training adapts otherwise.")
    require(not any(p.labels.heads for p in probe(one)), "It never saw a label outside of tasks, but says one.")


def check_held_out_tasks_unseen(subject: Subject) -> None:
    """What tasks of the evaluation split say makes no difference."""
    support, _ = _new_task()
    poison = _held_out(task_lessons(tasks=3, first=50))
    poisoned = _few_shot(subject.train([*task_lessons(), *poison]).model)
    clean = _few_shot(subject.train(task_lessons()).model)
    require(same(_asked(poisoned.adapt(support)), _asked(clean.adapt(support))), "Held-out tasks changed the model.")


def _held_out(examples: Sequence[Example]) -> list[Example]:
    return [replace(e, split="evaluation", labels=Labels(intent="poison")) for e in examples]
