"""Tasks from tables and torch data sets."""

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import IterableDataset, TensorDataset

from onward.core import InvalidInput, NotFound
from onward.learners.meta.tasks import from_arrays, from_dataset, from_frame


def table(projects=4, rows=40):
    """x: which row; a project's bugs are its odd rows."""
    project = np.repeat([f"p{number}" for number in range(projects)], rows)
    number = np.arange(projects * rows)
    return {"project": project, "row": number, "twice": 2.0 * number, "bug": number % 2 == 1}


BUGS = {"task_column": "project", "target_column": "bug"}


@settings(max_examples=30, deadline=None)
@given(projects=st.integers(1, 6), shots=st.integers(1, 9), queries=st.integers(1, 9), seed=st.integers(0, 99))
def test_a_task_is_of_one_project_and_has_both_classes_by_their_own_number(projects, shots, queries, seed):
    data = from_frame(table(projects), **BUGS, shots=shots, queries=queries, seed=seed)
    batch = data.sample_batch(9)
    assert batch.support_x.shape == (9, 2 * shots, 2)
    for task in batch:
        x = torch.cat([task.support_set.x, task.query_set.x])
        y = torch.cat([task.support_set.y, task.query_set.y])
        assert torch.equal(x[:, 1], 2 * x[:, 0])
        assert torch.equal(y, x[:, 0].long() % 2)
        assert len(x[:, 0].unique()) == 2 * (shots + queries)
        assert {f"p{number}" for number in (x[:, 0].long() // 40).tolist()} == {task.metadata["group"]}
        assert task.metadata["classes"] == (False, True)
        assert task.support_set.y.bincount().tolist() == [shots, shots]


def test_all_projects_come_and_whole_projects_are_split():
    data = from_frame(table(10), **BUGS, split=(6, 2, 2), seed=2)
    groups = {name: set(data.split(name).groups) for name in data.splits}
    assert {name: len(found) for name, found in groups.items()} == {"train": 6, "validation": 2, "test": 2}
    assert len(set.union(*groups.values())) == 10
    assert {told["group"] for told in data.sample_batch(200).metadata} == groups["train"]
    by_name = from_frame(table(3), **BUGS, split={"one": ["p2"], "rest": ["p0", "p1"]})
    assert by_name.groups == ("p2",)
    assert "2 groups" in repr(by_name.split("rest"))
    with pytest.raises(InvalidInput, match="ways is 1, and tasks have all classes"):
        data.split("test", ways=1)


def test_whole_tasks_have_every_example_once():
    columns = table(3, 30)
    columns["bug"] = columns["row"] % 3 == 1  # 10 of 30
    data = from_frame(columns, **BUGS, shots=4, queries=1, seed=3)
    tasks = data.whole_tasks()
    assert [task.metadata["group"] for task in tasks] == ["p0", "p1", "p2"]
    for at, task in enumerate(tasks):
        assert task.support_set.y.tolist() == [0] * 4 + [1] * 4
        assert task.query_set.y.bincount().tolist() == [16, 6]
        x = torch.cat([task.support_set.x, task.query_set.x])[:, 0].long()
        assert sorted(x.tolist()) == list(range(30 * at, 30 * at + 30))
        assert torch.equal(task.query_set.y, (task.query_set.x[:, 0].long() % 3 == 1).long())
    again = data.whole_tasks()
    assert not torch.equal(tasks[0].support_set.x, again[0].support_set.x)
    same = from_frame(columns, **BUGS, shots=4, queries=1, seed=3).whole_tasks()
    assert torch.equal(tasks[0].support_set.x, same[0].support_set.x)


def test_whole_tasks_of_arrays_are_of_some_classes():
    y = np.arange(60) % 6
    (task,) = from_arrays(y[:, None].astype(float), y, 3, 2, 1).whole_tasks()
    assert task.support_set.y.tolist() == [0, 0, 1, 1, 2, 2]
    assert task.query_set.y.bincount().tolist() == [8, 8, 8]
    assert [int(task.support_set.x[at]) for at in (0, 2, 4)] == list(task.metadata["classes"])


def test_regression():
    data = from_frame(table(), task_column="project", target_column="twice", kind="regression", shots=7, queries=9)
    batch = data.sample_batch(5)
    assert batch.support_y.shape == (5, 7, 1)
    assert batch.support_x.shape == (5, 7, 2)
    for x, y in ((batch.support_x, batch.support_y), (batch.query_x, batch.query_y)):
        assert torch.equal(y[..., 0], 2 * x[..., 0])
    task = data.whole_tasks()[1]
    assert torch.equal(task.query_set.y[:, 0], 2 * task.query_set.x[:, 0])
    assert len(task.query_set.x) == 33


class Frame:
    """Like a pandas frame: `columns`, and columns by name."""

    def __init__(self, columns):
        self.columns = list(columns)
        self._columns = columns

    def __getitem__(self, name):
        return self._columns[name]


def structured(columns):
    made = np.empty(160, dtype=[(name, np.asarray(column).dtype) for name, column in columns.items()])
    for name, column in columns.items():
        made[name] = column
    return made


@pytest.mark.parametrize("kind", [dict, Frame, pa.table, structured])
def test_whatever_gives_columns_by_name(kind):
    expected = from_frame(table(), **BUGS, seed=1).sample_batch(3)
    found = from_frame(kind(table()), **BUGS, seed=1).sample_batch(3)
    assert torch.equal(found.support_x, expected.support_x)
    only = from_frame(kind(table()), **BUGS, feature_columns=["twice"], seed=1).sample_batch(3)
    assert torch.equal(only.support_x, expected.support_x[..., 1:])


def test_columns_are_called_whatever_they_are_called():
    expected = from_frame(table(), **BUGS, seed=1).sample_batch(3)
    numbers = dict(enumerate(table().values()))
    mixed = {0: table()["project"], ("row", 1): table()["row"], "twice": table()["twice"], "bug": table()["bug"]}
    for frame, target in ((numbers, 3), (mixed, "bug")):
        found = from_frame(Frame(frame), task_column=0, target_column=target, seed=1).sample_batch(3)
        assert torch.equal(found.support_x, expected.support_x)
    with pytest.raises(NotFound, match=r"no column '0'.*Known: 0, 1, 2, 3"):
        from_frame(numbers, task_column="0", target_column=3)


def test_small_projects_are_refused_or_left_out():
    columns = table(3)
    keep = np.r_[0:40, 40:46, 80:120]
    columns = {name: column[keep] for name, column in columns.items()}
    with pytest.raises(
        InvalidInput, match=r"5 \+ 5 = 10 examples of a class; 2 of 6 classes have fewer, False of 'p1' has 3"
    ):
        from_frame(columns, **BUGS)
    assert from_frame(columns, **BUGS, drop_small=True).groups == ("p0", "p2")
    with pytest.raises(InvalidInput, match="needs 2 classes, and group 'p1' of the split 'a' has 0 with 10 examples"):
        from_frame(columns, **BUGS, drop_small=True, split={"a": ["p1"]})
    columns["bug"][:40] = False
    assert from_frame(columns, **BUGS, drop_small=True).groups == ("p2",)


class Twice(Frame):
    """Like a pandas frame with a name given twice."""

    def __init__(self, columns):
        super().__init__(columns)
        self.columns.append("row")


class Lazy(Frame):
    """Like a polars lazy frame: it has names, and gives no column."""

    def __getitem__(self, name):
        raise TypeError("it is not subscriptable")


TIMES = np.datetime64("2026-01-01") + np.arange(160)


@pytest.mark.parametrize(
    ("changed", "said", "kind"),
    [
        ({"target_column": "bugs"}, r"no column 'bugs'.*Known: bug, project, row, twice", NotFound),
        ({"task_column": "team"}, "no column 'team'", NotFound),
        ({"feature_columns": ["size"]}, "no column 'size'", NotFound),
        ({"feature_columns": []}, "no feature columns", InvalidInput),
        ({"feature_columns": ["project"]}, "Column 'project' is not all numbers", InvalidInput),
        ({"kind": "ranking"}, "no kind 'ranking'", InvalidInput),
        ({"frame": {**table(), "bug": [0] * 160}}, "Column 'bug' has 1 class", InvalidInput),
        ({"frame": [1, 2]}, "A list gives no columns by name", InvalidInput),
        (
            {"frame": {**table(), "twice": [float("nan")] * 3 + [1.0] * 157}},
            "3 of 160 values of column 'twice'",
            InvalidInput,
        ),
        ({"frame": {**table(), "twice": [1.0]}}, "differ in length", InvalidInput),
        ({"frame": {**table(), "bug": [True]}}, "differ in length", InvalidInput),
        ({"frame": {**table(), "project": ["p0"]}}, "differ in length", InvalidInput),
        (
            {"frame": {**table(), "twice": TIMES}},
            "Column 'twice' is not all numbers: it is of dtype datetime64",
            InvalidInput,
        ),
        ({"frame": {**table(), "twice": TIMES - TIMES[0]}}, "it is of dtype timedelta64", InvalidInput),
        ({"frame": {**table(), "twice": TIMES.astype(object)}}, "Column 'twice' is not all numbers", InvalidInput),
        ({"frame": {**table(), "twice": np.ones(160) * 1j}}, "it is of dtype complex128", InvalidInput),
        ({"frame": {**table(), "twice": np.zeros((160, 2))}}, r"Column 'twice' has shape \(160, 2\)", InvalidInput),
        ({"frame": {**table(), "twice": 2.0}}, r"Column 'twice' has shape \(\)", InvalidInput),
        ({"frame": Twice(table())}, "There are 2 columns 'row'", InvalidInput),
        ({"frame": Lazy(table())}, r"'project' of a Lazy cannot be read: .* a lazy one is collected", InvalidInput),
        ({"target_column": "project", "kind": "regression"}, "Column 'project' is not all numbers", InvalidInput),
        ({"frame": {**table(), "project": [None] * 160}}, "neither all texts nor all whole numbers", InvalidInput),
    ],
)
def test_what_cannot_be_used(changed, said, kind):
    with pytest.raises(kind, match=said):
        from_frame(**{"frame": table(), **BUGS, **changed})


class Stream(IterableDataset):
    def __iter__(self):
        return iter((np.full(3, number % 5), f"class {number % 5}") for number in range(50))


def test_torch_data_sets():
    x, y = torch.randn(50, 3), torch.arange(50) % 5
    expected = from_arrays(x, y, 2, 3, 4, split=(3, 2), seed=8).sample_batch(3)
    found = from_dataset(TensorDataset(x, y), 2, 3, 4, split=(3, 2), seed=8).sample_batch(3)
    assert torch.equal(found.support_x, expected.support_x)
    batch = from_dataset(Stream(), 5, 1, 1).sample_batch(2)
    assert [f"class {int(row[0])}" for row in batch.support_x[0]] == list(batch[0].metadata["classes"])
    doubled = from_dataset(Stream(), 5, 1, 1, convert=lambda row: torch.tensor(2.0 * row))
    assert torch.equal(doubled.sample_batch(2).support_x, 2.0 * batch.support_x)


@pytest.mark.parametrize("given", [np.zeros(3), [0.0] * 3, torch.zeros(3, dtype=torch.float64), np.zeros(3, "u1")])
def test_data_sets_give_the_types_that_arrays_give(given):
    rows = given.expand(10, 3) if isinstance(given, torch.Tensor) else np.array([given] * 10)
    expected = from_arrays(rows, np.arange(10) % 2, 2, 1, 1).sample_batch(1).support_x.dtype
    pairs = [(given, number % 2) for number in range(10)]
    assert from_dataset(pairs, 2, 1, 1).sample_batch(1).support_x.dtype == expected
    doubled = from_dataset(pairs, 2, 1, 1, convert=lambda one: torch.as_tensor(one).double())
    assert doubled.sample_batch(1).support_x.dtype == torch.float64


@pytest.mark.parametrize(
    "items", [[], [1, 2], [(torch.zeros(2), 0), (torch.zeros(3), 0)], [("text", 0)], [(torch.zeros(2), torch.zeros(2))]]
)
def test_data_sets_that_give_no_pairs(items):
    with pytest.raises(InvalidInput, match=r"cannot be read.*pairs"):
        from_dataset(items)
