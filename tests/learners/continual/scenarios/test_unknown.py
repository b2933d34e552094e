"""Streams in which nobody says where one thing ends and the next begins."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from river.drift import KSWIN, PageHinkley

from onward.core import InvalidInput
from onward.learners.continual.scenarios import from_stream


def moving(means, each=300, features=5, seed=0):
    """Rows whose features have a mean that jumps; the last feature is the number of the row."""
    random = np.random.default_rng(seed)
    x = np.concatenate([mean + random.normal(size=(each, features)) for mean in means])
    return x, np.arange(len(x))


class Scripted:
    """Says drift after so many values, and how many of them are of what has begun."""

    def __init__(self, at, width=0):
        self._at, self._seen, self.width = set(at), 0, width

    def update(self, x):
        self._seen += 1

    @property
    def drift_detected(self):
        return self._seen in self._at


@settings(max_examples=50, deadline=None)
@given(
    chunks=st.lists(st.integers(0, 40), max_size=8),
    smallest=st.integers(1, 10),
    more=st.integers(0, 20),
    drifts=st.lists(st.integers(1, 200), max_size=6),
    width=st.integers(0, 5),
)
def test_every_example_comes_once_in_order_in_experiences_of_the_sizes_asked(chunks, smallest, more, drifts, width):
    total, window = sum(chunks), smallest + more
    rows = torch.arange(total)
    parts = [(part[:, None].double(), part) for part in rows.split(chunks) if len(part)]
    found = list(from_stream(parts, window, detector=Scripted(drifts, width), smallest=smallest))
    assert torch.equal(torch.cat([rows[:0], *(one.y for one in found)]), rows)
    assert all(torch.equal(one.x[:, 0].long(), one.y) for one in found)
    assert all(smallest <= len(one) <= window for one in found[:-1])
    assert all(one.name == f"{one.y[0]} to {one.y[-1]}" for one in found)
    plain = list(from_stream(parts, window, smallest=smallest))
    assert [len(one) for one in plain[:-1]] == [window] * (len(plain) - 1)


def test_experiences_end_where_the_detector_says():
    rows = torch.arange(100)
    found = [one.name for one in from_stream((rows[:, None], rows), 1000, detector=Scripted([30, 60]), smallest=10)]
    assert found == ["0 to 29", "30 to 59", "60 to 99"]
    wide = [one.name for one in from_stream((rows[:, None], rows), 1000, detector=Scripted([30], 7), smallest=10)]
    assert wide == ["0 to 22", "23 to 99"]


@pytest.mark.parametrize("detector", ["adwin", "kswin", PageHinkley(threshold=20), KSWIN(seed=1)])
def test_drifts_are_found_and_nothing_else(detector):
    x, y = moving([0, 3, 0])
    found = list(from_stream((x, y), 2000, detector=detector))
    ends = [int(one.y[-1]) for one in found]
    assert ends[-1] == 899
    assert any(abs(end - 300) <= 60 for end in ends)
    assert any(abs(end - 600) <= 60 for end in ends)
    assert len(found) <= 5


def test_adwin_cuts_nothing_that_stays():
    for seed in range(5):
        x, y = moving([0], 1500, seed=seed)
        assert len(list(from_stream((x, y), 2000, detector="adwin"))) == 1


def test_it_may_look_at_what_hurts():
    """A change of the targets alone, which the examples do not show."""
    x, _ = moving([0], 600)
    y = np.where(np.arange(600) < 300, x[:, 0] > 0, x[:, 0] < 0).astype(int)
    seen = []

    def wrong(x, y):
        seen.append(len(x))
        return ((x[:, 0] > 0).long() != y).float()

    found = list(from_stream((x, y), 2000, detector="adwin", signal=wrong))
    assert [abs(len(one) - 300) <= 64 for one in found] == [True, True]
    assert max(seen) <= 50
    assert len(list(from_stream((x, y), 2000, detector="adwin"))) == 1
    with pytest.raises(InvalidInput, match="signal gave 1 numbers for 50"):
        list(from_stream((x, y), detector="adwin", signal=lambda x, y: [0.0]))


def test_an_endless_stream_is_read_no_further_than_needed():
    read = []

    def endless():
        for number in itertools.count():
            read.append(number)
            yield np.full((10, 2), number), np.full(10, number)

    first = next(iter(from_stream(endless(), 30, smallest=5)))
    assert len(first) == 30
    assert len(read) == 3


def test_constant_features_and_one_number_an_example():
    x = np.zeros((400, 3))
    x[200:, 1] = 1
    found = list(from_stream((x, np.zeros(400)), detector="adwin"))
    assert len(found) == 2
    assert abs(len(found[0]) - 200) < 40
    assert len(list(from_stream((np.arange(100.0) % 2, np.arange(100)), detector="adwin"))) == 1


def test_what_cannot_be():
    x, y = moving([0], 20)
    with pytest.raises(InvalidInput, match=r"No detector is called 'cusum'.*Known: adwin, kswin"):
        from_stream((x, y), detector="cusum")
    with pytest.raises(InvalidInput, match="window is 10"):
        from_stream((x, y), 10)
    with pytest.raises(InvalidInput, match="smallest is 0"):
        from_stream((x, y), smallest=0)
    with pytest.raises(InvalidInput, match=r"ndarray is no pair \(x, y\)\. Give arrays"):
        list(from_stream([x]))
    with pytest.raises(InvalidInput, match="hold NaN"):
        list(from_stream((x * np.nan, y)))
    with pytest.raises(InvalidInput, match="20 examples, 1 targets"):
        list(from_stream((x, y[:1])))


@pytest.mark.parametrize("source", [3, None, "stream.csv", b"rows", {"x": [1], "y": [2]}])
def test_what_is_no_stream_is_refused_at_once(source):
    with pytest.raises(InvalidInput, match=rf"A {type(source).__name__} is no stream\. Give arrays \(x, y\)"):
        from_stream(source)


def test_chunks_of_which_nothing_came_are_passed_over():
    x, y = torch.zeros(120, 2), torch.zeros(120)
    chunks = [(x[:0], y[:0]), (x[:70], y[:70]), (x[:0], y[:0]), (x[70:], y[70:])]
    assert [len(one) for one in from_stream(chunks, window=100)] == [100, 20]


@pytest.mark.parametrize("chunks", [1, 2, 3])
def test_pairs_may_stand_in_a_tuple_as_in_a_list(chunks):
    rows = torch.arange(120.0)[:, None]
    parts = tuple((part, part[:, 0].long()) for part in rows.chunk(chunks))
    assert [len(one) for one in from_stream(parts, window=100)] == [100, 20]


@pytest.mark.parametrize(
    ("source", "settings", "said"),
    [
        (
            (torch.zeros(90, 2), torch.zeros(90)),
            {"signal": lambda x, y: torch.full_like(y, torch.nan)},
            "no finite number",
        ),
        ([(torch.zeros(9, 2), 3)], {}, "holds a Tensor and a int"),
        ([(torch.zeros(2), torch.tensor(1))], {}, "arrays of one"),
        ([(torch.zeros(9, 2), torch.zeros(9)), (torch.zeros(9, 3), torch.zeros(9))], {}, "now gives"),
        ([(torch.zeros(9, 2), [0] * 9), (torch.zeros(9, 2), [0.5] * 9)], {}, "now gives"),
        ((torch.zeros(90, 2), torch.zeros(90)), {"signal": "error"}, "signal is 'error'"),
        ((torch.zeros(90, 2), torch.zeros(90)), {"detector": SimpleNamespace(update=print)}, "is no detector"),
        ((torch.zeros(90, 2), torch.zeros(90)), {"detector": object()}, "is no detector"),
    ],
)
def test_streams_and_detectors_that_are_none(source, settings, said):
    with pytest.raises(InvalidInput, match=said):
        list(from_stream(source, **{"detector": PageHinkley(), **settings}))
