from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onward.core import InvalidInput
from onward.monitoring._forgetting import ForgettingMatrix

ROWS = [[0.9, 0.2, 0.1], [0.95, 0.8, 0.3], [0.6, 0.7, 0.85]]


def filled(rows: list[list[float]] = ROWS, **more: object) -> ForgettingMatrix:
    matrix = ForgettingMatrix(len(rows), **more)
    for i, row in enumerate(rows):
        for j, score in enumerate(row):
            matrix.add(i, j, score)
    return matrix


def test_the_figures_are_those_of_the_papers() -> None:
    matrix = filled(baselines=[0.1, 0.05, 0.2])
    assert matrix.accuracy() == pytest.approx((0.6 + 0.7 + 0.85) / 3)
    assert matrix.backward_transfer() == pytest.approx(((0.6 - 0.9) + (0.7 - 0.8)) / 2)
    assert matrix.forward_transfer() == pytest.approx(((0.2 - 0.05) + (0.3 - 0.2)) / 2)
    assert matrix.forgetting() == pytest.approx({0: 0.95 - 0.6, 1: 0.8 - 0.7})
    assert matrix.average_forgetting() == pytest.approx((0.35 + 0.1) / 2)
    assert matrix.max_forgetting() == pytest.approx(0.35)


def test_backward_transfer_and_forgetting_differ_where_a_task_became_better_first() -> None:
    matrix = filled()
    assert -matrix.backward_transfer() < matrix.average_forgetting()


def test_the_best_before_learning_a_task_counts_as_in_the_paper() -> None:
    assert filled([[0.5, 0.9, 0], [0.5, 0.8, 0], [0.5, 0.7, 0.5]]).forgetting()[1] == pytest.approx(0.2)


def test_missing_cells_are_named_and_never_guessed() -> None:
    matrix = ForgettingMatrix(3, baselines=[0, 0, 0])
    matrix.add(2, 0, 0.5)
    matrix.add(0, 0, 0.7)
    assert len(matrix.missing()) == 7
    for figure in (matrix.accuracy, matrix.backward_transfer, matrix.forward_transfer, matrix.average_forgetting):
        with pytest.raises(InvalidInput, match=r"No score was noted for: \("):
            figure()
    assert matrix.accuracy(partial=True) == 0.5
    assert matrix.backward_transfer(partial=True) == pytest.approx(-0.2)
    assert matrix.forgetting(partial=True) == pytest.approx({0: 0.2})
    with pytest.raises(InvalidInput, match="No score"):
        matrix.forward_transfer(partial=True)
    with pytest.raises(InvalidInput, match="No score"):
        ForgettingMatrix(2).forgetting(partial=True)


def test_many_missing_cells_are_not_all_named() -> None:
    with pytest.raises(InvalidInput, match=r"\(19, 9\), \.\.\."):
        ForgettingMatrix(20).accuracy()


def test_one_task_has_an_accuracy_and_nothing_else() -> None:
    matrix = filled([[0.4]])
    assert matrix.accuracy() == 0.4
    for figure in (matrix.backward_transfer, matrix.forward_transfer, matrix.forgetting):
        with pytest.raises(InvalidInput, match="one task"):
            figure()


def test_forward_transfer_needs_baselines() -> None:
    with pytest.raises(InvalidInput, match="needs baselines"):
        filled().forward_transfer()


@pytest.mark.parametrize(
    ("i", "j", "score"), [(3, 0, 0.5), (0, -1, 0.5), (0, 0, math.nan), (0, 0, "much"), (0, 0, None)]
)
def test_what_is_no_score_of_a_task_is_refused(i: int, j: int, score: object) -> None:
    matrix = ForgettingMatrix(3)
    with pytest.raises(InvalidInput):
        matrix.add(i, j, score)
    assert len(matrix.missing()) == 9


@pytest.mark.parametrize("baselines", [[0.1], [math.inf, 0.1]])
def test_baselines_fit_the_tasks(baselines: list[float]) -> None:
    with pytest.raises(InvalidInput):
        ForgettingMatrix(2, baselines=baselines)


@pytest.mark.parametrize("data", [{}, {"scores": [[1], [1]], "baselines": None}, {"scores": 3, "baselines": None}])
def test_another_dict_is_refused(data: dict[str, object]) -> None:
    with pytest.raises(InvalidInput):
        ForgettingMatrix.from_dict(data)


def test_no_task_is_no_matrix() -> None:
    with pytest.raises(InvalidInput, match="0 tasks"):
        ForgettingMatrix(0)


cells = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.floats(-1, 1, allow_nan=False)), max_size=20)


@given(cells)
def test_it_comes_back_from_json(found: list[tuple[int, int, float]]) -> None:
    matrix = ForgettingMatrix(4, baselines=[0.25] * 4)
    for cell in found:
        matrix.add(*cell)
    back = ForgettingMatrix.from_dict(json.loads(json.dumps(matrix.to_dict())))
    assert back == matrix
    assert back != 3
    assert len(back.missing()) == 16 - len({cell[:2] for cell in found})


@given(st.lists(st.lists(st.floats(0, 1), min_size=4, max_size=4), min_size=4, max_size=4))
def test_forgetting_is_never_less_than_backward_transfer_says(rows: list[list[float]]) -> None:
    matrix = filled(rows)
    assert matrix.average_forgetting() >= -matrix.backward_transfer() - 1e-12
    assert matrix.max_forgetting() >= matrix.average_forgetting() - 1e-12
