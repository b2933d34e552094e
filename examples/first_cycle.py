"""Two days at a support desk: learn, learn more, answer, trace the answer, roll back.

Run: python examples/first_cycle.py
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import onward

DAYS = Path(__file__).parent / "support"


def lines(day: str) -> Iterator[dict[str, Any]]:
    """A day's records without entities, which the linear learner does not learn; a line that is cut is left out."""
    for line in (DAYS / f"{day}.jsonl").read_text(encoding="utf8").splitlines():
        with suppress(ValueError):
            record = json.loads(line)
            for labels in (record.get("labels"), record.get("correction")):
                if labels:
                    labels.pop("entities", None)
            yield record


def main() -> None:
    settings = {"training": {"learners": ["linear"]}}
    with tempfile.TemporaryDirectory() as folder, onward.open(folder, settings=settings) as ws:
        for day in ("day1", "day2"):
            recorded = ws.record_many(lines(day))
            result = ws.cycle(reason=day)
            print(f"{day}: {recorded.interactions} interactions, {len(recorded.bad)} bad lines; {result.status}")
            print(f"  {result.reason}")

        answer = ws.predict("can I pay with a gift card?")
        print(f"version {answer.version} says {answer.labels.intent}")
        trace = ws.trace(str(answer.interaction))
        for teacher in trace.teachers:
            print(f"  taught by {teacher.interaction}: {teacher.text}")

        ws.rollback(reason="the support desk asked for it", by="example")
        for move in ws.history():
            print(f"{move.cause} {move.previous} -> {move.version} by {move.by}")


if __name__ == "__main__":
    main()
