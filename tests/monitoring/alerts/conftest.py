from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from onward.core import ManualClock
from onward.monitoring.alerts import Alerts
from onward.storage import Database


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with closing(Database(tmp_path / "onward.db")) as opened:
        yield opened


@pytest.fixture
def book(database: Database, clock: ManualClock) -> Alerts:
    """The alerts of a workspace, told to a webhook."""
    return Alerts(database, clock, ["webhook"])
