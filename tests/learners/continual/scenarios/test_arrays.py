"""Streams from arrays: some classes at a time, or stretches of rows."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer

from onward.core import InvalidInput
from onward.learners.continual import Experience
from onward.learners.continual.scenarios import Stream, from_arrays, held_out


def rows(classes=10, each=10):
    """x tells which row it is, and y is x modulo the classes."""
    x = np.arange(classes * each)
    return x[:, None], x % classes


@settings(max_examples=40, deadline=None)
@given(
    classes=st.integers(1, 9),
    each=st.integers(3, 12),
    cuts=st.integers(1, 9),
    kind=st.sampled_from(["task", "class", "domain"]),
    validation=st.sampled_from([0.0, 0.2]),
    shuffle=st.booleans(),
    seed=st.integers(0, 99),
)
def test_every_example_is_somewhere_once_with_the_class_it_has(classes, each, cuts, kind, validation, shuffle, seed):
    x, y = rows(classes, each)
    cuts = min(cuts, classes)
    stream = from_arrays(x, y, cuts, kind=kind, validation=validation, shuffle=shuffle, seed=seed)
    parts = [*stream.train, *stream.test, *stream.validation]
    assert torch.cat([one.x for one in parts]).flatten().sort().values.tolist() == list(range(classes * each))
    assert len(stream) == len(stream.test) == cuts
    assert len(stream.validation) == (cuts if validation else 0)
    sizes = [len((one.x.flatten() % classes).unique()) for one in stream.train]
    assert max(sizes) - min(sizes) <= 1
    assert sum(sizes) == classes
    assert stream.outputs == (max(sizes) if kind == "domain" else classes)
    for task, (train, *others) in enumerate(
        zip(stream.train, stream.test, stream.validation or stream.test, strict=True)
    ):
        meaning = dict(zip((train.x.flatten() % classes).tolist(), train.y.tolist(), strict=True))
        for one in (train, *others):
            assert one.task == task
            assert [meaning[label] for label in (one.x.flatten() % classes).tolist()] == one.y.tolist()
        assert sorted(meaning.values()) == (list(range(len(meaning))) if kind == "domain" else sorted(meaning))


def test_the_order_of_classes_is_drawn_by_the_seed_or_as_they_come():
    x, y = rows()
    orders = [[one.classes for one in from_arrays(x, y, seed=seed)] for seed in (0, 0, 1)]
    assert orders[0] == orders[1] != orders[2]
    assert [one.classes for one in from_arrays(x, y, shuffle=False)] == [(0, 1), (2, 3), (4, 5), (6, 7), (8, 9)]
    stream = from_arrays(x, y, [[9, 1], [0, 2, 3, 4, 5, 6, 7, 8]])
    assert [one.classes for one in stream] == [(1, 9), (0, 2, 3, 4, 5, 6, 7, 8)]
    assert stream.names == ("9, 1", "0, 2, 3, ... (8 classes)")


def test_domain_numbers_are_places_in_the_group():
    x, y = rows()
    stream = from_arrays(x, y, [[7, 2], [0, 1, 3, 4, 5, 6, 8, 9]], kind="domain")
    first = stream.train[0]
    assert torch.equal(first.y, (first.x.flatten() % 10 == 2).long())
    assert stream.labels == ()
    assert stream.outputs == 8


def test_a_share_of_each_class_is_held_out():
    x, y = rows(4, 50)
    stream = from_arrays(x, y, 2, test=0.2, validation=0.25)
    for train, test, validation in zip(stream.train, stream.test, stream.validation, strict=True):
        assert [one.y.unique(return_counts=True)[1].tolist() for one in (train, test, validation)] == [
            [30, 30],
            [10, 10],
            [10, 10],
        ]


def test_tests_of_their_own():
    x, y = rows()
    stream = from_arrays(x, y, 5, test=(x[:20] + 1000, y[:20]), seed=3)
    assert sum(map(len, stream.train)) == 100
    for train, test in zip(stream.train, stream.test, strict=True):
        assert train.classes == test.classes
        assert (test.x >= 1000).all()
        assert torch.equal(test.x.flatten() % 10, test.y)
    with pytest.raises(InvalidInput, match="Nothing to learn has the class 99"):
        from_arrays(x, y, test=(x[:1], [99]))
    with pytest.raises(InvalidInput, match="'0, 1' has no examples to test on"):
        from_arrays(x, y, shuffle=False, test=(x[2:4], y[2:4]))
    with pytest.raises(InvalidInput, match=r"A str is no pair \(x, y\)\. Give as test="):
        from_arrays(x, y, test="all")


def test_real_targets_are_cut_in_order():
    x = torch.arange(100.0)[:, None]
    stream = from_arrays(x, 2 * x.numpy(), 4, test=0.2, validation=0.25)
    assert (stream.kind, stream.outputs, stream.regression) == ("domain", 1, True)
    for at, (train, test, validation) in enumerate(zip(stream.train, stream.test, stream.validation, strict=True)):
        assert (len(train), len(test), len(validation)) == (15, 5, 5)
        for one in (train, test, validation):
            assert ((one.x // 25) == at).all()
            assert torch.equal(one.y, 2 * one.x)
    two = from_arrays(x, torch.cat([x, x], 1), 2, test=(x, torch.cat([x, x], 1)))
    assert two.outputs == 2
    assert [len(one) for one in two.test] == [50, 50]
    with pytest.raises(InvalidInput, match=r"Real targets have no kind 'class'.*Known: domain"):
        from_arrays(x, x, kind="class")


def test_texts_by_an_encoder_with_keys():
    texts = [f"{word} number {at}" for at in range(20) for word in ("pay", "send", "where", "when")]
    labels = [text.split()[0] for text in texts]
    stream = from_arrays(
        texts, labels, [["where", "when"], ["pay", "send"]], encoder=TfidfVectorizer().fit(texts).transform, keys=texts
    )
    assert stream.labels == ("pay", "send", "when", "where")
    for one in (*stream.train, *stream.test):
        assert [stream.labels[number] for number in one.y.tolist()] == [key.split()[0] for key in one.keys]
        assert one.x.dtype == torch.get_default_dtype()
    assert not {*stream.train[0].keys} & {*stream.test[0].keys}


def test_bytes_stay_bytes_and_devices_are_kept():
    images = torch.zeros(40, 3, 4, 4, dtype=torch.uint8)
    stream = from_arrays(images, torch.arange(40) % 4, 2, device="cpu")
    assert stream.train[0].x.dtype == torch.uint8
    assert stream.train[0].x.shape == (16, 3, 4, 4)
    assert from_arrays(images, [True, False] * 20, 2).labels == (False, True)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"x": np.full((100, 1), np.nan)}, "100 of 100 inputs hold NaN"),
        ({"x": np.zeros((99, 1))}, "99 examples, 100 targets|99 examples and 100 targets"),
        ({"y": []}, "There are 100 examples, 0 targets"),
        ({"keys": ["a"]}, "100 examples, 100 targets and 1 keys"),
        ({"keys": "a" * 100}, "keys is one text"),
        ({"keys": set(map(str, range(100)))}, "Give a list with a text for each"),
        ({"y": None}, "y is None"),
        ({"y": torch.tensor(1)}, r"y is tensor\(1\)"),
        ({"device": "gpu"}, "There is no device 'gpu'"),
        ({"experiences": 11}, "10 classes do not fill 11 experiences"),
        ({"experiences": 0}, "experiences is 0"),
        ({"experiences": True}, "experiences is True"),
        ({"experiences": [[0, 1], [1, 2]]}, "The class 1 is in two experiences"),
        ({"experiences": [[0, 1]]}, "The class 2 is in no experience"),
        ({"experiences": [["x"]]}, "No example has the class 'x'"),
        ({"experiences": list(range(10))}, "0 is no group of classes"),
        ({"experiences": ["x"]}, "'x' is no group of classes"),
        ({"kind": "instance"}, r"No scenario is called 'instance'.*Known: class, domain, task"),
        ({"test": 1.5}, "test is 1.5"),
        ({"test": 0.0}, "no examples to test on. Give"),
        ({"validation": -1}, "validation is -1"),
        ({"seed": -1}, "seed is -1"),
        ({"y": np.array([np.nan] * 100)}, "100 of 100 inputs hold NaN"),
        ({"y": np.array(["a", 1] * 50, dtype=object)}, "neither all texts nor all whole numbers"),
    ],
)
def test_what_cannot_be(changes, match):
    x, y = rows()
    with pytest.raises(InvalidInput, match=match):
        from_arrays(**{"x": x, "y": y, **changes})


def test_groups_may_come_one_after_the_other():
    x, y = rows()
    made = from_arrays(x, y, (range(at, at + 5) for at in (0, 5)))
    assert [one.classes for one in made] == [(0, 1, 2, 3, 4), (5, 6, 7, 8, 9)]


def test_a_stream_has_a_test_for_each_experience():
    one = Experience(torch.zeros(2, 1), torch.tensor([0, 1]))
    with pytest.raises(InvalidInput, match="2 experiences to learn, 1 to test"):
        Stream([one, one], [one], "class", 2)
    with pytest.raises(InvalidInput, match="0 experiences"):
        Stream([], [], "class", 2)
    with pytest.raises(InvalidInput, match="outputs is 0"):
        Stream([one], [one], "class", 0)
    assert Stream([one], [one], "class", 2).names == ("0",)


@settings(max_examples=40, deadline=None)
@given(counts=st.lists(st.integers(0, 9), min_size=1, max_size=5), share=st.floats(0, 1), seed=st.integers(0, 9))
def test_holding_out(counts, share, seed):
    y = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    whole = Experience(torch.arange(len(y)), y, 2, "now", [str(at) for at in range(len(y))])
    if share == 0 or max(counts) < 2:
        with pytest.raises(InvalidInput, match="nothing can be held out"):
            held_out(whole, share, seed)
        return
    rest, held = held_out(whole, share, seed)
    assert torch.equal(torch.cat([rest.x, held.x]).sort().values, whole.x)
    assert [int(key) for key in held.keys] == held.x.tolist()
    for number, count in enumerate(counts):
        taken = int((held.y == number).sum())
        assert taken == (min(max(1, round(share * count)), count - 1) if count > 1 else 0)


@pytest.mark.parametrize("y", [torch.arange(40).view(10, 4) % 2, torch.randn(10, 4), torch.arange(10) % 2])
def test_holding_out_of_targets_of_any_kind(y):
    rest, held = held_out(Experience(torch.arange(10), y), 0.2)
    assert (len(rest), len(held)) == (8, 2)
    assert torch.equal(held.y, y[held.x])


@pytest.mark.parametrize("seed", [-1, 0.5])
def test_a_seed_of_what_is_held_out_is_a_whole_number(seed):
    with pytest.raises(InvalidInput, match="seed is"):
        held_out(Experience(torch.zeros(9, 1), torch.zeros(9)), seed=seed)


def test_numbers_of_numpy_are_numbers():
    x, y = torch.zeros(40, 2), torch.arange(40) % 4
    stream = from_arrays(x, y, np.int64(2), test=np.float32(0.25))
    assert [(len(one), len(held)) for one, held in zip(stream.train, stream.test, strict=True)] == [(16, 4)] * 2
