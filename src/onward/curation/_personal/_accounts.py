"""Numbers that carry their own proof: payment cards, IBANs, US social security numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ._digits import Span, digits, pick, runs

# Issuer prefixes and lengths, ISO/IEC 7812: Visa, Mastercard, American Express, Diners Club, JCB, Discover and UnionPay
# (6, 81), Maestro, RuPay, Mir.
_CARD = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}"
    r"|3(?:0[0-5]|095|[689]\d)\d{11,14}|35(?:2[89]|[3-8]\d)\d{12,15}|6\d{15,18}|(?:6304|67[56]\d)\d{9,15}"
    r"|8[12]\d{14,17}|5[06-8]\d{11,17}|220[0-4]\d{12,15}"
)
_DOUBLED = "0246813579"

# Lengths of the SWIFT IBAN registry (ISO 13616).
_IBAN_LENGTHS = {
    15: "NO",
    16: "BE",
    18: "DK FI FK FO GL NL SD",
    19: "MK SI",
    20: "AT BA EE KZ LT LU MN XK",
    21: "CH HR LI LV",
    22: "BG BH CR DE GB GE IE ME RS VA",
    23: "AE GI IL IQ OM SO TL",
    24: "AD CZ ES MD PK RO SA SE SK TN VG",
    25: "LY PT ST",
    26: "IS TR",
    27: "BI DJ FR GR IT MC MR SM",
    28: "AL AZ BY CY DO GT HN HU LB NI PL SV",
    29: "BR EG PS QA UA",
    30: "JO KW MU YE",
    31: "MT SC",
    32: "LC",
    33: "RU",
}
_LENGTH_OF = {country: length for length, countries in _IBAN_LENGTHS.items() for country in countries.split()}
_IBAN_START = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}(?=[ .-]?\d[ .-]?\d[ .-]?[A-Za-z0-9])")
_IBAN_REST = {length: re.compile(rf"(?:[ .-]?[A-Za-z0-9]){{{length - 2}}}(?![A-Za-z0-9])") for length in _IBAN_LENGTHS}
_SSN = re.compile(r"\d{3}(?<![\d-]\d{3})(?<!000|666)(?<!9\d\d)([ -]?)(?!00)\d\d\1(?!0000)\d{4}(?![\d-])")
_CALLED_SSN = re.compile(r"(?:\bssn|social security)[^\d\n\0]{0,20}$", re.IGNORECASE)
_CALLED_SSN_AFTER = re.compile(
    r"[^\d\n\0.;]{0,12}\b(?:ssn\b|social security|(?<!credit )(?<!debit )(?<!bank )card\b)", re.IGNORECASE
)


def _luhn(number: str) -> bool:
    """The check digit of ISO/IEC 7812-1."""
    plain, doubled = number[-1::-2], number[-2::-2]
    return sum(map(int, plain), sum(int(_DOUBLED[int(digit)]) for digit in doubled)) % 10 == 0


def _is_card(text: str, start: int, end: int) -> bool:
    if text[start] not in "234568":
        return False
    number = digits(text[start:end])
    return _CARD.fullmatch(number) is not None and text[start - 1 : start] != "+" and _luhn(number)


def cards(text: str) -> Iterator[Span]:
    """Payment card numbers: known prefix, right length, right check digit."""
    for groups in runs(text, 13):
        yield from pick(groups, range(13, 20), 19, lambda _, start, end: _is_card(text, start, end))


def _mod97(iban: str) -> int:
    """ISO 7064 MOD 97-10: the first four to the end, letters as 10..35."""
    return int("".join(str(int(char, 36)) for char in iban[4:] + iban[:4])) % 97


def ibans(text: str) -> Iterator[Span]:
    """International bank account numbers: known country, its length, right check digits."""
    for head in _IBAN_START.finditer(text):
        length = _LENGTH_OF.get(head[0].upper())
        rest = _IBAN_REST[length].match(text, head.end()) if length else None
        if rest and _mod97(re.sub(r"[ .-]", "", head[0] + rest[0])) == 1:
            yield head.start(), rest.end()


def social_security(text: str) -> Iterator[Span]:
    """US social security numbers: 3-2-4 digits ever issued; without dashes only where the words around say so."""
    for found in _SSN.finditer(text):
        before = text[max(0, found.start() - 40) : found.start()]
        if found[1] == "-" or _CALLED_SSN.search(before) or (found[1] and _CALLED_SSN_AFTER.match(text, found.end())):
            yield found.span()
