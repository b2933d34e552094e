from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onward.core import Damaged, InvalidInput, NotFound, Unavailable
from onward.monitoring.drift import Reference, TextReference, drift

RNG = np.random.default_rng(0)


def mixed(rows: int = 500, seed: int = 0) -> dict[str, object]:
    rng = np.random.default_rng(seed)
    age = rng.normal(40, 10, rows)
    age[::7] = np.nan
    city = [("Rome", "Oslo", None)[i] for i in rng.integers(0, 3, rows)]
    return {"age": age, "city": city, "member": rng.random(rows) < 0.5, "visits": rng.poisson(3, rows)}


class Column:
    def __init__(self, values: object) -> None:
        self.values = values

    def to_numpy(self) -> object:
        return self.values


class Frame:
    """What frames of pandas and polars have in common."""

    def __init__(self, columns: dict[str, object]) -> None:
        self.held = {name: np.asarray(values) for name, values in columns.items()}
        self.columns = list(columns)
        self.shape = (len(next(iter(self.held.values()))), len(columns))

    def __getitem__(self, name: str) -> Column:
        return Column(self.held[name])


class Arrow:
    """As pyarrow's tables: `columns` are values, `column_names` the names."""

    def __init__(self, columns: dict[str, object]) -> None:
        self.held = Frame(columns)
        self.column_names = list(columns)
        self.columns = [self.held[name] for name in columns]

    def __getitem__(self, name: str) -> Column:
        return self.held[name]


def same(one: Reference, other: Reference) -> bool:
    return drift(one, mixed(seed=9), method="all") == drift(other, mixed(seed=9), method="all")


@pytest.mark.parametrize("make", [Frame, Arrow])
def test_frames_are_read_by_what_they_can_do(make: type) -> None:
    assert same(Reference.of(make(mixed())), Reference.of(mixed()))


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_frames_of_the_libraries_are_read(library: str) -> None:
    module = pytest.importorskip(library)
    frame = module.table(mixed()) if library == "pyarrow" else module.DataFrame(mixed())
    assert same(Reference.of(frame), Reference.of(mixed()))


def test_kinds_of_columns() -> None:
    table = mixed() | {"odd": [1, "a"] * 250, "whole": [1, 2.5, None, 4, 5] * 100}
    reference = Reference.of(table, categorical=["visits"])
    assert reference.numbers.names == ("age", "whole")
    assert [one.name for one in reference.categories] == ["city", "member", "visits", "odd"]
    assert reference.columns == ("age", "city", "member", "visits", "odd", "whole")
    assert reference.numbers.missing.tolist() == [72, 100]


def test_whole_numbers_are_the_same_category_as_floats() -> None:
    before = Reference.of({"code": [1, 2] * 100}, categorical=["code"])
    (one, gone) = drift(before, {"code": [1.0, 2.0, np.nan, 1.0] * 50}).columns
    assert (one.rows_now, gone.missing_now) == (150, 0.25)
    assert before.categories[0].categories == ("1", "2")


def test_arrays_have_names_or_numbers() -> None:
    values = RNG.normal(size=(50, 3))
    assert Reference.of(values).columns == ("0", "1", "2")
    assert Reference.of(values, names=["a", "b", "c"], columns=["c", "a"]).columns == ("a", "c")
    texts = np.array([["a", "b"], ["c", "d"]])
    assert len(Reference.of(texts).categories) == 2
    assert len(Reference.of(values.round(), categorical=["1"]).categories) == 1


def test_missing_values_of_objects() -> None:
    class NAType:
        def __bool__(self) -> bool:
            raise TypeError

    reference = Reference.of({"a": np.array([1, None, np.float32("nan"), NAType(), 3], dtype=object)})
    assert reference.numbers.missing.tolist() == [3]


def test_quantiles_and_counts_are_exact() -> None:
    values = np.repeat([0.0, 1.0, 5.0], [700, 200, 100])
    numbers = Reference.of({"a": values}).numbers
    found = dict(
        zip(
            numbers.quantiles[0].tolist(),
            zip(numbers.below[0].tolist(), numbers.upto[0].tolist(), strict=True),
            strict=True,
        )
    )
    assert found == {0.0: (0, 700), 1.0: (700, 900), 5.0: (900, 1000)}


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=100))
def test_of_few_rows_every_value_is_kept(values: list[float]) -> None:
    numbers = Reference.of({"a": values}).numbers
    assert set(numbers.quantiles[0].tolist()) == set(values)
    held = np.array(values)
    for point, below, upto in zip(numbers.quantiles[0], numbers.below[0], numbers.upto[0], strict=True):
        assert (below, upto) == ((held < point).sum(), (held <= point).sum())


def test_a_stored_reference_answers_as_the_rows_did(tmp_path: Path) -> None:
    reference = Reference.of(mixed(2000))
    path = reference.save(tmp_path / "reference.safetensors")
    back = Reference.load(str(path))
    assert same(back, reference)
    now = mixed(300, seed=3)
    assert drift(back, now, method=["mmd", "classifier"]) == drift(reference, now, method=["mmd", "classifier"])
    assert [*tmp_path.iterdir()] == [path]


def test_a_reference_does_not_grow_with_its_rows(tmp_path: Path) -> None:
    names = np.array([f"{i:0500d}" for i in range(20_000)])
    small = Reference.of({"a": RNG.normal(size=5000), "b": names[:5000]}).save(tmp_path / "small").stat().st_size
    large = Reference.of({"a": RNG.normal(size=20_000), "b": names}).save(tmp_path / "large").stat().st_size
    assert large < small + 1000 < 300_000
    wide = Reference.of(RNG.normal(size=(2000, 3000)))
    assert wide.sample.nbytes <= 4 * 2**20
    assert len(Reference.of(mixed(), sample=0).sample) == 0


@pytest.mark.parametrize("cut", [0, 1, 40, 500, -1])
def test_a_torn_file_is_damaged(tmp_path: Path, cut: int) -> None:
    path = Reference.of(mixed()).save(tmp_path / "reference")
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(Damaged):
        Reference.load(path)


def test_a_flipped_bit_is_damage(tmp_path: Path) -> None:
    path = Reference.of(mixed()).save(tmp_path / "reference")
    body = bytearray(path.read_bytes())
    body[-1] ^= 1
    path.write_bytes(body)
    with pytest.raises(Damaged, match="hash"):
        Reference.load(path)


def test_a_reference_of_another_kind_is_damage(tmp_path: Path) -> None:
    texts = TextReference.of([f"text {i}" for i in range(30)]).save(tmp_path / "texts")
    table = Reference.of(mixed()).save(tmp_path / "table")
    with pytest.raises(Damaged):
        Reference.load(texts)
    with pytest.raises(Damaged):
        TextReference.load(table)


def test_tensors_of_another_shape_are_damage(tmp_path: Path) -> None:
    from onward.monitoring.drift._file import write
    from onward.monitoring.drift._reference import Card

    write(tmp_path / "odd", Card(("a",), 3, ("a",), ()), {"rows": np.zeros(1)})
    with pytest.raises(Damaged, match="something else"):
        Reference.load(tmp_path / "odd")


def test_files_that_are_not_there_or_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        Reference.load(tmp_path / "none")
    with pytest.raises(Damaged):
        Reference.load(tmp_path)
    with pytest.raises(Unavailable):
        Reference.of(mixed()).save(tmp_path / "no" / "folder")
    target = tmp_path / "taken"
    target.mkdir()
    with pytest.raises(Unavailable):
        Reference.of(mixed()).save(target)
    assert [*tmp_path.iterdir()] == [target]


TIMES = np.array(["2026-01-01", "2026-01-02"], dtype="datetime64[D]")


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({}, "no columns"),
        ({"a": []}, "0 rows"),
        ({"a": [1.0]}, "1 rows"),
        ({"a": [1.0, 2.0], "b": [1.0]}, "different lengths: a 2, b 1"),
        ({"a": [np.nan, np.nan], "b": [1, 2]}, "Without any value: a"),
        ({"a": [None, None]}, "Without any value: a"),
        ({"a": [1.0, np.inf], "b": [-np.inf, np.inf]}, "Infinite values in: a, b"),
        ({"a": [1.0, 1e200]}, "Values beyond 1e\\+100 in: a"),
        ({"a": TIMES}, "neither numbers nor categories"),
        ({"a": [1j, 2j]}, None),
        ({"a": np.zeros((2, 2))}, "2 dimensions"),
        ({"a": 3}, "cannot be read"),
        (np.zeros(5), "1 dimensions is no table"),
        (np.zeros((5, 0)), "no columns"),
        ("table", "no table"),
        (3, "no table"),
        ([[1, 2], [3, 4]], "no table"),
    ],
)
def test_what_cannot_be_compared_is_refused(table: object, told: str | None) -> None:
    if told is None:
        assert Reference.of(table).categories[0].categories == ("1j", "2j")
        return
    with pytest.raises(InvalidInput, match=told):
        Reference.of(table)


def test_names_fit_the_columns() -> None:
    with pytest.raises(InvalidInput, match="2 columns, and there are 1 names"):
        Reference.of(np.zeros((3, 2)), names=["a"])
    with pytest.raises(InvalidInput, match="More than one column is called a"):
        Reference.of(np.zeros((3, 2)), names=["a", "a"])
    with pytest.raises(InvalidInput, match="no column c"):
        Reference.of(mixed(), columns=["c", "age"])
    with pytest.raises(InvalidInput, match="sample"):
        Reference.of(mixed(), sample=-1)


def test_more_rows_than_counts_hold_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onward.monitoring.drift._reference.MOST_ROWS", 400)
    with pytest.raises(InvalidInput, match="500 rows are more than 400"):
        Reference.of(mixed())


def test_a_report_is_json_and_a_table() -> None:
    report = drift(Reference.of(mixed()), mixed(seed=1), method="all")
    assert json.loads(json.dumps(report.to_dict()))["columns"][0]["column"] == "age"
    rows = report.table()
    assert len(rows) == len(report.columns)
    assert rows[0]["p_adjusted"] == min(one.p_adjusted for one in report.columns)
