"""Who looks for what, in which order: what one finder has found, the next ones no longer see."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from ._accounts import cards, ibans, social_security
from ._contact import emails, emails_other_script, ipv4, ipv6
from ._digits import Span
from ._phone import phones
from ._secret import assigned, bearers, keys, logins, passwords, pins, private_keys, tokens

Finder = Callable[[str], Iterator[Span]]

FINDERS: tuple[tuple[str, Finder], ...] = (
    ("SECRET", private_keys),
    ("SECRET", tokens),
    ("SECRET", logins),
    ("SECRET", bearers),
    ("EMAIL", emails),
    ("SECRET", passwords),
    ("SECRET", keys),
    ("IBAN", ibans),
    ("IP", ipv6),
    ("IP", ipv4),
    ("CARD", cards),
    ("SSN", social_security),
    ("SECRET", pins),
    ("PHONE", phones),
    ("SECRET", assigned),
    ("EMAIL", emails_other_script),
)
PERSON = "PERSON"
KINDS = (*sorted({kind for kind, _ in FINDERS}), PERSON)
PLACEHOLDER = re.compile(rf"\[(?:{'|'.join(KINDS)})\]")


def placeholder(kind: str) -> str:
    """What stands in the text instead.

    >>> placeholder("EMAIL")
    '[EMAIL]'
    """
    return f"[{kind}]"
