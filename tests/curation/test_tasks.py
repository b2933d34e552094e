"""Few-shot tasks on their way to a data set version."""

import random
import tracemalloc
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from tests.tasks import task, vocabulary

from onward.config import Settings, settings_from
from onward.core import DatasetVersion, Feedback, Interaction, Labels
from onward.curation import Curation, curate, example_id, support_of
from onward.curation._budget import deferred, not_replayed
from onward.curation._records import Draft
from onward.curation._splits import split_of
from onward.curation._within import contradicted_within

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def said(number, text, intent="a", **more):
    labels = Labels(intent=intent) if intent else Labels()
    more.setdefault("part", "query" if "task" in more else None)
    return Interaction(id=f"i{number}", text=text, at=NOON + timedelta(minutes=number), labels=labels, **more)


def made(interactions, feedback=(), options=None, **more) -> Curation:
    known = [(one, [f for f in feedback if f.interaction == one.id]) for one in interactions]
    return curate(known, tenant="default", now=NOON, settings=options or Settings(), **more)


def tasks(count, first=0, seed=0, **more):
    """Interactions of made-up tasks."""
    words, found = vocabulary(seed=seed), []
    for number in range(first, first + count):
        for part, lines in zip(("support", "query"), task(f"t{number}", words, **more), strict=True):
            found += [
                said(0, line["text"], line["intent"], task=f"t{number}", part=part, user=line["user"]) for line in lines
            ]
    return [replace(one, id=f"{one.task}-{n}") for n, one in enumerate(found)]


def test_the_same_text_in_two_tasks_is_two_examples() -> None:
    one = [said(1, "money back", "x", task="t1"), said(2, "Money  BACK", "y", task="t2"), said(3, "money back", "z")]
    examples = made(one).dataset.examples
    assert {(e.task, e.labels.intent) for e in examples} == {("t1", "x"), ("t2", "y"), (None, "z")}
    assert len({e.id for e in examples}) == 3
    assert {e.part for e in examples} == {"query", None}


def test_a_text_that_teaches_its_task_is_not_asked_of_it() -> None:
    one = [said(1, "money back", "x", task="t1", part="support"), said(2, "money back", "", task="t1")]
    heard = [Feedback(id="f", interaction="i2", at=NOON, correction=Labels(intent="y"))]
    (example,) = made(one, heard).dataset.examples
    assert (example.part, example.labels.intent, example.interactions) == ("support", "y", ("i1", "i2"))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=6, unique=True), st.floats(0.01, 0.49))
def test_tasks_are_held_out_whole(names: list[str], share: float) -> None:
    for name in names:
        assert len({split_of(example_id(f"text {n}", name), share) for n in range(20)}) == 1


def test_what_a_task_was_once_it_stays() -> None:
    first = made(tasks(40)).dataset
    assert {split: {e.task for e in first.split(split)} for split in ("train", "evaluation")}["evaluation"]
    more = [*tasks(40), *(said(9_000 + n, f"more of {n}", task=f"t{n}") for n in range(40))]
    looser = settings_from({"training": {"validation_split": 0.49}})
    for past in ({"champion": first}, {"judged": first}, {"frozen": {e.id: e for e in first.split("evaluation")}}):
        again = made(more, options=looser, **past).dataset
        splits: dict[str | None, set[str]] = {}
        for example in again.examples:
            splits.setdefault(example.task, set()).add(example.split)
        assert all(len(found) == 1 for found in splits.values())
        held = {e.task for e in first.split("evaluation")}
        assert held <= {e.task for e in again.split("evaluation")}


def test_plain_data_sets_keep_the_ids_that_they_had() -> None:
    plain = made([said(n, f"where is parcel {n}") for n in range(5)]).dataset
    assert plain.id == "3bc7a334e6ed057f948e5d8a18680c5d2bf7dbd8161ab1d9d5d5475ec4224493"  # before there were tasks
    assert all(e.task is None and e.unit == e.id for e in plain.examples)
    assert plain.without_tasks is plain


def test_a_learner_that_knows_no_tasks_sees_none() -> None:
    both = made([*tasks(3), *(said(n, f"parcel {n}") for n in range(5))]).dataset
    assert {e.task for e in both.without_tasks.examples} == {None}
    assert len(both.without_tasks.examples) == 5
    assert both.without_tasks.id == both.id


def held_out(name_from=0):
    """The name of a task that judges."""
    return next(
        f"task {n}" for n in range(name_from, 999) if split_of(example_id("x", f"task {n}"), 0.2) == "evaluation"
    )


def test_a_query_near_a_support_example_of_its_task_is_set_aside() -> None:
    name = held_out()
    long = "where is the parcel that I ordered from you a whole week ago today"
    one = [
        said(1, long, "x", task=name, part="support"),
        said(2, f"{long} !!", "x", task=name),
        said(3, "quite another thing altogether", "x", task=name),
        said(4, f"{long} ?", "x", task="another task"),
        said(5, f"{long} ...", "x"),
    ]
    aside = []
    examples = made(one, told=aside.append).dataset.examples
    assert [(one.interaction, one.reason) for one in aside] == [("i2", "near duplicate of a support example")]
    assert {i for e in examples for i in e.interactions} == {"i1", "i3", "i4", "i5"}


def test_near_duplicates_with_other_labels_are_harmful_within_a_task_only() -> None:
    long = "where is the parcel that I ordered from you a whole week ago today"
    one = [
        said(1, long, "x", task="t1", part="support"),
        said(2, f"{long} !", "y", task="t1", part="support"),
        said(3, f"{long} ?", "y", task="t2", part="support"),
    ]
    aside = []
    made(one, told=aside.append)
    assert [one.reason for one in aside] == ["near duplicate with other labels"]


def draft(number, name, at=0.0, task=None):
    return Draft(f"{number:08x}", name, Labels(intent="a"), "given", 1.0, (), True, (), None, None, at, task, None)


def test_a_task_waits_or_is_taken_as_one_and_counts_as_one() -> None:
    fresh = [draft(10 * t + n, "x", at=float(t), task=f"t{t}") for t in range(20) for n in range(5)]
    split = dict.fromkeys((d.id for d in fresh), "train")
    waiting = deferred(fresh, split, 8, 1)
    taken = [d for d in fresh if d.id not in waiting]
    assert {d.task for d in taken} == {f"t{t}" for t in range(12, 20)}  # the latest
    assert len(taken) == 40
    left = not_replayed(fresh, 8)
    kept = {d.task for d in fresh if d.id not in left}
    assert len(kept) == 8
    assert len(left) == 60


def test_tasks_count_as_one_against_the_budget_of_a_cycle() -> None:
    options = settings_from({"learning": {"max_training_examples": 10}})
    found = made(tasks(40), options=options)
    assert len({e.task for e in found.dataset.split("train")}) == 10
    assert found.deferred > 0
    sizes = {t: sum(e.task == t for e in found.dataset.examples) for t in {e.task for e in found.dataset.examples}}
    assert set(sizes.values()) == {18}


def judged(interactions, past: DatasetVersion):
    return made(interactions, champion=past, judged=past).dataset


def test_honest_tasks_are_hardly_contradicted_and_poisoned_ones_are() -> None:
    past = made(tasks(60)).dataset
    assert past.audit.judged == 0  # nothing was accepted before
    honest = judged([*tasks(60), *tasks(20, first=100)], past).audit
    assert honest.judged > 300
    assert honest.share - honest.expected < 0.05
    poisoned = judged([*tasks(60), *tasks(20, first=200, flipped=0.5)], past).audit
    assert poisoned.share - poisoned.expected > 0.3
    assert len(poisoned.suspects) == poisoned.contradicted


def test_labels_of_tasks_say_nothing_of_plain_ones() -> None:
    plain = [said(n, f"where is parcel number{n} of the lot", "parcel") for n in range(40)]
    plain += [said(100 + n, f"give me money{n} back for the lamp", "refund") for n in range(40)]
    alone = made(plain).dataset
    swapped = [said(500 + n, f"where is parcel number{n} of the lot", "refund", task="t") for n in range(40)]
    fresh = [said(900 + n, f"where is parcel item{n} of the lot", "parcel") for n in range(20)]
    clean = judged([*plain, *fresh], alone).audit
    mixed = judged([*plain, *swapped, *fresh], made([*plain, *swapped]).dataset).audit
    assert (clean.judged, clean.contradicted) == (20, 0)
    assert (mixed.judged, mixed.contradicted) == (20, 0)


def test_a_task_of_one_label_or_of_single_examples_cannot_be_judged() -> None:
    past = made(tasks(60)).dataset
    one_label = [said(5_000 + n, f"{w} and so on", "x", task="one") for n, w in enumerate(("red", "green", "blue"))]
    alone = [said(6_000 + n, f"{w} and so on", w, task="alone") for n, w in enumerate(("red", "green", "blue"))]
    silent = [said(7_000, "to be continued", "", task="alone", source="x")]
    assert judged([*tasks(60), *one_label, *alone, *silent], past).audit.judged == 0


def test_order_does_not_matter_with_tasks_either() -> None:
    every = [*tasks(20), *(said(n, f"parcel {n}") for n in range(20))]
    shuffled = random.Random(0).sample(every, len(every))
    assert made(every).dataset == made(shuffled).dataset


# The support set -----------------------------------------------------------------------------------------------------


def support(interactions, feedback=(), **more):
    pairs = [(one, [f for f in feedback if f.interaction == one.id]) for one in interactions]
    return support_of(pairs, tenant="default", settings=Settings(), **more)


def test_a_support_set_is_what_curation_makes_of_it() -> None:
    one = [
        said(1, "mail jo@example.com about it", "x", task="t", part="support"),
        said(2, "second thing", "y", task="t", part="support"),
        said(3, "third thing", "y", task="t", part="support", consent=False),
        said(4, "fourth thing", "y", task="t", part="support", user="gone"),
        said(5, "fifth thing", "y", task="t", part="support"),
        said(6, "?!", "y", task="t", part="support"),
    ]
    heard = [Feedback(id="f", interaction="i2", at=NOON, correction=Labels(intent="z"))]
    found = support(one, heard, withdrawn={"gone"}, quarantined=frozenset({"i5"}))
    assert {(e.text, e.labels.intent) for e in found} == {("mail [EMAIL] about it", "x"), ("second thing", "z")}
    assert [e.id for e in found] == sorted(e.id for e in found)
    assert {(e.task, e.part) for e in found} == {("t", "support")}


@pytest.mark.parametrize("order", [1, -1])
def test_a_support_set_does_not_depend_on_order(order: int) -> None:
    one = [said(n, f"thing {n % 4}", "xy"[n % 2], task="t", part="support") for n in range(9)]
    assert support(one[::order]) == support(one)


def test_a_task_of_very_many_examples_is_judged_in_little_memory() -> None:
    many = 6_000
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 3, many)
    words = codes * 50 + rng.integers(0, 50, many)
    drafts = [
        replace(draft(n, f"w{word}", task="t"), labels=Labels(intent=f"i{code}"))
        for n, (word, code) in enumerate(zip(words.tolist(), codes.tolist(), strict=True))
    ]
    drafts[7] = replace(drafts[7], labels=Labels(intent=f"i{(codes[7] + 1) % 3}"))
    matrix = csr_array((np.ones(many), (np.arange(many), words)))
    tracemalloc.start()
    judged, found = contradicted_within(matrix, drafts, np.ones(many, bool))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert judged.all()
    assert np.flatnonzero(found).tolist() == [7]
    assert most < 50e6
