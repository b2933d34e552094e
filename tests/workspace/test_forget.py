"""Forgetting a user: nothing of what they said is left, hashes are, and whoever is interrupted finishes it."""

from __future__ import annotations

import gzip
import multiprocessing
import random
import shutil
import time
import zlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from tests.conversations import lines
from tests.workspace.conftest import FOUR, LINEAR

import onward
from onward.core import Damaged, Feedback, Interaction, ManualClock, content_hash, decode, encode
from onward.experience import Erasure
from onward.release._ledger import write_entry
from onward.storage import hold, schema
from onward.workspace import Workspace

NAME = "Zebulon-Quux"
WORDS = ("xylograph", "quixotry", "bezoardic", "zugzwangs", "jumentous")


def bytes_of(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """Every file of a workspace but the models', unpacked where it is packed."""
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        if "artifacts" not in file.relative_to(folder).parts:
            data = file.read_bytes()
            yield file, data
            for unpack in (gzip.decompress, zlib.decompress):
                try:
                    yield file, unpack(data)
                except (OSError, zlib.error, EOFError):
                    continue


def traces(folder: Path, *needles: str) -> list[tuple[str, str]]:
    return [(str(file), needle) for file, data in bytes_of(folder) for needle in needles if needle.encode() in data]


def rows_with(ws: Workspace, *needles: str) -> list[tuple[str, str]]:
    """The rows of any table that hold one of these words."""
    with ws.house.storage.database.read() as connection:
        return [
            (table.name, needle)
            for table in schema.metadata.sorted_tables
            for row in connection.execute(select(table))
            for needle in needles
            if needle in repr(row)
        ]


def said_by(user: str, count: int = 40, seed: int = 0) -> list[dict[str, Any]]:
    """Interactions full of words that nobody else says, of every intent, so that some of them judge."""
    rng = random.Random(seed)
    intents = ("order_status", "refund", "greeting")
    return [
        {
            "id": f"z-{seed}-{number}",
            "text": f"{rng.choice(WORDS)} {rng.choice(WORDS)} {intents[number % 3]} {WORDS[number % 5]}{number}",
            "intent": intents[number % 3],
            "user": user,
            "response": f"dear {user}",
            "context": {"address": f"{WORDS[0]} street", "of": user},
        }
        for number in range(count)
    ]


def fill(ws: Workspace) -> None:
    """Two promotions, feedback of all kinds, somebody who left a common text, and an unfinished cycle's left-overs."""
    ws.record_many([*lines(300), *said_by(NAME)])
    assert ws.cycle().status == "promoted"
    ws.record_many([*lines(300, intents=FOUR, seed=1), *said_by(NAME, seed=1)])
    common = "shared by two people hello order"
    for number, user in enumerate((NAME, "u1")):
        ws.record(common, id=f"both-{number}", intent="greeting", user=user)
    ws.feedback("z-0-1", correction={"intent": "refund"}, remark={"why": WORDS[2]}, user="agent")
    ws.feedback("chat-0-1", correction={"intent": "order_status"}, remark={"by": WORDS[3]}, user=NAME)
    ws.feedback("chat-0-2", score=1.0, user=NAME)
    assert ws.cycle().status == "promoted"
    ws.degraded("learner linear", f"could not learn {WORDS[1]}")


def examples_of(ws: Workspace) -> list[Any]:
    with ws.house.storage.database.read() as connection:
        blobs = list(connection.scalars(select(schema.datasets.c.blob)))
        blobs += connection.scalars(select(schema.evaluation_sets.c.blob))
    found = [decode(ws.house.storage.blobs.get(blob), dict[str, Any]) for blob in blobs]
    return [example for one in found for example in one["examples"]]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace in which the user said a lot. Read only."""
    folder = tmp_path_factory.mktemp("filled") / "ws"
    with onward.open(folder, settings=LINEAR, clock=ManualClock()) as made:
        fill(made)
    return folder


@pytest.fixture
def mine(filled: Path, tmp_path: Path, clock: ManualClock) -> Iterator[Workspace]:
    shutil.copytree(filled, tmp_path / "mine")
    with onward.open(tmp_path / "mine", settings=LINEAR, clock=clock) as opened:
        yield opened


def check_forgotten(ws: Workspace) -> None:
    assert rows_with(ws, NAME, *WORDS) == []
    assert not [e for e in examples_of(ws) if any(word in repr(e) for word in (NAME, *WORDS))]
    ws.close()
    assert traces(ws.folder, NAME, *WORDS) == []


def test_no_byte_of_the_workspace_holds_what_they_said(mine: Workspace) -> None:
    assert traces(mine.folder, NAME)
    assert traces(mine.folder, *WORDS)
    (mine.house.storage.blobs.workbench(mine.cycles()[0].id) / "checkpoint").write_text(WORDS[0])
    forgotten = mine.forget(NAME)
    assert (forgotten.user, forgotten.interactions, forgotten.marked_versions) == (NAME, 83, (1, 2))
    assert forgotten.unfinished is None
    assert traces(mine.folder, NAME, *WORDS) == []  # open still
    assert [one for one in mine.doctor() if one.grave] == []
    assert mine.status().interactions == 682
    assert mine.house.experience.counts("default") == (682, 3)
    check_forgotten(mine)


def test_others_keep_what_they_said_too(mine: Workspace) -> None:
    assert [e["interactions"] for e in examples_of(mine) if e["text"].startswith("shared")] == [["both-0", "both-1"]]
    mine.forget(NAME)
    assert [e["interactions"] for e in examples_of(mine) if e["text"].startswith("shared")] == [["both-1"]]


def test_what_is_left_is_a_hash_and_who_learned(mine: Workspace, clock: ManualClock) -> None:
    before = mine.house.experience.interaction("default", "z-0-0")
    learned = mine.trace("z-0-0").taught
    clock.advance(timedelta(days=1))
    mine.forget(NAME)
    found = mine.trace("z-0-0")
    assert found.erased is not None
    assert (found.erased.at, found.erased.sha256) == (clock.now(), content_hash(encode(before)))
    assert (found.taught, found.interaction.at) == (learned, before.at) == ((1, 2), before.at)
    assert (found.interaction.text, found.interaction.labels.intent, found.interaction.response) == ("", None, None)
    assert mine.trace("chat-0-1").erased is None
    assert mine.record_many(said_by(NAME)[:3]).known == 3  # an id that was erased is not there to be used again
    assert mine.house.experience.interaction("default", "z-0-0").text == ""


def test_what_they_say_later_is_never_learned(mine: Workspace) -> None:
    mine.forget(NAME)
    mine.record_many(said_by(NAME, seed=7))
    mine.record_many(lines(120, seed=7))
    result = mine.cycle(force=True)
    assert result.status != "failed"
    assert not [e for e in examples_of(mine) if any(word in repr(e) for word in WORDS)]
    assert mine.forget(NAME).interactions == 123
    assert rows_with(mine, NAME, *WORDS) == []


def test_forgetting_twice_is_forgetting_once(mine: Workspace, clock: ManualClock) -> None:
    first = mine.forget(NAME)

    def standing() -> list[Any]:
        skipped = {"leases", "withdrawals"}
        with mine.house.storage.database.read() as connection:
            tables = [table for table in schema.metadata.sorted_tables if table.name not in skipped]
            return [sorted(map(repr, connection.execute(select(table)))) for table in tables]

    before = standing()
    clock.advance(timedelta(days=1))
    assert mine.forget(NAME) == first
    assert standing() == before
    assert mine.status().withdrawn_users == 1
    check_forgotten(mine)


def test_labels_that_they_gave_others_count_no_more(mine: Workspace) -> None:
    mine.forget(NAME)
    mine.record_many(lines(60, seed=9))
    result = mine.cycle(force=True)
    assert result.dataset is not None
    labels = {
        i: e.labels.intent for e in mine.house.datasets.get("default", result.dataset).examples for i in e.interactions
    }
    assert labels["chat-0-1"] == "refund"  # as it came, not as they corrected it


def test_while_a_cycle_runs_the_rest_waits_for_the_next(mine: Workspace, clock: ManualClock) -> None:
    with hold(mine.house.storage.database, "cycle:default", clock):
        forgotten = mine.forget(NAME)
        assert "being worked on" in (forgotten.unfinished or "")
        assert forgotten.marked_versions == (1, 2)
        assert mine.version(2).marks
        assert not [name for name, _ in rows_with(mine, NAME, *WORDS) if name != "conditions"]
        assert Erasure(mine.house.storage.database).tenants() == ["default"]
        (found,) = [one for one in mine.doctor() if one.kind == "unfinished"]
        assert found.where == "consent withdrawn by 1 user of default"
        assert NAME not in str(found)
    assert mine.cycle().status == "skipped"
    assert [one for one in mine.doctor() if one.kind == "unfinished"] == []
    check_forgotten(mine)


def test_a_reader_of_an_old_state_keeps_it_unfinished(mine: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onward.storage._sqlite.BUSY_SECONDS", 0.1)
    with mine.house.storage.database.read() as connection:
        connection.execute(select(schema.meta)).all()
        assert "log could not be emptied" in (mine.forget(NAME).unfinished or "")
        (found,) = [one for one in mine.doctor(mend=True) if one.kind == "unfinished"]
        assert not found.mended
    (found,) = [one for one in mine.doctor(mend=True) if one.kind == "unfinished"]
    assert found.mended
    check_forgotten(mine)


def test_a_damaged_data_set_is_not_taken_for_erased(mine: Workspace) -> None:
    version = mine.version(1)
    with mine.house.storage.database.read() as connection:
        blob = connection.scalar(select(schema.datasets.c.blob).where(schema.datasets.c.id == version.dataset))
    (file,) = mine.folder.rglob(blob)
    whole = file.read_bytes()
    file.write_bytes(whole[:-20])
    with pytest.raises(Damaged):
        mine.forget(NAME)
    assert mine.cycle(force=True).status in {"kept", "promoted", "refused"}
    assert "unfinished" in {one.kind for one in mine.doctor(mend=True) if not one.mended}
    file.write_bytes(whole)
    mine.doctor(mend=True)
    check_forgotten(mine)


def test_what_was_not_named_yet_goes_too(mine: Workspace) -> None:
    """A cycle that was killed between storing and naming leaves content that no row knows."""
    dataset = mine.house.datasets.get("default", mine.version(2).dataset)
    with mine.house.storage.database.read() as connection:
        frozen = connection.scalar(select(schema.evaluation_sets.c.blob))
    blobs = mine.house.storage.blobs
    other = encode(dataset).replace(b'"tenant":"default"', b'"tenant":"other"')
    names = [blobs.put(encode(dataset) + b" "), blobs.put(blobs.get(frozen) + b" "), blobs.put(other), blobs.put(b"x")]
    assert set(names) <= set(blobs.names())
    mine.forget(NAME)
    assert [name in set(blobs.names()) for name in names] == [False, False, True, True]


def test_who_withdrew_under_an_older_onward_is_erased_when_asked_to(mine: Workspace) -> None:
    row = {"tenant": "default", "user": NAME, "at": "2026-01-01T00:00:00.000000+00:00"}
    mine.house.storage.database.write(lambda c: c.execute(schema.withdrawals.insert().values(**row)))
    write_entry(
        mine.folder / "records" / "withdrawals" / f"{content_hash(['default', NAME])[:32]}.json", "withdrawals", row
    )
    assert "z-0-0" in mine.house.experience.withdrawn_interactions("default")
    assert [one.mended for one in mine.doctor(mend=True) if one.kind == "unfinished"] == [True]
    assert [one for one in mine.doctor() if one.grave or one.kind == "unfinished"] == []
    check_forgotten(mine)


def test_other_tenants_keep_theirs(mine: Workspace) -> None:
    mine.record_many({**line, "tenant": "other"} for line in [*lines(240), *said_by(NAME)])
    mine.cycle(tenant="other")
    before = mine.house.experience.interactions("other")
    mine.forget(NAME)
    assert mine.house.experience.interactions("other") == before
    assert mine.trace("z-0-0", tenant="other").taught
    assert mine.cycle(tenant="other", force=True).counts["examples"] > 200
    assert mine.forget(NAME, tenant="other").interactions == 40
    check_forgotten(mine)


# Retraining --------------------------------------------------------------------------------------------------------


def test_a_marked_champion_is_replaced_by_one_that_is_no_worse(mine: Workspace) -> None:
    stages: list[str] = []
    forgotten = mine.forget(NAME, retrain=True, progress=lambda stage, *_: stages.append(stage))
    result = forgotten.cycle
    assert result is not None
    assert (result.status, result.reason.split(":")[0]) == ("promoted", "the champion learned from what was withdrawn")
    assert result.champion == mine.champion() == 3
    assert mine.version(3).marks == ()
    assert mine.trace("z-0-0").taught == (1, 2)
    assert "better" not in {check.name for check in result.verdict.checks} if result.verdict else False
    assert {"forget", "curate", "train linear", "prove"} <= set(stages)
    assert mine.forget(NAME, retrain=True).cycle is None


def test_what_is_worse_does_not_replace_it(mine: Workspace) -> None:
    mine.configure(
        mine.settings.model_copy(update={"thresholds": mine.settings.thresholds.model_copy(update={"accuracy": 1.0})})
    )
    mine.record_many(lines(60, seed=5, flipped=0.3))
    result = mine.forget(NAME, retrain=True).cycle
    assert result is not None
    assert result.status == "refused"
    assert mine.champion() == 2


# Back-ups ----------------------------------------------------------------------------------------------------------


def test_what_is_restored_from_before_is_erased_again(mine: Workspace, clock: ManualClock, tmp_path: Path) -> None:
    mine.back_up(tmp_path / "kept")
    before = clock.now()
    clock.advance(timedelta(days=1))
    mine.forget(NAME)
    assert traces(tmp_path / "kept", NAME) == []  # packed and sealed; what counts is what comes back
    mine.back_up(tmp_path / "kept")
    with onward.restore(tmp_path / "kept", tmp_path / "back", at=before) as back:
        assert back.trace("z-0-0").erased is not None
        assert back.status().withdrawn_users == 1
        assert [one for one in back.doctor() if one.grave or one.kind == "unfinished"] == []
        check_forgotten(back)
    mine.prune(tmp_path / "kept", keep=1)
    with onward.restore(tmp_path / "kept", tmp_path / "again") as again:
        assert again.trace("z-0-0").taught == (1, 2)
        assert again.trace("z-0-0").erased == mine.trace("z-0-0").erased
        check_forgotten(again)


def test_a_rebuilt_database_knows_who_withdrew(mine: Workspace) -> None:
    mine.forget(NAME)
    mine.close()
    for file in mine.folder.glob("onward.db*"):
        file.unlink()
    onward.doctor(mine.folder, mend=True)
    with onward.open(mine.folder, settings=LINEAR) as back:
        assert NAME in back.house.experience.withdrawn("default")
        assert back.trace("chat-0-3").taught == (1, 2)
        back.record_many(said_by(NAME, seed=3))
        back.forget(NAME)
        check_forgotten(back)


# On a server -------------------------------------------------------------------------------------------------------


def test_no_row_of_a_server_holds_it(postgresql_url: str, clock: ManualClock) -> None:
    with onward.open(postgresql_url, settings=LINEAR, clock=clock) as ws:
        fill(ws)
        assert rows_with(ws, NAME)
        assert ws.forget(NAME).unfinished is None
        check_forgotten(ws)


# Cut off -----------------------------------------------------------------------------------------------------------


def forget_in(folder: str) -> None:
    with onward.open(folder, settings=LINEAR) as ws:
        ws.forget(NAME)


def test_killed_at_any_instant_it_is_finished_by_whoever_comes_next(filled: Path, tmp_path: Path) -> None:
    chance, context = random.Random(0), multiprocessing.get_context("fork")
    for turn in range(8):
        folder = shutil.copytree(filled, tmp_path / f"{turn}")
        process = context.Process(target=forget_in, args=(str(folder),))
        process.start()
        time.sleep(0.05 + chance.random() * 0.6)
        process.kill()
        process.join(30)
        with onward.open(folder, settings=LINEAR) as ws:
            withdrew = NAME in ws.house.experience.withdrawn("default")
            assert bool(rows_with(ws, NAME)) != withdrew or not withdrew
            if turn % 2 and withdrew:
                assert all(one.mended or not one.grave for one in ws.doctor(mend=True))
            else:
                assert ws.forget(NAME).interactions == 83
            assert [one for one in ws.doctor() if one.grave or one.kind == "unfinished"] == []
            assert ws.predict("hello team", record=False).version == 2
            check_forgotten(ws)


# Whoever said what -------------------------------------------------------------------------------------------------

PEOPLE = ("Ann-Xylem", "Bob-Yttrium", "Cyd-Zephyr")
said = st.tuples(st.sampled_from(PEOPLE), st.sampled_from(WORDS), st.sampled_from((None, *PEOPLE)))


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(spoken=st.lists(said, max_size=12), gone=st.sets(st.sampled_from(PEOPLE), min_size=1))
def test_whoever_said_what_only_the_others_are_left(spoken: list[tuple[str, str, str | None]], gone: set[str]) -> None:
    with onward.open("memory://", settings=LINEAR) as ws:
        for number, (user, word, critic) in enumerate(spoken):
            ws.record(f"{word} {user}", id=str(number), user=user, intent="greeting")
            if critic is not None:
                ws.feedback(str(number), remark={"by": critic}, user=critic)
        before = ws.house.experience.interactions("default")
        for user in gone:
            ws.forget(user)
        kept = [i for i, (user, _, _) in enumerate(spoken) if user not in gone]
        after: list[Interaction] = ws.house.experience.interactions("default")
        assert [one for one in after if one.text] == [before[i] for i in kept]
        remarks: list[Feedback] = ws.house.experience.feedback("default")
        assert sorted(f.interaction for f in remarks if "by" in f.remark) == sorted(
            str(i) for i in kept if spoken[i][2] not in (None, *gone)
        )
        assert rows_with(ws, *gone) == []
        assert traces(ws.folder, *gone) == []
