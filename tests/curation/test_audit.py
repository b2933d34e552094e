import random
from dataclasses import replace

import pytest
from benchmarks.real_data import banking77, folder, snips

from onward.core import Labels
from onward.curation import example_id
from onward.curation._audit import audit
from onward.curation._records import Draft

TOPICS = {
    "card": ["card", "plastic", "lost", "arrive", "delivery", "track", "post", "new", "chip"],
    "rate": ["exchange", "rate", "currency", "euro", "dollar", "convert", "pound", "price", "foreign"],
    "cash": ["atm", "cash", "withdraw", "machine", "note", "money", "pull", "out", "dispense"],
    "pin": ["pin", "code", "forgot", "blocked", "digits", "secret", "change", "reset", "unlock"],
}


def draft(text, intent=None, source="given", sentiment=None):
    return Draft(
        example_id(text), text, Labels(intent=intent, sentiment=sentiment), source, 1.0, (), True, (), None, None, 0.0
    )


def topic(name, count, seed):
    rng = random.Random(f"{name}{seed}")
    return [draft(f"{' '.join(rng.sample(TOPICS[name], 5))} {seed} {name} {i}", name) for i in range(count)]


def relabelled(drafts, label):
    return [replace(d, labels=Labels(intent=label)) for d in drafts]


def audited(old, fresh):
    drafts = sorted([*old, *fresh], key=lambda d: d.id)
    return audit(drafts, frozenset(d.id for d in fresh))


OLD = [d for name in ("card", "rate", "cash") for d in topic(name, 60, 0)]


def test_right_labels_are_not_contradicted_and_swapped_ones_are():
    right, swapped = topic("card", 20, 1), relabelled(topic("rate", 20, 1), "card")
    found = audited(OLD, [*right, *swapped]).labels
    assert (found.judged, found.contradicted) == (40, len(found.suspects))
    assert set(found.suspects) <= {d.id for d in swapped}
    assert found.contradicted >= 12
    assert found.expected < 0.1


def test_a_batch_does_not_vouch_for_itself():
    swapped = relabelled(topic("rate", 100, 1), "card")
    found = audited(OLD, swapped).labels
    assert found.judged == 100
    assert found.share > 0.6


def test_new_labels_are_no_contradiction_but_unmask_old_labels_on_new_texts():
    new = topic("pin", 60, 1)
    assert audited(OLD, new).labels.judged == 0
    hidden = relabelled(topic("pin", 20, 2), "card")
    found = audited(OLD, [*new, *hidden]).labels
    assert found.judged == 20
    assert found.share > 0.5


def test_the_batch_helps_to_judge_a_label_that_is_little_known():
    """Its few accepted examples do not say all that users say of it; fifty honest ones do not refute each other."""
    rng = random.Random(0)
    known = [draft(f"{' '.join(rng.sample(TOPICS['pin'][:4], 3))} {i}", "pin") for i in range(8)]
    words = [*TOPICS["pin"][4:], "card", "rate"]
    fresh = [draft(f"{' '.join(rng.sample(words, 4))} please {i}", "pin") for i in range(50)]
    honest = audited([*OLD, *known], fresh).labels
    assert (honest.judged, honest.contradicted) == (50, 0)
    poison = relabelled([d for name in ("card", "rate", "cash") for d in topic(name, 4, 3)], "pin")
    poisoned = audited([*OLD, *known], [*fresh, *poison]).labels
    assert len(set(poisoned.suspects) & {d.id for d in poison}) >= 8


def test_the_sources_answer_each_for_itself():
    fresh = [replace(d, source="confirmed") for d in topic("card", 100, 1)]
    fresh += [replace(d, source="correction") for d in relabelled(topic("rate", 20, 1), "card")]
    found = audited(OLD, fresh).labels
    assert found.sources.keys() == {"confirmed", "correction"}
    assert found.sources["confirmed"].judged == 100
    assert found.sources["correction"].share > 0.6 > found.share
    assert found.contradicted == sum(part.contradicted for part in found.sources.values())
    assert not audited(OLD, topic("card", 20, 1)).labels.sources


def test_a_first_batch_is_not_judged_but_its_odd_labels_are_doubted():
    swapped = relabelled(topic("rate", 6, 1), "card")
    found = audited([], [*OLD, *swapped])
    assert (found.labels.judged, found.labels.share) == (0, 0.0)
    assert found.doubted
    assert len(found.doubted & {d.id for d in swapped}) >= 3
    assert len(found.doubted - {d.id for d in swapped}) <= 3


def test_nothing_fresh_and_one_label_only():
    assert audited(OLD, []).labels.judged == 0
    assert audited([], topic("card", 40, 0)).labels.judged == 0
    assert audited([], [draft("x")]).labels.judged == 0


def test_sentiment_is_judged_likewise():
    good, bad = topic("card", 60, 0), topic("rate", 60, 0)
    old = [replace(d, labels=Labels(sentiment="good")) for d in good]
    old += [replace(d, labels=Labels(sentiment="bad")) for d in bad]
    fresh = [replace(d, labels=Labels(intent="i", sentiment="good")) for d in topic("rate", 20, 1)]
    found = audited(old, fresh).labels
    assert found.judged == 20
    assert found.share > 0.5


def test_what_is_usual_is_matched_by_source():
    noisy = [replace(d, source="confirmed") for d in relabelled(topic("rate", 15, 2), "card")]
    noisy += [replace(d, source="confirmed") for d in topic("card", 60, 2)]
    old = [*OLD, *topic("rate", 100, 4), *topic("card", 100, 4), *noisy]
    fresh = topic("card", 30, 3)
    confirmed = audited(old, [replace(d, source="confirmed") for d in fresh]).labels
    assert confirmed.expected > audited(old, fresh).labels.expected + 0.02


def test_corrections_are_held_against_what_is_hard():
    fresh = [replace(d, source="correction") for d in topic("card", 20, 1)]
    easy = audited(OLD, fresh).labels
    wrong = audited(OLD, relabelled([replace(d, source="correction") for d in topic("rate", 20, 1)], "card")).labels
    assert easy.expected < wrong.expected < wrong.share - 0.3


def flipped(batch, share, seed=0):
    rng, labels = random.Random(seed), sorted({d.labels.intent for d in batch})
    return [
        replace(d, labels=Labels(intent=rng.choice([x for x in labels if x != d.labels.intent])))
        if rng.random() < share
        else d
        for d in batch
    ]


@pytest.mark.skipif(folder() is None, reason="ONWARD_DATA names no folder of data sets")
@pytest.mark.parametrize("data", [snips, banking77], ids=["SNIPS", "BANKING77"])
def test_poisoned_days_stand_apart_from_clean_ones(data):
    rows = list({example_id(r.text): draft(r.text, r.label) for r in data()[0]}.values())
    random.Random(0).shuffle(rows)
    old, day = rows[:2500], rows[2500:2900]
    clean, poisoned = audited(old, day).labels, audited(old, flipped(day, 0.4)).labels
    assert clean.share - clean.expected < 0.05
    assert poisoned.share - poisoned.expected > 0.15
