"""What the fault tests kill: one process that does one thing over and over and tells what was acknowledged.

python -m tests.faults.worker FOLDER record|cycle|promote
"""

from __future__ import annotations

import sys

import onward
from tests.conversations import lines

SETTINGS = {"training": {"learners": ["linear"]}}
FOUR = ("order_status", "refund", "greeting", "gift_card")


def say(*words: object) -> None:
    print(*words, flush=True)


def main(folder: str, what: str) -> None:
    ws = onward.open(folder, settings=SETTINGS)
    say("open")
    if what == "record":
        for number in range(100_000):
            say("recorded", ws.record(f"hello number {number}", user="u"))
    elif what == "cycle":
        for turn in range(100):
            batch = [{**line, "source": f"turn {turn}"} for line in lines(150, intents=FOUR, seed=turn)]
            ws.record_many(batch)
            say("recorded", *(line["id"] for line in batch))
            result = ws.cycle(force=True, progress=lambda stage, *_: say("stage", stage))
            say("cycle", result.status, result.champion)
    else:
        while True:
            say("champion", ws.rollback(to=1).version)
            say("champion", ws.promote(2).version)


if __name__ == "__main__":
    main(*sys.argv[1:])
