from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("matplotlib")

from onward.monitoring.pictures._names import fitted, quoted, width_of


@given(names=st.lists(st.text(max_size=80), max_size=5, unique=True))
def test_names_fit_and_are_told_apart(names):
    shown = fitted(names, 1.5, 9.0)
    assert len(set(shown)) == len(names)
    for text in shown:
        assert width_of(text, 9.0) <= 1.5 * 72 + 18
        assert all(one.isprintable() for one in text)


def test_what_fits_stays():
    assert fitted(["accuracy", "order status"], 2.0, 9.0) == ["accuracy", "order status"]


def test_begin_and_end_of_a_long_name_stay():
    (shown,) = fitted([f"first {'x' * 200} last"], 1.5, 9.0)
    assert shown.startswith("first")
    assert shown.endswith("last")
    assert "…" in shown


def test_what_looks_alike_is_numbered():
    assert fitted(["日", "本", "語"], 2.0, 9.0) == ["\ufffd", "\ufffd (2)", "\ufffd (3)"]


def test_dollars_are_dollars():
    assert quoted("$5 to $9") == r"\$5 to \$9"
