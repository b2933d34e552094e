"""Data outlives versions: workspaces of every released schema open, with everything in them, whatever happens meanwhile."""

from __future__ import annotations

import json
import multiprocessing
import random
import shutil
import sqlite3
import tarfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, select
from tests.postgres import Server

import onward
from onward.core import Damaged, ManualClock, plain
from onward.storage import Backend, Database, is_whole, postgresql_backend, schema, sqlite_backend
from onward.storage._migrations import migrate
from onward.storage._migrations._steps import STEPS
from onward.storage._place import place_of

FIXTURES = Path(__file__).parent / "fixtures"
SETTINGS = {"training": {"learners": ["linear"]}, "learning": {"min_data_threshold": 20}}
RELEASED = [1]


@pytest.fixture(params=RELEASED)
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of a workspace of a released schema, and what is expected of it."""
    with tarfile.open(FIXTURES / f"schema_{request.param}.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path


@pytest.fixture(params=["sqlite", "postgresql"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    """An empty database."""
    if request.param == "sqlite":
        made = sqlite_backend(tmp_path / "onward.db")
    else:
        server: Server = request.getfixturevalue("postgresql")
        url = place_of(server.url(tmp_path)).server
        assert url is not None
        made = postgresql_backend(url)
    yield made
    made.writing.dispose()
    made.reading.dispose()


def as_json(value: Any) -> Any:
    return json.loads(json.dumps(plain(value), sort_keys=True, default=str))


def as_kept(interactions: Any) -> Any:
    """Without the fields that have come since: they say nothing."""
    found = as_json(interactions)
    assert all(one.pop(name) is None for one in found for name in ("task", "part"))
    return found


def versions_as_kept(versions: Any) -> Any:
    """The same of versions: their scorecards say nothing of labels."""
    found = as_json(versions)
    cards = [card for one in found if (card := one["scorecard"])]
    heads = [head for card in cards for part in (card["overall"], *card["sets"]) for head in part["heads"].values()]
    assert all(head.pop("labels") == {} for head in heads)
    return found


def read_all(database: Database, query: Any) -> list[Any]:
    with database.read() as connection:
        return list(connection.execute(query))


def differences(connection: Connection) -> list[Any]:
    strict = connection.dialect.name == "postgresql"  # Alembic misreads SQLite's own way of telling defaults
    options = {"compare_server_default": strict, "compare_type": True}
    return compare_metadata(MigrationContext.configure(connection, opts=options), schema.metadata)


def fill_schema_1(connection: Connection) -> None:
    migrate(connection, 0, 1)
    for statement in (
        "INSERT INTO meta VALUES ('schema', '1')",
        "INSERT INTO interactions (tenant, id, \"user\", body) VALUES ('t', 'a', 'ann', '{}'), ('u', 'a', NULL, '{}')",
        """INSERT INTO feedback (tenant, id, interaction, body)
           VALUES ('t', 'f', 'a', '{"remark":{"why":"\\u0000"},"user":"b\\u00f6b"}'), ('t', 'g', 'a', '{"user":null}')""",
    ):
        connection.exec_driver_sql(statement)


def test_there_is_a_step_and_a_fixture_for_every_schema() -> None:
    assert sorted(STEPS) == list(range(1, schema.SCHEMA_VERSION + 1))
    assert list(range(1, schema.SCHEMA_VERSION)) == RELEASED
    for number in RELEASED:
        assert (FIXTURES / f"schema_{number}.tar.gz").stat().st_size < 300_000


def test_a_kept_workspace_holds_and_does_what_it_did(kept: Path) -> None:
    expected = json.loads((kept / "expected.json").read_text(encoding="utf8"))
    clock = ManualClock(datetime(2026, 1, 5, tzinfo=UTC))
    for _ in range(2):
        with onward.open(kept / "workspace", settings=SETTINGS, clock=clock, create=False) as ws:
            experience = ws.house.experience
            assert as_kept(experience.interactions("default")) == expected["interactions"]
            assert as_json(experience.feedback("default")) == expected["feedback"]
            assert as_kept(experience.interactions("other")) == expected["other tenant"]
            assert as_json(ws.history()) == expected["history"]
            assert versions_as_kept(ws.versions()) == expected["versions"]
            assert as_json(ws.quarantined()) == expected["quarantined"]
            assert sorted(experience.withdrawn_interactions("default")) == expected["withdrawn"]
            status = as_json(ws.status())
            assert status["last_cycle"].pop("set_aside") == {}  # which has come since
            assert {key: status[key] for key in expected["status"]} == expected["status"]
            for text, answer in expected["answers"].items():
                assert as_json(ws.predict(text, record=False)) == answer


def test_a_kept_workspace_goes_on(kept: Path) -> None:
    with onward.open(kept / "workspace", settings=SETTINGS, create=False) as ws:
        before = ws.status()
        ws.record("a new one", user="u3", id="new")
        said = ws.feedback("new", score=1.0, user="carol")
        after = ws.status()
        assert (after.interactions, after.feedback) == (before.interactions + 1, before.feedback + 1)
        assert "new" in ws.house.experience.withdrawn_interactions("default")
        assert ws.house.experience.feedback("default", "new")[0].id == said
        assert ws.promote(2, force=True, reason="again").version == 2
        assert ws.cycle(force=True).status in {"promoted", "kept", "refused"}


def test_all_steps_lead_to_the_tables_that_are_made_today(backend: Backend) -> None:
    with backend.writing.begin() as connection:
        migrate(connection, 0, schema.SCHEMA_VERSION)
        assert differences(connection) == []
        schema.metadata.drop_all(connection)
        schema.metadata.create_all(connection)
        assert differences(connection) == []


def test_a_column_too_few_would_be_seen(backend: Backend) -> None:
    with backend.writing.begin() as connection:
        migrate(connection, 0, 1)
        assert differences(connection) != []


def test_what_older_rows_say_is_filled_in(backend: Backend) -> None:
    with backend.writing.begin() as connection:
        fill_schema_1(connection)
    with closing(Database(backend)) as database:
        assert [row.user for row in read_all(database, select(schema.feedback).order_by("sequence"))] == ["böb", None]
        counted = select(schema.tallies).order_by("name", "tenant")
        assert [tuple(row) for row in read_all(database, counted)] == [
            ("t", "feedback", 2),
            ("t", "interactions", 1),
            ("u", "interactions", 1),
        ]
        assert [row.recorded for row in read_all(database, select(schema.interactions))] == [None, None]


def test_many_who_open_it_at_once_lead_it_on_once(backend: Backend) -> None:
    with backend.writing.begin() as connection:
        fill_schema_1(connection)
    with ThreadPoolExecutor(6) as pool:
        opened = list(pool.map(lambda _: Database(backend), range(6)))
    with opened[0].read() as connection:
        assert connection.scalar(select(schema.meta.c.value)) == str(schema.SCHEMA_VERSION)
        assert differences(connection) == []


@pytest.mark.parametrize("found", ["0", "-1", "999", "x", "1.0", ""])
def test_another_schema_is_refused_and_left_alone(backend: Backend, found: str) -> None:
    with backend.writing.begin() as connection:
        fill_schema_1(connection)
        connection.execute(schema.meta.update().values(value=found))
    with pytest.raises(Damaged, match=f"has schema {found}; this Onward knows"):
        Database(backend)
    with backend.reading.connect() as connection:
        assert connection.scalar(select(schema.meta.c.value)) == found
        assert differences(connection) != []


def open_it(file: str) -> None:
    Database(Path(file)).close()


def test_killed_at_any_instant_it_is_the_old_one_or_the_new_one(kept: Path) -> None:
    chance, context = random.Random(0), multiprocessing.get_context("fork")
    original, old, new = kept / "workspace" / "onward.db", 0, 0
    tables = tables_of(original)
    rows = count_rows(original, tables)
    for turn in range(12):
        file = kept / f"{turn}.db"
        shutil.copy(original, file)
        migrating = context.Process(target=open_it, args=(str(file),))
        migrating.start()
        time.sleep(chance.random() * 0.3)
        migrating.kill()
        migrating.join(30)
        with closing(sqlite3.connect(file)) as raw:
            assert raw.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            (found,) = raw.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone()
            columns = [row[1] for row in raw.execute("PRAGMA table_info(feedback)")]
            assert ("user" in columns) == (found == str(schema.SCHEMA_VERSION))
        old, new = old + (found == "1"), new + (found != "1")
        Database(file, create=False).close()
        assert count_rows(file, tables) == rows
    assert old + new == 12


def count_rows(file: Path, tables: list[str]) -> list[int]:
    with closing(sqlite3.connect(file)) as raw:
        return [raw.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables]


def tables_of(file: Path) -> list[str]:
    with closing(sqlite3.connect(file)) as raw:
        return [name for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]


def test_every_older_row_gets_its_checksum(kept: Path) -> None:
    with closing(Database(kept / "workspace" / "onward.db")) as database, database.read() as connection:
        for table in (schema.interactions, schema.feedback):
            rows = connection.execute(select(table)).mappings().all()
            assert len(rows) >= 3
            assert all(is_whole(table, row) for row in rows)


def test_who_taught_whom_is_read_from_what_an_older_onward_stored(kept: Path) -> None:
    with onward.open(kept / "workspace", settings=SETTINGS, create=False) as ws:
        house, wanted = ws.house, {}
        for version in ws.versions():
            dataset = house.datasets.get("default", version.dataset)
            wanted[version.number] = {i for e in dataset.examples if e.split != "evaluation" for i in e.interactions}
        asked = [one.id for one in house.experience.interactions("default")][::7]
        with house.storage.database.read() as connection:
            assert connection.execute(select(schema.lessons)).first() is None
            places = connection.scalars(select(schema.datasets.c.place).order_by("created")).all()
        assert places == list(range(1, len(places) + 1))
        for name in asked:
            assert set(ws.trace(name).taught) == {number for number, taught in wanted.items() if name in taught}
        assert any(wanted.values())
        ws.doctor(mend=True)
        assert {one.kind for one in ws.doctor()} <= {"orphan"}  # schema 1 left what skipped cycles had curated


def test_cycles_keep_the_order_in_which_they_began(kept: Path) -> None:
    with onward.open(kept / "workspace", settings=SETTINGS, create=False) as ws:
        before = [one.id for one in sorted(ws.cycles(), key=lambda one: (one.started, one.id))]
        assert [one.id for one in ws.cycles()] == before
        assert ws.cycle(force=True).id == ws.cycles()[-1].id


def test_who_withdrew_before_names_were_hashed_is_erased_when_mended(kept: Path) -> None:
    with onward.open(kept / "workspace", settings=SETTINGS, create=False) as ws:
        gone = sorted(ws.house.experience.withdrawn_interactions("default"))
        assert [one.where for one in ws.doctor() if one.kind == "unfinished"] == [
            "consent withdrawn by 2 users of default"
        ]
        ws.doctor(mend=True)
        assert [one for one in ws.doctor() if one.grave or one.kind == "unfinished"] == []
        experience = ws.house.experience
        assert sorted(experience.withdrawn_interactions("default")) == gone
        own = [one for one in experience.interactions("default") if one.id in gone and one.text]
        assert {one.user for one in own}.isdisjoint({"u3", "carol"})
        assert all(name in experience.withdrawn("default") for name in ("u3", "carol"))
        assert "carol" not in str(
            [tuple(row) for row in read_all(ws.house.storage.database, select(schema.withdrawals))]
        )
