"""Where a workspace lives."""

import stat
import traceback
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onward.core import Damaged, InvalidInput, NotFound, Unavailable
from onward.storage import folder_of, open_storage, place_of, stamp


@pytest.mark.parametrize(
    ("url", "folder"),
    [
        ("shop", "shop"),
        ("/srv/shop", "/srv/shop"),
        ("file:///srv/my%20shop", "/srv/my shop"),
        ("file:/srv/shop", "/srv/shop"),
        ("file:///srv/shop?blobs=s3://bucket/x", "/srv/shop"),
        ("postgresql://me@host/shop?folder=/srv/shop", "/srv/shop"),
        ("postgres://me:pw@host:5433/shop?sslmode=require&folder=/srv/my%20shop", "/srv/my shop"),
        ("postgresql+psycopg:///shop?folder=shop&blobs=s3://bucket/x", "shop"),
        ("//[odd", "//[odd"),
        ("why?", "why?"),
        ("a:b", "a:b"),
        (Path("shop"), "shop"),
    ],
)
def test_urls_that_name_a_folder(url: str | Path, folder: str) -> None:
    assert folder_of(url) == Path(folder)


@pytest.mark.parametrize(
    "url",
    [
        *("", " ", "s3://bucket/shop", "file://shop", "file:", "a\0b", "memory://", "memory://shop", "memory:"),
        *("postgresql://host/db", "postgresql://host/db?folder=", "postgresql://host?folder=/x", "postgresql://"),
        *("postgresql://host:port/db?folder=/x", "mysql://host/db?folder=/x", "postgresql://h/d?folder=/x&folder=/y"),
    ],
)
def test_urls_that_name_none(url: str) -> None:
    with pytest.raises(InvalidInput, match="no place for a workspace"):
        folder_of(url)


@pytest.mark.parametrize("url", ["file:///srv/shop?blob=s3://x", "file:///srv/shop?blobs=", "file:///a?blobs=x&b=1"])
def test_a_part_that_nobody_knows_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput, match=r"wrong part.*Write file:///folder\?blobs="):
        place_of(url)


def test_the_parts_of_a_url() -> None:
    place = place_of("postgresql://me:pw@host:5433/shop?sslmode=require&folder=/srv/shop&blobs=s3://bucket/a?x=1")
    assert place.server is not None
    assert place.server.render_as_string(hide_password=False) == "postgresql://me:pw@host:5433/shop?sslmode=require"
    assert place.bucket == "s3://bucket/a?x=1"
    assert place_of("file:///srv/shop?blobs=gs%3A%2F%2Fb%2Fx").bucket == "gs://b/x"
    assert place_of("/srv/shop").bucket is place_of("file:///srv/shop").bucket is None
    assert (str(place_of("/srv/shop")), str(place_of("memory://"))) == ("/srv/shop", "memory://")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:horse-battery@host/shop",
        "postgresql://me:horse-battery@host:port/shop?folder=/x",
        "postgresql://host?password=horse-battery",
        "postgresql://me:horse@battery@host",
        "mysql://me:horse-battery@host/shop",
        "s3://key:horse-battery@bucket/x",
        "file:///srv/shop?blobs=s3://key:horse-battery@bucket/x&z=1",
        "file:///srv/shop?secret=horse-battery",
    ],
)
def test_no_error_shows_a_secret(url: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        place_of(url)
    said = [*map(str, caught.value.to_dict().values()), *traceback.format_exception(caught.value)]
    assert not [line for line in said if ("horse" in line or "battery" in line) and "place_of(" not in line]


def test_a_bucket_is_handed_to_the_blobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    handed = []
    monkeypatch.setattr("onward.storage._storage.Blobs", lambda *given: handed.append(given))
    open_storage(f"file://{tmp_path}?blobs=s3://bucket/x").close()
    open_storage(f"file://{tmp_path}").close()
    assert handed == [(tmp_path, "s3://bucket/x"), (tmp_path,)]


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
