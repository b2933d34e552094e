from onward.core import Labels
from onward.curation._budget import deferred, not_replayed
from onward.curation._records import Draft


def draft(number, intent="a", source="given", at=0.0):
    return Draft(f"{number:08x}", f"text {number}", Labels(intent=intent), source, 1.0, (), True, (), None, None, at)


def test_the_best_evidence_comes_first():
    fresh = [draft(i, source=("confirmed", "given", "correction")[i % 3]) for i in range(30)]
    waiting = deferred(fresh, dict.fromkeys((d.id for d in fresh), "train"), 15, 1)
    taken = [d for d in fresh if d.id not in waiting]
    assert sum(d.source == "correction" for d in taken) == 10
    assert sum(d.source == "given" for d in taken) == 5


def test_the_latest_come_first_within_an_intent():
    fresh = [draft(i, at=float(i)) for i in range(10)]
    waiting = deferred(fresh, dict.fromkeys((d.id for d in fresh), "train"), 4, 1)
    assert {d.at for d in fresh if d.id not in waiting} == {6.0, 7.0, 8.0, 9.0}


def test_a_rare_intent_does_not_starve():
    old = [draft(i, "frequent") for i in range(10_000)] + [draft(10_000 + i, "rare") for i in range(4)]
    left_out = not_replayed(old, 100)
    assert len(left_out) == len(old) - 100
    assert sum(d.id not in left_out for d in old[-4:]) >= 2
    assert not_replayed(old, len(old)) == set()
    assert len(not_replayed(old, -5)) == len(old)


def test_evidence_is_kept_for_the_next_cycle():
    fresh = [draft(i) for i in range(1000)]
    split = {d.id: ("evaluation" if i < 150 else "validation" if i < 200 else "train") for i, d in enumerate(fresh)}
    waiting = deferred(fresh, split, 400, 15)
    taken = [split[d.id] for d in fresh if d.id not in waiting]
    assert {s: taken.count(s) for s in set(taken)} == {"train": 400, "evaluation": 75, "validation": 25}
    few = deferred(fresh, split, 8, 15)
    assert sum(split[d.id] == "evaluation" and d.id not in few for d in fresh) == 15
