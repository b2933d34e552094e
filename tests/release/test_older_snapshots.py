"""A snapshot made under an older schema comes back as today's workspace, or says what to do."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Connection, MetaData, select, text

import onward
from onward.core import Damaged, ManualClock, plain
from onward.release import Snapshot, open_repository
from onward.release._snapshots._records import Contents
from onward.release._snapshots._rows import groups, store_table
from onward.storage import is_whole, schema, sqlite_backend

FIXTURES = Path(__file__).parents[1] / "storage" / "fixtures"
SETTINGS = {"training": {"learners": ["linear"]}, "learning": {"min_data_threshold": 20}}


@pytest.fixture(params=range(1, schema.SCHEMA_VERSION))
def older(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Back-ups whose newest snapshot is as an Onward of an older schema would have made it, and what it must hold."""
    number = request.param
    for name in ("before", "after"):
        with tarfile.open(FIXTURES / f"schema_{number}.tar.gz") as archive:
            archive.extractall(tmp_path / name, filter="data")
    with onward.open(tmp_path / "after" / "workspace", settings=SETTINGS, create=False) as ws:
        ws.back_up(tmp_path / "kept")
    with opened(tmp_path / "before" / "workspace" / "onward.db") as connection:
        tables = MetaData()
        tables.reflect(connection)
        rewrite(tmp_path / "kept", str(number), lambda contents: replace_tables(contents, tables, connection, tmp_path))
    return tmp_path


@contextmanager
def opened(file: Path) -> Iterator[Connection]:
    """Reads a database as it is, whatever its schema."""
    backend = sqlite_backend(file)
    try:
        with backend.reading.connect() as connection:
            yield connection
    finally:
        backend.writing.dispose()
        backend.reading.dispose()


def replace_tables(contents: Contents, tables: MetaData, connection: Connection, place: Path) -> Contents:
    """The same content, with the rows of a database as it is."""
    repository = open_repository(place / "kept")
    kept = [table for table in tables.sorted_tables if table.name not in {"leases", "sqlite_sequence"}]
    parts = {str(table.name): store_table(repository, groups(connection, table), table) for table in kept}
    return replace(contents, tables=parts)


def rewrite(kept: Path, number: str, change: Callable[[Contents], Contents]) -> Snapshot:
    """Another snapshot, after the newest."""
    repository = open_repository(kept)
    newest = next(repository.readable(newest_first=True))
    snapshot = replace(newest.snapshot, id=f"sn_{int(newest.snapshot.id.split('_')[1]) + 1:08d}_older", schema=number)
    changed = change(newest.contents)
    open_repository(kept).add(snapshot, changed)
    repository.place.drop(f"snapshots/{newest.snapshot.id}.snapshot")
    return snapshot


def test_it_comes_back_as_of_today(older: Path) -> None:
    expected = json.loads((older / "before" / "expected.json").read_text(encoding="utf8"))
    with onward.restore(older / "kept", older / "back") as ws:
        ids = [one.id for one in ws.house.experience.interactions("default")]
        assert ids == [one["id"] for one in expected["interactions"]]
        assert ws.status().interactions == len(ids)
        expected["feedback"] = [
            one for one in json.loads(json.dumps(expected["feedback"])) if one["user"] != "carol"
        ] or []
        assert [one for one in ws.doctor() if one.grave] == []
        assert json.loads(json.dumps(plain(ws.history()), default=str)) == expected["history"]
        with ws.house.storage.database.read() as connection:
            for table in (schema.interactions, schema.feedback):
                assert all(is_whole(table, row) for row in connection.execute(select(table)).mappings())
            stamped = connection.scalar(select(schema.meta.c.value).where(schema.meta.c.key == "schema"))
            assert stamped == str(schema.SCHEMA_VERSION)
        assert ws.cycle(force=True).status in {"promoted", "kept", "refused"}
    assert not list((older / "back" / "scratch").iterdir())


def test_a_moment_before_it_comes_back_too(older: Path) -> None:
    with onward.restore(older / "kept", older / "back", at=datetime(2026, 1, 1, tzinfo=UTC)) as ws:
        assert len(ws.versions()) <= 1
        assert [one for one in ws.doctor() if one.grave] == []


def test_a_row_of_today_comes_back_from_it(older: Path) -> None:
    folder = older / "after" / "workspace"
    with onward.open(folder, settings=SETTINGS, create=False) as ws:
        before = ws.house.experience.interactions("default")[0]
        change = text("UPDATE interactions SET body = replace(body, :said, 'something else') WHERE sequence = 1")
        ws.house.storage.database.write(lambda c: c.execute(change, {"said": before.text}))
        assert ws.house.experience.interactions("default")[0].text == "something else"
    found = onward.doctor(folder, mend=True, source=older / "kept")
    assert any(one.where.startswith("interactions 1 ") and one.mended for one in found)
    with onward.open(folder, settings=SETTINGS, create=False) as ws:
        assert ws.house.experience.interactions("default")[0] == before


@pytest.mark.parametrize("number", ["0", str(schema.SCHEMA_VERSION + 1), "x"])
def test_one_of_no_known_schema_is_refused(tmp_path: Path, number: str) -> None:
    with onward.open(tmp_path / "shop", clock=ManualClock()) as ws:
        ws.record("hello")
        ws.back_up(tmp_path / "kept")
    rewrite(tmp_path / "kept", number, lambda contents: contents)
    with pytest.raises(Damaged, match=f"schema {number}; this Onward knows"):
        onward.restore(tmp_path / "kept", tmp_path / "back")
    assert not (tmp_path / "back").exists()


def test_what_is_no_row_of_the_older_schema_is_damage(older: Path) -> None:
    def of_today(contents: Contents) -> Contents:
        with onward.open(older / "after" / "workspace", create=False) as ws, ws.house.storage.database.read() as rows:
            repository = open_repository(older / "kept")
            part = store_table(repository, groups(rows, schema.feedback), schema.feedback)
        return replace(contents, tables={**contents.tables, "feedback": part})

    rewrite(older / "kept", "1", of_today)
    with pytest.raises(Damaged, match="does not know"):
        onward.restore(older / "kept", older / "back")
    assert not (older / "back").exists()
