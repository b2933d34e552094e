"""What all fault tests share: processes to kill, places to kill them in, and what must hold afterwards."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

import onward
from onward.core import Prediction
from onward.release import Ailment
from onward.storage import schema
from onward.workspace import Workspace
from tests.faults.operations import SETTINGS
from tests.postgres import Server

ROOT = Path(__file__).resolve().parents[2]
FAULTS = int(os.environ.get("ONWARD_FAULTS", "0"))
"""How many kills all tests do together; 0: the few of every check."""
SEED = int(os.environ.get("ONWARD_FAULTS_SEED", "0"))
REPORT = os.environ.get("ONWARD_FAULTS_REPORT")
ASKED = ("where is my parcel please", "money back for this chair", "hello team today", "redeem my voucher")
PATIENCE = 60.0
TWO_DAYS = 2 * 86_400


def thorough(few: int, many: int) -> int:
    """A number for every check, or for `make faults`."""
    return many if FAULTS else few


class Nursery:
    """Bears processes; see `tests.faults.nursery`."""

    def __init__(self) -> None:
        single = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # what is forked must have no threads yet
        command = [sys.executable, "-m", "tests.faults.nursery"]
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **single}
        )
        while self._answer() != "ready":
            continue

    def bear(self, operation: str, url: str | Path, said: Path, **options: Any) -> Child:
        asked = {"operation": operation, "url": str(url), "said": str(said), **options}
        return Child(self, int(self.ask(asked)), said)

    def ask(self, question: dict[str, Any]) -> str:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the nursery has died"
        return line if line.startswith("{") else line.strip()

    def close(self) -> None:
        self._process.communicate()


@dataclass(frozen=True)
class Child:
    """A process that does an operation."""

    nursery: Nursery
    number: int
    said: Path

    def lines(self) -> list[list[str]]:
        """All it has told so far."""
        text = self.said.read_text(encoding="utf8") if self.said.exists() else ""
        return [line.split() for line in text.splitlines(keepends=True) if line.endswith("\n")]

    def await_line(self, *words: str) -> None:
        """Wait until it has told something."""
        end = time.monotonic() + PATIENCE
        while list(words) not in [line[: len(words)] for line in self.lines()]:
            assert time.monotonic() < end, f"it never said {words}: {self.errors()}"
            assert not self.gone(), self.errors()
            time.sleep(0.001)

    def errors(self) -> str:
        file = Path(f"{self.said}.err")
        return file.read_text(encoding="utf8")[-4000:] if file.exists() else ""

    def gone(self) -> bool:
        try:
            return "\nState:\tZ" in Path(f"/proc/{self.number}/status").read_text(encoding="utf8")
        except FileNotFoundError:
            return True

    def send(self, number: signal.Signals) -> None:
        os.kill(self.number, number)

    def kill(self) -> None:
        """SIGKILL; it must have lived until then."""
        self.send(signal.SIGKILL)
        assert self.wait() == -signal.SIGKILL, self.errors()

    def wait(self) -> int:
        return int(self.nursery.ask({"wait": self.number}))


@dataclass(frozen=True)
class Site:
    """A workspace to do harm to."""

    url: str
    folder: Path
    remove: Callable[[], object]


@dataclass(frozen=True)
class Ground:
    """Makes workspaces of one back end out of prepared ones."""

    name: str
    room: Path
    prepared: Path
    server: Server | None
    templates: dict[str, str] = field(default_factory=dict)

    def site(self, kind: str) -> Site:
        """A copy of a prepared workspace."""
        folder = Path(self._new(), "ws")
        shutil.copytree(self.prepared / kind, folder)
        if self.server is None:
            return Site(str(folder), folder, lambda: shutil.rmtree(folder.parent))
        (folder / "onward.db").unlink()
        return self._on_server(folder, self._template(kind))

    def empty(self) -> Site:
        """A place with nothing in it."""
        folder = Path(self._new(), "ws")
        if self.server is None:
            return Site(str(folder), folder, lambda: shutil.rmtree(folder.parent))
        return self._on_server(folder, "template0")

    def _new(self) -> Path:
        folder = self.room / f"{self.name}-{time.monotonic_ns()}"
        folder.mkdir()
        return folder

    def _on_server(self, folder: Path, template: str) -> Site:
        assert self.server is not None
        server, name = self.server, self.server.make(template)

        def remove() -> None:
            server.drop(name)
            shutil.rmtree(folder.parent)

        return Site(f"{server.dsn(name)}?folder={folder}", folder, remove)

    def _template(self, kind: str) -> str:
        """A database with the rows of the prepared SQLite file, whatever its schema."""
        assert self.server is not None
        if kind not in self.templates:
            name = self.server.make()
            load_as_it_is(self.prepared / kind / "onward.db", self.server.dsn(name))
            self.templates[kind] = name
        return self.templates[kind]


def load_as_it_is(file: Path, dsn: str) -> None:
    """Take every table of a SQLite file over to PostgreSQL, in the schema that it has."""
    from sqlalchemy import MetaData, create_engine

    from onward.storage._migrations import migrate

    source, target = create_engine(f"sqlite:///{file}"), create_engine(dsn.replace("://", "+psycopg://"))
    with source.connect() as here, target.begin() as there:
        number = int(here.exec_driver_sql("SELECT value FROM meta WHERE key = 'schema'").scalar_one())
        migrate(there, 0, number)
        tables = MetaData()
        tables.reflect(there)
        for table in tables.sorted_tables:
            rows = [dict(row._mapping) for row in here.execute(select(table))]
            if rows:
                there.execute(table.insert(), rows)
            for column in table.columns:
                if column.server_default is not None and "nextval" in str(column.server_default.arg):  # type: ignore[attr-defined]
                    count = func.pg_get_serial_sequence(table.name, column.name)
                    there.execute(
                        select(func.setval(count, select(func.coalesce(func.max(column), 1)).scalar_subquery()))
                    )
    source.dispose()
    target.dispose()


@dataclass
class Tally:
    """What was done and found, for the report."""

    name: str
    counts: Counter[str] = field(default_factory=Counter)
    findings: Counter[str] = field(default_factory=Counter)

    def save(self) -> None:
        if REPORT:
            Path(REPORT).mkdir(parents=True, exist_ok=True)
            found = {"name": self.name, "counts": dict(self.counts), "findings": dict(self.findings)}
            Path(REPORT, f"{self.name.replace(' ', '_').replace('/', '.')}.json").write_text(
                json.dumps(found), encoding="utf8"
            )


@dataclass
class Memory:
    """What a workspace has acknowledged, over all that happened to it."""

    recorded: set[str] = field(default_factory=set)
    heard: set[str] = field(default_factory=set)
    answers: dict[int, list[Prediction]] = field(default_factory=dict)

    def learn(self, said: Sequence[Sequence[str]]) -> None:
        for words in said:
            if words[0] == "recorded":
                self.recorded.update(words[1:])
            elif words[0] == "heard":
                self.heard.update(words[1:])

    def remember(self, ws: Workspace) -> None:
        """Learn by heart what is there, before anything happens to it."""
        self.recorded.update(i.id for i in ws.house.experience.interactions("default"))
        self.heard.update(f.id for f in ws.house.experience.feedback("default"))
        check_answers(ws, self)


def check_answers(ws: Workspace, memory: Memory) -> None:
    """The champion is what the trail says, the only one, and it answers as it always did."""
    history, champion = ws.history(), ws.champion()
    assert champion == (history[-1].version if history else None)
    assert history[:1] == [] or history[0].previous is None
    for before, after in pairwise(history):
        assert after.previous == before.version
    with ws.house.storage.database.read() as connection:
        own = (schema.aliases.c.tenant == "default") & (schema.aliases.c.alias == "champion")
        assert connection.scalar(select(func.count()).where(own)) == (champion is not None)
    if champion is not None:
        answered = ws.predict(ASKED, record=False)
        assert memory.answers.setdefault(champion, answered) == answered


def check_records(ws: Workspace, memory: Memory, tally: Tally, slack: int = 0) -> None:
    """Nothing acknowledged is lost, nothing is there twice, and all counts agree."""
    interactions = [i.id for i in ws.house.experience.interactions("default")]
    feedback = [f.id for f in ws.house.experience.feedback("default")]
    lost = (memory.recorded - set(interactions)) | (memory.heard - set(feedback))
    doubled = len(interactions) - len(set(interactions)) + len(feedback) - len(set(feedback))
    tally.counts["lost"] += len(lost)
    tally.counts["doubled"] += doubled
    assert not lost
    assert not doubled
    assert len(set(interactions) - memory.recorded) + len(set(feedback) - memory.heard) <= slack
    assert ws.house.experience.counts("default") == (len(interactions), len(feedback))
    memory.recorded, memory.heard = set(interactions), set(feedback)


def check_health(ws: Workspace, tally: Tally, source: Path | None = None) -> None:
    """The doctor finds nothing grave; what it finds it mends, once it is old enough to be surely left over."""
    found = ws.doctor(source=source)
    tally.findings.update(one.kind for one in found)
    assert [one for one in found if one.grave] == []
    if not found:
        return
    grow_old(ws.folder)
    mended = ws.doctor(mend=True, source=source)
    tally.findings["mended"] += sum(one.mended for one in mended)
    left = [one for one in ws.doctor(source=source) if not by_itself(one)]
    assert left == []


def by_itself(one: Ailment) -> bool:
    """What the next cycle takes up, and says so."""
    return one.kind == "unfinished" or one.where.startswith("lease ")


def grow_old(folder: Path) -> None:
    """As if two days had passed since anything was written."""
    then = time.time() - TWO_DAYS
    for path in folder.rglob("*"):
        if not path.name.startswith("onward.db"):
            os.utime(path, (then, then), follow_symlinks=False)


@contextmanager
def reopened(site: Site) -> Iterator[Workspace]:
    with closing(onward.open(site.url, settings=SETTINGS, create=False)) as ws:
        yield ws


def killed(nursery: Nursery, chance: random.Random, span: float, asked: Sequence[dict[str, Any]]) -> list[list[str]]:
    """Bear processes, kill each at a random instant; return all they told."""
    children = [nursery.bear(**one) for one in asked]
    for child in children:
        child.await_line("begin")
    for child in children:
        time.sleep(chance.uniform(0, span / len(children)))
        child.kill()
    return [words for child in children for words in child.lines()]


def measured(nursery: Nursery, turns: int, asked: dict[str, Any]) -> float:
    """Seconds that so many turns take."""
    child = nursery.bear(**asked, turns=turns)
    child.await_line("begin")
    began = time.monotonic()
    child.await_line("done")
    seconds = time.monotonic() - began
    child.kill()
    return seconds
