"""What may be shown of what holds secrets."""

from __future__ import annotations

import re
from typing import Final

SECRETS: Final = (
    (re.compile(r"(://[^:/@]*):.*@", re.DOTALL), r"\1:***@"),
    (re.compile(r"((?:password|secret|token|key)[a-z_]*=)[^&#\s]*", re.IGNORECASE), r"\1***"),
)


def masked(url: str) -> str:
    """A URL without its secrets.

    >>> masked("postgresql://me:secret@host/shop?sslpassword=secret")
    'postgresql://me:***@host/shop?sslpassword=***'
    >>> masked("postgresql://me:se/cr?et@host/shop")
    'postgresql://me:***@host/shop'
    """
    for secret, instead in SECRETS:
        url = secret.sub(instead, url)
    return url
