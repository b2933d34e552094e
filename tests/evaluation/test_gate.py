from itertools import cycle

import numpy as np
import pytest
from benchmarks.gate_error_rates import World, failed, promoted, verdicts
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from onward.config import GateSettings, ThresholdSettings
from onward.core import Entity, EvaluationSet, Example, InvalidInput, LabelAudit, Labels, Prediction
from onward.evaluation import forgetting, judge, score

ANY = ThresholdSettings(accuracy=0, intent=0, sentiment=0, entity=0)


def answered(wanted, said, name="new"):
    examples = (Example(id=f"{name}{at}", text="t", labels=one, split="evaluation") for at, one in enumerate(wanted))
    return score(
        [Prediction(one) for one in said], EvaluationSet(name=name, examples=tuple(examples), new=name == "new")
    )


def intents(right, count, name="new", *, of=("a", "b"), start=0):
    """One head: the first `right` of `count` examples, counted from `start`, are right."""
    wanted = [Labels(intent=intent) for _, intent in zip(range(count), cycle(of), strict=False)]
    hits = [(at - start) % count < right for at in range(count)]
    return answered(wanted, [one if hit else Labels(intent="-") for one, hit in zip(wanted, hits, strict=True)], name)


def verdict(candidate, champion, *, audit=None, thresholds=ANY, candidates=1, **gate):
    settings = GateSettings(**gate)
    audit = audit or LabelAudit()
    return judge(candidate, champion, audit=audit, gate=settings, thresholds=thresholds, candidates=candidates)


def check(found, name):
    (one,) = (check for check in found.checks if check.name == name)
    return one


def test_a_better_candidate_is_promoted_and_every_check_listed():
    older = [intents(95, 100, "old1"), intents(95, 100, "old2")]
    found = verdict([*older, intents(95, 100)], [*older, intents(60, 100)], thresholds=ThresholdSettings())
    assert found.decision == "promote"
    names = [one.name for one in found.checks]
    assert names == [
        "evidence", "trust", "threshold accuracy", "threshold intent", "better", "not worse",
        "forgetting old1", "forgetting old2", "intent a",
    ]  # fmt: skip
    assert "better than the champion: 0.600 -> 0.950 on 100 examples of new work" in check(found, "better").reason


def test_the_same_answers_are_no_better():
    both = [intents(90, 100, "old"), intents(80, 100)]
    found = verdict(both, both)
    assert found.decision == "keep"
    assert [one.name for one in found.checks if not one.passed] == ["better"]
    assert found.reasons[0].startswith("no better than the champion: 0.800 -> 0.800")


def test_too_little_evidence_keeps_the_champion():
    found = verdict([intents(14, 14)], [intents(0, 14)])
    assert found.decision == "keep"
    assert found.reasons == ("too little evidence: 14 new evaluation examples, 15 needed",)
    assert verdict([intents(15, 15)], [intents(0, 15)]).decision == "promote"


def test_only_new_examples_are_evidence():
    found = verdict([intents(100, 100, "old")], [intents(50, 100, "old")])
    assert check(found, "evidence").figure == 0
    assert found.decision == "keep"


def test_nothing_at_all_is_kept():
    assert verdict([], []).decision == "keep"
    assert verdict([], None).decision == "keep"
    assert verdict([answered([], [])], [answered([], [])]).decision == "keep"


@pytest.mark.parametrize(
    ("judged", "contradicted", "expected", "passed"),
    [
        (0, 0, 0.0, True),
        (10, 2, 0.0, True),  # above the bound, and nothing to speak of
        (10, 5, 0.0, False),
        (100, 15, 0.0, True),  # exactly the bound
        (100, 20, 0.0, False),
        (100, 20, 0.1, True),
        (100, 40, 0.2, False),
        (10, 10, 1.0, True),
    ],
)
def test_labels_contradicted_too_often_are_refused(judged, contradicted, expected, passed):
    audit = LabelAudit(judged=judged, contradicted=contradicted, expected=expected)
    found = verdict([intents(100, 100)], [intents(50, 100)], audit=audit, max_contradicted=0.15)
    assert check(found, "trust").passed is passed
    assert found.decision == ("promote" if passed else "refuse")
    if contradicted == 2:
        assert "too few to tell from chance" in check(found, "trust").reason


@pytest.mark.parametrize(("bad", "passed"), [(4, True), (15, False)])
def test_many_confirmations_do_not_water_down_bad_corrections(bad, passed):
    corrections = LabelAudit(judged=30, contradicted=bad)
    confirmations = LabelAudit(judged=970)
    audit = LabelAudit(judged=1000, contradicted=bad, sources={"confirmed": confirmations, "correction": corrections})
    found = verdict([intents(100, 100)], [intents(50, 100)], audit=audit, max_contradicted=0.08)
    assert check(found, "trust").passed is passed
    if not passed:
        assert "15 of 30 new corrected labels are contradicted" in found.reason


def test_thresholds_hold_whatever_the_champion_does():
    found = verdict([intents(79, 100)], [intents(40, 100)], thresholds=ThresholdSettings(accuracy=0))
    assert found.decision == "refuse"
    assert found.reasons == ("intent accuracy 0.790 (at least 0.8 needed; the champion has 0.400)",)
    assert (
        verdict([intents(80, 100)], [intents(40, 100)], thresholds=ThresholdSettings(accuracy=0)).decision == "promote"
    )


def test_a_head_that_the_candidate_has_not_learned_fails_where_examples_have_it():
    wanted = [Labels(intent="ab"[at % 2], entities=(Entity(0, 1, "x"),)) for at in range(100)]
    silent = [Labels(intent=one.intent) for one in wanted]
    found = verdict([answered(wanted, silent)], None, thresholds=ThresholdSettings(accuracy=0))
    assert found.decision == "refuse"
    assert found.reasons == ("entity F1 0.000 (at least 0.7 needed)",)


def test_better_on_all_work_and_not_behind_on_the_new_is_better():
    older = [intents(850, 1000, "old")], [intents(820, 1000, "old")]
    assert verdict([*older[0], intents(41, 50)], [*older[1], intents(40, 50)]).decision == "promote"
    assert verdict([*older[0], intents(40, 50)], [*older[1], intents(41, 50)]).decision == "keep"


def test_significantly_worse_on_the_new_work_is_refused():
    found = verdict([intents(80, 100)], [intents(90, 100)])
    assert found.decision == "refuse"
    assert "worse on the new work: 0.900 -> 0.800 on 100 examples" in check(found, "not worse").reason
    assert verdict([intents(87, 100)], [intents(90, 100)]).decision == "keep"


def heads(intent, sentiment, count=100, name="new"):
    wanted = [Labels(intent="ab"[at % 2], sentiment="xy"[at % 2]) for at in range(count)]
    said = [
        Labels(one.intent if at < intent else "-", one.sentiment if at < sentiment else "-")
        for at, one in enumerate(wanted)
    ]
    return answered(wanted, said, name)


def test_no_head_may_pay_for_another():
    found = verdict([heads(95, 80)], [heads(60, 90)])
    assert check(found, "better").passed
    assert check(found, "not worse").passed
    assert check(found, "not worse intent").passed
    assert not check(found, "not worse sentiment").passed
    assert found.decision == "refuse"
    older = verdict([heads(95, 80, name="old"), heads(95, 90)], [heads(60, 90, name="old"), heads(60, 90)])
    assert [one.name for one in older.checks if not one.passed] == ["forgetting old sentiment"]
    assert "forgets older work old sentiment: 0.900 -> 0.800 on 100 examples (at most 0.05" in older.reasons[0]


@pytest.mark.parametrize(("lost", "size", "decision"), [(5, 100, "promote"), (6, 100, "refuse"), (4, 60, "promote")])
def test_forgetting_is_a_loss_above_the_bound_and_beyond_chance(lost, size, decision):
    candidate = [intents(size - lost, size, "old"), intents(90, 100)]
    found = verdict(candidate, [intents(size, size, "old"), intents(50, 100)])
    one = check(found, "forgetting old")
    assert found.decision == decision
    assert one.figure == pytest.approx(lost / size)
    assert ("may be chance" in one.reason) == (lost == 4)


def test_one_forgotten_set_among_many_is_found():
    kept = [intents(97, 100, f"old{at}") for at in range(50)]
    lost = [*kept[:20], intents(90, 100, "old20"), *kept[21:]]
    found = verdict([*lost, intents(90, 100)], [*kept, intents(50, 100)])
    assert [one.name for one in found.checks if not one.passed] == ["forgetting old20"]


def test_small_sets_are_judged_with_their_neighbours():
    sizes = (20, 20, 30, 100, 10)
    sets = [intents(size, size, f"s{at}") for at, size in enumerate(sizes)]
    found = forgetting(sets, sets, min_set=60)
    assert [(one.name, one.count) for one in found] == [("s0..s2", 70), ("s3..s4", 110)]
    assert [one.name for one in forgetting(sets[:4], sets[:4], min_set=60)] == ["s0..s2", "s3"]
    assert [one.name for one in forgetting(sets[:1], sets[:1], min_set=60)] == ["s0"]
    assert [one.count for one in forgetting(sets, sets)] == list(sizes)
    long = [intents(1, 1, f"{at}{'f' * 63}") for at in range(2)]
    assert "older work 0fffffffffff..1f" in check(verdict(long, long), "forgetting 0fffffffffff..1fffffffffff").reason


def test_the_first_reason_is_the_one_that_decided():
    found = verdict([intents(30, 60, "old"), intents(1, 5, "new")], [intents(60, 60, "old"), intents(1, 5, "new")])
    assert found.decision == "refuse"
    assert check(found, "evidence").otherwise == "keep"
    assert not found.reason.startswith("too little evidence")
    assert any(reason.startswith("too little evidence") for reason in found.reasons)


def test_forgetting_leaves_new_and_empty_sets_out():
    sets = [answered([], [], "empty"), intents(3, 4, "old"), intents(5, 5)]
    (loss,) = forgetting(sets, [answered([], [], "empty"), intents(4, 4, "old"), intents(0, 5)])
    assert (loss.name, loss.head, loss.lost, loss.before, loss.after) == ("old", "overall", 0.25, 1.0, 0.75)
    assert (loss.most, loss.chance, loss.least) == (0.25, 0.5, 0.5)


def forgetful(intent, share, each, count=20):
    labels = [f"i{at}" for at in range(count)]
    wanted = [Labels(intent=label) for label in labels for _ in range(each)]
    said = [
        one if one.intent != intent or at % each >= share * each else Labels(intent="-")
        for at, one in enumerate(wanted)
    ]
    return answered(wanted, said, "old")


def test_a_forgotten_intent_is_refused_though_the_set_as_a_whole_is_fine():
    found = verdict([forgetful("i3", 1, 8), intents(90, 100)], [forgetful(None, 0, 8), intents(50, 100)])
    assert [one.name for one in found.checks if not one.passed] == ["intent i3"]
    assert found.reasons[0].startswith(
        "forgets intent i3: recall 1.00 -> 0.00 on 8 examples (at most 0.25 may be lost)"
    )


def test_an_intent_with_few_examples_or_a_small_loss_is_let_be():
    few = verdict([forgetful("i3", 1, 7), intents(90, 100)], [forgetful(None, 0, 7), intents(50, 100)])
    assert few.decision == "promote"
    assert not any(one.name.startswith("intent ") for one in few.checks)
    small = verdict([forgetful("i3", 0.25, 8), intents(90, 100)], [forgetful(None, 0, 8), intents(50, 100)])
    assert small.decision == "promote"
    assert check(small, "intent i3").figure == 0.25
    chance = verdict([forgetful("i3", 3 / 8, 8), intents(90, 100)], [forgetful(None, 0, 8), intents(50, 100)])
    assert chance.decision == "promote"
    assert "may be chance" in check(chance, "intent i3").reason


def test_with_a_margin_as_good_is_good_enough_once_there_is_evidence():
    many, few = [intents(900, 1000)], [intents(27, 30)]
    found = verdict(many, many, margin=0.02)
    assert found.decision == "promote"
    assert "surely within 0.02 of the champion" in check(found, "better").reason
    assert verdict(few, few, margin=0.02).decision == "keep"
    assert "not surely within" in verdict(few, few, margin=0.02).reasons[0]


def test_with_a_margin_a_sure_but_small_loss_is_allowed():
    candidate, champion = [intents(2680, 3000)], [intents(2700, 3000)]
    assert verdict(candidate, champion).decision == "refuse"
    assert verdict(candidate, champion, margin=0.02).decision == "promote"
    assert verdict([intents(2600, 3000)], champion, margin=0.02).decision == "refuse"


def test_the_first_version_must_beat_the_most_frequent_label():
    assert verdict([intents(50, 100, of="aab")], None).decision == "keep"
    found = verdict([intents(90, 100, of="aab")], None)
    assert found.decision == "promote"
    assert "better than always answering the most frequent label: 0.670 -> 0.900" in check(found, "better").reason
    wanted = [Labels(entities=(Entity(0, 1, "x"),) if at % 2 else ()) for at in range(40)]
    assert verdict([answered(wanted, wanted)], None).decision == "promote"
    assert verdict([answered(wanted, [Labels(entities=())] * 40)], None).decision == "keep"


def test_candidates_of_one_cycle_share_the_level():
    candidate, champion = [intents(46, 50)], [intents(40, 50)]
    assert verdict(candidate, champion).decision == "promote"
    assert verdict(candidate, champion, candidates=5).decision == "keep"


@pytest.mark.parametrize(
    "champion", [[intents(5, 20)], [intents(5, 19, "old"), intents(5, 20)], [intents(5, 20, "other")]]
)
def test_only_what_was_scored_on_the_same_examples_is_compared(champion):
    with pytest.raises(InvalidInput, match="not scored on the same examples"):
        verdict([intents(5, 20, "old"), intents(5, 20)], champion)


LABELS = st.sampled_from(["a", "b"])


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(LABELS, LABELS, LABELS), min_size=15, max_size=60),
    st.lists(st.tuples(LABELS, LABELS, LABELS), max_size=60),
)
def test_two_models_are_never_promoted_over_each_other(new, old):
    def model(which):
        return [
            answered([Labels(intent=row[0]) for row in rows], [Labels(intent=row[which]) for row in rows], name)
            for name, rows in (("old", old), ("new", new))
        ]

    there, back = verdict(model(1), model(2)), verdict(model(2), model(1))
    assert {there.decision, back.decision} != {"promote"}
    assert verdict(model(1), model(2)) == there
    assert all(np.isfinite([one.figure, one.bound]).all() for one in there.checks)


def few(hits, trials, rate=0.05):
    """Whether so many hits are no surprise at that rate (once in a thousand)."""
    return sum(hits) <= binom.ppf(0.999, trials, rate)


@pytest.mark.parametrize(
    ("world", "gate"),
    [
        (World(60, (80, 80), churn=0.1), {}),
        (World(200, churn=0.15), {}),
        (World(60, (80,), ("intent", "sentiment", "entities"), churn=0.1), {}),
        (World(60, (80, 80), gain=-0.02, gain_old=-0.02, churn=0.05), {"margin": 0.02}),
    ],
)
def test_candidates_no_better_are_hardly_ever_promoted(world, gate):
    found = verdicts(world, 150, 7, **gate)
    assert few(map(promoted, found), 150)


def test_equally_good_candidates_are_hardly_ever_refused():
    found = verdicts(World(60, (60,) * 7, churn=0.05), 100, 11)
    assert few(map(failed("forgetting"), found), 100)
    assert few(map(failed("intent "), found), 100)
    assert few(map(failed("not worse"), found), 100)


def test_better_candidates_are_promoted_and_harm_is_caught():
    assert np.mean([*map(promoted, verdicts(World(100, (100,), gain=0.1, accuracy=0.85), 50, 3))]) >= 0.8
    assert np.mean([*map(failed("forgetting"), verdicts(World(60, (150,) * 3, lost=0.12, churn=0.02), 50, 5))]) >= 0.8
    forgetful = World(60, (11 * 20,) * 3, intents=33, churn=0.02, forgotten=1.0)
    assert np.mean([*map(failed("intent intent0"), verdicts(forgetful, 50, 6))]) >= 0.9


def test_a_champion_that_is_to_go_need_not_be_beaten():
    same = [intents(95, 100, "old1"), intents(0, 0)]

    def leaving(candidate, champion, **settings):
        gate = GateSettings(**settings)
        return judge(candidate, champion, audit=LabelAudit(), gate=gate, thresholds=ANY, leaving=True)

    found = leaving(same, same)
    assert found.decision == "promote"
    assert found.reason == (
        "the champion learned from what was withdrawn: no worse than it is enough "
        "(0.950 -> 0.950 on 100 examples of older work)"
    )
    assert "better" not in {one.name for one in found.checks}
    assert verdict(same, same).decision == "keep"
    worse = [intents(60, 100, "old1"), intents(0, 0)]
    assert leaving(worse, same).decision == "refuse"
    few = [intents(10, 10, "old1"), intents(0, 0)]
    assert leaving(few, few).decision == "keep"
    assert check(leaving(few, few), "evidence").reason == "too little evidence: 10 evaluation examples, 15 needed"
    assert judge(same, None, audit=LabelAudit(), gate=GateSettings(), thresholds=ANY, leaving=True).decision == "keep"
