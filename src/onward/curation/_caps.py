"""No single user or source may dominate what is new."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ._records import Draft

ENOUGH = 50


def _over(drafts: Sequence[Draft], share: float, owner: Callable[[Draft], str | None]) -> list[Draft]:
    """The drafts, by id, beyond each owner's share. Ids are hashes: which ones stay is chance, but always the same."""
    owned: dict[str, list[Draft]] = {}
    for draft in drafts:
        name = owner(draft)
        if name is not None:
            owned.setdefault(name, []).append(draft)
    if len(owned) < 2:
        return []
    allowed = _allowed([len(mine) for mine in owned.values()], len(drafts), max(share, 1 / len(owned)))
    return [draft for mine in owned.values() for draft in mine[allowed:]]


def _allowed(sizes: Sequence[int], total: int, share: float) -> int:
    """The most that any owner may have so that it is at most this share of what is left of all."""
    free, allowed = total - sum(sizes), max(sizes)
    while allowed > share * (free + sum(min(size, allowed) for size in sizes)) + 1e-9:
        allowed -= 1
    return allowed


def over_share(new: Sequence[Draft], max_user_share: float, max_source_share: float) -> dict[str, str]:
    """Draft id -> why it is set aside; `new` by id.

    A text that several users (or sources) sent counts for none of them, one without a user neither. With fewer than 50
    new texts, or only one user (source) known, nothing is capped: shares mean nothing then.
    """
    if len(new) < ENOUGH:
        return {}
    by_source = _over(new, max_source_share, lambda d: d.origin)
    by_user = _over(new, max_user_share, lambda d: d.user)
    aside = {d.id: "more than one source's share of the new examples" for d in by_source}
    return aside | {d.id: "more than one user's share of the new examples" for d in by_user}
