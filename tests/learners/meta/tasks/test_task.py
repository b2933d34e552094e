"""Tasks, batches of them, and grouping by shape."""

import pytest
import torch

from onward.core import InvalidInput
from onward.learners.meta.tasks import Examples, MetaLearningTask, TaskBatch, grouped


def task(shots, name="", **metadata):
    x = torch.randn(shots, 3)
    return MetaLearningTask((x, torch.arange(shots)), (x[:2] + 1, [0, 1]), name, metadata)


def test_pairs_become_examples():
    one = MetaLearningTask(([[1.0], [2.0]], [0, 1]), ([[3.0]], [1]))
    assert isinstance(one.support_set, Examples)
    assert torch.equal(one.query_set.x, torch.tensor([[3.0]]))
    assert one.task_id == ""
    assert one.metadata == {}


@pytest.mark.parametrize("pair", [(torch.zeros(0, 2), []), (torch.zeros(2), [0]), (1.0, 0)])
@pytest.mark.parametrize("which", [0, 1])
def test_sets_that_are_empty_or_uneven(pair, which):
    good = (torch.zeros(2, 1), [0, 1])
    with pytest.raises(InvalidInput, match=f"The {('support_set', 'query_set')[which]} of task 'mine'"):
        MetaLearningTask(*((pair, good) if which == 0 else (good, pair)), "mine")


TEXTS = (torch.zeros(2, 1), ["cat", "dog"])


@pytest.mark.parametrize(
    "pair",
    [TEXTS, ([[1.0], [1.0, 2.0]], [0, 1]), ([torch.zeros(2)] * 2, [0, 1]), None, (None, [0]), (torch.zeros(2, 1),), 3],
    ids=["texts", "ragged", "list of tensors", "None", "None within", "one", "number"],
)
def test_sets_that_cannot_be_read(pair):
    with pytest.raises(InvalidInput, match=r"The query_set of task 'mine' cannot be read: .* Give a pair \(x, y\)"):
        MetaLearningTask((torch.zeros(2, 1), [0, 1]), pair, "mine")


def test_tasks_are_looked_up_by_which_they_are():
    one, twin = (MetaLearningTask((torch.zeros(2, 1), [0, 1]), (torch.zeros(2, 1), [0, 1])) for _ in range(2))
    assert one != twin
    assert [twin, one].index(one) == 1
    assert {one: "one", twin: "twin"}[twin] == "twin"


def test_a_batch_is_its_tasks():
    tasks = [task(4, str(number), number=number) for number in range(5)]
    batch = TaskBatch.of(tasks)
    assert TaskBatch.of(batch) is batch
    assert len(batch) == 5
    for mine, theirs in zip(batch, tasks, strict=True):
        assert torch.equal(mine.support_set.x, theirs.support_set.x)
        assert torch.equal(mine.query_set.y, theirs.query_set.y)
        assert (mine.task_id, mine.metadata) == (theirs.task_id, theirs.metadata)
    part = batch[1:3].to("cpu")
    assert part.task_ids == ["1", "2"]
    assert part.metadata == [{"number": 1}, {"number": 2}]
    assert torch.equal(part.query_x, batch.query_x[1:3])
    bare = TaskBatch(batch.support_x, batch.support_y, batch.query_x, batch.query_y)[2]
    assert (bare.task_id, bare.metadata) == ("", {})
    with pytest.raises(IndexError):
        batch[5]


@pytest.mark.parametrize(
    ("shapes", "said"),
    [
        (
            ((4, 6, 2), (4, 4), (4, 3, 2), (4, 3)),
            r"support sets of 4 tasks have inputs \(4, 6, 2\) and targets \(4, 4\)",
        ),
        (((4, 6, 2), (3, 6), (4, 3, 2), (4, 3)), r"support sets of 4 tasks .* targets \(3, 6\)"),
        (((4, 6, 2), (4, 6), (4, 3, 2), (3, 3)), r"query sets of 4 tasks .* targets \(3, 3\)"),
        (((4, 6, 2), (4, 6), (4, 3, 2), (4, 5)), r"query sets of 4 tasks .* targets \(4, 5\)"),
        (((4, 6, 2), (4, 6), (3, 3, 2), (3, 3)), r"query sets of 4 tasks have inputs \(3, 3, 2\)"),
        (((4,), (4,), (4,), (4,)), r"support sets of 4 tasks have inputs \(4,\)"),
    ],
)
def test_batches_that_are_uneven(shapes, said):
    with pytest.raises(InvalidInput, match=f"The {said}.* Give \\(T, n, \\.\\.\\.\\) of each"):
        TaskBatch(*(torch.zeros(shape) for shape in shapes))


def test_tasks_of_several_shapes_are_grouped():
    tasks = [task(4), task(2), task(4)]
    with pytest.raises(InvalidInput, match="3 tasks of 2 shapes"):
        TaskBatch.of(tasks)
    with pytest.raises(InvalidInput, match="0 tasks of 0 shapes"):
        TaskBatch.of([])
    found = list(grouped(tasks))
    assert [positions for positions, _ in found] == [[0, 2], [1]]
    assert torch.equal(found[0][1].support_x[1], tasks[2].support_set.x)
    ((positions, same),) = grouped(found[0][1])
    assert positions == [0, 1]
    assert same is found[0][1]
