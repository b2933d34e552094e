"""E-mail and network addresses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import AddressValueError, IPv6Address

from ._digits import Span

_LETTER = "A-Za-z\u00c0-\u024f\u0370-\u03ff\u0400-\u04ff"
_LOCAL = rf"[{_LETTER}0-9._%+'-]"
# Signs that RFC 5322 allows but that mostly stand around an address: taken only from the start of a word on.
_RARE = rf"(?<![^\s<(\"'>,;\0])(?![?&#/]?\w{{1,20}}=[^=@\s]{{1,64}}@)[{_LETTER}0-9._%+'!#$&*/=?^|~-]{{1,64}}+"
_AT = r"(?:@|[ ]?[\[({][ ]?(?:at|AT)[ ]?[\])}][ ]?)"
_DOT = r"(?:\.|[ ]?[\[({][ ]?(?:dot|DOT|punkt)[ ]?[\])}][ ]?)"
_LABEL = rf"[{_LETTER}0-9-]++"
# A run of local characters is entered at its first character only, which keeps the search linear.
_EMAIL = re.compile(
    rf"(?:\"[^\"\n\0]{{1,64}}\"@|{_RARE}@|(?<!{_LOCAL}){_LOCAL}++{_AT})"
    rf"(?:{_LABEL}(?:{_DOT}{_LABEL})*?{_DOT}[{_LETTER}][{_LETTER}0-9-]++(?!\.[{_LETTER}][{_LETTER}0-9-])"
    r"|\[(?:IPv6:)?[0-9A-Fa-f:.]{3,45}\])"
)
# Indic vowel signs are no word characters to `re`.
_ANY = r"\w\u0900-\u0dff-"
_EMAIL_OTHER_SCRIPT = re.compile(
    rf"(?<![{_ANY}.+])[{_ANY}.+]++@[{_ANY}]++(?:\.[{_ANY}]++)*?\.(?!\d)[{_ANY}]{{2,}}+(?!\.\w)"
)

_OCTET = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_IPV4 = re.compile(rf"(?<![A-Za-z0-9_.])(?:{_OCTET}\.){{3}}{_OCTET}(?![A-Za-z0-9_]|\.\d)")
_NUMBERED = re.compile(
    r"(?:\b(?:v|ver|version|release|build|firmware|software|driver|updated?(?: to)?|upgraded?(?: to)?|app|ios"
    r"|android|windows|chrome|firefox|sections?|chapters?|clause|paragraph|article|rule|step|part|oid|abschnitt|kapitel)|§)"
    r"\.?[ :=-]{0,2}$",
    re.IGNORECASE,
)
_IPV6 = re.compile(r"(?<![\w:.])[0-9A-Fa-f:.]{3,45}+(?![\w:])")


def emails(text: str) -> Iterator[Span]:
    """Addresses of RFC 5322 and 6531 in Latin, Greek or Cyrillic letters, also written (at)."""
    for found in _EMAIL.finditer(text):
        lead = len(found[0]) - len(found[0].lstrip("'.-+%"))
        yield found.start() + lead, found.end()


def emails_other_script(text: str) -> Iterator[Span]:
    """Addresses in any other script; looked for last, for such scripts may not set them apart by spaces."""
    for found in _EMAIL_OTHER_SCRIPT.finditer(text):
        yield found.span()


def ipv4(text: str) -> Iterator[Span]:
    """IPv4 addresses in dotted form, but not what is called a version or a section."""
    for found in _IPV4.finditer(text):
        if not _NUMBERED.search(text[max(0, found.start() - 20) : found.start()]):
            yield found.span()


def ipv6(text: str) -> Iterator[Span]:
    """IPv6 addresses in the forms of RFC 4291."""
    for found in _IPV6.finditer(text):
        written = found[0].rstrip(".")
        if not written.endswith("::"):
            written = written.rstrip(":")
        if written.count(":") >= 2 and _is_ipv6(written):
            yield found.start(), found.start() + len(written)


def _is_ipv6(written: str) -> bool:
    """Whether it is an address that nobody would write for another reason ("a::b" is also C++)."""
    if not any(char.isdigit() for char in written):
        return False
    try:
        IPv6Address(written)
    except AddressValueError:
        return False
    return True
