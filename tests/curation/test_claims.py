from datetime import UTC, datetime, timedelta

import pytest

from onward.core import Entity, Feedback, Interaction, Labels, Prediction
from onward.curation._claims import claims_of

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
INTENT = {"model": Prediction(Labels(intent="guess", sentiment="positive"))}


def interaction(**more):
    return Interaction(id="i", text="to Berlin", at=NOON, **more)


def feedback(number, minutes=0, **more):
    return Feedback(id=f"f{number}", interaction="i", at=NOON + timedelta(minutes=minutes), **more)


def said(one, *about, confirm_score=0.7):
    return {(c.head, c.value, c.source) for c in claims_of(one, about, confirm_score) if c.standing}


def test_a_prediction_nobody_confirmed_is_no_label():
    guessed = interaction(prediction=INTENT["model"])
    assert said(guessed) == set()
    assert said(guessed, feedback(1, score=0.69)) == set()
    assert said(guessed, feedback(1, score=float("nan"))) == set()
    assert said(interaction(), feedback(1, score=1.0)) == set()


def test_a_score_confirms_every_head_predicted():
    guessed = interaction(prediction=INTENT["model"])
    both = {("intent", "guess", "confirmed"), ("sentiment", "positive", "confirmed")}
    assert said(guessed, feedback(1, score=0.7)) == both


def test_the_latest_score_counts_and_of_two_at_once_the_lower():
    guessed = interaction(prediction=INTENT["model"])
    assert said(guessed, feedback(1, score=0.9), feedback(2, 1, score=0.1)) == set()
    assert len(said(guessed, feedback(1, score=0.1), feedback(2, 1, score=0.9))) == 2
    assert said(guessed, feedback(1, score=0.9), feedback(2, score=0.1)) == set()


def test_the_latest_correction_wins_head_by_head():
    first = feedback(1, correction=Labels(intent="a", sentiment="negative"), user="u")
    second = feedback(2, 1, correction=Labels(intent="b"), user="v")
    for about in ((first, second), (second, first)):
        assert said(interaction(), *about) == {("intent", "b", "correction"), ("sentiment", "negative", "correction")}
    assert {c.value for c in claims_of(interaction(), (first, second), 0.7) if not c.standing} == {"a"}


def test_corrections_at_one_time_go_by_majority_then_by_name():
    about = [feedback(i, correction=Labels(intent=name), user=f"u{i}") for i, name in enumerate("bab")]
    assert ("intent", "b", "correction") in said(interaction(), *about)
    assert ("intent", "a", "correction") in said(interaction(), *about[:2])


def test_somebody_changing_their_mind_leaves_no_dissent():
    about = [feedback(i, i, correction=Labels(intent=name), user="u") for i, name in enumerate("ab")]
    assert len(claims_of(interaction(), about, 0.7)) == 1


@pytest.mark.parametrize("spans", [(Entity(3, 99, "city"),), (Entity(0, 5, "a"), Entity(3, 9, "b"))])
def test_bad_spans_drop_the_entities_and_nothing_else(spans):
    assert said(interaction(labels=Labels(intent="go", entities=spans))) == {("intent", "go", "given")}


def test_no_entities_is_a_statement_too():
    assert said(interaction(labels=Labels(entities=()))) == {("entities", (), "given")}
