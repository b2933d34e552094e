from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from tests.learners.meta.strategy.tasks import blobs, task_of

from onward.core import InvalidInput
from onward.learners.meta import Examples, MetaLearningTask
from onward.learners.meta.strategy import TaskEncoder

ENCODER = TaskEncoder()


def told(task: MetaLearningTask) -> dict[str, float]:
    return ENCODER.features(task)


@settings(max_examples=60, deadline=None)
@given(
    x=npst.arrays(
        st.sampled_from([np.float32, np.float64]),
        st.tuples(st.integers(1, 9), st.integers(0, 4)),
        elements={"allow_nan": True, "allow_infinity": True},
    ),
    data=st.data(),
)
def test_any_input_gives_finite_numbers_of_one_length(x, data):
    n = len(x)
    kind = data.draw(st.sampled_from(["classes", "real", "bool", "several"]))
    y = {
        "classes": lambda: data.draw(npst.arrays(np.int64, n)),
        "bool": lambda: data.draw(npst.arrays(np.bool_, n)),
        "real": lambda: data.draw(npst.arrays(np.float64, n)),
        "several": lambda: data.draw(npst.arrays(np.float32, (n, 2))),
    }[kind]()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        vector = ENCODER.encode(task_of(x, y))
    assert vector.shape == (len(ENCODER.names),)
    assert np.isfinite(vector).all()
    assert np.abs(vector).max() <= 10
    features = told(task_of(x, y))
    assert tuple(features) == ENCODER.names
    assert features["regression"] == (kind in {"real", "several"})


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), ways=st.integers(1, 4), ties=st.booleans())
def test_neither_examples_nor_columns_nor_class_names_have_an_order(seed, ways, ties):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(12, 5)), rng.integers(ways, size=12)
    if ties:
        x = np.round(x)
    rows, columns, names = rng.permutation(12), rng.permutation(5), rng.permutation(ways) * 7 - 3
    other = task_of(x[rows][:, columns], names[y][rows])
    np.testing.assert_allclose(ENCODER.encode(other), ENCODER.encode(task_of(x, y)), atol=1e-6)


@pytest.mark.parametrize("kind", ["real numbers", "truth values", "one-hot"])
@pytest.mark.parametrize("targets", ["classes", "numbers"])
def test_large_tasks_are_looked_at_in_part_whatever_their_order(kind, targets):
    rng = np.random.default_rng(0)
    x = {
        "real numbers": rng.normal(size=(1500, 4)),
        "truth values": rng.integers(2, size=(1500, 4)) > 0,
        "one-hot": np.eye(4)[rng.integers(4, size=1500)],
    }[kind]
    y = rng.integers(3, size=1500) if targets == "classes" else rng.normal(size=(1500, 2))
    other = np.array([5, -3, 9])[y] if targets == "classes" else y[:, ::-1]
    rows, columns = rng.permutation(1500), rng.permutation(4)
    first, second = (ENCODER.encode(one) for one in (task_of(x, y), task_of(x[rows][:, columns], other[rows])))
    np.testing.assert_allclose(first, second, atol=1e-9)
    assert told(task_of(x, y))["examples"] == pytest.approx(np.log10(1500))


def test_what_is_looked_at_of_a_large_task_is_like_the_whole():
    y = np.repeat([0, 1], [1200, 300])
    features = told(task_of(np.stack([y, np.ones(1500)], axis=1), y))
    assert features["largest_class"] == pytest.approx(0.8, abs=0.01)


def test_the_query_set_is_not_looked_at():
    task = blobs(0)
    other = MetaLearningTask(task.support_set, Examples(torch.zeros(3, 6), torch.zeros(3, dtype=torch.long)))
    np.testing.assert_array_equal(ENCODER.encode(other), ENCODER.encode(task))


def test_classes_far_apart_are_told_from_classes_that_overlap():
    apart, mixed = told(blobs(0, apart=8.0, shots=10)), told(blobs(0, apart=0.0, shots=10))
    for name in ("nearest_centroid", "nearest_neighbour", "ridge"):
        assert apart[name] > 0.95
        assert abs(mixed[name]) < 0.5
    for name in ("between_scatter", "between_to_within", "silhouette"):
        assert apart[name] > mixed[name] + 0.3


def test_landmarks_are_what_leaving_out_gives():
    task = blobs(3, ways=3, shots=5, apart=1.0)
    x, y = task.support_set.x.numpy(), task.support_set.y.numpy()
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    centroid, neighbour, ridge = [], [], []
    classes = np.eye(3)[y] - 1 / 3
    for at in range(len(x)):
        rest = np.arange(len(x)) != at
        means = np.stack([x[rest & (y == label)].mean(axis=0) for label in range(3)])
        centroid.append(np.linalg.norm(means - x[at], axis=1).argmin() == y[at])
        neighbour.append(y[rest][np.linalg.norm(x[rest] - x[at], axis=1).argmin()] == y[at])
        gram = x[rest] @ x[rest].T / x.shape[1]
        told_of = x[at] @ x[rest].T / x.shape[1] @ np.linalg.solve(gram + 0.1 * np.eye(len(gram)), classes[rest])
        ridge.append(told_of.argmax() == y[at])
    features = told(task)
    for name, right in (("nearest_centroid", centroid), ("nearest_neighbour", neighbour), ("ridge", ridge)):
        assert features[name] == pytest.approx((np.mean(right) - 1 / 3) / (2 / 3))


def test_class_structure():
    features = told(task_of(np.random.default_rng(0).normal(size=(11, 2)), [5] * 7 + [9] * 3 + [2]))
    assert features["ways"] == pytest.approx(np.log10(3))
    assert features["shots"] == pytest.approx(np.log10(11 / 3))
    assert features["fewest_shots"] == 0
    assert features["largest_class"] == pytest.approx(7 / 11)
    assert features["one_shot"] == pytest.approx(1 / 3)
    assert 0 < features["balance"] < 1
    assert told(blobs(0))["balance"] == pytest.approx(1)


def test_one_example_a_class_and_one_class_tell_no_landmark():
    for features in (told(blobs(0, shots=1)), told(blobs(0, ways=1))):
        assert features["nearest_centroid"] == features["nearest_neighbour"] == features["ridge"] == 0
        assert features["silhouette"] == features["between_to_within"] == 0


def test_inputs_that_do_not_vary_are_said_to_be_constant():
    features = told(task_of(np.full((6, 3), 1e300), [0, 0, 1, 1, 2, 2]))
    assert features["constant_columns"] == 1
    assert features["magnitude"] == 2
    assert features["between_scatter"] == features["directions"] == features["skewness"] == 0
    assert features["nearest_centroid"] == pytest.approx(0, abs=1e-9)  # all tie: guessing


def test_scale_is_told_apart_from_shape():
    small, large = told(blobs(0, scale=1e-3)), told(blobs(0, scale=1e3))
    different = {name for name in small if abs(small[name] - large[name]) > 1e-9}
    assert different == {"magnitude"}
    assert large["magnitude"] - small["magnitude"] == pytest.approx(6 / 5)


def test_inputs_of_tables():
    x = np.array([[1.0, 1e6], [2.0, -3e6], [np.nan, 0.0], [4.0, 5e6]])
    features = told(task_of(x, [0, 0, 1, 1]))
    assert features["missing"] == pytest.approx(1 / 8)
    assert features["whole_numbers"] == pytest.approx(7 / 8)
    assert features["zeros"] == pytest.approx(1 / 8)
    assert features["magnitude_varies"] > 0.4


def test_a_line_has_one_direction():
    line = np.outer(np.arange(8.0), [1, 2, -1])
    features = told(task_of(line, [0, 1] * 4))
    assert features["first_direction"] == pytest.approx(1)
    assert features["directions"] == pytest.approx(1 / 8)


def test_regression_is_judged_by_what_is_explained():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 2))
    clear, noise = told(task_of(x, x @ [1.0, -2.0])), told(task_of(x, rng.normal(size=40)))
    assert clear["regression"] == 1
    assert clear["ways"] == 0
    assert clear["ridge"] > 0.95
    assert clear["nearest_neighbour"] > 0.5
    assert noise["ridge"] < 0.2
    skewed = told(task_of(x, np.exp(3 * x[:, 0])))
    assert skewed["target_skewness"] > clear["target_skewness"] + 0.5


def test_texts():
    none, asked = told(blobs(0)), told(task_of(np.eye(4), [0, 0, 1, 1], texts=["Where is my card?", "CARD 12 lost"]))
    assert none["text"] == 0
    assert asked["text"] == 1
    assert asked["words"] == pytest.approx(np.log10([5, 4]).mean())
    assert asked["vocabulary"] == pytest.approx(6 / 7)
    assert asked["digits"] == pytest.approx(2 / 29)
    assert np.linalg.norm(
        [value for name, value in asked.items() if name.startswith("word_") and name[5:].isdigit()]
    ) == (pytest.approx(1))


def test_similar_texts_have_similar_words():
    card, same, other = (
        ENCODER.encode(task_of(np.eye(2), [0, 1], description=text))[-27:-11]
        for text in ("my card was lost", "was my card lost", "transfer money abroad quickly")
    )
    np.testing.assert_allclose(card, same)
    assert card @ other < 0.8


@settings(max_examples=40, deadline=None)
@given(texts=st.lists(st.text(), max_size=4), code=st.text())
def test_any_text_gives_finite_numbers(texts, code):
    vector = ENCODER.encode(task_of(np.eye(2), [0, 1], texts=texts, code=code, description="\ud800"))
    assert np.isfinite(vector).all()
    assert np.abs(vector).max() <= 10


def test_code():
    source = "import os\n\ndef f(x):\n    # why\n    if x > 1:\n        return os.getcwd()\n    return x\n"
    features = told(task_of(np.eye(2), [0, 1], code=[source]))
    assert features["code"] == 1
    assert features["lines"] == pytest.approx(np.log10(7))
    assert features["comments"] == pytest.approx(1 / 6)
    assert features["branches"] == pytest.approx(1 / 6)
    assert features["definitions"] == pytest.approx(1 / 6)
    assert features["imports"] == pytest.approx(1 / 6)
    assert features["calls"] == pytest.approx(2 / 6)
    assert features["indentation"] == pytest.approx((4 + 4 + 8 + 4) / 6 / 8)
    assert features["text"] == 0


@pytest.mark.parametrize("metadata", [{"texts": 3}, {"texts": ["a", 1]}, {"code": {"a": 1}}, {"description": b"a"}])
def test_what_is_no_text_is_refused(metadata):
    with pytest.raises(InvalidInput, match="list of texts"):
        ENCODER.encode(task_of(np.eye(2), [0, 1], **metadata))


@pytest.mark.parametrize("size", [-1, 5000, 1.5, "a", True])
def test_the_size_for_words_has_a_range(size):
    with pytest.raises(InvalidInput, match="text_size"):
        TaskEncoder(size)


def test_names_are_different_and_tell_the_length():
    for size in (0, 8):
        encoder = TaskEncoder(size)
        assert len(set(encoder.names)) == len(encoder.names) == len(encoder.encode(blobs(0, ways=2)))
        assert sum(name.startswith("word_") and name != "word_length" for name in encoder.names) == size
    assert encoder.encode(task_of(np.eye(2), [0, 1], texts=["a b"])).shape == (len(encoder.names),)
    assert TaskEncoder(0).encode(task_of(np.eye(2), [0, 1], texts=["a b"])).shape == (len(TaskEncoder(0).names),)


def test_many_tasks_are_a_row_each():
    tasks = [blobs(0), blobs(1)]
    np.testing.assert_array_equal(ENCODER.encode_all(tasks), [ENCODER.encode(one) for one in tasks])
    assert ENCODER.encode_all([]).shape == (0, len(ENCODER.names))
