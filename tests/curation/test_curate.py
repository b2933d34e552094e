import random
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onward.config import Settings
from onward.core import (
    DatasetVersion,
    Entity,
    Example,
    Feedback,
    Interaction,
    Labels,
    Prediction,
    SetAside,
    decode,
    encode,
)
from onward.curation import Curation, curate, example_id
from onward.curation._splits import split_of

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
WORDS = (
    "card",
    "money",
    "transfer",
    "top",
    "up",
    "refund",
    "exchange",
    "rate",
    "cash",
    "atm",
    "pin",
    "phone",
    "app",
    "bank",
    "fee",
    "travel",
)


def said(number, text, intent="a", **more):
    labels = more.pop("labels", Labels(intent=intent))
    return Interaction(id=f"i{number}", text=text, at=NOON + timedelta(minutes=number), labels=labels, **more)


@dataclass(frozen=True)
class Made(Curation):
    """A curation, and what was set aside on the way."""

    set_aside: tuple[SetAside, ...]


def exchanges(interactions, feedback=()):
    return [(one, [f for f in feedback if f.interaction == one.id]) for one in interactions]


def make(interactions, feedback=(), **more):
    given_settings = {name: more.pop(name) for name in ("learning", "curation", "training", "gate") if name in more}
    made = Settings(**{"curation": {"max_user_share": 1.0}, **given_settings})
    aside = []
    known = exchanges(interactions, feedback)
    found = curate(known, tenant="default", now=NOON, settings=made, told=aside.append, **more)
    return Made(found.dataset, found.deferred, found.read_all, tuple(aside))


def texts(count, seed=0):
    rng = random.Random(seed)
    return [" ".join(rng.sample(WORDS, 5)) + f" {seed} {i}" for i in range(count)]


def many(count, seed=0, **more):
    return [
        replace(said(i, text, intent=text.split()[0], **more), id=f"s{seed}i{i}")
        for i, text in enumerate(texts(count, seed))
    ]


def reasons(curation):
    return {s.interaction: s.reason for s in curation.set_aside}


def test_what_cannot_or_may_not_be_used_is_set_aside_with_its_reason():
    made = make(
        [
            said(1, "fine text here"),
            said(2, ""),
            said(3, "no consent", consent=False),
            said(4, "withdrawn", user="gone"),
            said(5, "refused before"),
            said(6, "no label", labels=Labels()),
            said(7, "of others", tenant="other"),
            said(8, "badly rated", context={"user_satisfaction": 0.0}),
        ],
        withdrawn=frozenset({"gone"}),
        quarantined=frozenset({"i5"}),
        unmatched=2,
    )
    assert [e.interactions for e in made.dataset.examples] == [("i1",)]
    assert reasons(made) == {
        "i2": "text is empty",
        "i3": "no consent",
        "i4": "consent withdrawn",
        "i5": "quarantined by an earlier refusal",
        "i6": "no label that people gave or confirmed",
        "i7": "belongs to another tenant",
        "i8": "quality below learning.quality_threshold",
    }
    assert sum(made.dataset.set_aside.values()) == len(made.set_aside) + 2 == 9
    assert made.dataset.set_aside["feedback on an unknown interaction"] == 2


def test_nothing_gives_an_empty_version():
    made = make([])
    assert (made.dataset.examples, made.deferred, made.dataset.audit.judged) == ((), 0, 0)


def test_personal_data_goes_and_entities_stay_in_place():
    text = "mail jo@example.com about my trip to Berlin please"
    start = text.index("Berlin")
    made = make([said(1, text, labels=Labels(intent="go", entities=(Entity(start, start + 6, "city"),)))])
    (example,) = made.dataset.examples
    assert "jo@example.com" not in example.text
    assert example.labels.entities is not None
    (entity,) = example.labels.entities
    assert example.text[entity.start : entity.end] == "Berlin"
    assert example.id == example_id(example.text)


def test_the_version_can_be_stored():
    dataset = make(many(30)).dataset
    assert decode(encode(dataset), DatasetVersion) == dataset


def test_recent_exchanges_are_read_until_there_are_enough():
    read = []

    def recent():
        for one in many(30_000):
            read.append(one.id)
            yield one, []

    made = curate([], recent(), tenant="default", now=NOON, settings=Settings())
    assert not made.read_all
    assert len(read) == 10_001
    assert len(made.dataset.split("train")) == 1000
    few = curate(exchanges(many(10)), exchanges(many(20, seed=1)), tenant="default", now=NOON, settings=Settings())
    assert few.read_all
    assert len(few.dataset.examples) == 30


def test_a_flood_by_one_user_does_not_hide_what_others_said_before():
    flood, before = many(12_000, user="flood"), many(3000, seed=1)
    recent = [(one, []) for one in (*flood, *before)]
    made = curate([], recent, tenant="default", now=NOON, settings=Settings(learning={"max_training_examples": 10_000}))
    heard = {i for e in made.dataset.examples for i in e.interactions}
    assert len([i for i in heard if i.startswith("s1")]) > 2900
    assert not made.read_all


def test_feedback_of_other_tenants_and_of_withdrawn_users_is_not_heard():
    about = [
        Feedback(id="f1", interaction="i1", at=NOON, tenant="other", correction=Labels(intent="x")),
        Feedback(id="f2", interaction="i1", at=NOON, user="gone", correction=Labels(intent="y")),
    ]
    made = make([said(1, "some text", "a")], about, withdrawn=frozenset({"gone"}))
    assert made.dataset.examples[0].labels.intent == "a"


def test_new_is_what_the_champion_does_not_know_or_knows_otherwise():
    first = make(many(40)).dataset
    about = [Feedback(id="f", interaction="s0i3", at=NOON, correction=Labels(intent="changed"))]
    second = make([*many(40), said(99, "another text entirely")], about, champion=first, judged=first).dataset
    assert {e.interactions[0] for e in second.examples if e.new} == {"s0i3", "i99"}
    assert second.parent == first.id
    assert second.id != first.id


def test_the_hash_is_over_the_examples_only():
    records = many(40)
    first = make(records).dataset
    again = curate(
        exchanges(records),
        tenant="default",
        now=NOON + timedelta(days=1),
        settings=Settings(),
        champion=first,
        judged=first,
    ).dataset
    assert again.id == first.id
    assert not any(e.new for e in again.examples)


def test_the_shares_of_the_splits():
    examples = make(many(3000), learning={"max_training_examples": 9999}).dataset
    held = {name: len(examples.split(name)) / 3000 for name in ("evaluation", "validation")}
    assert held["evaluation"] == pytest.approx(0.15, abs=0.03)
    assert held["validation"] == pytest.approx(0.05, abs=0.02)


def test_a_near_duplicate_never_straddles():
    base = many(400)
    twins = [replace(i, id=f"twin{i.id}", text=f"{i.text.upper()}, {i.text.split()[2]}!") for i in base]
    made = make([*base, *twins], learning={"max_training_examples": 9999})
    judging = {
        frozenset(e.text.lower().replace(",", "").replace("!", "").split()) for e in made.dataset.split("evaluation")
    }
    learning = [e for e in made.dataset.examples if e.split != "evaluation"]
    assert judging
    assert not [e for e in learning if frozenset(e.text.lower().replace(",", "").replace("!", "").split()) in judging]
    assert made.dataset.set_aside["near duplicate of an evaluation example"] > 50


def test_a_frozen_text_judges_even_where_the_store_no_longer_holds_it():
    text = "where on earth is my new card"
    frozen = Example(id=example_id(text), text=text, labels=Labels(intent="a"), split="evaluation")
    near = [said(i, f"my new card is where on earth{'!' * (i + 1)}") for i in range(6)]
    made = make(near, frozen={frozen.id: frozen})
    assert not [e for e in made.dataset.examples if e.split != "evaluation"]


def test_contradicting_near_duplicates_leave_the_best_attested():
    texts_ = [f"please send my {w} card now{'!' * n}" for w in WORDS for n in range(2)]
    records = [said(i, t, "a" if i % 2 else "b", user="u") for i, t in enumerate(texts_)]
    about = [Feedback(id=r.id, interaction=r.id, at=NOON, correction=Labels(intent="a")) for r in records[1::2]]
    kept = make(records, about).dataset.split("train")
    assert {e.labels.intent for e in kept} == {"a"}


def test_a_flood_of_near_duplicates_by_one_user_is_cut():
    flood = [said(i, f"buy our cheap watches here{'!' * i}", user="bot") for i in range(30)]
    crowd = [said(100 + i, f"where is my card{'!' * i}", user=f"u{i}") for i in range(30)]
    made = make([*flood, *crowd], learning={"max_training_examples": 9999})
    text = [e.text for e in made.dataset.examples if e.split != "evaluation"]
    assert sum("watches" in t for t in text) <= 5
    assert "flood of near duplicates from one user" in made.dataset.set_aside or sum("watches" in t for t in text) == 0


def test_caps_on_users_and_sources():
    crowd = [replace(r, user=f"u{i % 40}") for i, r in enumerate(many(100))]
    loud = many(100, seed=1, user="loud")
    made = make([*crowd, *loud], curation={"max_user_share": 0.25})
    assert made.dataset.set_aside == {"more than one user's share of the new examples": 67}  # 33 of 133
    mixed = [*many(100, source="web"), *many(30, seed=1, source="file"), *many(30, seed=2, source="mail")]
    by_source = make(mixed, curation={"max_source_share": 0.4})
    assert by_source.dataset.set_aside == {"more than one source's share of the new examples": 60}  # 40 of 100
    halves = [*many(100, source="web"), *many(100, seed=1, source="file")]
    assert make(halves, curation={"max_source_share": 0.4}).set_aside == ()  # two cannot both have less than half


def test_caps_need_company_and_number():
    assert make(many(100, user="only"), curation={"max_user_share": 0.1}).set_aside == ()
    few = [*many(20, user="u"), *many(10, seed=1, user="v")]
    assert make(few, curation={"max_user_share": 0.1}).set_aside == ()
    assert make([*many(100), *many(30, seed=1, user="v")], curation={"max_user_share": 0.1}).set_aside == ()


def test_the_rest_waits_and_is_not_lost():
    records = many(600)
    seen, champion, rounds = set(), None, 0
    while True:
        made = make(records, champion=champion, judged=champion, learning={"max_training_examples": 150})
        new = made.dataset.split("train", new=True)
        assert len(new) <= 150
        seen |= {e.id for e in made.dataset.examples}
        champion, rounds = made.dataset, rounds + 1
        if not made.deferred:
            break
    assert len(seen) == 600
    assert rounds == 4


def test_a_candidate_kept_back_does_not_stop_the_queue():
    records = many(600)
    first = make(records, learning={"max_training_examples": 150})
    second = make(records, judged=first.dataset, learning={"max_training_examples": 150})
    assert second.deferred < first.deferred
    assert {e.id for e in first.dataset.examples} <= {e.id for e in second.dataset.examples}


def test_replay_keeps_within_the_budget_and_takes_the_new():
    first = make(many(300)).dataset
    both = [*many(300), *many(60, seed=1)]
    made = make(both, champion=first, judged=first, learning={"replay_budget": 100}).dataset
    train = made.split("train")
    assert len(train) == 100
    assert sum(e.new for e in train) == sum(e.interactions[0].startswith("s1") for e in train) > 40


def test_an_evaluation_example_never_trains_when_settings_and_store_change():
    records = many(200)
    first = make(records, training={"validation_split": 0.45}).dataset
    frozen = {e.id: e for e in first.split("evaluation")}
    about = [Feedback(id=r.id, interaction=r.id, at=NOON, correction=Labels(intent="x")) for r in records]
    grown = [*records, *many(200, seed=2)]
    for past in ({"frozen": frozen}, {"champion": first}, {"judged": first}):
        second = make(grown, about, training={"validation_split": 0.01}, **past).dataset
        assert not {e.id for e in second.examples if e.split != "evaluation"} & set(frozen)


def test_a_frozen_example_keeps_its_labels_and_trust():
    records = many(200)
    frozen = {e.id: e for e in make(records).dataset.split("evaluation")}
    about = [Feedback(id=r.id, interaction=r.id, at=NOON, correction=Labels(intent="x")) for r in records]
    second = make(records, about, frozen=frozen).dataset
    judging = second.split("evaluation")
    assert {e.id: (e.labels, e.trusted) for e in judging} == {i: (e.labels, True) for i, e in frozen.items()}
    orphan = {i: replace(e, interactions=("gone",)) for i, e in frozen.items()}
    assert {e.labels.intent for e in make(records, about, frozen=orphan).dataset.split("evaluation")} == {"x"}


def guessed(count):
    return [
        replace(r, labels=Labels(), prediction=Prediction(Labels(intent=r.labels.intent, sentiment="good")))
        for r in many(count)
    ]


STRICT = {"judge_by_confirmed": False, "max_user_share": 1.0}


def test_where_confirmed_views_may_not_judge_only_what_people_said_does():
    records = guessed(200)
    liked = [Feedback(id=f"s{r.id}", interaction=r.id, at=NOON, score=0.9) for r in records]
    first = make(records, liked, curation=STRICT).dataset
    assert {e.source for e in first.examples} == {"confirmed"}
    assert not any(e.trusted for e in first.split("evaluation"))
    again = make(records, liked, champion=first, judged=first, curation=STRICT).dataset
    assert not any(e.trusted for e in again.split("evaluation"))
    fixed = [Feedback(id=r.id, interaction=r.id, at=NOON, correction=Labels(intent="x")) for r in records]
    judging = make(records, [*liked, *fixed], champion=first, judged=first, curation=STRICT).dataset.split("evaluation")
    assert {(e.labels, e.trusted) for e in judging} == {(Labels(intent="x"), True)}


def test_what_people_confirmed_judges_and_what_nobody_confirmed_does_not():
    records = guessed(200)
    liked = [Feedback(id=f"s{r.id}", interaction=r.id, at=NOON, score=0.9) for r in records[:150]]
    made = make(records, liked).dataset
    judging = made.split("evaluation")
    assert judging
    assert all(e.trusted for e in judging)
    assert {i for e in made.examples for i in e.interactions} <= {r.id for r in records[:150]}


def test_disputed_labels_do_not_judge():
    records = many(200)
    about = [
        Feedback(id=f"{r.id}{user}", interaction=r.id, at=NOON, user=user, correction=Labels(intent=user))
        for r in records
        for user in "uv"
    ]
    first = make(records, about).dataset
    assert not any(e.trusted for e in first.split("evaluation"))
    assert {e.weight for e in first.examples} == {round(1 / 3, 6)}


def test_what_was_distrusted_stays_so_until_something_changes():
    first = make(many(200)).dataset
    doubted = replace(first, examples=tuple(replace(e, trusted=e.split != "evaluation") for e in first.examples))
    assert not any(e.trusted for e in make(many(200), judged=doubted).dataset.split("evaluation"))


NAMES = st.one_of(st.none(), st.text(alphabet=st.characters(codec=None), max_size=5), st.sampled_from(["a", "b"]))
SPANS = st.lists(st.builds(Entity, st.integers(-2, 12), st.integers(-2, 12), st.text(max_size=3)), max_size=3)
LABELS = st.builds(Labels, NAMES, NAMES, st.one_of(st.none(), SPANS.map(tuple)))
TEXT = st.one_of(
    st.text(alphabet=st.characters(codec=None), max_size=30),
    st.lists(st.sampled_from(["card", "Card", "my", "a@b.de", "+49 170 1234567"]), max_size=5).map(" ".join),
)
RATINGS = st.dictionaries(
    st.sampled_from(["user_satisfaction", "response_quality"]), st.one_of(st.none(), st.floats(), st.text(max_size=2))
)
TIMES = st.integers(0, 3).map(lambda hours: NOON + timedelta(hours=hours))
RECORDS = st.lists(
    st.builds(
        Interaction,
        id=st.integers(0, 12).map(lambda n: f"i{n}"),
        text=TEXT,
        at=TIMES,
        user=st.sampled_from([None, "u", "gone"]),
        labels=LABELS,
        prediction=st.one_of(st.none(), st.builds(Prediction, LABELS)),
        consent=st.booleans(),
        context=RATINGS,
    ),
    max_size=12,
    unique_by=lambda one: one.id,
)
REMARKS = st.lists(
    st.builds(
        Feedback,
        id=st.integers(0, 12).map(lambda n: f"f{n}"),
        interaction=st.integers(0, 14).map(lambda n: f"i{n}"),
        at=TIMES,
        user=st.sampled_from([None, "v", "gone"]),
        score=st.one_of(st.none(), st.floats()),
        correction=st.one_of(st.none(), LABELS),
    ),
    max_size=10,
    unique_by=lambda one: one.id,
)


@settings(max_examples=60, deadline=None)
@given(RECORDS, REMARKS, st.randoms())
def test_anything_can_be_curated_in_any_order(records, remarks, rng):
    made = make(records, remarks, withdrawn=frozenset({"gone"}))
    again = make(rng.sample(records, len(records)), rng.sample(remarks, len(remarks)), withdrawn=frozenset({"gone"}))
    assert (again.dataset, again.deferred) == (made.dataset, made.deferred)
    assert sorted(again.set_aside, key=repr) == sorted(made.set_aside, key=repr)
    encode(made.dataset)
    used = {i for e in made.dataset.examples for i in e.interactions}
    aside = {s.interaction for s in made.set_aside}
    known = {r.id for r in records}
    assert used | (aside & known) == known or made.deferred
    assert not used & (aside & known)
    for example in made.dataset.examples:
        assert example.labels.heads
        assert 0 < example.weight <= 1
        for entity in example.labels.entities or ():
            assert 0 <= entity.start < entity.end <= len(example.text)


@settings(max_examples=30, deadline=None)
@given(RECORDS, REMARKS)
def test_withdrawn_users_vanish(records, remarks):
    without = [r for r in records if r.user != "gone"]
    heard = [f for f in remarks if f.user != "gone"]
    made = make(records, remarks, withdrawn=frozenset({"gone"})).dataset
    users = {r.id: r.user for r in records}
    assert not [i for e in made.examples for i in e.interactions if users[i] == "gone"]
    assert made.id == make(without, heard).dataset.id


def test_near_duplicates_without_user_or_conflict_stay():
    templated = [said(i, f"show me the way to the nearest open shop in town{'!' * i}") for i in range(12)]
    made = make([r for r in templated if split_of(example_id(r.text), 0.2) != "evaluation"])
    assert len(made.dataset.examples) > 6
    assert made.set_aside == ()


def named(text, *entities, **more):
    return Interaction(id=text, text=text, at=NOON, labels=Labels(intent="x", entities=entities), **more)


def test_names_that_people_or_a_pipeline_found_are_replaced():
    city, mary = Entity(15, 19, "CITY"), Entity(0, 4, "PERSON")
    given = named("Mary Ann is in Oslo", city, mary)
    predicted = Prediction(Labels(entities=(Entity(0, 4, "PER"), city)))
    found = named("Lisa Bee is in Oslo", city, prediction=predicted)
    beyond = named("Otto is in Oslo", prediction=Prediction(Labels(entities=(Entity(50, 60, "PER"),))))
    made = {e.interactions[0]: e for e in make([given, found, beyond]).dataset.examples}
    first, second, third = made[given.id], made[found.id], made[beyond.id]
    assert first.text == "[PERSON] Ann is in Oslo"
    assert [(first.text[e.start : e.end], e.label) for e in first.labels.entities] == [
        ("[PERSON]", "PERSON"),
        ("Oslo", "CITY"),
    ]
    assert second.text == "[PERSON] Bee is in Oslo"
    assert [(second.text[e.start : e.end], e.label) for e in second.labels.entities] == [("Oslo", "CITY")]
    assert third.text == beyond.text


def test_names_stay_where_they_are_to_be_learned():
    given = named("Mary Ann is in Oslo", Entity(0, 8, "PERSON"))
    kept = make([given], curation={"replace_names": False}).dataset.examples[0]
    assert (kept.text, kept.labels.entities) == (given.text, given.labels.entities)
