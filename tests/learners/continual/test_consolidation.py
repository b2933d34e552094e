"""The scheduler of consolidations."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onward.core import InvalidInput
from onward.learners.continual._consolidation import ConsolidationScheduler
from onward.learners.continual._forgetting import ForgettingDetector

FORGOT = ForgettingDetector().compare(
    {"old": np.ones(50), "new": np.ones(50)}, {"old": np.zeros(50), "new": np.ones(50)}
)


@given(st.lists(st.integers(0, 50), max_size=30), st.integers(1, 100))
def test_it_is_due_as_soon_as_so_many_examples_were_seen(batches, every):
    scheduler, since = ConsolidationScheduler(every_examples=every), 0
    for batch in batches:
        scheduler.saw(examples=batch)
        since += batch
        assert bool(scheduler.due) == (since >= every)
        if scheduler.due:
            assert scheduler.due == (f"{since} examples",)
            scheduler.consolidated()
            since = 0


def test_steps_and_seconds_count_apart():
    scheduler = ConsolidationScheduler(every_steps=10, every_seconds=60)
    scheduler.saw(steps=9, seconds=59.5)
    assert scheduler.due == ()
    scheduler.saw(seconds=0.5)
    assert scheduler.due == ("60 seconds",)
    scheduler.saw(steps=1)
    assert scheduler.due == ("10 steps", "60 seconds")


def test_a_drop_is_held_against_the_best_since_the_last():
    scheduler = ConsolidationScheduler(drop=0.1)
    for score in (0.8, 0.9, 0.85):
        scheduler.judged("a", score)
    scheduler.judged("b", 0.1)
    assert scheduler.due == ()
    scheduler.judged("a", 0.75)
    assert scheduler.due == ("a dropped by 0.15",)
    scheduler.consolidated()
    scheduler.judged("a", 0.7)
    assert scheduler.due == ()


def test_forgetting_is_heard_unless_it_is_not_asked_for():
    scheduler = ConsolidationScheduler()
    scheduler.found(FORGOT)
    assert scheduler.due == ("old forgotten by 1",)
    scheduler.consolidated()
    assert scheduler.due == ()
    deaf = ConsolidationScheduler(drop=0.1, on_forgetting=False)
    deaf.found(FORGOT)
    assert deaf.due == ()


def test_its_state_goes_through_json():
    scheduler = ConsolidationScheduler(every_examples=100, drop=0.1)
    scheduler.saw(examples=120, seconds=1.5)
    scheduler.judged("a", 0.9)
    scheduler.judged("a", 0.7)
    scheduler.found(FORGOT)
    other = ConsolidationScheduler(every_examples=100, drop=0.1)
    other.load_state_dict(json.loads(json.dumps(scheduler.state_dict())))
    assert other.due == scheduler.due
    assert len(other.due) == 3
    for state in ({}, {"seen": {}, "best": {}, "latest": {}, "forgotten": {}}, {"seen": 3}):
        with pytest.raises(InvalidInput, match="no state of a scheduler"):
            other.load_state_dict(state)
    assert other.due == scheduler.due


@pytest.mark.parametrize(
    "settings",
    [
        {"on_forgetting": False},
        {"every_examples": 0},
        {"every_steps": 1.5},
        {"every_seconds": 0},
        {"drop": 0},
        {"drop": float("nan")},
    ],
)
def test_settings_out_of_range(settings):
    with pytest.raises(InvalidInput):
        ConsolidationScheduler(**settings)


def test_what_cannot_be_told():
    scheduler = ConsolidationScheduler()
    with pytest.raises(InvalidInput):
        scheduler.saw(examples=-1)
    with pytest.raises(InvalidInput):
        scheduler.saw(seconds=float("nan"))
    for score in (float("nan"), "0.5", None, True):
        with pytest.raises(InvalidInput, match=f"score of 'a' is {score!r}"):
            scheduler.judged("a", score)
    with pytest.raises(InvalidInput, match="task is 3"):
        scheduler.judged(3, 0.5)


def test_numbers_of_numpy_go_through_json_and_large_ones_are_told_in_full():
    scheduler = ConsolidationScheduler(every_examples=1_000_000, every_seconds=1, drop=0.25)
    scheduler.saw(examples=np.int64(1_234_567), seconds=np.float32(1.25))
    for score in (np.float32(0.75), np.float64(0.5)):
        scheduler.judged("a", score)
    other = ConsolidationScheduler(every_examples=1_000_000, every_seconds=1, drop=0.25)
    other.load_state_dict(json.loads(json.dumps(scheduler.state_dict())))
    assert other.due == scheduler.due == ("1234567 examples", "1.25 seconds", "a dropped by 0.25")


def test_a_drop_of_just_so_much_is_one():
    scheduler = ConsolidationScheduler(drop=0.1)
    scheduler.judged("digits", 0.9)
    scheduler.judged("digits", 0.8)
    assert scheduler.due == ("digits dropped by 0.1",)
