from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.learners.meta.strategy.tasks import blobs, task_of

from onward.core import Damaged, InvalidInput, content_hash, encode
from onward.learners.meta.strategy import Strategy, StrategyPredictor, TaskEncoder, _file
from onward.learners.meta.strategy._choice import mixed, tried
from onward.learners.meta.strategy._confidence import Calibration
from onward.learners.meta.strategy._surrogate import Surrogate, newest, relative_outcomes

KINDS = {-2.5: {"scale": 1.0, "ways": 3}, -0.5: {"scale": 1e3, "ways": 8, "d": 20}}


def outcome_of(rate: float, best: float, hidden: int = 32) -> float:
    """An accuracy that falls with the distance from the best rate, in powers of ten, and less from 32 hidden units."""
    return 0.9 - 0.2 * abs(math.log10(rate) - best) - 0.06 * abs(math.log2(hidden / 32))


def taught(tasks: int = 8, trials: int = 8, **settings) -> StrategyPredictor:
    """Two kinds of tasks, each with its own best learning rate."""
    predictor = StrategyPredictor(**settings)
    rng = np.random.default_rng(0)
    for at in range(tasks):
        for best, kind in KINDS.items():
            task = blobs(at, **kind)
            for _ in range(trials):
                rate, hidden = float(10 ** rng.uniform(-4, 1)), int(2 ** rng.integers(3, 8))
                configuration = {"learning_rate": rate, "architecture_params": {"hidden": hidden}}
                predictor.record(task, configuration, outcome_of(rate, best, hidden))
    return predictor


@pytest.fixture(scope="module")
def known() -> StrategyPredictor:
    return taught()


@pytest.mark.parametrize("best", KINDS)
def test_it_finds_what_works_on_tasks_of_each_kind(known, best):
    for seed in range(100, 104):
        found = known.predict_optimal_strategy(blobs(seed, **KINDS[best]))
        assert abs(math.log10(found.learning_rate) - best) < 0.5
        assert 16 <= found.architecture_params["hidden"] <= 64
        assert found.confidence > 0.6
        assert found.batch_size == Strategy().batch_size


def test_nothing_known_gives_the_defaults_and_no_confidence():
    defaults = Strategy(learning_rate=0.3, confidence=0.9)
    predictor = StrategyPredictor(defaults)
    assert predictor.predict_optimal_strategy(blobs(0)) == dataclasses.replace(defaults, confidence=0.0)
    assert predictor.most_similar(blobs(0)) == []


def test_a_task_far_from_all_gives_the_defaults_and_no_confidence(known):
    far = task_of(np.full((2, 3000), np.nan), np.array([0.5, 1e9]), texts=["Call me!"] * 9, code="if a:\n b()")
    assert known.suggest(far, 5) == [Strategy()]
    nearer = taught(2, reach=1e-9)
    assert nearer.predict_optimal_strategy(blobs(50, **KINDS[-2.5])).confidence == 0
    assert nearer.predict_optimal_strategy(blobs(0, **KINDS[-2.5])).confidence > 0


def test_suggestions_differ_and_begin_with_the_prediction(known):
    task = blobs(200, **KINDS[-2.5])
    found = known.suggest(task, 6)
    assert found[0] == known.predict_optimal_strategy(task)
    assert len({str(one.configuration()) for one in found}) == 6
    assert {one.confidence for one in found} == {found[0].confidence}
    assert np.mean([abs(math.log10(one.learning_rate) + 2.5) for one in found]) < 1
    for count in (0, 1.5, "a"):
        with pytest.raises(InvalidInput, match="count is"):
            known.suggest(task, count)


def test_nothing_is_proposed_outside_what_was_tried(known):
    rates = {one.strategy.learning_rate for one in known.buffer}
    hidden = {one.strategy.architecture_params["hidden"] for one in known.buffer}
    for one in known.suggest(blobs(300, **KINDS[-0.5]), 10):
        assert one.learning_rate in rates
        assert one.architecture_params["hidden"] in hidden


def test_a_record_changes_the_next_prediction():
    predictor = StrategyPredictor()
    task = blobs(0)
    for rate, outcome in ((0.1, 0.5), (0.2, 0.6)):
        predictor.record(task, {"learning_rate": rate}, outcome)
    assert predictor.predict_optimal_strategy(task).learning_rate == 0.2
    for _ in range(3):
        predictor.record(task, {"learning_rate": 0.001}, 0.9)
    assert predictor.predict_optimal_strategy(task).learning_rate == 0.001


def test_one_trial_a_task_is_enough_to_learn_from():
    predictor = taught(12, trials=1)
    rates = [predictor.predict_optimal_strategy(blobs(400, **kind)).learning_rate for kind in KINDS.values()]
    assert abs(math.log10(rates[0]) + 2.5) < 1.5
    assert abs(math.log10(rates[1]) + 0.5) < 1.5
    assert predictor.predict_optimal_strategy(blobs(400, **KINDS[-2.5])).confidence <= 0.25


def test_confidence_is_low_where_outcomes_are_noise():
    noise = StrategyPredictor()
    rng = np.random.default_rng(0)
    for at in range(16):
        for _ in range(8):
            noise.record(blobs(at), {"learning_rate": float(10 ** rng.uniform(-4, 1))}, float(rng.normal()))
    confidences = [noise.predict_optimal_strategy(blobs(seed)).confidence for seed in range(100, 110)]
    assert 0.1 < np.mean(confidences) < 0.5


def test_it_comes_back_as_it_was(known, tmp_path):
    again = StrategyPredictor.load(known.save(tmp_path / "strategies.json"))
    task = blobs(500, **KINDS[-0.5])
    assert again.suggest(task, 4) == known.suggest(task, 4)
    assert again.most_similar(task) == known.most_similar(task)
    own = StrategyPredictor(Strategy(0.5), encoder=TaskEncoder(2), limit=3, reach=2.0, seed=4)
    own.record(task, {}, 1.0)
    own = StrategyPredictor.load(str(own.save(tmp_path / "own.json")))
    assert (own.defaults.learning_rate, own.encoder.text_size, own.buffer.limit, own.reach, own.seed) == (
        0.5,
        2,
        3,
        2.0,
        4,
    )
    own.record(task, {"batch_size": 3}, 0.5)
    assert [one.strategy.learning_rate for one in own.buffer] == [0.5, 0.5]


def test_vectors_that_meant_something_else_are_not_read(known, tmp_path):
    file = known.save(tmp_path / "strategies.json")
    card = json.loads(json.loads(file.read_bytes())["card"])
    body = encode(card | {"names": card["names"][::-1]}).decode()
    file.write_bytes(encode({"format": _file.FORMAT, "hash": content_hash(body), "card": body}))
    with pytest.raises(Damaged, match="other task vectors"):
        StrategyPredictor.load(file)


def test_the_same_records_give_the_same_predictions():
    first, second = taught(3), taught(3)
    task = blobs(600, **KINDS[-2.5])
    assert first.suggest(task, 5) == second.suggest(task, 5)


def test_similar_tasks_and_their_groups(known):
    names = [name for name, _ in known.most_similar(blobs(3, **KINDS[-0.5]), 8)]
    assert names[0] == "blobs 3"
    similarities = known.most_similar(blobs(3, **KINDS[-0.5]), 16)
    assert similarities[0][1] == pytest.approx(1)
    assert similarities[7][1] > similarities[8][1] + 0.2  # the eight of its kind, then the others
    assert known.most_similar(blobs(3, **KINDS[-0.5]), 16, "cosine")[0][0] == "blobs 3"
    assert known.clusters().labels == (0, 1) * 8
    with pytest.raises(InvalidInput, match="groups"):
        StrategyPredictor().clusters()


@pytest.mark.parametrize(
    "settings",
    [{"reach": reach} for reach in (0, math.nan, math.inf, "a")]
    + [{"limit": limit} for limit in (0, "a", 1.5)]
    + [{"seed": "a"}, {"defaults": 5}, {"defaults": {"rate": 1}}],
)
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(InvalidInput):
        StrategyPredictor(**settings)


def test_defaults_may_be_a_mapping():
    assert StrategyPredictor({"learning_rate": 0.5}).defaults == Strategy(0.5)


@pytest.mark.parametrize("seed", [-1, 2**70])
def test_any_whole_number_is_a_seed(seed, tmp_path):
    predictor, task = taught(2, 3, seed=seed), blobs(0, **KINDS[-2.5])
    found = predictor.suggest(task, 3)
    assert StrategyPredictor.load(predictor.save(tmp_path / "strategies.json")).suggest(task, 3) == found


@pytest.mark.parametrize(
    ("configuration", "outcome"),
    [({"rate": 1}, 1.0), ({"batch_size": 0}, 1.0), ({}, math.nan), ({}, "x"), (None, 1.0), (5, 1.0)],
)
def test_what_cannot_be_learned_from_is_refused(configuration, outcome):
    predictor = StrategyPredictor()
    with pytest.raises(InvalidInput):
        predictor.record(blobs(0), configuration, outcome)
    assert len(predictor.buffer) == 0


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 3),
            st.floats(1e-12, 1e12),
            st.integers(1, 10**6),
            st.floats(0, 1e9),
            st.dictionaries(st.sampled_from("ab"), st.integers(-9, 9) | st.booleans() | st.text(max_size=3)),
            st.floats(-1e9, 1e9),
        ),
        min_size=1,
        max_size=15,
    )
)
def test_any_history_gives_a_strategy(rows):
    predictor = StrategyPredictor()
    for place, rate, batch, decay, own, outcome in rows:
        configuration = {
            "learning_rate": rate,
            "batch_size": batch,
            "regularization": decay,
            "architecture_params": own,
        }
        predictor.record(blobs(place), configuration, outcome)
    found = predictor.suggest(blobs(0), 3)
    assert 0 <= found[0].confidence <= 1
    assert found[0].learning_rate in {rate for _, rate, *_ in rows}
    assert len({str(one) for one in found}) == len(found)


@pytest.mark.parametrize("scale", [1e-300, 1e-9, 1e160, 1e308])
def test_the_unit_of_outcomes_is_nothing(scale):
    def suggested(scale):
        predictor = StrategyPredictor()
        for at, outcome in enumerate((0.5, -0.9, 0.75, 0.25, -0.5, 1.0)):
            predictor.record(blobs(at % 2), {"learning_rate": 10.0**-at}, outcome * scale)
        return [one.learning_rate for one in predictor.suggest(blobs(0), 3)]

    assert suggested(scale) == suggested(1.0)


@pytest.mark.filterwarnings("error")
def test_any_finite_outcome_is_learned_from():
    predictor = StrategyPredictor()
    for rate, outcome in ((1.0, 1.7e308), (0.1, 0.5), (0.01, -1e160), (0.001, -1.7e308)):
        predictor.record(blobs(0), {"learning_rate": rate}, outcome)
    assert predictor.predict_optimal_strategy(blobs(0)).learning_rate == 1.0


def test_a_texts_and_a_number_are_different_settings():
    predictor = StrategyPredictor()
    for kind, outcome in (("relu", 0.9), ("tanh", 0.4), ("relu", 0.8), ("tanh", 0.5)):
        predictor.record(blobs(0), {"architecture_params": {"activation": kind, "bias": True}}, outcome)
    assert predictor.predict_optimal_strategy(blobs(1)).architecture_params == {"activation": "relu", "bias": True}


# The parts ---------------------------------------------------------------------------------------------------------


def test_outcomes_are_told_relative_to_their_task():
    predictor = StrategyPredictor()
    for at, mean in enumerate((0.2, 0.8)):
        for change in (-0.1, 0.0, 0.1):
            predictor.record(blobs(at), {}, mean + change)
    found = relative_outcomes(predictor.buffer.by_task())
    assert found.sum() == pytest.approx(0)
    expected = np.array([-0.175, -0.075, 0.025, -0.025, 0.075, 0.175])  # means drawn a quarter of the way to 0.5
    assert found == pytest.approx(expected / expected.std())


def test_outcomes_that_are_all_the_same_tell_nothing():
    predictor = StrategyPredictor()
    for at in range(7):
        predictor.record(blobs(at % 3), {}, 0.1)
    assert relative_outcomes(predictor.buffer.by_task()).tolist() == [0.0] * 7


def test_the_newest_of_every_task_are_kept():
    predictor = StrategyPredictor()
    for name, count in (("a", 4), ("b", 1), ("c", 3)):
        for at in range(count):
            predictor.record(task_of(np.eye(2), [0, 1], name), {}, at)
    kept = newest(predictor.buffer.by_task(), 5)
    assert [[one.task_id + str(int(one.outcome)) for one in group] for group in kept] == [
        ["a2", "a3"],
        ["b0"],
        ["c1", "c2"],
    ]
    assert [len(group) for group in newest(predictor.buffer.by_task(), 2)] == [1, 1]
    assert newest(predictor.buffer.by_task(), 8) == predictor.buffer.by_task()


def test_the_surrogate_is_the_posterior_of_its_kernel(known):
    groups = known.buffer.by_task()[:2]
    surrogate = Surrogate.of(groups)
    vector = np.array(groups[1][0].vector)
    strategies = [one.strategy for one in groups[0][:3]]
    rows, query = surrogate.rows, surrogate.columns(strategies)

    def configurations(left, right):
        return np.exp(-((left[:, None] - right[None]) ** 2).sum(axis=2) / 2)

    apart = surrogate.neighbourhood.distances(vector[None])[0]
    near = (0.5 + 0.5 * np.exp(-((apart / 2 / surrogate.neighbourhood.width) ** 2) / 2))[surrogate.tasks]
    both = surrogate.neighbourhood.distances(np.array([group[0].vector for group in groups]))
    tasks = 0.5 + 0.5 * np.exp(-((both / 2 / surrogate.neighbourhood.width) ** 2) / 2)
    kernel = tasks[np.ix_(surrogate.tasks, surrogate.tasks)] * configurations(rows, rows) + np.eye(len(rows))
    cross, outcomes = configurations(query, rows) * near, relative_outcomes(groups)
    expected, covariance = surrogate.expected(vector, strategies)
    np.testing.assert_allclose(expected, cross @ np.linalg.solve(kernel, outcomes), atol=1e-9)
    variance = outcomes @ np.linalg.solve(kernel, outcomes) / len(rows)
    left = configurations(query, query) - cross @ np.linalg.solve(kernel, cross.T)
    np.testing.assert_allclose(covariance, variance * left, atol=1e-9)


def test_mixtures_are_of_the_promising_and_new(known):
    strategies = tried(known.buffer.by_task(), np.zeros(16))
    expected = np.array([-abs(math.log10(one.learning_rate)) for one in strategies])
    found = mixed(strategies, expected, seed=0)
    best = sorted(strategies, key=lambda one: abs(math.log10(one.learning_rate)))[: len(strategies) // 4]
    assert found
    assert {one.learning_rate for one in found} <= {one.learning_rate for one in best}
    assert not {str(one) for one in found} & {str(one) for one in strategies}


def test_what_was_tried_on_similar_tasks_comes_first(known):
    groups = known.buffer.by_task()
    similarities = np.arange(len(groups)) / len(groups)
    found = tried(groups, similarities)
    assert found[: len(groups[-1])] == [one.strategy for one in groups[-1]]
    assert len(found) == len({str(one) for one in found})


def test_confidence_falls_with_distance_and_rises_with_the_probability(known):
    calibration = Calibration.of(known.buffer.by_task(), seed=0)
    assert calibration.judged >= 16
    near = [calibration.confidence(probability, 1.0) for probability in (0.1, 0.5, 0.9)]
    assert near == sorted(near)
    far = [calibration.confidence(0.5, distance) for distance in (0.0, 1.0, 5.0, 10.0)]
    assert far == sorted(far, reverse=True)


def test_without_judgements_confidence_is_chance():
    calibration = Calibration.of(taught(2, trials=3).buffer.by_task(), seed=0)
    assert calibration.judged == 0
    assert calibration.confidence(0.9, 0.0) == 0.25
    assert calibration.confidence(0.1, 0.0) == 0.1


def test_what_is_no_task_is_refused_before_anything_is_known() -> None:
    with pytest.raises(InvalidInput, match="int is no task"):
        StrategyPredictor().predict_optimal_strategy(3)
    predictor = StrategyPredictor()
    with pytest.raises(InvalidInput, match="tuple is no task"):
        predictor.record((1, 2), {}, 1.0)
    assert not len(predictor.buffer)
