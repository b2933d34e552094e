"""What it takes as a workspace grows: 10 thousand to 10 million interactions in one SQLite workspace.

One workspace is filled to each size in turn. The first 10 thousand are what a young service records: 2 % labelled by
people, 5 % with feedback that teaches. What comes later is what an old one records: most is predicted and never spoken
of, 5 % is given a low score, which says that something is wrong but not what is right, and 1 in 10,000 is labelled, so
that one cycle can take all that is labelled. At each size, each in a process of its own:

- a cycle over everything recorded since the last one (at the last size: nine tenths of all), and one over 1,000 new
  ones: seconds and peak memory (resident set) of the process;
- open, record (durable, one by one), predict (the first one, and later ones), status, history, trace, champion:
  median milliseconds.

    python benchmarks/scale.py --sizes 10000 100000 1000000 10000000 --folder /tmp
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import onward
from benchmarks.machine import write_results
from onward.core import Feedback, Interaction, Labels, Prediction, encode
from onward.storage import Journal, schema

SETTINGS: dict[str, Any] = {
    "training": {"learners": ["linear"]},
    "thresholds": {"accuracy": 0, "intent": 0, "entity": 0},
}
SIZES = (10_000, 100_000, 1_000_000, 10_000_000)
YOUNG = 10_000
AT_ONCE = 5_000
NEW = 1_000
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
INTENTS = ("refund", "order_status", "greeting", "complaint", "opening_hours", "address", "payment", "cancel")
ASK = (
    "please tell me about",
    "i need help with",
    "what is the state of",
    "who knows about",
    "can you look at",
    "hello,",
)
THINGS = ("the blue lamp", "my last parcel", "an old invoice", "the garden chair", "this voucher", "a broken screen")
WANTED_MEMORY_MIB = 1024
WANTED_RATIO = 2.0


# Filling ----------------------------------------------------------------------------------------------------------


def text_of(number: int) -> str:
    intent = INTENTS[number % 8]
    return f"{ASK[number // 8 % 6]} {intent.replace('_', ' ')} of {THINGS[number // 48 % 6]}, case {number:x}"


def row_of(number: int) -> tuple[str, ...]:
    """An interaction as the store writes it; the time is the number's."""
    at = BEGIN + timedelta(seconds=number)
    labels = Labels(intent=INTENTS[number % 8])
    given = number % 100 < 2 if number < YOUNG else number % 10_000 == 0
    said = {"labels": labels} if given else {"prediction": Prediction(labels, {"intent": 0.9}, 1)}
    one = Interaction(id=f"i{number:09d}", text=text_of(number), at=at, user=f"u{number % 100_000}", **said)
    return one.tenant, one.id, one.user or "", encode(one).decode()


def feedback_of(number: int) -> tuple[str, ...]:
    """What was said of an interaction: a score, or a correction."""
    correction = Labels(intent=INTENTS[number % 8]) if number % 2 and number < YOUNG else None
    about, user, at = f"i{number:09d}", f"u{number % 100_000}", BEGIN + timedelta(seconds=number + 60)
    score = None if correction else 0.95 if number < YOUNG else 0.2
    one = Feedback(id=f"f{number:09d}", interaction=about, at=at, user=user, score=score, correction=correction)
    return one.tenant, one.id, about, user, encode(one).decode()


def fill(folder: Path, begin: int, end: int) -> float:
    """Record the interactions of these numbers through the store's own door, in big batches; return the seconds."""
    began = time.perf_counter()
    with onward.open(folder, settings=SETTINGS) as ws:
        database, clock = ws.house.storage.database, ws.house.clock
        interactions = Journal(schema.interactions, ("tenant", "id", "user", "body"), clock)
        feedback = Journal(schema.feedback, ("tenant", "id", "interaction", "user", "body"), clock)
        for start in range(begin, end, AT_ONCE):
            numbers = range(start, min(end, start + AT_ONCE))
            database.buffer(interactions, [row_of(n) for n in numbers])
            database.buffer(feedback, [feedback_of(n) for n in numbers if 2 <= n % 100 < 7])
    return time.perf_counter() - began


# Measured in a process of its own -------------------------------------------------------------------------------------


def cycle(folder: Path) -> dict[str, Any]:
    """One cycle, however little there is to learn, and the most memory that this process ever had."""
    with onward.open(folder, settings=SETTINGS) as ws:
        idle = _peak()
        began, cpu = time.perf_counter(), time.process_time()
        result = ws.cycle(force=True)
        return {
            "seconds": round(time.perf_counter() - began, 2),
            "CPU seconds": round(time.process_time() - cpu, 2),
            "peak MiB": round(_peak()),
            "before MiB": round(idle),
            "status": result.status,
            "counts": dict(result.counts),
        }


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def calls(folder: Path) -> dict[str, float]:
    """Milliseconds of every call."""
    found = {"open": _median(lambda _: onward.open(folder, settings=SETTINGS).close(), 5)}
    with onward.open(folder, settings=SETTINGS) as ws:
        found["predict, first"] = _median(lambda _: ws.predict("where is my parcel", record=False), 1)
        made = [ws.predict(text_of(n)).interaction or "" for n in range(10)]
        work: dict[str, tuple[Callable[[int], Any], int]] = {
            "record": (lambda n: ws.record(text_of(n)), 40),
            "predict": (lambda n: ws.predict(text_of(n), record=False), 100),
            "predict and record": (lambda n: ws.predict(text_of(n)), 40),
            "status": (lambda _: ws.status(), 20),
            "history": (lambda _: ws.history(), 20),
            "trace": (lambda n: ws.trace(made[n % 10]), 10),
            "champion": (lambda _: ws.champion(), 100),
        }
        for name, (one, times) in work.items():
            found[name] = _median(one, times)
    return {name: round(value, 3) for name, value in found.items()}


def _median(work: Callable[[int], Any], times: int) -> float:
    took = []
    for n in range(times):
        began = time.perf_counter()
        work(n)
        took.append(time.perf_counter() - began)
    return statistics.median(took) * 1e3


def new_ones(folder: Path, size: int) -> None:
    """1,000 new interactions, a fifth of them labelled."""
    with onward.open(folder, settings=SETTINGS) as ws:
        lines: list[dict[str, Any]] = []
        for n in range(NEW):
            line = {"id": f"new{size}-{n}", "text": f"{text_of(n)} at {size}"}
            lines.append({**line, "intent": INTENTS[n % 8]} if n % 5 == 0 else line)
        ws.record_many(lines)


PARTS: dict[str, Callable[[Path], dict[str, Any]]] = {"cycle": cycle, "calls": calls}


def apart(part: str, folder: Path) -> dict[str, Any]:
    """A part, measured in a process of its own."""
    command = [sys.executable, __file__, "--part", part, "--folder", str(folder)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return dict(json.loads(said.splitlines()[-1]))


# The curve --------------------------------------------------------------------------------------------------------


def curve(folder: Path, sizes: list[int], rounds: int) -> Iterator[dict[str, Any]]:
    before = 0
    for size in sizes:
        row: dict[str, Any] = {"interactions": size, "fill seconds": round(fill(folder, before, size), 1)}
        row["cycle over the rest"] = apart("cycle", folder)
        new_ones(folder, size)
        row["cycle over 1,000 new"] = apart("cycle", folder)
        found = [apart("calls", folder) for _ in range(rounds)]
        row["ms"] = {name: round(statistics.median(one[name] for one in found), 3) for name in found[0]}
        row["database MiB"] = round(sum(f.stat().st_size for f in folder.glob("onward.db*")) / 2**20)
        row["load"] = round(os.getloadavg()[0], 2)
        before = size
        print(json.dumps(row), flush=True)
        yield row


def missed(rows: list[dict[str, Any]]) -> list[str]:
    """What is not as wanted: more than twice its time at the first size, or a gibibyte of memory."""
    said = []
    for row in rows:
        name = f"{row['interactions']:,}"
        for call, took in row["ms"].items():
            ratio = took / rows[0]["ms"][call]
            if ratio > WANTED_RATIO:
                said.append(f"{name}: {call} takes {ratio:.1f} times as long as at {rows[0]['interactions']:,}")
        said += [
            f"{name}: {one} needs {row[one]['peak MiB']} MiB"
            for one in ("cycle over the rest", "cycle over 1,000 new")
            if row[one]["peak MiB"] > WANTED_MEMORY_MIB
        ]
        ratio = row["cycle over 1,000 new"]["seconds"] / rows[0]["cycle over 1,000 new"]["seconds"]
        if ratio > WANTED_RATIO:
            said.append(f"{name}: a cycle over 1,000 new takes {ratio:.1f} times as long")
    return said


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()), help="with room for 8 GB")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/scale.json")
    arguments = parser.parse_args()
    if arguments.part:
        print(json.dumps(PARTS[arguments.part](arguments.folder)))
        return
    folder = Path(tempfile.mkdtemp(prefix="onward-scale-", dir=arguments.folder))
    try:
        rows = list(curve(folder, arguments.sizes, arguments.rounds))
    finally:
        shutil.rmtree(folder)
    report = {"sizes": rows, "missed": missed(rows)}
    print(json.dumps(report["missed"], indent=1))
    if arguments.write:
        print(write_results("scale", report))


if __name__ == "__main__":
    main()
