"""What must stay is found without reading every cycle that ever was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

import onward
from onward.core import Damaged, Mark
from onward.release._books import read_books
from onward.storage import Database, schema


@contextmanager
def asked(database: Database) -> Iterator[list[tuple[str, Any]]]:
    """The statements that are read with, and their parameters."""
    said: list[tuple[str, Any]] = []

    def note(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        said.append((statement, parameters))

    event.listen(database.backend.reading, "before_cursor_execute", note)
    yield said
    event.remove(database.backend.reading, "before_cursor_execute", note)


def plan(database: Database, statement: str, parameters: Any) -> str:
    with database.read() as connection:
        return "\n".join(str(row) for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters))


def cycle(tenant: str, place: int, status: str, body: str = "torn") -> dict[str, Any]:
    return {"id": f"{tenant}{place}", "tenant": tenant, "started": "", "status": status, "place": place, "body": body}


def test_old_cycles_and_those_of_other_tenants_are_not_read(tmp_path: Path) -> None:
    with onward.open(tmp_path / "shop", settings={"training": {"learners": ["linear"]}}) as ws:
        ws.record_many({"text": f"{i} please, number {n}", "intent": i} for n in range(60) for i in ("refund", "hello"))
        assert ws.cycle(force=True).status == "promoted"
        database = ws.house.storage.database
        with database.read() as connection:
            (wanted,) = read_books(connection).judged
        torn = [cycle("other", 50, "kept"), cycle("default", 0, "promoted"), cycle("other", 51, "failed")]
        database.write(lambda c: c.execute(schema.cycles.insert(), torn))
        with database.read() as connection, asked(database) as said:
            assert read_books(connection, tenant="default").judged == {wanted}
        reading = [one for one in said if "FROM cycles" in one[0]]
        assert len(reading) == 2
        assert "cycle_running" in plan(database, *reading[0])
        assert "cycle_order (tenant=?)" in plan(database, *reading[1])
        with database.read() as connection, pytest.raises(Damaged):
            read_books(connection)
        database.write(lambda c: c.execute(schema.cycles.insert(), [cycle("other", 52, "running")]))
        with database.read() as connection, pytest.raises(Damaged):
            read_books(connection, tenant="default")  # who knows what it has stored


def test_what_was_erased_is_found_by_its_index_alone(tmp_path: Path) -> None:
    with onward.open(tmp_path / "shop") as ws:
        database = ws.house.storage.database
        for n in range(4):
            ws.record(f"hello {n}", id=f"in-{n}", user=f"u{n}")
            ws.feedback(f"in-{n}", score=0.5, user="ann")
        mark = ws.house.experience.newest("default")
        assert ws.house.experience.spoken_of("default", mark) == frozenset()
        ws.forget("ann")
        with asked(database) as said:
            assert ws.house.experience.spoken_of("default", mark) == {f"in-{n}" for n in range(4)}
        assert "COVERING INDEX feedback_erased" in plan(database, *said[-1])
        assert ws.house.experience.spoken_of("default", Mark(0, 0)) == frozenset()
