"""What is wrong with a workspace, and what mends it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final, Literal

from onward.core import OnwardError

UNREADABLE: Final = (OnwardError, TypeError, ValueError, LookupError, AttributeError)
"""What reading damaged rows raises: they may hold anything, and be of any type."""

FROM_BACK_UP: Final = "Restore a back-up: onward restore SOURCE TO"

AilmentKind = Literal["damaged", "missing", "disagrees", "orphan", "open to others", "left over", "unfinished", "lost"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ailment:
    """One thing that is not as it should be.

    Args:
        kind: `damaged`: bytes are not what was stored; `missing`: something is named and not there; `disagrees`: two
            records contradict each other; `orphan`: nothing names it; `open to others`: more than its owner may read
            it; `left over`: its process is gone; `unfinished`: it goes on by itself; `lost`: it could not be recovered.
        where: a file, a record, a hash.
        what: what is wrong with it.
        mend: what to do.
        grave: whether something is lost or will fail for it. What is not grave may stay as it is.
        mended: whether it was mended.
    """

    kind: AilmentKind
    where: str
    what: str
    mend: str
    grave: bool = True
    mended: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """An ailment and what mends it, where that is safe."""

    ailment: Ailment
    remedy: Callable[[], object] | None = None


def way_back(tenant: str, before: int | None) -> str:
    """What to do for a champion that cannot serve.

    Args:
        before: the champion before it, if there was one.
    """
    back = f"go back: onward --tenant {tenant} rollback --to {before}; or " if before is not None else ""
    return f"{back}bring it back: onward doctor --mend --from BACKUP"


def told_by(error: Exception) -> str:
    """What an error says happened."""
    return str(error.what) if isinstance(error, OnwardError) else f"What is stored makes no sense: {error}."


def treated(found: Iterable[Found], *, mend: bool) -> Iterator[Ailment]:
    """The ailments; with `mend`, those mended that have a remedy. A remedy that fails says why."""
    for one in found:
        if not mend or one.remedy is None:
            yield one.ailment
            continue
        try:
            one.remedy()
        except (OnwardError, OSError) as error:
            yield replace(one.ailment, mend=f"It could not be mended: {error}")
        else:
            yield replace(one.ailment, mended=True)
