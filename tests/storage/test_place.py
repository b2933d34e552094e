"""Where a workspace lives."""

import stat
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onward.core import Damaged, InvalidInput, NotFound, Unavailable
from onward.storage import folder_of, open_storage, stamp


@pytest.mark.parametrize(
    ("url", "folder"),
    [
        ("shop", "shop"),
        ("/srv/shop", "/srv/shop"),
        ("file:///srv/my%20shop", "/srv/my shop"),
        ("file:/srv/shop", "/srv/shop"),
        ("//[odd", "//[odd"),
        ("a:b", "a:b"),
        (Path("shop"), "shop"),
    ],
)
def test_urls_that_name_a_folder(url: str | Path, folder: str) -> None:
    assert folder_of(url) == Path(folder)


@pytest.mark.parametrize("url", ["", " ", "s3://bucket/shop", "postgresql://host/db", "file://shop", "file:", "a\0b"])
def test_urls_that_name_none(url: str) -> None:
    with pytest.raises(InvalidInput, match="no place for a workspace"):
        folder_of(url)


@settings(max_examples=40)
@given(st.text())
def test_any_text_is_a_folder_or_refused(url: str) -> None:
    try:
        assert isinstance(folder_of(url), Path)
    except InvalidInput as error:
        assert error.options  # noqa: PT017


def test_a_home_that_nobody_has_is_refused() -> None:
    with pytest.raises(InvalidInput, match="no place for a workspace"):
        open_storage("~nobody-of-that-name/shop")


def test_opening_makes_the_folder_for_its_owner_only(tmp_path: Path) -> None:
    open_storage(tmp_path / "a/b").close()
    assert stat.S_IMODE((tmp_path / "a/b").stat().st_mode) == 0o700
    open_storage(str(tmp_path / "a/b"), create=False).close()


def test_without_create_nothing_is_made(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="init"):
        open_storage(tmp_path / "a", create=False)
    assert not (tmp_path / "a").exists()


def test_a_file_where_the_folder_should_be_is_said(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    for place in (tmp_path / "a", tmp_path / "a/b", "/dev/full"):
        with pytest.raises(Unavailable):
            open_storage(place)


def test_a_file_that_is_no_database_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "onward.db").write_bytes(b"no database" * 100)
    with pytest.raises(Damaged):
        open_storage(tmp_path)
    assert (tmp_path / "onward.db").read_bytes() == b"no database" * 100


times = st.datetimes(
    min_value=datetime(2, 1, 1),  # noqa: DTZ001
    max_value=datetime(9998, 1, 1),  # noqa: DTZ001
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=14))]),
)


@settings(max_examples=40)
@given(times, times)
def test_times_sort_as_text_and_come_back(one: datetime, other: datetime) -> None:
    assert (one < other) == (stamp(one) < stamp(other))
    assert datetime.fromisoformat(stamp(one)) == one
