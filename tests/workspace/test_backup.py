"""Back-ups of whole workspaces: online, incremental, encrypted, to a point in time; torn, hostile, cut off."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from tests.conversations import lines

import onward
from onward.core import Busy, Damaged, InvalidInput, ManualClock, NotFound, Unavailable
from onward.release import open_repository
from onward.release._doctor._supply import check_repository
from onward.storage import schema
from onward.workspace import Workspace

LINEAR = {"training": {"learners": ["linear"]}}
WORD = "correct horse"


def everything(ws: Workspace) -> dict[str, list[Any]]:
    """Every row that a back-up keeps."""
    with ws.house.storage.database.read() as connection:
        return {
            table.name: sorted(map(tuple, connection.execute(select(table))), key=repr)
            for table in schema.metadata.sorted_tables
            if table is not schema.leases
        }


def files_of(place: Path) -> list[Path]:
    return sorted(path for path in place.rglob("*") if path.is_file())


@pytest.fixture
def kept(ws: Workspace, tmp_path: Path) -> Path:
    ws.back_up(tmp_path / "kept")
    return tmp_path / "kept"


@pytest.mark.parametrize("word", [None, WORD])
def test_it_comes_back_whole(ws: Workspace, tmp_path: Path, word: str | None) -> None:
    snapshot = ws.back_up(tmp_path / "kept", passphrase=word)
    assert snapshot.lacking == {}
    assert snapshot.rows["interactions"] == 600
    with onward.restore(tmp_path / "kept", tmp_path / "back", passphrase=word) as back:
        assert everything(back) == everything(ws)
        assert back.predict("hello team", record=False) == ws.predict("hello team", record=False)
        assert (back.folder / "onward.toml").read_bytes() == (ws.folder / "onward.toml").read_bytes()
        assert back.doctor() == ()
        back.record_many(lines(30, seed=9))
        assert back.status().interactions == 630
    for path in ((tmp_path / "back"), *(tmp_path / "kept").rglob("*")):
        assert path.stat().st_mode & 0o077 == 0


def test_it_goes_into_a_server_and_out_again(ws: Workspace, tmp_path: Path, postgresql_url: str) -> None:
    ws.back_up(tmp_path / "kept")
    with onward.restore(tmp_path / "kept", postgresql_url) as served:
        assert everything(served) == everything(ws)
        assert served.record("counts on", id="new") == "new"
        assert served.doctor() == ()
        with pytest.raises(InvalidInput):
            onward.restore(tmp_path / "kept", postgresql_url)
        served.back_up(tmp_path / "kept")
        with onward.restore(tmp_path / "kept", tmp_path / "back") as back:
            assert everything(back) == everything(served)


def test_what_is_stored_already_is_not_written_again(ws: Workspace, tmp_path: Path) -> None:
    first = ws.back_up(tmp_path / "kept")
    assert ws.back_up(tmp_path / "kept").written == 0
    ws.record("one more")
    assert 0 < ws.back_up(tmp_path / "kept").written < first.written / 2
    assert [one.id for one in ws.snapshots(tmp_path / "kept")] == sorted(
        one.id for one in ws.snapshots(tmp_path / "kept")
    )


def test_it_is_of_one_moment_while_others_write(ws: Workspace, tmp_path: Path) -> None:
    stop = threading.Event()

    def write() -> None:
        for number in range(100_000):
            if stop.is_set():
                return
            ws.record("hello", id=f"at once {number}")

    thread = threading.Thread(target=write)
    thread.start()
    try:
        counts = [ws.back_up(tmp_path / "kept").rows["interactions"] for _ in range(3)]
    finally:
        stop.set()
        thread.join()
    assert counts == sorted(counts)
    with onward.restore(tmp_path / "kept", tmp_path / "back") as back:
        assert back.status().interactions == counts[-1]
        assert back.doctor() == ()


def test_two_at_once_make_two_snapshots(ws: Workspace, tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda _: ws.back_up(tmp_path / "kept", passphrase=WORD), range(2)))
    assert {one.id for one in found} == {one.id for one in ws.snapshots(tmp_path / "kept", passphrase=WORD)}
    onward.restore(tmp_path / "kept", tmp_path / "back", passphrase=WORD).close()


def test_another_workspace_keeps_elsewhere(ws: Workspace, kept: Path, make_workspace: Callable[..., Workspace]) -> None:
    with pytest.raises(InvalidInput, match="another workspace"):
        make_workspace("other").back_up(kept)


def test_a_passphrase_is_needed_and_must_be_right(ws: Workspace, tmp_path: Path) -> None:
    ws.back_up(tmp_path / "secret", passphrase=WORD)
    ws.back_up(tmp_path / "open")
    for place, word, said in (
        ("secret", None, "is encrypted"),
        ("secret", "wrong", "does not open"),
        ("open", WORD, "is not encrypted"),
        ("open", "", "is empty"),
    ):
        with pytest.raises(InvalidInput, match=said) as raised:
            onward.restore(tmp_path / place, tmp_path / "back", passphrase=word)
        assert WORD not in str(raised.value)
    found = b"".join(file.read_bytes() for file in files_of(tmp_path / "secret"))
    assert b"hello" not in found
    assert WORD.encode() not in found
    plain = {file.name for file in files_of(tmp_path / "open" / "chunks")}
    assert plain.isdisjoint(file.name for file in files_of(tmp_path / "secret" / "chunks"))


# A point in time ---------------------------------------------------------------------------------------------------


def test_it_comes_back_as_it_was_then(
    make_workspace: Callable[..., Workspace], clock: ManualClock, tmp_path: Path
) -> None:
    ws = make_workspace()
    standing: dict[Any, tuple[Any, ...]] = {}

    def note() -> None:
        clock.advance(timedelta(hours=1))
        standing[clock.now()] = (
            ws.champion(),
            ws.history(),
            [v.number for v in ws.versions()],
            ws.status().interactions,
        )
        clock.advance(timedelta(hours=1))

    note()
    ws.record_many(lines(300))
    note()
    ws.cycle()
    note()
    ws.record_many(lines(300, intents=("order_status", "refund", "greeting", "gift_card"), seed=1))
    ws.back_up(tmp_path / "kept")
    note()
    ws.cycle()
    note()
    ws.rollback()
    ws.record("late")
    ws.forget("u3")
    note()
    ws.back_up(tmp_path / "kept")
    for number, (at, (champion, history, versions, interactions)) in enumerate(standing.items()):
        with onward.restore(tmp_path / "kept", tmp_path / f"back{number}", at=at) as back:
            assert (back.champion(), back.history()) == (champion, history)
            assert [v.number for v in back.versions()] == versions
            assert back.status().interactions == interactions
            assert back.doctor() == ()
            assert "u3" in back.house.experience.withdrawn("default")  # never taken back, by any snapshot
            assert not back.house.experience.withdrawn_interactions("default") or back.trace("chat-0-3").erased
    later = max(standing) + timedelta(days=9)
    with onward.restore(tmp_path / "kept", tmp_path / "later", at=later) as back:
        assert back.history() == ws.history()
    with pytest.raises(InvalidInput, match="time zone"):
        onward.restore(tmp_path / "kept", tmp_path / "naive", at=later.replace(tzinfo=None))


def test_a_cycle_that_had_not_ended_then_is_abandoned(
    make_workspace: Callable[..., Workspace], clock: ManualClock, tmp_path: Path
) -> None:
    ws = make_workspace()
    ws.record_many(lines(300))
    began = clock.now()
    ws.cycle(progress=lambda *_: clock.advance(timedelta(seconds=1)))
    ws.back_up(tmp_path / "kept")
    with onward.restore(tmp_path / "kept", tmp_path / "back", at=began) as back:
        (cycle,) = back.cycles()
        assert cycle.status == "abandoned"
        assert (back.champion(), back.versions()) == (None, [])
        assert back.doctor() == ()
        assert back.house.cycles.last_judged("default") is None


# Rotation ----------------------------------------------------------------------------------------------------------


def test_what_is_let_go_is_gone(ws: Workspace, tmp_path: Path, clock: ManualClock) -> None:
    ws.record("the secret of u99", id="secret", user="u99")
    ws.back_up(tmp_path / "kept")
    ws.house.storage.database.write(
        lambda c: c.execute(schema.interactions.delete().where(schema.interactions.c.id == "secret"))
    )
    ws.doctor(mend=True)
    clock.advance(timedelta(days=2))
    last = ws.back_up(tmp_path / "kept")
    assert ws.prune(tmp_path / "kept", days=3).snapshots == ()
    pruned = ws.prune(tmp_path / "kept", keep=1, days=1)
    assert (len(pruned.snapshots), pruned.chunks > 0) == (1, True)
    assert [one.id for one in ws.snapshots(tmp_path / "kept")] == [last.id]
    repository = open_repository(tmp_path / "kept")
    assert repository.known == repository.stored(last.id).contents.chunks()
    assert not any(b"the secret of u99" in repository.get(name) for name in repository.known)
    onward.restore(tmp_path / "kept", tmp_path / "back").close()
    assert ws.prune(tmp_path / "kept", keep=1).snapshots == ()
    with pytest.raises(InvalidInput):
        ws.prune(tmp_path / "kept")


def test_nothing_is_pruned_while_a_back_up_runs(ws: Workspace, kept: Path) -> None:
    refused: list[str] = []

    def prune(stage: str, done: int, total: int, note: str) -> None:
        with pytest.raises(Busy) as raised:
            ws.prune(kept, keep=1)
        refused.append(str(raised.value))

    ws.back_up(kept, progress=prune)
    assert refused
    assert len(ws.snapshots(kept)) == 2
    assert not files_of(kept / "work")


def test_a_dead_back_up_is_in_nobodys_way(ws: Workspace, kept: Path) -> None:
    code = "from onward.storage import mark_of_process as mark; print(mark())"
    dead = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    note = kept / "work" / "back-up-w_1"
    for mark, at in ((dead.stdout.strip(), ws.house.clock.now()), ("", "2020-01-01T00:00:00Z")):
        note.write_bytes(msgspec.json.encode({"holder": "elsewhere:1", "at": at, "mark": mark}))
        ws.prune(kept, keep=1)
        assert not note.exists()
    note.write_bytes(msgspec.json.encode({"holder": "elsewhere:1", "at": ws.house.clock.now()}))
    with pytest.raises(Busy, match="elsewhere"):
        ws.prune(kept, keep=1)
    ws.back_up(kept)
    note.rename(note.with_name("pruning-w_1"))
    with pytest.raises(Busy):
        ws.back_up(kept)


def test_a_back_up_that_was_thought_dead_notices(ws: Workspace, kept: Path) -> None:
    def think_dead(stage: str, done: int, total: int, note: str) -> None:
        for file in files_of(kept / "work"):
            file.unlink()

    with pytest.raises(Busy, match="pruned meanwhile"):
        ws.back_up(kept, progress=think_dead)
    assert len(ws.snapshots(kept)) == 1


# Damage ------------------------------------------------------------------------------------------------------------


def named(place: Path, word: str | None) -> list[str]:
    """What the doctor names of a place for back-ups."""
    found = check_repository(open_repository(place, word), lambda *_: None)
    return [one.ailment.where for one in found if one.ailment.grave]


@pytest.mark.parametrize("word", [None, WORD])
def test_every_file_of_it_may_be_torn_or_flipped(ws: Workspace, tmp_path: Path, word: str | None) -> None:
    """What comes back is what was stored, or nothing does; and the doctor names the file."""
    ws.back_up(tmp_path / "kept", passphrase=word)
    rng = random.Random(0)
    before = everything(ws)
    for number, file in enumerate(files_of(tmp_path / "kept")):
        whole = file.read_bytes()
        flipped = bytearray(whole)
        flipped[rng.randrange(len(whole))] ^= 1 << rng.randrange(8)
        file.write_bytes([bytes(flipped), whole[: rng.randrange(len(whole))], b""][number % 3])
        if file.name.startswith("repository."):  # there are two of them
            with onward.restore(tmp_path / "kept", tmp_path / "back", passphrase=word) as back:
                assert everything(back) == before
            shutil.rmtree(tmp_path / "back")
            (found,) = ws.doctor(mend=True, source=tmp_path / "kept", passphrase=word)
            assert (Path(found.where).name, found.mended) == (file.name, True)
            assert file.read_bytes() == whole
        else:
            with pytest.raises((Damaged, NotFound)):
                onward.restore(tmp_path / "kept", tmp_path / "back", passphrase=word)
            assert not (tmp_path / "back").exists()
            assert file.name in {Path(where.split(" (")[0]).name for where in named(tmp_path / "kept", word)}
        file.write_bytes(whole)
    assert not [path for path in tmp_path.iterdir() if "unfinished" in path.name]


def test_a_damaged_chunk_is_let_go_and_written_anew(ws: Workspace, kept: Path, tmp_path: Path) -> None:
    for file in files_of(kept / "chunks"):
        file.write_bytes(b"rotten")
    assert all(one.mended for one in ws.doctor(mend=True, source=kept))
    assert not files_of(kept / "chunks")
    assert ws.back_up(kept).written > 0
    onward.restore(kept, tmp_path / "back").close()


def test_a_damaged_snapshot_is_passed_over_and_let_go(ws: Workspace, kept: Path, tmp_path: Path) -> None:
    (snapshot,) = files_of(kept / "snapshots")
    snapshot.write_bytes(b"rotten")
    with pytest.raises(Damaged):
        onward.restore(kept, tmp_path / "back")
    with pytest.raises(Damaged, match="Nothing was removed"):
        ws.prune(kept, keep=1)
    assert ws.snapshots(kept) == ()
    (found,) = ws.doctor(mend=True, source=kept)
    assert found.mended
    ws.back_up(kept)
    onward.restore(kept, tmp_path / "back").close()


def test_a_place_without_its_head_is_damaged(ws: Workspace, kept: Path) -> None:
    for file in kept.glob("repository*"):
        file.unlink()
    with pytest.raises(Damaged, match="has lost its"):
        ws.back_up(kept)
    with pytest.raises(NotFound):
        ws.snapshots(kept)


def test_what_is_damaged_here_is_lacking_there(ws: Workspace, tmp_path: Path) -> None:
    artifact = ws.version(1).artifact
    victim = next(
        path for path in files_of(ws.folder / "artifacts") if path.name != "MANIFEST.json" and artifact in str(path)
    )
    victim.write_bytes(b"torn")
    snapshot = ws.back_up(tmp_path / "kept")
    assert list(snapshot.damaged) == [artifact]
    ws.house.storage.blobs.drop_folder(artifact)
    assert "missing" in ws.back_up(tmp_path / "kept").damaged[artifact]
    with onward.restore(tmp_path / "kept", tmp_path / "back") as back:
        assert back.predict("hello", record=False).version == 2


# A hostile snapshot ------------------------------------------------------------------------------------------------


def forged(place: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Rewrite the snapshot of a place that is not encrypted."""
    repository = open_repository(place)
    (name,) = repository.ids()
    stored = msgspec.to_builtins(repository.stored(name))
    change(stored)
    label = f"snapshots/{name}.snapshot"
    data = zlib.compress(msgspec.json.encode(stored))
    (place / label).write_bytes(repository._seal.close(data, label))


def rename(contents: dict[str, Any], to: str) -> None:
    for artifact in contents["contents"]["artifacts"].values():
        artifact[to] = artifact.pop(next(iter(artifact)))


FORGERIES: dict[str, Callable[[dict[str, Any]], object]] = {
    "a path upwards": lambda s: rename(s, "../../escaped"),
    "an absolute path": lambda s: rename(s, "/tmp/escaped"),
    "a path with a null": lambda s: rename(s, "a\0b"),
    "an empty path": lambda s: rename(s, "."),
    "another path": lambda s: rename(s, "elsewhere"),
    "one file for a folder": lambda s: rename(s, "model.json/deeper/still"),
    "huge": lambda s: s["contents"]["tables"]["interactions"].update(size=2**60),
    "too short": lambda s: s["contents"]["tables"]["interactions"].update(size=5),
    "too few rows": lambda s: s["contents"]["tables"]["interactions"].update(rows=5),
    "unknown columns": lambda s: s["contents"]["tables"]["interactions"].update(columns=["x"]),
    "columns left out": lambda s: s["contents"]["tables"]["interactions"].update(columns=["sequence"]),
    "another table's rows": lambda s: s["contents"]["tables"].update(versions=s["contents"]["tables"]["interactions"]),
    "chunks that lead elsewhere": lambda s: s["contents"]["tables"]["meta"].update(chunks=["../" * 10 + "etc/passwd"]),
    "a blob of other content": lambda s: s["contents"]["blobs"].update(
        dict(zip(s["contents"]["blobs"], [*s["contents"]["blobs"].values()][::-1], strict=True))
    ),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_snapshot_is_refused_and_writes_nothing_elsewhere(kept: Path, tmp_path: Path, forgery: str) -> None:
    forged(kept, FORGERIES[forgery])
    with pytest.raises((Damaged, Unavailable, NotFound)):
        onward.restore(kept, tmp_path / "back")
    assert {path.name for path in tmp_path.iterdir()} == {"kept", "ws"}
    assert not Path("/tmp/escaped").exists()


def test_a_bomb_is_refused(ws: Workspace, kept: Path, tmp_path: Path) -> None:
    chunk = files_of(kept / "chunks")[0]
    bomb = zlib.compress(b"\0" * 200_000_000)
    chunk.write_bytes(open_repository(kept)._seal.close(bomb, chunk.name))
    with pytest.raises(Damaged, match="larger than it may be"):
        open_repository(kept).get(chunk.name)


# The target --------------------------------------------------------------------------------------------------------


def test_what_holds_something_is_left_alone(kept: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "precious").touch()
    with pytest.raises(InvalidInput, match="not empty"):
        onward.restore(kept, tmp_path / "mine")
    with pytest.raises(InvalidInput):
        onward.restore(kept, "memory://")
    (tmp_path / "empty").mkdir()
    onward.restore(kept, tmp_path / "empty").close()


def test_nowhere_to_write_is_told(ws: Workspace, kept: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable):
        ws.back_up(tmp_path / "file" / "kept")
    with pytest.raises(Unavailable):
        onward.restore(kept, tmp_path / "file" / "back")
    with pytest.raises(NotFound, match="no back-ups"):
        onward.restore(tmp_path / "none", tmp_path / "back")
    (tmp_path / "begun" / "snapshots").mkdir(parents=True)
    shutil.copy(kept / "repository.json", tmp_path / "begun")
    with pytest.raises(NotFound, match="no snapshot"):
        onward.restore(tmp_path / "begun", tmp_path / "back")


def test_what_a_dead_restore_left_is_swept(kept: Path, tmp_path: Path) -> None:
    code = "from onward.storage import mark_of_process as mark; print(mark().replace('/', ','))"
    dead = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    left = tmp_path / f".back-unfinished-{dead.stdout.decode().strip()}"
    left.mkdir()
    another = tmp_path / ".back-unfinished-another-boot,4026531836,1,1"
    another.mkdir()
    onward.restore(kept, tmp_path / "back").close()
    assert not left.exists()
    assert another.exists()


def test_a_bucket_keeps_as_well(ws: Workspace, tmp_path: Path) -> None:
    pytest.importorskip("fsspec")
    place = f"memory://{tmp_path.name}/kept"
    with pytest.raises(NotFound):
        ws.snapshots(place)
    ws.back_up(place, passphrase=WORD)
    assert ws.back_up(place, passphrase=WORD).written == 0
    assert len(ws.prune(place, keep=1, passphrase=WORD).snapshots) == 1
    with onward.restore(place, tmp_path / "back", passphrase=WORD) as back:
        assert everything(back) == everything(ws)
    with pytest.raises(InvalidInput):
        ws.back_up("nosuch://place")


# Any rows ----------------------------------------------------------------------------------------------------------


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15, deadline=None)
@given(data=st.data())
def test_any_rows_come_back(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
    folder = tmp_path_factory.mktemp("any")
    with onward.open(folder / "ws", settings=LINEAR) as ws:
        for turn in range(2):
            for number, said in enumerate(data.draw(st.lists(text.filter(str.strip), max_size=20))):
                ws.record(said, id=f"{turn}-{number}", user=data.draw(st.none() | st.just("ü")))
            ws.back_up(folder / "kept")
        with onward.restore(folder / "kept", folder / "back") as back:
            assert everything(back) == everything(ws)


@pytest.fixture(autouse=True)
def _nothing_escapes() -> Iterator[None]:
    yield
    assert not Path("/tmp/escaped").exists()
