"""Everything that is checked, in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial

from onward.core import Clock, OnwardError
from onward.release._ailment import FROM_BACK_UP, UNREADABLE, Ailment, Found, told_by
from onward.release._books import read_books
from onward.release._snapshots import Progress, Repository
from onward.storage import Storage

from ._books import check_books
from ._content import check_content, contents_of
from ._database import Agreement, check_database
from ._folder import check_left_over, check_permissions
from ._links import check_links
from ._supply import check_repository, supply_of


def examine(
    storage: Storage,
    clock: Clock,
    *,
    agreements: Mapping[str, tuple[type, Agreement]],
    repository: Repository | None,
    progress: Progress,
) -> Iterator[Found]:
    """Look at everything that a workspace stores: database, records, links, content, permissions, left-overs.

    Args:
        agreements: of tables whose records others know: name -> record, and what its columns must say.
        repository: back-ups to verify, and to bring lost content back from.
    """
    yield from _surviving("folder", lambda: check_permissions(storage.folder))
    yield from check_database(storage, clock, agreements, repository)
    if repository is not None:
        yield from _surviving("back-ups", partial(check_repository, repository, progress))
    yield from _surviving("records", lambda: _links(storage, clock, repository, progress))
    yield from _surviving("records", lambda: check_books(storage))
    yield from _surviving("folder", lambda: check_left_over(storage))


def _links(storage: Storage, clock: Clock, repository: Repository | None, progress: Progress) -> Iterator[Found]:
    with storage.database.read() as connection:
        books = read_books(connection, lenient=True)
    yield from check_content(contents_of(storage, clock, books, supply_of(storage.blobs, repository)), progress)
    yield from check_links(storage, books, clock)


def _surviving(where: str, check: Callable[[], Iterable[Found]]) -> Iterator[Found]:
    """What a check finds; where damage ends it, that too."""
    try:
        yield from check()
    except UNREADABLE as error:
        mend = error.mend if isinstance(error, OnwardError) and error.mend else FROM_BACK_UP
        yield Found(Ailment(kind="damaged", where=where, what=told_by(error), mend=mend))
