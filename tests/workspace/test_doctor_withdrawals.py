"""A database that is rebuilt from the books knows which withdrawals were finished, and which were not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select

import onward
from onward.core import ManualClock
from onward.experience import Erasure
from onward.storage import hold, schema
from onward.workspace import Workspace

LINEAR = {"training": {"learners": ["linear"]}}


def erased(ws: Workspace) -> list[str | None]:
    """When nothing was left, of each who withdrew."""
    with ws.house.storage.database.read() as connection:
        return list(connection.scalars(select(schema.withdrawals.c.erased).order_by(schema.withdrawals.c.at)))


def rebuilt(ws: Workspace) -> None:
    """Lose the database; put it together from what stands beside it."""
    ws.close()
    for file in ws.folder.glob("onward.db*"):
        file.unlink()
    assert onward.doctor(ws.folder, mend=True)[0].kind == "lost"


def test_what_was_finished_stays_finished(ws: Workspace, folder: Path) -> None:
    before = erased(ws)
    assert before[0] is not None
    rebuilt(ws)
    with onward.open(folder, settings=LINEAR) as back:
        assert erased(back) == before
        assert back.doctor() == ()


def forget_in_a_cycle(ws: Workspace, clock: ManualClock) -> None:
    with hold(ws.house.storage.database, "cycle:default", clock):
        assert ws.forget("u3").unfinished


def forget_again(ws: Workspace, clock: ManualClock) -> None:
    ws.record("one more", user="u16")
    with hold(ws.house.storage.database, "cycle:default", clock):
        assert ws.forget("u16").unfinished


def reopen_all(ws: Workspace, clock: ManualClock) -> None:
    """As the doctor does after it brought content back, when a cycle runs."""
    ws.back_up(ws.folder.parent / "kept")
    blob = next((ws.folder / "blobs").rglob("*.gz"), None) or next(
        f for f in (ws.folder / "blobs").rglob("*") if f.is_file()
    )
    blob.unlink()
    with hold(ws.house.storage.database, "cycle:default", clock):
        ws.doctor(mend=True, source=ws.folder.parent / "kept")


@pytest.mark.parametrize("leave", [forget_in_a_cycle, forget_again, reopen_all])
def test_what_was_unfinished_stays_unfinished(
    ws: Workspace, folder: Path, clock: ManualClock, leave: Callable[[Workspace, ManualClock], None]
) -> None:
    leave(ws, clock)
    before = erased(ws)
    assert None in before
    assert Erasure(ws.house.storage.database).tenants() == ["default"]
    ws.close()
    for file in folder.glob("onward.db*"):
        file.unlink()
    found = onward.doctor(folder, mend=True)
    assert any(one.kind == "unfinished" and one.mended for one in found)
    with onward.open(folder, settings=LINEAR) as back:
        assert None not in erased(back)
        assert back.doctor() == ()


def test_a_folder_that_cannot_be_written_does_not_hold_up_who_withdraws(ws: Workspace) -> None:
    place = ws.folder / "records" / "withdrawals"
    place.rename(place.with_name("aside"))
    place.touch()
    with pytest.raises(onward.core.Unavailable):
        ws.forget("u3")
    assert "u3" in ws.house.experience.withdrawn("default")
    place.unlink()
    ws.doctor(mend=True)
    assert None not in erased(ws)
