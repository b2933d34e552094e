"""A disaster, and back: record, cycle, back up, destroy, restore, and the doctor finds nothing.

    python examples/disaster_drill.py

Then the same without a back-up: the database is deleted, and rebuilt from what stands beside it.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import onward

DAY = Path(__file__).parent / "support" / "day1.jsonl"
QUESTION = "where is my parcel"


def main(place: Path) -> None:
    workspace, backups = place / "workspace", place / "backups"
    with onward.open(workspace, settings={"training": {"learners": ["linear"]}}) as ws:
        ws.record_file(DAY)
        print("cycle:", ws.cycle().status)
        print("back-up:", ws.back_up(backups).rows["interactions"], "interactions")
        ws.record("one more, after the back-up")
        print("again:", ws.back_up(backups).written < 100_000 and "only what is new")
        before = ws.predict(QUESTION, record=False)

    shutil.rmtree(workspace)
    with onward.restore(backups, workspace) as ws:
        print("restored:", ws.predict(QUESTION, record=False) == before, [one.what for one in ws.doctor()])

    (workspace / "onward.db").unlink()
    print("lost:", [one.kind for one in onward.doctor(workspace)])
    onward.doctor(workspace, mend=True)
    with onward.open(workspace) as ws:
        print("rebuilt:", ws.predict(QUESTION, record=False) == before, [one.what for one in ws.doctor()])


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        main(Path(folder))
