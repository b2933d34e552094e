"""Streams whose experiences are told by the examples: periods, columns, a workspace."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
import torch
from tests.cli.terminal import labelled

import onward
from onward.core import InvalidInput, NotFound
from onward.learners.continual.scenarios import from_frame, from_periods, from_workspace


def table(count=120):
    row = np.arange(count)
    return {"month": np.array(["b", "a", "c"])[row % 3], "size": row, "cost": row / 2, "up": row % 2 == 1}


@pytest.mark.parametrize(
    "make", [dict, pa.table, lambda columns: np.rec.fromarrays([*columns.values()], names=[*columns])]
)
def test_a_column_tells_the_experiences(make):
    stream = from_frame(make(table()), target_column="up", period_column="month", test=0.25)
    assert (stream.names, stream.kind, stream.outputs, stream.labels) == (("a", "b", "c"), "domain", 2, (False, True))
    for at, (train, test) in enumerate(zip(stream.train, stream.test, strict=True)):
        assert (len(train), len(test)) == (30, 10)
        for one in (train, test):
            assert set((one.x[:, 0] % 3).long().tolist()) == {[1, 0, 2][at]}
            assert torch.equal(one.x[:, 1], one.x[:, 0] / 2)
            assert torch.equal(one.y, one.x[:, 0].long() % 2)


def test_real_targets_and_the_order_of_periods():
    stream = from_frame(
        table(), target_column="cost", period_column="month", feature_columns=["size"], order=["c", "a", "b"]
    )
    assert stream.names == ("c", "a", "b")
    assert stream.regression
    assert stream.outputs == 1
    assert all(torch.equal(one.y, one.x[:, 0] / 2) for one in stream.train)
    x, y = torch.randn(40, 2), torch.arange(40) % 4
    assert from_periods(x, y, y // 2, kind="task").train[1].classes == (2, 3)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"period": [1]}, "There are 40 examples and 1 periods"),
        ({"order": [0]}, r"order names 1 periods, and the examples are of 2.*Known: 0, 1"),
        ({"order": [0, 0]}, "order names 2 periods"),
        ({"period": [0] * 39 + [1]}, "Experience '1' has no examples to test on"),
        ({"x": np.full((40, 2), np.inf)}, "40 of 40 inputs"),
        ({"kind": "none"}, "No scenario is called 'none'"),
    ],
)
def test_periods_that_cannot_be(changes, match):
    given = {"x": np.zeros((40, 2)), "y": np.arange(40) % 2, "period": np.arange(40) // 20}
    with pytest.raises(InvalidInput, match=match):
        from_periods(**{**given, **changes})


def test_frames_that_cannot_be():
    columns = {"target_column": "up", "period_column": "month"}
    with pytest.raises(NotFound, match=r"no column 'size2'"):
        from_frame(table(), **columns, feature_columns=["size2"])
    with pytest.raises(InvalidInput, match="no feature columns"):
        from_frame(table(), **columns, feature_columns=[])
    with pytest.raises(InvalidInput, match="Column 'month' is not all numbers"):
        from_frame(table(), target_column="up", period_column="size")
    with pytest.raises(InvalidInput, match="gives no columns by name"):
        from_frame(3, **columns)


START = datetime(2026, 1, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """Three days, each with its cycle; the first two in January."""
    clock = onward.core.ManualClock(START)
    folder = tmp_path_factory.mktemp("shop") / "shop"
    with onward.open(folder, settings={"training": {"learners": ["linear"]}}, clock=clock) as workspace:
        for day in range(3):
            workspace.record_file(labelled(90, seed=day))
            assert workspace.cycle().status == "promoted" or day
            clock.advance(timedelta(days=1))
        yield workspace


def encoder(texts):
    return np.array([[len(text), *text.encode()[:5]] for text in texts], dtype=float)


def facts(shop):
    dataset = shop.house.registry.version(shop.champion(), "default").dataset
    return {example.id: example for example in shop.house.datasets.get("default", dataset).examples}


@pytest.mark.parametrize(
    ("by", "names"),
    [
        ("day", {"2026-01-30", "2026-01-31", "2026-02-01"}),
        ("month", {"2026-01", "2026-02"}),
        ("week", {"2026-W05"}),
    ],
)
def test_periods_of_a_workspace(shop, by, names):
    examples = facts(shop)
    stream = from_workspace(shop, encoder, by)
    assert set(stream.names) <= names
    assert stream.names[0] == min(names)
    keys = []
    for train, test in zip(stream.train, stream.test, strict=True):
        for one, judges in ((train, False), (test, True)):
            keys += one.keys
            for key, x, y in zip(one.keys, one.x, one.y, strict=True):
                assert (examples[key].split == "evaluation") == judges
                assert torch.equal(x, torch.tensor(encoder([examples[key].text])[0], dtype=x.dtype))
                assert examples[key].labels.intent == stream.labels[y]
    assert sorted(keys) == sorted(examples)


def test_data_set_versions_of_a_workspace(shop):
    stream = from_workspace(shop, encoder, "version", kind="domain")
    assert stream.names[0] == "version 1"
    first = shop.house.datasets.get("default", shop.house.registry.version(1, "default").dataset)
    assert {*stream.train[0].keys, *stream.test[0].keys} == {example.id for example in first.examples}
    seen = set()
    for one in (*stream.train, *stream.test):
        assert not seen & {*one.keys}
        seen |= {*one.keys}
    assert seen == set(facts(shop))


def test_workspaces_that_cannot_be(shop):
    with pytest.raises(NotFound, match=r"label 'intent' of nobody.*onward cycle"):
        from_workspace(shop, encoder, tenant="nobody")
    with pytest.raises(NotFound, match="label 'sentiment' of default"):
        from_workspace(shop, encoder, head="sentiment")
    with pytest.raises(InvalidInput, match=r"by is 'year'.*Known: day, month, version, week"):
        from_workspace(shop, encoder, "year")
    with pytest.raises(InvalidInput, match="There are 1 examples"):
        from_workspace(shop, lambda texts: np.zeros((1, 2)))
