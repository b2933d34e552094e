"""Who looks for what, in which order: what one finder has found, the next ones no longer see."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from ._accounts import cards, ibans, social_security
from ._contact import emails, emails_other_script, ipv4, ipv6
from ._digits import Span
from ._phone import phones
from ._secret import assigned, bearers, keys, logins, passwords, pins, private_keys, tokens

Finder = Callable[[str], Iterator[Span]]
Sign = Callable[[str], object]


_PASSWORDS = (
    *("pass", "pwd", "kennwort", "contrase", "senha", "wachtwoord", "has", "lösenord", "adgangskode", "salasana"),
    *("пароль", "密码", "密碼", "パスワード", "비밀번호"),
)
_KEYS = ("secret", "token", "key", "credential", "session", "cookie", "authorization")
_PINS = ("pin", "cvv", "cvc", "otp", "code", "time p")


def _words(*words: str) -> Sign:
    """Whether a text has any of the words; `in` is several times quicker than an alternation of `re`."""

    def found(text: str) -> bool:
        for word in words:  # noqa: SIM110 - a generator would take most of the time
            if word in text:
                return True
        return False

    return found


def _pattern(pattern: str) -> Sign:
    return re.compile(pattern).search


# The kind, a sign without which the finder cannot find anything (asked of `lowered` text), and the finder.
FINDERS: Final[tuple[tuple[str, Sign, Finder], ...]] = (
    ("SECRET", _words("-----begin "), private_keys),
    ("SECRET", _pattern(r"[a-z0-9_./-]{15}"), tokens),
    ("SECRET", _words("://"), logins),
    ("SECRET", _words("bearer", "basic"), bearers),
    ("EMAIL", _pattern(r"@|[\[({] ?at ?[\])}]"), emails),
    ("SECRET", _words(*_PASSWORDS), passwords),
    ("SECRET", _words(*_KEYS), keys),
    ("IBAN", _pattern(r"[a-z][ .-]?\d[ .-]?\d(?:[ .-]?[a-z0-9]){11}"), ibans),
    ("IP", lambda text: text.count(":") > 1, ipv6),
    ("IP", lambda text: text.count(".") > 2, ipv4),
    ("CARD", _pattern(r"\d[\d ().\-/]{12}"), cards),
    ("SSN", _pattern(r"\d{3}([ -]?)\d\d\1\d{4}(?!\d)"), social_security),
    ("SECRET", _words(*_PINS), pins),
    ("PHONE", _pattern(r"\d[\d ().\-/]{4}"), phones),
    ("SECRET", _pattern(r"[:=]\s{0,2}[\"'`]?[a-z0-9+/_.-]{20}"), assigned),
    ("EMAIL", _words("@"), emails_other_script),
)
_NEED_WORDS = frozenset({private_keys, logins, bearers, passwords, keys, pins})
_WORDS = ("-----begin ", "://", "bearer", "basic", *_PASSWORDS, *_KEYS, *_PINS)
_has_words = _words(*_WORDS)
_has_ascii_words = _words(*filter(str.isascii, _WORDS))
_WITHOUT_WORDS = tuple(one for one in FINDERS if one[2] not in _NEED_WORDS)
PERSON = "PERSON"
# What only others find: numbers of documents and devices, and of accounts that have no check digits.
ID, ACCOUNT = "ID", "ACCOUNT"
KINDS = (*sorted({kind for kind, _, _ in FINDERS}), PERSON, ID, ACCOUNT)
PLACEHOLDER = re.compile(rf"\[(?:{'|'.join(KINDS)})\]")


def finders(text: str) -> tuple[tuple[str, Sign, Finder], ...]:
    """Who may find something in a lowered text; most texts have no word that announces a secret."""
    return FINDERS if (_has_ascii_words if text.isascii() else _has_words)(text) else _WITHOUT_WORDS


def lowered(text: str) -> str:
    """A folded text in lower case, as `re.IGNORECASE` sees it: it takes the Turkish letters for an "i"."""
    return (text if text.isascii() else text.replace("İ", "i").replace("ı", "i")).lower()


def placeholder(kind: str) -> str:
    """What stands in the text instead.

    >>> placeholder("EMAIL")
    '[EMAIL]'
    """
    return f"[{kind}]"
