from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from onward.core import InvalidInput
from onward.monitoring.drift import EFFECTS, WHOLE, ColumnDrift, Reference, drift
from onward.monitoring.drift._correct import corrected

NUMERIC = ("ks", "wasserstein", "psi", "js", "chi2")


def only(before: object, now: object, method: str, **more: object) -> ColumnDrift:
    (one,) = drift(before, {"a": now} if not isinstance(now, dict) else now, method=method, **more).columns
    return one


def alarms(before: np.ndarray, now: np.ndarray, method: str, **more: object) -> float:
    report = drift(Reference.of(before, sample=0), now, method=method, correction="none", **more)
    return float(np.mean([one.drifted for one in report.columns]))


# Figures -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_of_few_rows_ks_and_wasserstein_are_scipys(seed: int) -> None:
    rng = np.random.default_rng(seed)
    before, now = rng.normal(size=300), rng.normal(0.2, 1.3, size=170).round(1)
    held = Reference.of({"a": before})
    assert only(held, now, "ks").statistic == pytest.approx(stats.ks_2samp(before, now).statistic)
    expected = stats.wasserstein_distance(before, now)
    assert only(held, now, "wasserstein").statistic == pytest.approx(expected, rel=0.03)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.integers(-5, 5), min_size=2, max_size=60),
    st.lists(st.integers(-5, 5), min_size=2, max_size=60),
)
def test_ks_is_scipys_with_ties_too(before: list[int], now: list[int]) -> None:
    expected = stats.ks_2samp(before, now, method="asymp").statistic
    assert only(Reference.of({"a": before}), now, "ks").statistic == pytest.approx(expected)


def test_of_many_rows_ks_is_never_more_than_scipys_and_hardly_less() -> None:
    rng = np.random.default_rng(1)
    before, now = rng.lognormal(size=50_000), rng.lognormal(0.05, size=30_000)
    exact = stats.ks_2samp(before, now).statistic
    found = only(Reference.of({"a": before}), now, "ks")
    assert exact - 2 / 512 <= found.statistic <= exact
    assert found.p_value < 1e-6


def test_chi_square_is_scipys() -> None:
    before, now = ["a"] * 50 + ["b"] * 30 + ["c"] * 20, ["a"] * 30 + ["b"] * 45 + ["c"] * 25
    expected = stats.chi2_contingency([[50, 30, 20], [30, 45, 25]], correction=False)
    found = only({"a": before}, now, "chi2")
    assert (found.statistic, found.p_value) == pytest.approx((expected.statistic, expected.pvalue))
    assert found.effect == pytest.approx(np.sqrt(expected.statistic / 200))  # Cramer's V: both samples are as large


def test_rare_categories_are_taken_together() -> None:
    before = ["a"] * 90 + [f"r{i}" for i in range(10)]
    now = ["a"] * 90 + [f"r{i}" for i in range(5)] * 2
    found = only({"a": before}, now, "chi2")
    assert found.p_value == pytest.approx(1.0)
    assert not found.drifted


def test_jensen_shannon_is_scipys() -> None:
    from scipy.spatial.distance import jensenshannon

    found = only({"a": ["a"] * 60 + ["b"] * 40}, ["a"] * 30 + ["b"] * 70, "js")
    assert found.effect == pytest.approx(jensenshannon([0.6, 0.4], [0.3, 0.7], base=2))


def test_psi_of_shares() -> None:
    found = only({"a": ["a"] * 60_000 + ["b"] * 40_000}, ["a"] * 30_000 + ["b"] * 70_000, "psi")
    assert found.effect == pytest.approx((0.3 - 0.6) * np.log(0.5) + (0.7 - 0.4) * np.log(0.7 / 0.4), rel=1e-3)


@pytest.mark.parametrize("method", NUMERIC)
def test_the_effect_does_not_depend_on_the_number_of_rows(method: str) -> None:
    def effect(rows: int) -> float:
        rng = np.random.default_rng(rows)
        return only({"a": rng.normal(size=rows)}, rng.normal(0.5, 1, rows), method).effect

    assert effect(20_000) == pytest.approx(effect(100_000), rel=0.1)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.floats(-1e100, 1e100), min_size=2, max_size=40), st.lists(st.floats(-1e100, 1e100), min_size=2))
def test_every_figure_is_finite_whatever_the_numbers(before: list[float], now: list[float]) -> None:
    for one in drift({"a": before}, {"a": now}, method="all").columns:
        assert np.isfinite([one.statistic, one.effect]).all()
        assert 0 <= one.p_value <= one.p_adjusted <= 1


@settings(deadline=None, max_examples=40)
@given(st.lists(st.sampled_from(["a", "b", "c", None]), min_size=3).filter(any))
def test_the_same_data_have_not_drifted(values: list[str | None]) -> None:
    report = drift({"a": values}, {"a": values}, method="all")
    assert not report.drifted
    assert max(one.effect for one in report.columns) == pytest.approx(0, abs=1e-6)


# Decisions ---------------------------------------------------------------------------------------------------------

DRAWS: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "normal": lambda rng, rows: rng.normal(size=(rows, 300)),
    "lognormal": lambda rng, rows: rng.lognormal(sigma=1.5, size=(rows, 300)),
    "counts": lambda rng, rows: rng.poisson(2.0, (rows, 300)).astype(float),
}


@pytest.mark.parametrize("kind", DRAWS)
@pytest.mark.parametrize("rows", [100, 1000])
def test_without_drift_there_are_no_more_alarms_than_the_level_allows(kind: str, rows: int) -> None:
    rng = np.random.default_rng(rows)
    before, now = DRAWS[kind](rng, rows), DRAWS[kind](rng, rows)
    for method in NUMERIC:
        assert alarms(before, now, method, min_effect=0) <= 0.09  # 300 draws at 5 %: above 0.09 once in a thousand
        assert alarms(before, now, method, min_effect=0, level=0.5) <= 0.6


@pytest.mark.parametrize("method", NUMERIC)
def test_power(method: str) -> None:
    rng = np.random.default_rng(0)
    before, now = rng.normal(size=(1000, 100)), rng.normal(0.5, 1.0, size=(1000, 100))
    assert alarms(before, now, method) == 1.0


@pytest.mark.parametrize("method", NUMERIC)
def test_many_rows_alone_are_no_drift(method: str) -> None:
    rng = np.random.default_rng(0)
    before, now = rng.normal(size=300_000), rng.normal(0.02, 1.0, size=300_000)
    found = only({"a": before}, now, method)
    assert found.p_value < 0.01
    assert not found.drifted
    assert only({"a": before}, now, method, min_effect=0).drifted


def test_missing_values_are_a_figure_of_their_own() -> None:
    rng = np.random.default_rng(0)
    before, now = rng.normal(size=2000), rng.normal(size=2000)
    before[:100], now[:600] = np.nan, np.nan
    shape, gone = drift({"a": before}, {"a": now}).columns
    assert not shape.drifted
    assert (shape.rows_before, shape.rows_now) == (1900, 1400)
    assert (gone.method, gone.drifted, gone.missing_before, gone.missing_now) == ("missing", True, 0.05, 0.3)
    assert gone.statistic == pytest.approx(0.25)


def test_a_constant_column() -> None:
    held = Reference.of({"a": np.full(1000, 3.0)})
    same = drift(held, {"a": np.full(1000, 3.0)}, method="all")
    assert all(one.p_value == 1.0 and one.effect == 0 for one in same.columns)
    for other in (2.9, 3.1):
        moved = drift(held, {"a": np.full(1000, other)}, method="all")
        assert all(one.drifted for one in moved.columns)
    few = drift(held, {"a": np.append(np.full(999, 3.0), 4.0)}, method="all")
    assert not few.drifted


def test_unseen_and_vanished_categories_are_drift() -> None:
    held = Reference.of({"a": ["x", "y"] * 200})
    for method in ("chi2", "psi", "js"):
        assert only(held, ["x", "z"] * 200, method).drifted
        assert only(held, ["x"] * 400, method).drifted


def test_rare_categories_that_only_one_side_saw_are_no_drift() -> None:
    rng = np.random.default_rng(0)
    alarms = 0
    for _ in range(200):
        before, now = ({"a": [f"c{value}" for value in rng.zipf(1.5, 100).clip(0, 60)]} for _ in range(2))
        alarms += drift(before, now).drifted
    assert alarms <= 20  # 200 draws at 5 %: more than 20 once in a thousand


def test_beyond_a_thousand_categories_the_rest_is_one() -> None:
    names = [f"n{i}" for i in range(3000)]
    held = Reference.of({"a": names * 3 + ["most"] * 9000})
    assert len(held.categories[0].categories) == 1000
    assert not drift(held, {"a": names * 3 + ["most"] * 9000}).drifted
    assert drift(held, {"a": names * 3 + ["other"] * 9000}).drifted


@pytest.mark.parametrize("method", ["mmd", "classifier"])
def test_what_no_single_column_shows_all_together_do(method: str) -> None:
    rng = np.random.default_rng(0)
    before = rng.normal(size=(800, 2))
    now = rng.multivariate_normal([0, 0], [[1, 0.9], [0.9, 1]], size=800)
    assert not drift(before, now).drifted
    found = drift(before, now, method=method)
    assert found.drifted_columns == (WHOLE,)
    assert found.columns[0].kind == "table"
    assert not drift(before, rng.normal(size=(800, 2)), method=method).drifted


@pytest.mark.parametrize("method", ["mmd", "classifier"])
def test_all_together_with_categories_and_missing_values(method: str) -> None:
    rng = np.random.default_rng(0)

    def table(skew: float) -> dict[str, object]:
        number = rng.normal(size=400)
        number[:20] = np.nan
        city = [None if i % 9 == 0 else "Rome" if rng.random() < skew else f"c{i % 40}" for i in range(400)]
        return {"number": number, "city": city}

    held = Reference.of(table(0.2))
    assert drift(held, table(0.8), method=method).drifted
    assert not drift(held, table(0.2), method=method).drifted


def test_equal_rows_have_no_discrepancy() -> None:
    found = drift(np.ones((50, 3)), np.ones((60, 3)), method="mmd").columns[0]
    assert (found.effect, found.p_value, found.drifted) == (0.0, 1.0, False)


# What is asked -----------------------------------------------------------------------------------------------------


def table(seed: int = 0, shift: float = 0.0) -> dict[str, object]:
    rng = np.random.default_rng(seed)
    letters = rng.choice(["a", "b", "c"], 400).tolist()
    return {"x": rng.normal(shift, 1, 400), "letter": letters, "y": rng.normal(size=400)}


def test_methods_by_column() -> None:
    report = drift(table(), table(1), method={"x": "psi", "letter": "js"})
    assert [(one.column, one.method) for one in report.columns] == [("x", "psi"), ("letter", "js"), ("y", "ks")]
    report = drift(table(), table(1), method={"x": "ks", "y": "wasserstein"})
    assert [one.method for one in report.columns] == ["ks", "chi2", "wasserstein"]


def test_several_methods_share_one_correction() -> None:
    report = drift(table(), table(1), method=["auto", "psi", "mmd"])
    assert [one.method for one in report.columns] == ["ks", "psi", "chi2", "psi", "ks", "psi", "mmd"]
    loose = drift(table(), table(1), method=["auto", "psi", "mmd"], correction="none")
    assert all(a.p_adjusted >= b.p_adjusted for a, b in zip(report.columns, loose.columns, strict=True))


def test_some_columns_only() -> None:
    report = drift(Reference.of(table()), table(1), columns=["y", "x"])
    assert [one.column for one in report.columns] == ["x", "y"]
    (one,) = drift(Reference.of(table()), table(1), columns=["y"]).columns
    assert one == replace(report.columns[1], p_adjusted=one.p_value)
    assert [one.column for one in drift(table(), table(1), columns=["letter"]).columns] == ["letter"]


def test_order_of_the_current_columns_does_not_matter() -> None:
    turned = dict(reversed(table(1).items()))
    assert drift(table(), turned, method="all") == drift(table(), table(1), method="all")


def test_tolerated_and_share() -> None:
    report = drift(table(), table(1, shift=1.0))
    assert (report.drifted_columns, report.drifted) == (("x",), True)
    assert report.share_drifted == pytest.approx(1 / 3)
    assert not drift(table(), table(1, shift=1.0), tolerated=0.4).drifted


def test_min_effect_by_method() -> None:
    report = drift(table(), table(1, shift=1.0), min_effect={"ks": 0.9})
    assert not report.drifted
    assert [one.min_effect for one in report.columns] == [0.9, EFFECTS["chi2"], 0.9]


def test_arrays_follow_the_names_of_the_reference() -> None:
    rng = np.random.default_rng(0)
    held = Reference.of(rng.normal(size=(100, 2)), names=["a", "b"])
    assert [one.column for one in drift(held, rng.normal(size=(90, 2))).columns] == ["a", "b"]
    with pytest.raises(InvalidInput, match="lacks columns"):
        drift(held, rng.normal(size=(90, 3)))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"y": None}, "lacks columns of the reference: y"),
        ({"z": np.zeros(400)}, "has columns that the reference has not: z"),
        ({"x": ["a", "b"] * 200}, "Were numbers in the reference and are texts now: x"),
        ({"letter": np.arange(400.0)}, None),
        ({"x": np.full(400, np.nan)}, "Without any value: x"),
        ({"x": np.full(400, np.inf)}, "Infinite"),
        ({"x": np.zeros(3)}, "different lengths"),
    ],
)
def test_current_data_that_does_not_fit_is_refused(change: dict[str, object], told: str | None) -> None:
    now = {name: values for name, values in {**table(1), **change}.items() if values is not None}
    if told is None:  # numbers where categories were are categories that nobody has seen
        assert drift(table(), now).drifted_columns == ("letter",)
        return
    with pytest.raises(InvalidInput, match=told):
        drift(table(), now)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"method": "kss"}, "no method kss"),
        ({"method": []}, "no method in an empty list"),
        ({"method": {"zz": "ks"}}, "no column zz"),
        ({"method": {"letter": "ks"}}, "ks cannot test the categories of letter"),
        ({"method": "wasserstein"}, "wasserstein cannot test the categories"),
        ({"correction": "bonferoni"}, "no correction 'bonferoni'. Known: bh, holm, none"),
        ({"level": 0.0}, "shares"),
        ({"tolerated": 2.0}, "shares"),
        ({"min_effect": {"x": 0.3}}, "min_effect has no method x. Known: chi2"),
        ({"min_effect": float("nan")}, "min_effect is nan"),
        ({"min_effect": {"ks": -0.1}}, "min_effect is -0.1"),
        ({"min_effect": "0.1"}, "min_effect is '0.1'"),
        ({"columns": ["x"], "method": "mmd"}, "compares all columns"),
        ({"columns": []}, "no column"),
        ({"columns": ["q"]}, "no column q"),
    ],
)
def test_what_is_not_known_is_answered_with_what_is(options: dict[str, object], told: str) -> None:
    with pytest.raises(InvalidInput, match=told):
        drift(Reference.of(table()), table(1), **options)


def test_too_few_rows_for_all_columns_together() -> None:
    with pytest.raises(InvalidInput, match="mmd needs 20 rows of each side; there are 400 and 5"):
        drift(table(), {name: values[:5] for name, values in table().items()}, method="mmd")
    with pytest.raises(InvalidInput, match="there are 0 and 1"):
        drift(Reference.of(table(), sample=0), table(), method="mmd")


# Corrections -------------------------------------------------------------------------------------------------------

chances = st.lists(st.floats(0, 1), min_size=1, max_size=30).map(np.array)


@given(chances)
def test_benjamini_hochberg_is_scipys(found: np.ndarray) -> None:
    assert corrected(found, "bh") == pytest.approx(stats.false_discovery_control(found))


@given(chances)
def test_holm_is_between_none_and_bonferroni(found: np.ndarray) -> None:
    holm = corrected(found, "holm")
    assert (holm >= found).all()
    assert (holm <= np.minimum(found * len(found), 1)).all()
    assert holm[found.argmin()] == pytest.approx(min(1, found.min() * len(found)))
    assert (corrected(found, "none") == found).all()
