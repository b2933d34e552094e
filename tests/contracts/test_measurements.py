"""The contract of whoever keeps the tracker's measurements: in memory, in SQLite and in PostgreSQL alike."""

from collections.abc import Iterator
from contextlib import closing
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from onward.monitoring.tracker import DurableStore, Measurement, MemoryStore, Source, Store
from onward.monitoring.tracker._records import Kind
from onward.monitoring.tracker._store import RAW, TAIL
from onward.monitoring.tracker._summary import Summary
from onward.storage import open_storage

A, B = Source("task", "a"), Source("task", "b")
LOSS = Source("metric", "loss", "t", "c")
KINDS: tuple[Kind, ...] = ("task", "metric")
ALL_KINDS: tuple[Kind, ...] = (*KINDS, "goal", "convergence")


@pytest.fixture(params=["in memory", "sqlite", "buffered", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "in memory":
        yield MemoryStore(100_000)
        return
    url = request.getfixturevalue("postgresql_url") if request.param == "postgresql" else str(tmp_path / "shop")
    with closing(open_storage(url)) as opened:
        yield DurableStore(opened.database, "default", durable=request.param != "buffered")


def events(source: Source, values: Any, begin: int = 0) -> list[Measurement]:
    return [Measurement(source, begin + n, float(v), n, 0.01, 0.5, "") for n, v in enumerate(values)]


def test_what_was_added_is_read_back_in_order_of_arrival(store: Store) -> None:
    added = [*events(A, [0.1, 0.2]), *events(LOSS, [3.0]), *events(B, [0.3]), *events(A, [0.4], 9)]
    bare = Measurement(LOSS, 10.5, -2.0)
    said = Measurement(A, 11.5, 0.5, 7, 0.1, 0.0, '{"who":"me"}')
    store.add(added[:3])
    store.add(added[3:])
    store.add([bare, said])
    everything = [*added, bare, said]
    assert list(store.rows("task", 0, 9)) == [one for one in everything if one.source.kind == "task"]
    assert list(store.rows("metric", 0, 9)) == [added[2], bare]
    assert list(store.rows("task", 1, 3)) == [added[1], added[3]]
    assert list(store.rows("task", 4, 5)) == [said]
    assert store.newest("task", 2) == [added[4], said]
    assert store.kept("task") == 5
    assert list(store.rows("task", 5, 9)) == []


def test_nothing_was_added(store: Store) -> None:
    assert store.summaries("task") == {}
    assert store.kept("task") == 0
    assert store.newest("task", 5) == []
    assert list(store.rows("task", 0, 1)) == []
    assert len(store.tail(A, 3)[0]) == 0
    assert len(store.curve(A).values) == 0


def test_sums_are_those_of_all_values(store: Store) -> None:
    values = np.random.default_rng(1).random(3_000)
    for part in np.split(values, [1, 2, 70, 1_100]):
        store.add(events(A, part))
    store.add(events(B, [0.5]))
    found = store.summaries("task")
    assert list(found) == [A, B]
    summary = found[A]
    assert summary.size == 3_000
    assert summary.average == pytest.approx(values.mean())
    assert (summary.low, summary.high, summary.first, summary.last) == (
        values.min(),
        values.max(),
        values[0],
        values[-1],
    )
    assert summary.rates / summary.size == pytest.approx(0.01)
    assert summary.convergences / summary.size == pytest.approx(0.5)


@pytest.mark.parametrize("spread", [(0.0, 1.0), (-5.0, 5.0), (1e-19, 1e-18), (1e3, 1e9)])
def test_quantiles_are_within_half_a_per_cent(store: Store, spread: tuple[float, float]) -> None:
    values = np.random.default_rng(2).uniform(*spread, 2_000)
    store.add(events(LOSS, values))
    wanted = [0.0, 0.05, 0.5, 0.95, 0.99, 1.0]
    found = np.array(store.quantiles([LOSS], wanted))
    np.testing.assert_allclose(found, np.quantile(values, wanted), rtol=0.0051, atol=1e-11)


def test_quantiles_of_several_series(store: Store) -> None:
    store.add(events(A, [0.1] * 99))
    store.add(events(B, [0.9]))
    assert store.quantiles([A, B], [0.5, 1.0]) == pytest.approx([0.1, 0.9], rel=0.01)


def test_the_tail_is_the_newest_oldest_first(store: Store) -> None:
    store.add(events(A, np.arange(1_000) / 1_000))
    times, values = store.tail(A, 3)
    assert times.tolist() == [997.0, 998.0, 999.0]
    assert values.tolist() == [0.997, 0.998, 0.999]
    assert len(store.tail(A, TAIL)[0]) == TAIL


def test_who_was_overtaken_is_in_its_place(store: Store) -> None:
    late = events(A, np.arange(300) / 300)
    late[7], late[200] = late[200], late[7]
    store.add(late)
    np.testing.assert_array_equal(store.tail(A, TAIL)[0], np.sort([one.time for one in late[-TAIL:]]))
    np.testing.assert_allclose(store.curve(A).values, np.arange(300) / 300)


def test_a_short_curve_is_the_measurements(store: Store) -> None:
    store.add(events(A, [0.1, 0.5, 0.3]))
    curve = store.curve(A)
    assert curve.values.tolist() == curve.low.tolist() == curve.high.tolist() == [0.1, 0.5, 0.3]
    assert curve.counts.tolist() == [1, 1, 1]


def test_a_long_curve_keeps_every_peak(store: Store) -> None:
    values = np.random.default_rng(3).random(RAW + 5_000) * 0.5
    values[[7, RAW - 3, RAW + 4_000]] = 1.0, 0.99, 0.98
    for part in np.split(values, [100, 1_000, 9_000]):
        store.add(events(A, part))
    curve = store.curve(A)
    assert len(curve.values) < 5_000
    assert curve.counts.sum() == len(values)
    assert (curve.values * curve.counts).sum() == pytest.approx(values.sum())
    assert sorted(curve.high)[-3:] == [0.98, 0.99, 1.0]
    assert curve.low.min() == values.min()


def test_a_task_that_settles_converges_once_and_again_after_it_learned_again(store: Store) -> None:
    rng = np.random.default_rng(4)
    rising = np.linspace(0.2, 0.8, 200)
    flat, lower = np.full(600, 0.8), np.full(600, 0.4)
    for value in np.concatenate([rising, flat, np.linspace(0.8, 0.4, 200), lower]) + rng.normal(0, 0.01, 1_600):
        store.add([Measurement(A, 1.0, float(value), 1, 0.01, 0.25, "")])
    moments = store.summaries("convergence")[Source("convergence", "a")]
    assert moments.size == 2
    assert moments.average == 0.25


def test_what_is_restored_goes_on_as_it_was(store: Store) -> None:
    former, flat = MemoryStore(10_000), 0.9 + np.random.default_rng(8).normal(0, 0.01, 1_000)
    former.add(events(A, flat[:700]))
    former.revise("goal", "g", lambda _: {"n": 1})
    assert former.converged() == 1
    measurements = [one for kind in ALL_KINDS for one in former.rows(kind, 0, 10_000)]
    store.restore(measurements, [("goal", "g", {"n": 1})], former.standings())
    assert store.standings() == former.standings()
    assert store.notes("goal") == {"g": {"n": 1}}
    for one in (store, former):
        one.add(events(A, flat[700:], 700))
        one.flush()
    assert store.standings() == former.standings()
    assert store.converged() == 1
    assert list(store.rows("convergence", 0, 9)) == list(former.rows("convergence", 0, 9))


def test_a_note_and_its_measurement_are_one(store: Store) -> None:
    def fail(_: object) -> dict[str, Any]:
        raise LookupError

    way = [Measurement(Source("goal", "g"), 1.0, 0.5)]
    with pytest.raises(LookupError):
        store.revise("goal", "g", fail, also=way)
    assert store.kept("goal") == 0
    store.revise("goal", "g", lambda _: {}, also=way)
    assert list(store.rows("goal", 0, 9)) == way


def test_notes_change_in_turn(store: Store) -> None:
    assert store.notes("goal") == {}
    assert store.revise("goal", "b", lambda before: {"seen": before}) == {"seen": None}
    assert store.revise("goal", "a", lambda _: {"n": 1}) == {"n": 1}
    assert store.revise("goal", "a", lambda before: {"n": (before or {})["n"] + 1}) == {"n": 2}
    assert store.revise("goal", "a", lambda _: None) == {"n": 2}
    assert list(store.notes("goal").items()) == [("a", {"n": 2}), ("b", {"seen": None})]


def test_a_note_that_fails_changes_nothing(store: Store) -> None:
    def fail(_: object) -> dict[str, Any]:
        raise LookupError

    store.revise("goal", "a", lambda _: {"n": 1})
    with pytest.raises(LookupError):
        store.revise("goal", "a", fail)
    assert store.notes("goal") == {"a": {"n": 1}}


def test_tenants_share_nothing(tmp_path: Path) -> None:
    with closing(open_storage(tmp_path)) as opened:
        one, two = (DurableStore(opened.database, tenant) for tenant in ("one", "two"))
        one.add(events(A, [0.1, 0.2]))
        one.revise("goal", "g", lambda _: {})
        two.add(events(A, [0.9]))
        assert two.summaries("task")[A].size == 1
        assert [row.value for row in one.rows("task", 0, 9)] == [0.1, 0.2]
        assert two.notes("goal") == {}


def test_memory_keeps_the_newest_and_counts_all() -> None:
    store = MemoryStore(1_000)
    store.add([one._replace(body='{"n":1}') for one in events(A, np.arange(10_000) / 10_000)])
    assert store.kept("task") == 1_000
    kept = list(store.rows("task", 0, 1_000))
    assert [kept[0].value, kept[-1].value, kept[0].body] == [0.9, 0.9999, '{"n":1}']
    assert store.summaries("task")[A].size == 10_000
    assert [one.value for one in store.newest("task", 2)] == [0.9998, 0.9999]
    assert len(store.curve(A).values) == 1_000
    assert len(store._bodies) == 1_000


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([A, B, LOSS]), st.floats(-1e6, 1e6), st.integers(1, 100)), min_size=1, max_size=20
    ),
    st.integers(1, 300),
)
def test_memory_and_database_agree(tmp_path_factory: pytest.TempPathFactory, runs: list[Any], kept: int) -> None:
    with closing(open_storage(tmp_path_factory.mktemp("shop"))) as opened:
        stores: list[Store] = [DurableStore(opened.database, "t"), MemoryStore(100_000), MemoryStore(kept)]
        time = 0
        for source, value, count in runs:
            some = events(source, [value + n for n in range(count)], time)
            time += count
            for store in stores:
                store.add(some)
        lasting, memory, small = stores
        for kind in ("task", "metric"):
            assert list(lasting.rows(kind, 0, time)) == list(memory.rows(kind, 0, time))
            assert list(lasting.summaries(kind)) == list(memory.summaries(kind))
            for source, summary in lasting.summaries(kind).items():
                for other in (memory, small):
                    np.testing.assert_allclose(other.summaries(kind)[source], summary)
                assert lasting.quantiles([source], [0.5]) == memory.quantiles([source], [0.5])
                assert lasting.tail(source, 9)[1].tolist() == memory.tail(source, 9)[1].tolist()
        assert list(lasting.rows("convergence", 0, 99)) == list(memory.rows("convergence", 0, 99))
        assert lasting.standings() == memory.standings()
        assert list(small.rows("convergence", 0, 99))[-kept:] == list(memory.rows("convergence", 0, 99))[-kept:]
        everything = sorted((one for kind in KINDS for one in lasting.rows(kind, 0, time)), key=lambda one: one.time)
        for kind in KINDS:
            assert list(small.rows(kind, 0, time)) == [one for one in everything[-kept:] if one.source.kind == kind]


def test_summaries_add_up() -> None:
    parts = [
        Summary(1, 0.5, 0.1, 0.2, 0.5, 0.5, 0.5, 0.5, 1.0, 1.0),
        Summary(1, 0.1, 0.1, 0.2, 0.1, 0.1, 0.1, 0.1, 2.0, 2.0),
    ]
    whole = reduce(Summary.plus, parts)
    assert whole == Summary(2, 0.6, 0.2, 0.4, 0.1, 0.5, 0.5, 0.1, 1.0, 2.0)
