"""Everything a user does, in any order, with crashes in between, against a model in plain dicts."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import update

import onward
from onward.core import InvalidInput, NotFound
from onward.storage import schema
from onward.workspace import Workspace
from tests.conversations import lines
from tests.faults.harness import ASKED, thorough
from tests.faults.operations import FOUR, SETTINGS

USERS = [f"u{number}" for number in range(6)]
SOONEST = {**SETTINGS, "learning": {"min_data_threshold": 20}}
STARTS: list[Path] = []


class Life(RuleBasedStateMachine):
    """A workspace, and what it must know."""

    def __init__(self) -> None:
        super().__init__()
        self.place = Path(tempfile.mkdtemp(prefix="onward-life-"))
        self.recorded: dict[str, str | None] = {}
        self.heard: dict[str, str] = {}
        self.champions: list[int] = []
        self.forgotten: set[str] = set()
        self.versions = 0
        self.cycles = 0
        self.answers: dict[int, Any] = {}
        self.turn = 0
        self.ws: Workspace

    @initialize()
    def start(self) -> None:
        """With a first champion, as most workspaces are."""
        shutil.copytree(STARTS[0], self.place / "ws")
        self.ws = onward.open(self.place / "ws", settings=SOONEST)
        self.recorded = {line["id"]: line["user"] for line in lines(300)}
        self.champions, self.versions, self.cycles = [1], 1, 1

    def teardown(self) -> None:
        self.ws.close()
        shutil.rmtree(self.place)

    # What users do ---------------------------------------------------------------------------------------------------

    @rule(user=st.sampled_from([*USERS, None]), text=st.text(min_size=1, max_size=40).filter(str.strip))
    def record(self, user: str | None, text: str) -> None:
        self.recorded[self.ws.record(text, user=user)] = user

    @rule(data=st.data())
    def record_again(self, data: st.DataObject) -> None:
        """The first record under an id stands."""
        name = data.draw(st.sampled_from(sorted(self.recorded)))
        assert self.ws.record("something else", id=name, user="somebody else") == name

    @rule(count=st.integers(10, 80), new=st.booleans())
    def record_many(self, count: int, new: bool) -> None:
        self.turn += 1
        batch = lines(count, intents=FOUR if new else FOUR[:3], seed=self.turn, source=f"life{len(self.recorded)}")
        for line in batch:
            line["user"] = USERS[len(line["text"]) % len(USERS)]
        assert self.ws.record_many(batch).interactions == count
        self.recorded |= {line["id"]: line["user"] for line in batch}

    @rule(data=st.data(), score=st.floats(0, 1))
    def feedback(self, data: st.DataObject, score: float) -> None:
        name = data.draw(st.sampled_from(sorted(self.recorded)))
        try:
            self.heard[self.ws.feedback(name, score=score)] = name
        except NotFound:
            assert self.recorded[name] in self.forgotten
        else:
            assert name in self.recorded

    @rule(text=st.sampled_from(ASKED), user=st.sampled_from(USERS))
    def predict(self, text: str, user: str) -> None:
        answer = self.ws.predict(text, user=user)
        assert answer.version == self.champions[-1]
        assert answer.interaction is not None
        self.recorded[answer.interaction] = user

    # The loop --------------------------------------------------------------------------------------------------------

    @rule(force=st.booleans())
    def cycle(self, force: bool) -> None:
        result = self.ws.cycle(force=force)
        self.learned(result)
        assert self.ws.status().running_cycle is None

    def learned(self, result: onward.CycleResult) -> None:
        """What a cycle that was acknowledged changes."""
        self.cycles += 1
        if result.candidate is not None:
            self.versions += 1
            assert result.candidate == self.versions
        if result.status == "promoted":
            self.champions.append(result.candidate or 0)
        assert result.champion == self.champions[-1]
        blob = self.ws.house.cycles.get(result.id).dataset_blob
        if blob is not None:
            taught = {i for e in self.ws.house.datasets.at(blob).examples for i in e.interactions}
            assert taught.isdisjoint(name for name, user in self.recorded.items() if user in self.forgotten)

    @rule(data=st.data())
    def promote(self, data: st.DataObject) -> None:
        number = data.draw(st.integers(1, self.versions))
        if number == self.champions[-1]:
            with pytest.raises(InvalidInput):
                self.ws.promote(number, force=True, reason="again")
            return
        assert self.ws.promote(number, force=True, reason="again").previous == self.champions[-1]
        self.champions.append(number)

    @rule(data=st.data())
    def roll_back(self, data: st.DataObject) -> None:
        number = data.draw(st.integers(1, self.versions))
        if number not in self.champions or number == self.champions[-1]:
            with pytest.raises(InvalidInput):
                self.ws.rollback(to=number)
            return
        self.ws.rollback(to=number)
        self.champions.append(number)

    @rule(user=st.sampled_from(USERS))
    def forget(self, user: str) -> None:
        self.ws.forget(user)
        self.forgotten.add(user)

    # What happens to it ----------------------------------------------------------------------------------------------

    @rule()
    def crash(self) -> None:
        """The files as they are at this instant, opened by another process's eyes."""
        after = self.place / f"after{self.turn}-{len(self.champions)}-{len(self.recorded)}"
        shutil.rmtree(after, ignore_errors=True)
        shutil.copytree(self.ws.folder, after)
        self.ws.close()
        shutil.rmtree(self.place / "ws")
        after.rename(self.place / "ws")
        self.ws = onward.open(self.place / "ws", settings=SOONEST, create=False)

    @precondition(lambda self: self.cycles < 4)
    @rule(stage=st.sampled_from(["curate", "train linear", "prove"]))
    def crash_in_a_cycle(self, stage: str) -> None:
        """The cycle never ends: what it left is what a crash leaves; the next one goes on with it."""
        after = self.place / "crashed"

        def copied(at: str, *_: object) -> None:
            if at == stage and not after.exists():
                shutil.copytree(self.ws.folder, after)

        self.ws.cycle(force=True, progress=copied)
        self.ws.close()
        shutil.rmtree(self.place / "ws")
        after.rename(self.place / "ws")
        self.ws = onward.open(self.place / "ws", settings=SOONEST, create=False)
        let_go(self.ws)
        left = self.ws.status().running_cycle
        assert left is not None
        result = self.ws.cycle(force=True)
        assert result.id == left
        self.learned(result)

    @rule()
    def back_up_and_restore(self) -> None:
        kept, back = self.place / "kept", self.place / "back"
        self.ws.back_up(kept)
        self.ws.close()
        shutil.rmtree(self.place / "ws")
        onward.restore(kept, back).close()
        back.rename(self.place / "ws")
        self.ws = onward.open(self.place / "ws", settings=SOONEST, create=False)

    # What must hold --------------------------------------------------------------------------------------------------

    @invariant()
    def it_knows_what_it_was_told(self) -> None:
        if not self.recorded:
            return
        ws = self.ws
        assert ws.champion() == self.champions[-1]
        assert [move.version for move in ws.history()] == self.champions
        assert [version.number for version in ws.versions()] == list(range(1, self.versions + 1))
        assert len(ws.cycles()) == self.cycles
        ids = [one.id for one in ws.house.experience.interactions("default")]
        assert sorted(ids) == sorted(self.recorded)
        assert {one.id for one in ws.house.experience.feedback("default")} == set(self.heard)
        assert ws.status().withdrawn_users == len(self.forgotten)
        answers = [(one.version, one.labels) for one in ws.predict(ASKED, record=False)]
        assert self.answers.setdefault(self.champions[-1], answers) == answers

    @rule()
    def see_the_doctor(self) -> None:
        assert [one for one in self.ws.doctor() if one.grave] == []


def let_go(ws: Workspace) -> None:
    """The process that held the lease, in the copy, is gone: this one only looks like it."""
    ws.house.storage.database.write(lambda c: c.execute(update(schema.leases).values(expires="")))


def test_life(prepared: Path) -> None:
    STARTS[:] = [prepared / "one"]
    run_state_machine_as_test(
        Life,
        settings=settings(
            max_examples=thorough(4, 100),
            stateful_step_count=thorough(12, 30),
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.explicit, Phase.generate, Phase.shrink],
            database=None,
        ),
    )
