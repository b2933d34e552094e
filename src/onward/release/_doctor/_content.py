"""Is every blob and every artifact what was stored, and is what is needed there?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Final

from sqlalchemy import select

from onward.core import Clock, Damaged, DatasetVersion, EvaluationSet, NotFound, decode
from onward.release._ailment import Ailment, Found, way_back
from onward.release._books import Books
from onward.release._expendable import predecessor
from onward.release._snapshots import named_now
from onward.storage import Storage, hold, schema

from ._supply import Supply

Progress = Callable[[str, int, int, str], None]
DAY: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class Contents:
    """What is checked against what.

    Args:
        needed: hashes of what must be there, whatever retention drops.
        users: hash -> what names it, for people.
        supply: where lost content comes from again.
        advice: artifact -> what to do when it is lost and there is no supply.
        tenants: whoever may run a cycle.
    """

    storage: Storage
    clock: Clock
    needed: frozenset[str]
    users: Mapping[str, str]
    supply: Supply
    advice: Mapping[str, str]
    tenants: tuple[str, ...]


def contents_of(storage: Storage, clock: Clock, books: Books, supply: Supply) -> Contents:
    """What the books say of everything that is stored."""
    with storage.database.read() as connection:
        tenants = tuple(sorted(connection.scalars(select(schema.tallies.c.tenant).distinct())))
    needed = frozenset(books.needed(books.protected()))
    return Contents(storage, clock, needed, _users(books), supply, _advice(books), tenants)


def _users(books: Books) -> dict[str, str]:
    users = {blob: f"data set {dataset[:12]} of {tenant}" for (tenant, dataset), blob in books.datasets.items()}
    users |= {blob: f"evaluation set {name[:12]}" for blob, name in books.evaluation_sets.items()}
    return users | {version.artifact: f"version {number}" for number, version in books.versions.items()}


def _advice(books: Books) -> dict[str, str]:
    """What to do for a champion whose artifact is lost."""
    advice = {}
    for tenant, champion in books.champions().items():
        if champion in books.versions:
            mend = way_back(tenant, predecessor(books.history(tenant), champion))
            advice[books.versions[champion].artifact] = f"It serves {tenant}: {mend}"
    return advice


def check_content(contents: Contents, progress: Progress) -> Iterator[Found]:
    """Verify everything that is stored; say what is missing, damaged, or named by nothing."""
    with contents.storage.database.read() as connection:
        blobs, artifacts = named_now(connection, lenient=True)
    store = contents.storage.blobs
    yield from _kind(contents, "blob", blobs, set(store.names()), _readable(contents), progress)
    yield from _kind(contents, "artifact", artifacts, set(store.artifacts()), store.verify_folder, progress)


def _kind(
    contents: Contents,
    kind: str,
    named: set[str],
    stored: set[str],
    verify: Callable[[str], object],
    progress: Progress,
) -> Iterator[Found]:
    everything = sorted(named | stored)
    for done, name in enumerate(everything):
        progress(f"{kind}s", done, len(everything), name[:12])
        if name not in stored:
            yield from _missing(contents, kind, name)
        else:
            yield from _damaged(contents, kind, name, verify)
            if name not in named:
                yield _orphan(contents, kind, name)
    progress(f"{kind}s", len(everything), len(everything), "done")


def _readable(contents: Contents) -> Callable[[str], object]:
    """Data set versions and evaluation sets are read as what they are, the rest by hash only."""

    def verify(name: str) -> None:
        data = contents.storage.blobs.get(name)
        user = contents.users.get(name, "")
        if user.startswith("data set"):
            decode(data, DatasetVersion)
        elif user.startswith("evaluation set"):
            decode(data, EvaluationSet)

    return verify


def _missing(contents: Contents, kind: str, name: str) -> Iterator[Found]:
    if name not in contents.needed:
        return
    yield _lost(contents, kind, name, Ailment(kind="missing", where="", what="It is gone.", mend=""))


def _damaged(contents: Contents, kind: str, name: str, verify: Callable[[str], object]) -> Iterator[Found]:
    try:
        verify(name)
    except Damaged as error:
        yield _lost(contents, kind, name, Ailment(kind="damaged", where="", what=str(error.what), mend=""))
    except NotFound:
        yield from _missing(contents, kind, name)


def _lost(contents: Contents, kind: str, name: str, bare: Ailment) -> Found:
    user = contents.users.get(name, "named by nothing")
    remedy = contents.supply.remedy(kind, name)
    mend = contents.advice.get(name) or "Bring it back: onward doctor --mend --from BACKUP"
    if remedy is not None:
        mend = "The back-up holds it: onward doctor --mend --from BACKUP"
    ailment = Ailment(kind=bare.kind, where=f"{kind} {name} ({user})", what=bare.what, mend=mend)
    return Found(ailment, remedy)


def _orphan(contents: Contents, kind: str, name: str) -> Found:
    """Content that nothing names: a cycle's whose process was killed, or just about to be named."""
    storage = contents.storage
    ailment = Ailment(
        kind="orphan",
        where=f"{kind} {name}",
        what="Nothing names it.",
        mend="Drop it when it is older than a day: onward doctor --mend",
        grave=False,
    )
    age = storage.blobs.age(name)
    return Found(ailment, partial(_drop, contents, kind, name) if age is not None and age > DAY else None)


def _drop(contents: Contents, kind: str, name: str) -> None:
    """Drop what nothing names, while no cycle runs that could store the same and name it."""
    storage = contents.storage
    with ExitStack() as held:
        for tenant in contents.tenants:
            held.enter_context(hold(storage.database, f"cycle:{tenant}", contents.clock))
        with storage.database.read() as connection:
            blobs, artifacts = named_now(connection)
        if name in blobs | artifacts:
            raise NotFound("It is named by now.", mend="Nothing was dropped.")
        (storage.blobs.drop if kind == "blob" else storage.blobs.drop_folder)(name)
