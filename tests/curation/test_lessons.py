"""Who taught whom: the index says what the data sets say, whatever order they come in, and outlives them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, update

from onward.core import DatasetVersion, Example, Gone, Labels
from onward.curation import Datasets
from onward.storage import Storage, open_storage, schema

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
NAMES = "abcdefg"


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[Storage]:
    with closing(open_storage(tmp_path / "ws")) as opened:
        yield opened


def example(name: str, split: str = "train", source: str = "given", *more: str) -> Example:
    return Example(
        id=name, text=f"text {name}", labels=Labels(intent="x"), split=split, source=source, interactions=(name, *more)
    )  # type: ignore[arg-type]


def dataset(name: str, teaching: str, judging: str = "", tenant: str = "t") -> DatasetVersion:
    examples = [example(one, "train" if one < "d" else "validation") for one in sorted(teaching)]
    examples += [example(one, "evaluation") for one in sorted(judging)]
    return DatasetVersion(id=name, tenant=tenant, parent=None, created=NOON, examples=tuple(examples))


def add(storage: Storage, datasets: Datasets, one: DatasetVersion) -> None:
    blob = datasets.put(one)
    storage.database.write(lambda c: datasets.add(c, one, blob))


def lessons(storage: Storage) -> list[tuple[object, ...]]:
    with storage.database.read() as connection:
        return [tuple(row) for row in connection.execute(select(schema.lessons).order_by("interaction", "start"))]


def test_an_interaction_has_one_row_for_as_long_as_it_teaches(storage: Storage) -> None:
    datasets = Datasets(storage)
    for name, teaching in (("1", "ab"), ("2", "abc"), ("3", "bc"), ("4", "abc")):
        add(storage, datasets, dataset(name, teaching, judging="g"))
    assert lessons(storage) == [
        ("t", "a", 1, 3),
        ("t", "a", 4, None),
        ("t", "b", 1, None),
        ("t", "c", 2, None),
    ]
    assert datasets.taught("t", {"a"}) == {"1", "2", "4"}
    assert datasets.taught("t", {"a"}, up_to=2) == {"1", "2"}
    assert datasets.taught("t", {"c", "nobody"}) == {"2", "3", "4"}
    assert datasets.taught("t", {"g"}) == datasets.taught("t", set()) == datasets.taught("u", {"a"}) == frozenset()
    assert [datasets.how_many_taught("t", name) for name in "1234"] == [2, 3, 2, 3]
    assert datasets.how_many_taught("t", "5") is None


def test_the_same_again_changes_nothing(storage: Storage) -> None:
    datasets = Datasets(storage)
    for name, teaching in (("1", "ab"), ("2", "c"), ("1", "ab")):
        add(storage, datasets, dataset(name, teaching))
    assert lessons(storage) == [("t", "a", 1, 2), ("t", "b", 1, 2), ("t", "c", 2, None)]


def test_tenants_share_places_and_nothing_else(storage: Storage) -> None:
    datasets = Datasets(storage)
    for tenant, teaching in (("t", "ab"), ("u", "bc"), ("t", "a"), ("u", "c")):
        add(storage, datasets, dataset(f"{tenant}{teaching}", teaching, tenant=tenant))
    assert datasets.taught("t", {"b"}) == {"tab"}
    assert datasets.taught("u", {"b"}) == {"ubc"}
    with storage.database.read() as connection:
        assert connection.scalars(select(schema.datasets.c.place).order_by("place")).all() == [1, 2, 3, 4]


teachings = st.lists(st.text(NAMES, max_size=5), min_size=1, max_size=6)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(teachings=teachings, lost=st.sets(st.integers(0, 5)), asked=st.text(NAMES, min_size=1, max_size=3))
def test_it_says_what_the_data_sets_say(teachings: list[str], lost: set[int], asked: str) -> None:
    """Noted as they came, or later on from what is stored; where some is lost, nothing is left out of the rest."""
    with closing(open_storage("memory://")) as storage:
        datasets = Datasets(storage)
        for number, teaching in enumerate(teachings):
            add(storage, datasets, dataset(str(number), teaching))
        told = {str(n) for n, teaching in enumerate(teachings) if not set(asked).isdisjoint(teaching)}
        assert datasets.taught("t", set(asked)) == told
        before, counts = lessons(storage), [datasets.how_many_taught("t", str(n)) for n in range(len(teachings))]
        forget_lessons(storage)
        again = Datasets(storage)
        assert again.taught("t", set(asked)) == told
        assert lessons(storage) == before
        assert [again.how_many_taught("t", str(n)) for n in range(len(teachings))] == counts
        blobs = [datasets.put(dataset(str(n), teaching)) for n, teaching in enumerate(teachings)]
        for number in lost & set(range(len(teachings))):
            storage.blobs.drop(blobs[number])
        forget_lessons(storage)
        stored = {str(n) for n, blob in enumerate(blobs) if blob in set(storage.blobs.names())}
        assert again.taught("t", set(asked)) == told & stored
        for number in sorted(lost & set(range(len(teachings))), reverse=True):  # brought back, out of turn
            datasets.put(dataset(str(number), teachings[number]))
            assert datasets.taught("t", set(asked)) >= told & stored
        assert datasets.taught("t", set(asked)) >= told  # in doubt, it taught
        assert [found for _, found in datasets.unnoted("t") if found] == []


def forget_lessons(storage: Storage) -> None:
    def work(connection: object) -> None:
        connection.execute(schema.lessons.delete())  # type: ignore[attr-defined]
        connection.execute(update(schema.datasets).values(taught=None))  # type: ignore[attr-defined]

    storage.database.write(work)


def test_what_is_not_noted_is_seen_and_noted_again(storage: Storage) -> None:
    datasets = Datasets(storage)
    for name, teaching in (("1", "ab"), ("2", "abc"), ("3", "ac")):
        add(storage, datasets, dataset(name, teaching))
    storage.database.write(lambda c: c.execute(schema.lessons.delete().where(schema.lessons.c.interaction == "a")))
    assert dict(datasets.unnoted("t")) == {"1": {"a"}, "2": {"a"}, "3": {"a"}}
    for name in "213":
        datasets.note_again("t", name)
    assert datasets.taught("t", {"a"}) == {"1", "2", "3"}
    assert datasets.taught("t", {"b"}) == {"1", "2"}
    assert set(dict(datasets.unnoted("t")).values()) == {frozenset()}


def test_many_names_are_asked_for_in_pages(storage: Storage) -> None:
    datasets = Datasets(storage)
    many = tuple(f"i{number:04}" for number in range(1200))
    big = DatasetVersion(
        id="1", tenant="t", parent=None, created=NOON, examples=(example("x", "train", "given", *many),)
    )
    add(storage, datasets, big)
    add(storage, datasets, dataset("2", ""))
    assert datasets.taught("t", set(many)) == {"1"}
    with storage.database.read() as connection:
        assert connection.scalar(select(func.count()).where(schema.lessons.c.stop == 2)) == 1201


def test_what_is_gone_goes_and_what_others_said_stays() -> None:
    gone = Gone(said=frozenset("ab"), spoken_of=frozenset("cd"))
    kept = [
        example("a"),
        example("b", "train", "given", "x"),
        example("c", "train", "correction"),
        example("d", "train", "given"),
        example("e", "train", "confirmed", "c"),
    ]
    left = gone.left_of(kept)
    assert [(one.id, one.interactions) for one in left] == [("b", ("x",)), ("d", ("d",)), ("e", ("e",))]
    assert Gone().left_of(kept) == tuple(kept)
