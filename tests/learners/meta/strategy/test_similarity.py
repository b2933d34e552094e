from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from tests.learners.meta.strategy.tasks import blobs

from onward.core import InvalidInput
from onward.learners.meta.strategy import TaskEncoder, cluster_tasks
from onward.learners.meta.strategy._similarity import Neighbourhood, Scale, most_similar

VECTORS = npst.arrays(np.float64, st.tuples(st.integers(1, 7), st.just(4)), elements=st.floats(-10, 10))


@settings(deadline=None)
@given(VECTORS)
def test_similarities_keep_their_range_and_a_task_is_most_like_itself(vectors):
    near = Neighbourhood.of(vectors)
    kernel, cosine = near.similarities(vectors), near.similarities(vectors, "cosine")
    assert ((kernel >= 0) & (kernel <= 1)).all()
    assert (np.abs(cosine) <= 1).all()
    np.testing.assert_allclose(np.diag(kernel), 1, atol=1e-6)
    np.testing.assert_allclose(kernel, kernel.T, atol=1e-9)
    assert 0.03 <= near.width <= 0.3


def test_a_feature_counts_by_its_spread_among_known_tasks():
    rng = np.random.default_rng(0)
    vectors = np.stack([rng.normal(0, 3, 400), rng.normal(0, 0.3, 400)], axis=1)
    distances = Neighbourhood.of(vectors).distances(np.array([[0.6, 0.0], [0.0, 0.6]]) + vectors[0])[:, 0]
    assert distances[1] > 5 * distances[0]


def test_a_feature_that_never_varied_still_tells_a_new_task_apart():
    vectors = np.zeros((100, 3))
    scaled = Scale.of(vectors)(np.array([[0.3, 0.0, 1e9]]))
    assert scaled[0, 0] == pytest.approx(0.3 / (0.5 * np.sqrt(5 / 105)))
    assert scaled[0].tolist()[1:] == [0, 5]


def test_cosine_is_the_direction():
    near = Neighbourhood.of(np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 0.0]]))
    assert near.similarities(np.array([[3.0, 0.0]]), "cosine")[0].tolist() == pytest.approx([1, -1, 0])
    with pytest.raises(InvalidInput, match=r"euclid.*Known: cosine, kernel"):
        near.similarities(np.zeros((1, 2)), "euclid")


def test_the_most_similar_come_first():
    assert most_similar(np.array([0.1, 0.9, 0.5, 0.9]), ["a", "b", "c", "d"], 3) == [("b", 0.9), ("d", 0.9), ("c", 0.5)]
    assert len(most_similar(np.array([0.1]), ["a"], 5)) == 1
    for k in (0, 1.5, "a"):
        with pytest.raises(InvalidInput, match="k is"):
            most_similar(np.zeros(0), [], k)


def test_tasks_are_grouped_by_what_they_are_like():
    kinds = [{"ways": 4, "shots": 10}, {"ways": 8, "d": 40, "scale": 1e4}, {"ways": 4, "shots": 10}]
    tasks = [blobs(seed, **kinds[seed % 3]) for seed in range(15)]
    tasks[2::3] = [replace(task, metadata={"texts": ["Where is my card?"]}) for task in tasks[2::3]]
    found = cluster_tasks(TaskEncoder().encode_all(tasks))
    assert found.count == 3
    assert found.labels == (0, 1, 2) * 5
    assert found.silhouette > 0.5


def test_tasks_of_one_kind_are_one_group():
    rng = np.random.default_rng(0)
    assert cluster_tasks(rng.normal(size=(60, 20))).count == 1
    assert cluster_tasks(np.zeros((5, 3))).labels == (0,) * 5
    assert cluster_tasks(np.zeros((1, 3))).silhouette == 0


def test_groups_are_at_most_so_many():
    vectors = np.repeat(np.eye(6) * 10, 4, axis=0)
    assert cluster_tasks(vectors).count == 6
    assert cluster_tasks(vectors, most=3).count <= 3


def test_lists_are_vectors_too_and_any_whole_number_is_a_seed():
    rows = [[0.0, 0.0], [0.1, 0.0], [5.0, 5.0], [5.1, 5.0], [5.0, 4.9]]
    for seed in (0, -1, 2**70):
        assert cluster_tasks(rows, seed=seed).labels == (0, 0, 1, 1, 1)


@pytest.mark.parametrize(
    ("vectors", "settings", "why"),
    [
        (np.zeros((0, 3)), {}, r"shape \(0, 3\) cannot be put into groups"),
        (np.full((4, 3), np.nan), {}, "not all finite"),
        (np.ones(4), {}, r"shape \(4,\)"),
        ([[1.0, 2.0], [1.0]], {}, "no vectors of tasks"),
        (None, {}, "cannot be put into groups"),
        ("ab", {}, "no vectors of tasks"),
        (np.eye(3), {"most": 0}, "most is 0"),
        (np.eye(3), {"most": "a"}, "most is 'a'"),
        (np.eye(3), {"seed": 0.5}, "seed is 0.5"),
    ],
)
def test_what_cannot_be_grouped_is_refused(vectors, settings, why):
    with pytest.raises(InvalidInput, match=why):
        cluster_tasks(vectors, **settings)
