"""Back-up and restore of a workspace of 100,000 interactions: seconds and bytes, the first time and later.

python benchmarks/backup.py [INTERACTIONS]
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onward
from benchmarks.machine import machine
from onward.core import Interaction, Labels, SystemClock

RESULT = Path(__file__).parent / "results" / "backup.json"
WORDS = ("where", "is", "my", "parcel", "please", "refund", "the", "broken", "lamp", "today", "hello", "order")


def interaction(number: int) -> Interaction:
    text = " ".join(WORDS[(number * step + step) % len(WORDS)] for step in range(3, 13)) + f" ref{number}"
    labels = Labels(intent=("refund", "order_status", "greeting")[number % 3])
    return Interaction(id=f"i-{number}", text=text, at=SystemClock().now(), user=f"u{number % 999}", labels=labels)


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    began = time.perf_counter()
    result = work()
    return round(time.perf_counter() - began, 2), result


def cycle(ws: onward.Workspace, count: int, place: Path, word: str | None) -> list[dict[str, Any]]:
    rows = []

    def run(what: str, work: Callable[[], Any]) -> None:
        seconds, snapshot = timed(work)
        written = getattr(snapshot, "written", None)
        rows.append({"what": what, "kind": place.name, "seconds": seconds, "bytes_written": written})

    run("first back-up", lambda: ws.back_up(place, passphrase=word))
    run("again, nothing new", lambda: ws.back_up(place, passphrase=word))
    ws.house.experience.record([interaction(count + n) for n in range(100)])
    run("again, 100 new", lambda: ws.back_up(place, passphrase=word))
    run("restore", lambda: onward.restore(place, place.with_name(f"back-{place.name}"), passphrase=word).close())
    return rows


def measure(count: int, folder: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    with onward.open(folder / "ws") as ws:
        for start in range(0, count, 10_000):
            ws.house.experience.record([interaction(n) for n in range(start, min(count, start + 10_000))])
        rows += cycle(ws, count, folder / "plain", None)
        rows += cycle(ws, count + 100, folder / "encrypted", "correct horse")
        rows.append({"what": "doctor", "kind": "", "seconds": timed(ws.doctor)[0], "bytes_written": None})
        tracemalloc.start()
        ws.back_up(folder / "traced")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        size = (folder / "ws" / "onward.db").stat().st_size
    rows.append({"what": "most memory of a first back-up (traced)", "kind": "", "seconds": None, "bytes_written": peak})
    rows.append({"what": "onward.db", "kind": "", "seconds": None, "bytes_written": size})
    return rows


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(count, Path(folder))
    for row in rows:
        print(f"{row['what']:42} {row['kind']:10} {row['seconds'] or '':>8} {row['bytes_written'] or '':>12}")
    if count == 100_000:
        RESULT.write_text(json.dumps({"machine": machine(), "interactions": count, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
