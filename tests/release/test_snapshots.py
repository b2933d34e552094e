"""The parts of a repository of snapshots that a whole workspace seldom reaches."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from pathlib import Path

import pytest

from onward.core import Busy, Damaged, InvalidInput, ManualClock, NotFound, Unavailable, encode
from onward.release import open_repository
from onward.release._snapshots import FilePart, appearing, free_space, open_place
from onward.release._snapshots._presence import RENEWED_EVERY, Note, present
from onward.release._snapshots._repository import PIECE, chunk_file, snapshot_file
from onward.storage import mark_of_process


def test_content_of_any_length_comes_back_in_pieces(tmp_path: Path) -> None:
    repository = open_repository(tmp_path, create=True)
    for size in (0, 1, PIECE, PIECE + 1):
        data = os.urandom(size)
        part = repository.put_all([data[:7], data[7:]])
        assert part.size == size
        assert len(part.chunks) == -(-size // PIECE)
        assert b"".join(repository.get_all(part)) == data
        with pytest.raises(Damaged, match="not as long"):
            list(repository.get_all(FilePart(size + 1, part.chunks)))


def test_a_chunk_under_another_name_is_damaged(tmp_path: Path) -> None:
    repository = open_repository(tmp_path, create=True)
    one, two = repository.put(b"one"), repository.put(b"two")
    (tmp_path / chunk_file(one)).write_bytes((tmp_path / chunk_file(two)).read_bytes())
    with pytest.raises(Damaged):
        repository.get(one)
    (tmp_path / chunk_file(two)).unlink()
    with pytest.raises(NotFound):
        repository.get(two)


@pytest.mark.parametrize("name", ["", "../x", "a" * 63, "A" * 64, "/" * 64])
def test_names_that_lead_elsewhere_are_refused(name: str) -> None:
    with pytest.raises(Damaged):
        chunk_file(name)
    with pytest.raises(NotFound):
        snapshot_file(f"{name}/..")


def test_the_head_is_there_twice_and_of_one_format(tmp_path: Path) -> None:
    open_repository(tmp_path, create=True)
    whole = (tmp_path / "repository.json").read_bytes()
    for torn in (whole[:-9], whole.replace(b'"format":1', b'"format":2')):
        (tmp_path / "repository.json").write_bytes(torn)
        open_repository(tmp_path)
    (tmp_path / "repository.copy.json").write_bytes(b"{}")
    with pytest.raises(Damaged):
        open_repository(tmp_path)


def test_a_back_up_writes_the_second_head_where_its_beginning_was_cut_off(tmp_path: Path) -> None:
    begun = open_repository(tmp_path, create=True)
    second = tmp_path / "repository.copy.json"
    whole = second.read_bytes()
    second.unlink()
    open_repository(tmp_path)
    assert not second.exists()
    again = open_repository(tmp_path, create=True)
    assert second.read_bytes() == whole
    assert again.get(begun.put(b"one")) == b"one"


def test_two_that_begin_at_once_share_a_head(tmp_path: Path) -> None:
    place = open_place(tmp_path)
    place.write("repository.json", b"")
    (tmp_path / "repository.json").unlink()
    open_repository(tmp_path, "word", create=True)
    with pytest.raises(InvalidInput):
        open_repository(tmp_path, "other", create=True)
    open_repository(tmp_path, "word", create=True)


def test_who_is_present_renews_its_note_and_notices_when_it_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, place = ManualClock(), open_place(tmp_path)
    with present(place, "back-up", clock) as presence:
        before = place.read(presence.name)
        presence.renew()
        assert place.read(presence.name) == before
        clock.advance(timedelta(minutes=30))
        monkeypatch.setattr(presence, "_renewed", time.monotonic() - RENEWED_EVERY - 1)
        presence.renew()
        assert place.read(presence.name) != before
        with present(place, "back-up", clock), pytest.raises(Busy), present(place, "pruning", clock):
            pass
        place.drop(presence.name)
        monkeypatch.setattr(presence, "_renewed", time.monotonic() - RENEWED_EVERY - 1)
        with pytest.raises(Busy):
            presence.renew()
    place.write("work/back-up-w_0", b"torn")
    with present(place, "pruning", clock):
        assert place.names("work") != ["work/back-up-w_0"]


def test_a_note_counts_while_its_process_runs(tmp_path: Path, clock: ManualClock) -> None:
    place = open_place(tmp_path)
    mark = mark_of_process()
    gone = mark.rpartition("/")[0] + "/1"
    for told, counts in ((mark, True), (gone, False), ("another-boot/4026531836/1/1", True), ("", True)):
        place.write("work/back-up-w_1", encode(Note("host:1", clock.now(), told)))
        if counts:
            with pytest.raises(Busy, match="host:1"), present(place, "pruning", clock):
                pass
        else:
            with present(place, "pruning", clock):
                pass


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "target"
    assert free_space(target) > 0
    with pytest.raises(ZeroDivisionError), appearing(target) as unfinished:
        (unfinished / "file").write_bytes(bytes(1 // 0))
    assert list((tmp_path / "deep").iterdir()) == []
    with appearing(target) as unfinished:
        (unfinished / "file").touch()
        with pytest.raises(Busy), appearing(target):
            pass
        assert not target.exists()
    assert (target / "file").exists()
    with pytest.raises(InvalidInput), appearing(target):
        pass
    with pytest.raises(InvalidInput), appearing(target / "file"):
        pass
    with pytest.raises(Unavailable), appearing(target / "file" / "below"):
        pass
