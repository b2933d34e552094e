"""What the fault tests kill: one process that does one thing over and over and tells what was acknowledged."""

from __future__ import annotations

import inspect
import os
import signal
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import onward
from onward.core import Busy, OnwardError
from onward.storage import hold
from onward.workspace import Workspace
from tests.conversations import lines

SETTINGS: dict[str, Any] = {"training": {"learners": ["linear"]}}
FOUR = ("order_status", "refund", "greeting", "gift_card")
THREADS = 4
BATCH = 5
FOREVER = 1_000_000

Say = Callable[..., None]
Turn = Callable[[int], object]


def run(operation: str, url: str, said: Path, turns: int = FOREVER, **options: Any) -> None:
    """Do an operation so many times, then wait for the end."""
    with said.open("ab", buffering=0) as file:

        def say(*words: object) -> None:
            file.write(" ".join(map(str, words)).encode() + b"\n")  # one write: a kill leaves the line, or none

        turn = OPERATIONS[operation](url, say, **options)
        say("begin")
        for number in range(turns):
            turn(number)
        say("done")
        signal.pause()


def opened(url: str) -> Workspace:
    return onward.open(url, settings=SETTINGS, create=False)


def recording(url: str, say: Say, seed: str, patient: bool = False) -> Turn:
    """Threads that record one, several and feedback, each told once it is acknowledged; patient ones try again."""
    ws, pool = opened(url), ThreadPoolExecutor(THREADS)

    def kept(work: Callable[[], object]) -> None:
        while True:
            try:
                work()
            except OnwardError as error:
                if not patient:
                    raise
                say("refused", error.code)
                time.sleep(0.01)
            else:
                return

    def one(name: str) -> None:
        kept(lambda: ws.record(f"hello {name}", id=name, user="u"))
        say("recorded", name)
        many = [{"id": f"{name}-{n}", "text": f"where is my parcel {name} {n}"} for n in range(BATCH)]
        kept(lambda: ws.record_many(many))
        say("recorded", *(line["id"] for line in many))
        kept(lambda: ws.feedback(name, score=1.0, id=f"f-{name}"))
        say("heard", f"f-{name}")

    return lambda turn: list(pool.map(one, [f"{seed}-{turn}-{thread}" for thread in range(THREADS)]))


def measuring(url: str, say: Say, seed: str) -> Turn:
    """Threads that record learning events alone and in batches."""
    ws, pool = opened(url), ThreadPoolExecutor(THREADS)
    tracker = ws.tracker()

    def one(name: str) -> None:
        tracker.record_learning_event("a", 0.5, 0.01, name=name)
        say("measured", name)
        many = [
            {"task_type": "b", "performance_score": 0.5, "learning_rate": 1, "name": f"{name}-{n}"}
            for n in range(BATCH)
        ]
        tracker.record_learning_events(many)
        say("measured", *(event["name"] for event in many))

    return lambda turn: list(pool.map(one, [f"{seed}-{turn}-{thread}" for thread in range(THREADS)]))


def cycling(url: str, say: Say, seed: str) -> Turn:
    """The first cycle learns a new intent and promotes, the others keep."""
    ws = opened(url)

    def turn(number: int) -> None:
        batch = lines(300 if number == 0 else 40, intents=FOUR, seed=number, source=seed)
        ws.record_many(batch)
        say("recorded", *(line["id"] for line in batch))
        result = ws.cycle(force=True, progress=lambda stage, *_: say("stage", stage))
        say("cycle", result.id, result.status, result.champion)

    return turn


def moving(url: str, say: Say, move: Callable[[Workspace, int], object]) -> Turn:
    ws = opened(url)
    ahead = 2 if ws.champion() == 1 else 1

    def turn(number: int) -> None:
        version = ahead if number % 2 == 0 else 3 - ahead
        say("trying", version)
        move(ws, version)
        say("champion", version)

    return turn


def promoting(url: str, say: Say) -> Turn:
    return moving(url, say, lambda ws, version: ws.promote(version, force=True, reason="again"))


def rolling_back(url: str, say: Say) -> Turn:
    return moving(url, say, lambda ws, version: ws.rollback(to=version))


def migrating(url: str, say: Say) -> Turn:
    def turn(_: int) -> None:
        opened(url).close()
        say("open")

    return turn


def backing_up(url: str, say: Say, seed: str, kept: str) -> Turn:
    ws = opened(url)

    def turn(number: int) -> None:
        name = f"{seed}-{number}"
        ws.record("more " * 200, id=name)
        say("recorded", name)
        say("kept", ws.back_up(kept).id)

    return turn


def restoring(url: str, say: Say, kept: str) -> Turn:
    def turn(_: int) -> None:
        onward.restore(kept, url).close()
        say("restored")

    return turn


def forgetting(url: str, say: Say, users: list[str]) -> Turn:
    ws = opened(url)

    def turn(number: int) -> None:
        user = users[number % len(users)]
        say("forgetting", user)
        ws.forget(user)
        say("forgot", user)

    return turn


def pausing(url: str, say: Say, at: str, lease: float) -> Turn:
    """A cycle that is stopped, as by a debugger or a laptop's lid, when it comes to a stage."""
    keep_leases(lease)
    ws, stopped = opened(url), list[str]()

    def stop(stage: str, *_: object) -> None:
        if stage == at and not stopped:
            stopped.append(stage)
            say("stopped")
            ws.house.storage.database.write(lambda _: None)  # who is stopped while it commits holds everybody up
            os.kill(os.getpid(), signal.SIGSTOP)

    def turn(_: int) -> None:
        try:
            result = ws.cycle(force=True, progress=stop)
            say("cycle", result.id, result.status)
        except OnwardError as error:
            say("refused", error.code, ws.champion())

    return turn


def contending(url: str, say: Say, seed: str, lease: float) -> Turn:
    """Cycles among others who want to run them."""
    keep_leases(lease)
    ws = opened(url)

    def turn(number: int) -> None:
        batch = lines(40, intents=FOUR, seed=number, source=seed)
        ws.record_many(batch)
        say("recorded", *(line["id"] for line in batch))
        while True:
            try:
                result = ws.cycle(force=True)
            except Busy:
                say("busy")
                time.sleep(0.01)
            else:
                say("cycle", result.id, result.status, result.champion)
                return

    return turn


def keep_leases(seconds: float) -> None:
    """Let a lease last less than the minute that it does, in this process."""
    inspect.unwrap(hold).__defaults__ = (seconds,)


def unprivileged(url: str, say: Say, user: int, kept: str) -> Turn:
    """Everything that a user does, by one whom the folder's owner did not reckon with."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    return lambda _: try_all(url, kept, say)


def try_all(url: str, kept: str, say: Say) -> None:
    """Do everything once, and tell what came of it."""

    def used(work: Callable[[Workspace], object]) -> None:
        with opened(url) as ws:
            work(ws)

    works: dict[str, Callable[[], object]] = {
        "predict": lambda: used(lambda ws: ws.predict("hello", record=False)),
        "status": lambda: used(lambda ws: ws.status()),
        "record": lambda: used(lambda ws: ws.record("hello")),
        "cycle": lambda: used(lambda ws: ws.cycle(force=True)),
        "rollback": lambda: used(lambda ws: ws.rollback(to=1)),
        "forget": lambda: used(lambda ws: ws.forget("u3")),
        "back-up": lambda: used(lambda ws: ws.back_up(kept)),
        "settings": lambda: used(lambda ws: ws.write_settings()),
        "doctor": lambda: used(lambda ws: ws.doctor()),
        "mend": lambda: used(lambda ws: ws.doctor(mend=True)),
        "look": lambda: onward.doctor(url),
        "open": lambda: onward.open(url).close(),
        "new": lambda: onward.open(f"{url}/new").close(),
        "restore": lambda: onward.restore(kept, f"{url}/back").close(),
    }
    for name, work in works.items():
        try:
            work()
        except OnwardError as error:
            say(name, error.code)
        except Exception:  # noqa: BLE001 - that is what is looked for
            say(name, "!", traceback.format_exc().replace("\n", " | "))
        else:
            say(name, "done")


OPERATIONS: dict[str, Callable[..., Turn]] = {
    "record": recording,
    "measure": measuring,
    "cycle": cycling,
    "promote": promoting,
    "roll back": rolling_back,
    "migrate": migrating,
    "back up": backing_up,
    "restore": restoring,
    "forget": forgetting,
    "pause": pausing,
    "contend": contending,
    "try all": unprivileged,
}
