"""Durable, acknowledged recording through the public door: one call of `ws.record` is one acknowledged record.

- SQLite with synchronous=FULL, and PostgreSQL with fsync on (a server of our own), their data on the same disk:
  one producer, 64 and 256 (threads of one process), two processes of 64, bulk, and the buffered mode;
- the champion's alias moved (`promote`, `rollback`) and read (`champion`);
- MLflow beside it (`--mlflow PYTHON`, of an environment that has mlflow-skinny, SQLAlchemy and Alembic), on SQLite too.

The disk's own fsyncs a second are measured before every round, and rounds are interleaved. CPU is that of the whole
process; "writer" is that of the one thread that commits.

    python benchmarks/recording.py --rounds 3 --mlflow /tmp/mlflow/bin/python
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.postgres import Server, find_binaries

import onward
from benchmarks.machine import write_results
from onward.workspace import Workspace

TEXT = "where is the parcel that I ordered last week, number {} of {}?"
SETTINGS: dict[str, Any] = {
    "training": {"learners": ["linear"]},
    "thresholds": {"accuracy": 0, "intent": 0, "entity": 0},
    "learning": {"min_data_threshold": 1},
}
BULK = 20_000
WANTED: dict[str, dict[str, float]] = {
    "64 producers": {"a second": 1500},
    "256 producers": {"a second": 4000, "p99 ms": -150},
    "bulk": {"a second": 15_000},
    "alias moved": {"p50 ms": -40},
    "alias read": {"p50 ms": -1},
}
MLFLOW = """
import json, logging, sys, time, warnings
warnings.simplefilter("ignore"); logging.disable(logging.CRITICAL)
from mlflow import MlflowClient
from mlflow.entities import Metric
client = MlflowClient(tracking_uri="sqlite:///" + sys.argv[1] + "/mlflow.db")
run = client.create_run("0").info.run_id
client.create_registered_model("shop")
for _ in range(2):
    client.create_model_version("shop", "file:///" + sys.argv[1] + "/none", run)

def each(count, work):
    times = []
    for n in range(count):
        began = time.perf_counter()
        work(n)
        times.append(time.perf_counter() - began)
    return times

each(3, lambda n: client.log_metric(run, "warm", n, step=n))
one = each(40, lambda n: client.log_metric(run, "one", n, step=n))
now = int(time.time() * 1000)
many = each(3, lambda n: client.log_batch(run, [Metric(f"many{n}", i, now, i) for i in range(1000)]))
moved = each(20, lambda n: client.set_registered_model_alias("shop", "champion", n % 2 + 1))
read = each(40, lambda n: client.get_model_version_by_alias("shop", "champion"))
print(json.dumps({"one": one, "batch": [t / 1000 for t in many], "moved": moved, "read": read}))
"""


# What is measured -------------------------------------------------------------------------------------------------


def fsyncs(folder: Path, seconds: float = 1.0) -> float:
    """How many times a second this disk makes 4 KiB durable, one after the other."""
    file = os.open(folder / "fsync", os.O_CREAT | os.O_WRONLY)
    count, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        os.write(file, b"x" * 4096)
        os.fsync(file)
        count += 1
    took = time.perf_counter() - began
    os.close(file)
    return count / took


def producers(ws: Workspace, count: int, each: int, *, durable: bool = True) -> dict[str, float]:
    """Threads that record one after the other, each as fast as it is acknowledged."""
    times: list[list[float]] = [[] for _ in range(count)]
    ready = threading.Barrier(count + 1)

    def produce(number: int) -> None:
        own = times[number]
        ready.wait()
        for n in range(each):
            began = time.perf_counter()
            ws.record(TEXT.format(n, number), user=f"u{number}", durable=durable)
            own.append(time.perf_counter() - began)

    threads = [threading.Thread(target=produce, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    ws.record("the writer is awake")
    writer = _writer_clock()
    ready.wait()
    began, cpu, own = time.perf_counter(), time.process_time(), writer()
    for thread in threads:
        thread.join()
    ws.flush()
    took, cpu, own = time.perf_counter() - began, time.process_time() - cpu, writer() - own
    return _row([t for some in times for t in some], took, cpu, own)


def _writer_clock() -> Callable[[], float]:
    (thread,) = [one for one in threading.enumerate() if one.name == "onward-writer"]
    clock = time.pthread_getcpuclockid(thread.ident or 0)
    return lambda: time.clock_gettime(clock)


def _row(times: Sequence[float], took: float, cpu: float, writer: float) -> dict[str, float]:
    ordered, count = sorted(times), len(times)
    return {
        "a second": count / took,
        "p50 ms": ordered[count // 2] * 1e3,
        "p99 ms": ordered[int(count * 0.99)] * 1e3,
        "CPU us": cpu / count * 1e6,
        "writer us": writer / count * 1e6,
    }


def bulk(ws: Workspace, tag: str, *, file: bool = False) -> dict[str, float]:
    """Many records by one call, all durable when it returns."""
    lines = [{"id": f"{tag}{n}", "text": TEXT.format(n, tag), "user": f"u{n % 100}"} for n in range(BULK)]
    path = ws.folder / "bulk.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf8")
    began, cpu = time.perf_counter(), time.process_time()
    recorded = ws.record_file(path) if file else ws.record_many(lines)
    took, cpu = time.perf_counter() - began, time.process_time() - cpu
    path.unlink()
    if recorded.interactions != BULK:
        raise SystemExit(f"{recorded}")
    return {"a second": BULK / took, "CPU us": cpu / BULK * 1e6}


def two_processes(url: str, each: int) -> dict[str, float]:
    """64 producers in each of two processes, on one workspace."""
    command = [sys.executable, __file__, "--child", url, "--each", str(each)]
    children = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for child in children:
        if child.stdout is not None:
            child.stdout.readline()
    began = time.perf_counter()
    found = [json.loads(child.communicate("go\n")[0]) for child in children]
    took = time.perf_counter() - began
    return {
        "a second": 2 * 64 * each / took,
        "p50 ms": statistics.mean(one["p50 ms"] for one in found),
        "p99 ms": max(one["p99 ms"] for one in found),
        "CPU us": statistics.mean(one["CPU us"] for one in found),
    }


def child(url: str, each: int) -> None:
    with onward.open(url, settings=SETTINGS) as ws:
        ws.record("ready")
        print("ready", flush=True)
        sys.stdin.readline()
        print(json.dumps(producers(ws, 64, each)))


def alias(ws: Workspace) -> dict[str, dict[str, float]]:
    """The champion moved to and fro, and asked for. A version is seen to load before it is moved to."""
    if ws.champion() is None:
        intents = ("refund", "greeting", "order")
        ws.record_many({"text": f"{i} please, number {n}", "intent": i} for n in range(60) for i in intents)
        ws.cycle(force=True)
        ws.record_many({"text": f"{i} again, number {n}", "intent": i} for n in range(60) for i in intents)
        ws.cycle(force=True)
    moved, read = [], []
    for _ in range(20):
        target = 1 if ws.champion() == 2 else 2
        began = time.perf_counter()
        if target == 1:
            ws.rollback(1, reason="measured")
        else:
            ws.promote(2, force=True, reason="measured")
        moved.append(time.perf_counter() - began)
        for _ in range(20):
            began = time.perf_counter()
            ws.champion()
            read.append(time.perf_counter() - began)
    return {name: _spread(times) for name, times in (("alias moved", moved), ("alias read", read))}


def _spread(times: Sequence[float]) -> dict[str, float]:
    ordered = sorted(times)
    return {"p50 ms": ordered[len(ordered) // 2] * 1e3, "p99 ms": ordered[int(len(ordered) * 0.99)] * 1e3}


def mlflow(python: str, folder: Path) -> dict[str, dict[str, float]]:
    """The same of MLflow, in a process of its own, on the same disk."""
    place = Path(tempfile.mkdtemp(dir=folder))
    done = subprocess.run([python, "-c", MLFLOW, str(place)], capture_output=True, text=True, check=False)
    shutil.rmtree(place)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    found = json.loads(done.stdout.splitlines()[-1])
    one, batch = statistics.median(found["one"]), statistics.median(found["batch"])
    return {
        "MLflow: log_metric, one producer": {"a second": 1 / one, **_spread(found["one"])},
        "MLflow: log_batch of 1,000": {"a second": 1 / batch},
        "MLflow: alias moved": _spread(found["moved"]),
        "MLflow: alias read": _spread(found["read"]),
    }


# Rounds -----------------------------------------------------------------------------------------------------------


def rounds_of(url: str, number: int, *, quick: bool) -> Iterator[tuple[str, dict[str, float]]]:
    """One round on one workspace."""
    part = 4 if quick else 1
    with onward.open(url, settings=SETTINGS) as ws:
        yield "1 producer", producers(ws, 1, 200 // part)
        yield "64 producers", producers(ws, 64, 120 // part)
        yield "256 producers", producers(ws, 256, 40 // part)
        yield "bulk", bulk(ws, f"m{number}-")
        yield "bulk from a file", bulk(ws, f"f{number}-", file=True)
        yield "1 producer, buffered", producers(ws, 1, 20_000 // part, durable=False)
        yield "64 producers, buffered", producers(ws, 64, 400 // part, durable=False)
        yield from alias(ws).items()
    yield "2 processes of 64 producers", two_processes(url, 100 // part)


@contextmanager
def server(folder: Path) -> Iterator[Server]:
    """A PostgreSQL server that makes durable what it acknowledges, its data on the measured disk."""
    binaries = find_binaries()
    if binaries is None:
        raise RuntimeError("PostgreSQL is not installed")
    user = "postgres" if os.geteuid() == 0 else None
    home = Path(tempfile.mkdtemp(prefix="postgres-", dir=folder))
    place = home / "server"
    place.mkdir()
    if user:
        for one in (home, place):
            shutil.chown(one, user)
    running = Server(binaries, place, user)
    try:
        for setting in ("fsync", "full_page_writes"):
            running.sql(f"ALTER SYSTEM SET {setting} = on")
        running.restart("fast")
        yield running
    finally:
        running.remove()


def summary(found: dict[str, list[dict[str, float]]]) -> dict[str, dict[str, float]]:
    """The median of every figure, and the lowest rate of all rounds."""
    table = {}
    for name, rows in found.items():
        table[name] = {key: round(statistics.median(row[key] for row in rows), 2) for key in rows[0]}
        if "a second" in rows[0]:
            table[name]["lowest a second"] = round(min(row["a second"] for row in rows), 2)
    return table


def missed(table: dict[str, dict[str, float]]) -> list[str]:
    """What is not as wanted; a negative figure is the most that it may be."""
    return [
        f"{name}: {key} {table[name][key]:,.1f}, wanted {abs(limit):,.0f}"
        for name, wanted in WANTED.items()
        for key, limit in wanted.items()
        if (table[name][key] < limit if limit > 0 else table[name][key] > -limit)
    ]


def measure(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    found: dict[str, dict[str, list[dict[str, float]]]] = {"sqlite": {}, "postgresql": {}, "mlflow": {}}
    disk, load = [], []

    def note(place: str, rows: Iterator[tuple[str, dict[str, float]]]) -> None:
        for name, row in rows:
            found[place].setdefault(name, []).append(row)
            print(place, name, {key: round(value, 1) for key, value in row.items()}, flush=True)

    with server(folder) as postgres:
        postgres_url = postgres.url(folder / "postgres")
        for number in range(arguments.rounds):
            disk.append(round(fsyncs(folder)))
            load.append(round(os.getloadavg()[0], 2))
            print(f"round {number}: {disk[-1]} fsyncs a second, load {load[-1]}", flush=True)
            note("sqlite", rounds_of(str(folder / "sqlite"), number, quick=arguments.quick))
            if arguments.mlflow:
                note("mlflow", iter(mlflow(arguments.mlflow, folder).items()))
            note("postgresql", rounds_of(postgres_url, number, quick=arguments.quick))
    tables = {place: summary(rows) for place, rows in found.items() if rows}
    return {
        "rounds": arguments.rounds,
        "fsyncs a second": disk,
        "load before each round": load,
        **tables,
        "missed on SQLite": missed(tables["sqlite"]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="a quarter of the records; nothing is written")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()), help="on the disk to measure")
    parser.add_argument("--mlflow", help="a Python that has MLflow")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--each", type=int, default=100, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments.child, arguments.each)
        return
    folder = Path(tempfile.mkdtemp(prefix="onward-recording-", dir=arguments.folder))
    folder.chmod(0o755)
    try:
        report = measure(arguments, folder)
    finally:
        shutil.rmtree(folder)
    print(json.dumps(report, indent=1))
    if not arguments.quick:
        print(write_results("recording", report))


if __name__ == "__main__":
    main()
