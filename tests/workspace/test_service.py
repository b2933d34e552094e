from __future__ import annotations

import pytest
from tests.conversations import lines

from onward.core import Busy
from onward.workspace import Workspace
from onward.workspace._service import _move


def test_a_move_decided_on_another_champion_is_not_made(workspace: Workspace) -> None:
    workspace.record_many(lines(300))
    assert workspace.cycle().promoted
    workspace.record_many(lines(100, intents=("order_status", "gift_card"), seed=1))
    candidate = workspace.cycle(force=True).candidate
    assert candidate is not None
    workspace.promote(candidate, force=True, reason="to try it") if workspace.champion() == 1 else None
    before = workspace.history()
    with pytest.raises(Busy, match="moved the champion"):
        _move(workspace.house, workspace.version(1), 1, by="late", cause="rollback", reason="decided while 1 served")
    assert workspace.history() == before
    assert workspace.champion() == candidate
