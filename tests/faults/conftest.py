"""The nursery, and the workspaces that faults are done to."""

from __future__ import annotations

import random
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import onward
from tests.conversations import lines
from tests.faults.harness import SEED, Ground, Nursery, Tally
from tests.faults.operations import FOUR, SETTINGS
from tests.postgres import Server

FIXTURES = Path(__file__).resolve().parents[1] / "storage" / "fixtures"


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    made = Nursery()
    yield made
    made.close()


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`one`: a champion; `two`: two promoted versions; `schema 1`: a workspace of the first release; `kept`: back-ups."""
    folder = tmp_path_factory.mktemp("prepared")
    with onward.open(folder / "one", settings=SETTINGS) as ws:
        ws.record_many(lines(300))
        assert ws.cycle().status == "promoted"
        ws.write_settings()
    with onward.open(folder / "two", settings=SETTINGS) as ws:
        ws.record_many(lines(300))
        assert ws.cycle().status == "promoted"
        ws.record_many(lines(300, intents=FOUR, seed=1))
        assert ws.cycle().status == "promoted"
        ws.write_settings()
        ws.back_up(folder / "kept")
    with tarfile.open(FIXTURES / "schema_1.tar.gz") as archive:
        archive.extractall(folder / "older", filter="data")
    (folder / "older" / "workspace").rename(folder / "schema 1")
    for path in ((folder / "schema 1"), *(folder / "schema 1").rglob("*")):
        path.chmod(0o700 if path.is_dir() else 0o600)
    return folder


@pytest.fixture(params=["sqlite", "postgresql"])
def ground(request: pytest.FixtureRequest, prepared: Path, tmp_path: Path) -> Ground:
    server: Server | None = request.getfixturevalue("postgresql") if request.param == "postgresql" else None
    return Ground(request.param, tmp_path, prepared, server)


@pytest.fixture
def tally(request: pytest.FixtureRequest) -> Iterator[Tally]:
    made = Tally(request.node.name)
    yield made
    made.save()


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> random.Random:
    return random.Random(f"{SEED} {request.node.name}")
