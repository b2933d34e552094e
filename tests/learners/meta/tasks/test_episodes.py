"""Episodes from arrays: what a task is made of, and that the same seed gives the same."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from onward.core import InvalidInput, NotFound
from onward.learners.meta.tasks import Episode, from_arrays


def numbered(sizes):
    """Examples that tell who they are: x is (class, number of the example)."""
    y = np.concatenate([np.full(size, number) for number, size in enumerate(sizes)])
    x = np.stack([y, np.arange(len(y))], 1).astype(np.float32)
    shuffled = np.random.default_rng(0).permutation(len(y))
    return x[shuffled], y[shuffled]


def same(one, two):
    return all(
        torch.equal(getattr(one, part), getattr(two, part)) for part in ("support_x", "support_y", "query_x", "query_y")
    )


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 90), min_size=2, max_size=40),
    ways=st.integers(1, 6),
    shots=st.integers(1, 6),
    queries=st.integers(1, 6),
    tasks=st.integers(1, 5),
    seed=st.integers(-(2**70), 2**70),
)
def test_a_task_has_different_classes_and_each_example_once(sizes, ways, shots, queries, tasks, seed):
    enough = sum(size >= shots + queries for size in sizes)
    make = lambda: from_arrays(*numbered(sizes), ways, shots, queries, seed=seed, drop_small=True)  # noqa: E731
    if enough < ways:
        with pytest.raises(InvalidInput, match=rf"needs {ways} classes, and the split 'all' has {enough}"):
            make()
        return
    batch = make().sample_batch(tasks)
    assert batch.support_x.shape == (tasks, ways * shots, 2)
    assert batch.query_x.shape == (tasks, ways * queries, 2)
    for task in batch:
        x = torch.cat([task.support_set.x, task.query_set.x])
        y = torch.cat([task.support_set.y, task.query_set.y])
        assert len(x[:, 1].unique()) == ways * (shots + queries)
        classes = [x[y == way, 0].unique() for way in range(ways)]
        assert all(len(found) == 1 for found in classes)
        assert len(torch.cat(classes).unique()) == ways
        assert task.support_set.y.bincount().tolist() == [shots] * ways
        assert task.query_set.y.bincount().tolist() == [queries] * ways
        assert [float(found) for found in classes] == list(task.metadata["classes"])


@pytest.mark.parametrize("size", [5, 200])
def test_every_choice_is_as_likely_as_any_other(size):
    """Both ways of drawing: by sorting where classes are small, by Floyd's where they are large."""
    classes, tasks, drawn = 50, 20_000, 3
    data = from_arrays(*numbered([size] * classes), ways=2, shots=1, queries=drawn - 1, seed=4)
    batch = data.sample_batch(tasks)
    first = batch.support_x.view(-1, 2)
    last = batch.query_x.view(tasks * 2, drawn - 1, 2)[:, -1]
    for found, cells in ((first[:, 0], classes), (first[:, 1] % size, size), (last[:, 1] % size, size)):
        counts = found.long().bincount(minlength=cells).double()
        expected = len(found) / cells
        chi = ((counts - expected) ** 2 / expected).sum().item()
        assert len(counts) == cells
        assert abs(chi - (cells - 1)) < 5 * (2 * (cells - 1)) ** 0.5


def test_the_same_seed_gives_the_same_stream_and_another_another():
    x, y = numbered([30] * 10)
    one, two, other = (from_arrays(x, y, 3, 1, 4, split=(6, 2, 2), seed=seed) for seed in (1, 1, 2))
    first, second = one.sample_batch(8), one.sample_batch(8)
    assert same(first, two.sample_batch(8))
    assert same(second, two.sample_batch(8))
    assert not same(first, second)
    assert not same(first, other.sample_batch(8))
    assert first.task_ids == [f"train-{number}" for number in range(8)]
    again = one.split("train")
    assert same(first, again.sample_batch(8))
    assert not same(first, one.split("train", seed=9).sample_batch(8))
    assert set(one.split("train", seed=9).classes) == set(one.classes)


def test_a_checkpoint_goes_on_bit_for_bit(tmp_path):
    x, y = numbered([30] * 10)
    data = from_arrays(x, y, 3, 1, 4, seed=1)
    data.sample_batch(5)
    torch.save(data.state_dict(), tmp_path / "state.pt")
    expected = [data.sample_batch(3) for _ in range(2)]
    resumed = from_arrays(x, y, 3, 1, 4, seed=77)
    resumed.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    for batch in expected:
        found = resumed.sample_batch(3)
        assert same(found, batch)
        assert found.task_ids == batch.task_ids


@pytest.mark.parametrize(
    "state", [{}, {"generator": torch.zeros(3, dtype=torch.uint8), "drawn": 0}, {"generator": 1, "drawn": 0}]
)
def test_what_is_no_state_is_refused(state):
    with pytest.raises(InvalidInput, match="no state of a task distribution"):
        from_arrays(*numbered([16] * 5)).load_state_dict(state)


@settings(max_examples=40, deadline=None)
@given(
    classes=st.integers(5, 200),
    seed=st.integers(-(2**70), 2**70),
    shares=st.sampled_from([(0.64, 0.16, 0.2), (0.5, 0.5)]),
)
def test_splits_share_no_class_and_leave_none_out(classes, seed, shares):
    x, y = numbered([3] * classes)
    data = from_arrays(x, y, 1, 1, 1, split=shares, seed=seed)
    sizes = [len(set(data.split(name).classes)) for name in data.splits]
    assert set.union(*(set(data.split(name).classes) for name in data.splits)) == set(range(classes))
    assert sum(sizes) == classes
    assert all(abs(size - share * classes) <= 1 for size, share in zip(sizes, shares, strict=True))


def test_splits_by_name_and_by_number():
    x, y = numbered([10] * 10)
    letters = np.array(list("abcdefghij"))[y]
    by_name = from_arrays(x, letters, 2, 1, 1, split={"mine": ["c", "a"], "rest": ["j", "i", "b"]})
    assert by_name.name == "mine"
    assert by_name.splits == ("mine", "rest")
    assert set(by_name.classes) == {"a", "c"}
    assert set(by_name.split("rest").classes) == {"b", "i", "j"}
    by_number = from_arrays(x, y, 2, 1, 1, split=(5, 3, 2), seed=3)
    assert [len(by_number.split(name).classes) for name in ("train", "validation", "test")] == [5, 3, 2]
    assert set(by_number.classes) != set(from_arrays(x, y, 2, 1, 1, split=(5, 3, 2), seed=4).classes)


def test_another_split_may_have_other_tasks():
    data = from_arrays(*numbered([30] * 10), 5, 1, 15, split=(6, 2, 2))
    with pytest.raises(InvalidInput, match="needs 5 classes, and the split 'validation' has 2"):
        data.split("validation")
    other = data.split("validation", ways=2, shots=5, queries=20)
    assert other.episode == Episode(2, 5, 20)
    assert other.sample_batch(2).query_x.shape == (2, 40, 2)
    with pytest.raises(NotFound, match=r"no split 'dev'.*Known: test, train, validation"):
        data.split("dev")


def test_pixels_are_given_as_shares_and_turned():
    x = torch.randint(0, 256, (12, 1, 4, 4), dtype=torch.uint8)
    y = torch.arange(12) % 3
    data = from_arrays(x, y, 9, 1, 3, rotations=True)
    assert len(data.classes) == 12
    batch = data.sample_batch(6)
    assert batch.query_x.dtype == torch.float32
    for task in batch:
        for way, told in enumerate(task.metadata["classes"]):
            label, degrees = told if isinstance(told, tuple) else (told, 0)
            mine = torch.cat([task.support_set.x[task.support_set.y == way], task.query_set.x[task.query_set.y == way]])
            expected = torch.rot90(x[y == label], degrees // 90, (-2, -1)).float() / 255
            order = [int((expected == image).flatten(1).all(1).nonzero()) for image in mine]
            assert sorted(order) == [0, 1, 2, 3]


def test_rotations_in_the_named_splits_only():
    x, y = torch.rand(40, 3, 3), torch.arange(40) % 10
    data = from_arrays(x, y, 2, 1, 1, split=(6, 2, 2), rotations=("train",))
    assert len(data.classes) == 24
    assert len(data.split("test").classes) == 2
    with pytest.raises(NotFound, match=r"\['dev'\]"):
        from_arrays(x, y, 2, 1, 1, rotations=("dev",))


def test_inputs_keep_or_take_the_type_that_networks_want():
    y = np.arange(20) % 2
    kind = lambda x: from_arrays(x, y, 2, 1, 1).sample_batch(1).support_x.dtype  # noqa: E731
    assert kind(np.zeros((20, 3))) == torch.float32
    assert kind(torch.zeros(20, 3, dtype=torch.float64)) == torch.float64
    assert kind(np.zeros((20, 3), dtype=np.int64)) == torch.int64
    assert kind([[1.0]] * 20) == torch.float32


def test_sparse_inputs():
    from scipy.sparse import csr_matrix

    x = np.eye(20)
    batch = from_arrays(csr_matrix(x), np.arange(20) % 2, 2, 5, 5).sample_batch(1)
    assert torch.cat([batch.support_x, batch.query_x], 1).sum(1).tolist() == [[1.0] * 20]


def test_on_the_device_of_the_examples():
    x, y = torch.zeros(20, 3), np.arange(20) % 2
    assert from_arrays(x, y, 2, 1, 1, device="cpu").sample_batch(1).query_y.device.type == "cpu"
    if torch.cuda.is_available():
        batch = from_arrays(x.cuda(), y, 2, 1, 1).sample_batch(3)
        assert {batch.support_x.device.type, batch.support_y.device.type} == {"cuda"}
        assert len(batch[0].metadata["classes"]) == 2


X, Y = numbered([12] * 10)
NAN = np.array([[0.0, np.nan], [np.inf, 1.0], *[[0.0, 1.0]] * 8])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"x": NAN}, "2 of 10 inputs hold NaN or infinity"),
        ({"x": NAN[:, 1]}, "1 of 10 inputs hold NaN or infinity"),
        ({"x": np.zeros((9, 2))}, "9 inputs and 10 labels"),
        ({"x": np.float64(3)}, "1 inputs and 10 labels"),
        ({"x": np.array(["a"] * 10)}, "dtype <U1"),
        ({"y": np.zeros((10, 2))}, r"shape \(10, 2\)"),
        ({"y": [1.0, np.nan] * 5}, "5 of 10 labels are NaN"),
        ({"y": np.array(["a", 1] * 5, dtype=object)}, "neither all texts nor all whole numbers"),
        ({"x": np.zeros((0, 2)), "y": []}, "0 inputs and 0 labels"),
        ({"ways": 3}, "needs 3 classes, and the split 'all' has 2"),
        ({"shots": 4}, r"4 \+ 2 = 6 examples of a class; 2 of 2 classes have fewer, 0 has 5"),
        ({"ways": 0}, "ways is 0"),
        ({"queries": 1.5}, "queries is 1.5"),
        ({"shots": True}, "shots is True"),
        ({"split": (1, 2)}, "does not divide 2 classes"),
        ({"split": (0.5, 0.6)}, "does not divide 2 classes"),
        ({"split": (1,)}, "does not divide 2 classes"),
        ({"split": {"train": [0, 7]}}, "1 classes that no example has, such as 7"),
        ({"split": {"train": [0], "test": [0]}}, "names a class twice"),
        ({"split": {}}, "The split has no names"),
        ({"split": 3}, "The split is 3"),
        ({"split": {"train": 3}}, r"The split is \{'train': 3\}"),
        ({"split": {"train": [[0], [1]]}}, "a list of classes for each name"),
        ({"rotations": True}, r"shape \(2,\) cannot be turned"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_numbers(arguments, said):
    usual = {"x": np.zeros((10, 2)), "y": np.arange(10) % 2, "ways": 2, "shots": 1, "queries": 2}
    with pytest.raises(InvalidInput, match=said):
        from_arrays(**{**usual, **arguments})


def test_small_classes_are_left_out_where_that_leaves_some():
    with pytest.raises(InvalidInput, match=r"1 of 3 classes .* shots or queries, or leave .* drop_small=True\.$"):
        from_arrays(*numbered([9, 9, 3]), 2, 1, 3)
    with pytest.raises(InvalidInput, match=r"3 of 3 classes .* Ask for fewer shots or queries\.$"):
        from_arrays(*numbered([9, 9, 3]), 2, 1, 9)


def test_what_decides_the_tasks_tells_them_apart():
    def told(x=X, y=Y, split=(6, 4), **changed):
        return from_arrays(x, y, 2, 1, 2, split=split, **changed).identity

    expected = told()
    assert expected.startswith("Episodes(train: 6 classes, 2-way 1-shot, 2 queries), seed 0, contents ")
    assert expected == told(torch.from_numpy(X), split=(0.6, 0.4))
    touched = X.copy()
    touched[3, 1] += 1
    names = np.array(list("abcdefghij"))[Y]
    others = [
        told(touched), told(X.astype(np.int64)), told(X[::-1].copy()), told(y=Y[::-1]), told(y=names),
        told(seed=1), told(split=(7, 3)), told(split={"train": range(6)}), from_arrays(X, Y, 2, 1, 3).identity,
    ]  # fmt: skip
    assert len({expected, *others}) == 1 + len(others)
    data = from_arrays(X, Y, 2, 1, 2, split=(6, 4))
    data.sample_batch(3)
    assert data.identity == data.split("train").identity == expected
    assert data.split("test").identity != expected


@pytest.mark.parametrize("size", [0, -1, 1.0, True, "3"])
def test_a_batch_has_at_least_one_task(size):
    with pytest.raises(InvalidInput, match="batch_size"):
        from_arrays(*numbered([16] * 5)).sample_batch(size)


def test_metadata_and_slices():
    batch = from_arrays(*numbered([16] * 5), 2).sample_batch(6)
    part = batch[2:4]
    assert len(part.metadata) == 2
    assert part[0].metadata == batch[2].metadata
    assert part[0].task_id == batch[2].task_id == "all-2"
