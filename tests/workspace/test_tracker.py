"""`ws.tracker()`: one store for all who open the workspace, apart by tenant."""

from __future__ import annotations

from pathlib import Path

import onward


def test_trackers_of_a_tenant_share_what_they_record(tmp_path: Path) -> None:
    with onward.open(tmp_path / "ws") as workspace:
        workspace.tracker().record_learning_event("greetings", 0.8, 0.1)
        workspace.tracker(durable=False).record_learning_event("greetings", 0.9, 0.1)
        workspace.tracker(tenant="acme").record_learning_event("refunds", 0.1, 0.1)
    with onward.open(tmp_path / "ws") as again:
        seen = {event.performance_score for event in again.tracker().learning_events}
        assert seen == {0.8, 0.9}
        assert [event.task_type for event in again.tracker(tenant="acme").learning_events] == ["refunds"]
