"""Tasks from tables: each project, user or tenant is a task."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, Literal

import torch

from onward.core import InvalidInput
from onward.learners.neural import classes_of, column_names, columns_of, device_of, inputs_of, numbers_of

from ._arrays import Split
from ._episodes import Episodes
from ._groups import Episode, Group, Rules
from ._pool import divide, pool_of


def from_frame(  # noqa: PLR0913 - which columns, what a task looks like, and how it is drawn
    frame: Any,
    *,
    task_column: Hashable,
    target_column: Hashable,
    feature_columns: Sequence[Hashable] | None = None,
    shots: int = 5,
    queries: int = 5,
    kind: Literal["classification", "regression"] = "classification",
    split: Split = None,
    seed: int = 0,
    device: torch.device | str = "cpu",
    drop_small: bool = False,
) -> Episodes:
    """Tasks from a table, each of the rows of one project, user or tenant.

    Args:
        frame: whatever gives columns by name: a mapping, a pandas or polars frame, an Arrow table, a structured array.
            Names may be anything that a column is called, such as the numbers of a frame made from an array.
        task_column: what tells the tasks apart.
        target_column: what is to be predicted. Classification: a task has every class, a class the same number in
            every task (its place among the sorted labels). Regression: a real number, y of shape (T, n, 1).
        feature_columns: inputs, all numbers; every other column where left out.
        shots: support examples, of each class where there are classes.
        queries: query examples, likewise.
        kind: of the target.
        split: of whole tasks into train, validation and test, as in `from_arrays`.
        seed: of the division and of every stream of tasks.
        device: where the examples are kept and the tasks are made.
        drop_small: leave out tasks with too few examples, or too few of a class, instead of refusing them.

    Returns:
        what samples tasks; `whole_tasks()` gives each once with all the rest of its rows as queries.

    Raises:
        NotFound: there is no such column.
        InvalidInput: a column is there twice or cannot be read; features or targets are no finite numbers (times are
            none); classes or examples are too few; or there is no such
            device.

    >>> import numpy as np
    >>> rows = np.arange(120)
    >>> table = {"project": rows % 4, "size": rows % 7, "age": rows % 5, "bug": rows // 4 % 2 == 1}
    >>> train = from_frame(table, task_column="project", target_column="bug", shots=5, queries=5, split=(0.5, 0.5))
    >>> train
    Episodes(train: 2 groups, 2 classes, 2-way 5-shot, 5 queries)
    >>> tuple(train.sample_batch(8).support_x.shape)
    (8, 10, 2)
    """
    if kind not in ("classification", "regression"):
        raise InvalidInput(f"There is no kind {kind!r}.", mend="Take one.", options=("classification", "regression"))
    names = column_names(frame)
    taken = {task_column, target_column}
    features = [name for name in names if name not in taken] if feature_columns is None else list(feature_columns)
    if not features:
        raise InvalidInput("There are no feature columns.", mend="Name some.", options=map(str, names))
    columns = columns_of(frame, [task_column, target_column, *features], names)
    device = device_of(device)
    x = inputs_of(numbers_of(columns, features)).to(device)
    groups, group = classes_of(columns[task_column])
    if kind == "regression":
        y = inputs_of(numbers_of(columns, [target_column])).to(device)
        ways, pool = 1, pool_of(x, group, (target_column,) * len(groups), y)
    else:
        labels, code = classes_of(columns[target_column])
        if len(labels) < 2:
            raise InvalidInput(f"Column {target_column!r} has {len(labels)} class.", mend="Give rows of two or more.")
        ways, pool = len(labels), pool_of(x, group * len(labels) + code, labels * len(groups))
    splits = {
        name: [Group(groups[at], range(at * ways, (at + 1) * ways)) for at in members]
        for name, members in divide(groups, split, seed).items()
    }
    return Episodes(
        pool, splits, next(iter(splits)), Rules(Episode(ways, shots, queries), seed, drop_small, fixed=True)
    )
