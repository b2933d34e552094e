"""That a training reports, stops, goes on and refuses as it should."""

from __future__ import annotations

from dataclasses import replace

from onward.core import InvalidInput, Labels, Training

from ._lessons import lessons, new_lessons
from ._subject import Subject, probe, require, share_right


def check_progress(subject: Subject) -> None:
    """Progress is reported, and never goes back or beyond the end."""
    calls: list[tuple[int, int]] = []
    subject.train(lessons(), training=Training(progress=lambda done, total, _: calls.append((done, total))))
    require(bool(calls), "Progress was never reported.")
    require(all(0 <= done <= total for done, total in calls), f"Progress went beyond the end: {calls}.")
    require([done for done, _ in calls] == sorted(done for done, _ in calls), f"Progress went back: {calls}.")


class Interrupted(Exception):
    """Raised from `progress` to interrupt a training."""


def check_checkpoints(subject: Subject) -> None:
    """A training that was interrupted is taken up again with the same checkpoints, and ends as well as any."""
    folder = subject.room("checkpoints")

    def interrupt(done: int, total: int, note: str) -> None:
        raise Interrupted(f"{note}: {done} of {total}")

    try:
        subject.train(lessons(), training=Training(checkpoints=folder, progress=interrupt))
    except Interrupted:
        resumed = subject.train(lessons(), training=Training(checkpoints=folder)).model
    else:
        raise AssertionError("An exception raised by progress was swallowed.")
    for head in subject.heads:
        share = share_right(resumed, lessons(), head)
        require(share >= 0.9, f"{head}: after an interruption only {share:.0%} of the training texts are right.")


def check_budget(subject: Subject) -> None:
    """With no time at all it stops at its first safe point and still gives a model that predicts."""
    model = subject.train(lessons(), training=Training(budget=1e-6)).model
    require(len(probe(model)) == len(lessons()) + len(new_lessons()) + 2, "Out of time, it does not predict.")


def check_nothing_to_learn(subject: Subject) -> None:
    """No examples, none outside the evaluation split, none with labels: `InvalidInput`."""
    silent = [replace(example, labels=Labels()) for example in lessons()]
    hidden = [replace(example, split="evaluation") for example in lessons()]
    for name, examples in (("no", []), ("unlabelled", silent), ("evaluation", hidden)):
        try:
            subject.train(examples)
        except InvalidInput:
            continue
        raise AssertionError(f"Trained on {name} examples without raising InvalidInput.")


def check_report(subject: Subject) -> None:
    """The report counts `examples` and `skipped`, says `quick`, and measures `seconds`."""
    unusable = replace(lessons()[0], id="unusable", labels=Labels())
    report = subject.train([*lessons(), unusable]).report
    missing = {"examples", "skipped", "quick", "seconds"} - report.keys()
    require(not missing, f"The report lacks {sorted(missing)}.")
    require(report["skipped"] == 1, f"One example says nothing; the report counts {report['skipped']}.")
    require(report["examples"] == len(lessons()), f"Learned from {len(lessons())}; reports {report['examples']}.")
