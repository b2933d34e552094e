"""Phone numbers: international ones, national formats, and bare digits that the words around call a phone number."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from ._digits import Span, digits, pick, runs
from ._fold import COVER

# Calling codes of ITU-T E.164; +1 always has ten digits more.
_CODE = (
    r"7|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|2[1-689]\d|3[578]\d|42\d|5[09]\d|6[789]\d|8[035789]\d"
    r"|9[679]\d"
)
_INTERNATIONAL = re.compile(rf"1\d{{10}}|(?:{_CODE})\d{{4,12}}")
_DIALLED = re.compile(rf"(?:00|011)(?:1\d{{10}}|(?:{_CODE})\d{{6,12}})")

# Digit groups joined by "-", whatever stood between them.
_NATIONAL = re.compile(
    r"(?:1-)?[2-9]\d\d-\d{3}-\d{4}"  # North America, Mexico, Colombia, Italy, Greece
    r"|0[1-9]\d{0,4}(?:-\d{1,9}){1,5}|0[1-9]\d{8,9}"  # trunk prefix 0: most of Europe, Asia, Africa, Oceania
    r"|[2-9]\d\d-\d{3}-\d{3}|[689]\d\d-\d\d-\d\d-\d\d"  # Spain, Portugal, Poland, Czechia
    r"|[1-9]\d-\d{3}-\d\d-\d\d|[2-9]\d-\d{3}-\d{4}"  # Poland, Portugal
    r"|[2-9]\d-\d\d-\d\d-\d\d|[49]\d\d-\d\d-\d{3}"  # Denmark, Norway, Luxembourg
    r"|[6-9]\d{4}-\d{5}|[6-9]\d{3}-\d{3}-\d{3}"  # India
    r"|1[3-9]\d-\d{4}-\d{4}"  # China
    r"|[1-9]\d-9?\d{4}-\d{4}"  # Brazil, Mexico
    r"|[78]-\d{3}-\d{3}-\d\d-\d\d|[78]-\d{3}-\d{3}-\d{4}"  # Russia, Kazakhstan
    r"|3\d\d-\d{6,7}|2\d{2,3}-\d{6,7}"  # Italy, Colombia, Greece
    r"|1[38]00-\d{3}-\d{3}"  # Australia
)
# Only by themselves: in a longer run they are something else.
_ALONE = re.compile(
    r"(?<!\d[ -])(?:(?!20)[2-9]\d{3} \d{4}"  # Hong Kong, Singapore, Gulf states; with "-" it is a range
    r"|(?!\d\d0.\d{3}0)[2-9]\d\d[ -](?!(?:19|20)\d\d)\d{4}"  # the Americas, Iceland; no year, no range of round numbers
    r"|[2-9]\d\d[ -]\d\d[ -]\d\d|[2-9]\d[ -]\d{6,7}|[2-9][ -](?:\d{3}[ -]\d{4}|\d{7}))(?![ -]\d)"  # area, subscriber
)
_AREA = re.compile(r"\(0?\d{1,4}\)[ -]?\d(?:[ -]?\d){5,9}")
_LOOSE = re.compile(r"\d{5,13}|\d{1,6}(?:-\d{1,9}){1,5}")
_DATE = re.compile(r"(?<!\d)(?:(?:19|20)\d\d-[01]?\d-[0-3]?\d|[0-3]?\d-[0-3]?\d-(?:19|20)\d\d)(?!\d)")
_AMOUNT = re.compile(r"[1-9]\d?(?: \d{3})+|1\d\d(?: \d{3})+|[1-9]\d{0,2}(?:\.\d{3})+|\d{1,3}\.\d{3,}\D+\d{1,3}\.\d{3,}")

# Fewer than seven digits; with dots or three pairs with dashes it is a time or a date.
_SHORT = re.compile(r"\d{5,6}|\d{1,3} \d{2,4}(?: \d\d)?|\d{1,3}-\d{3,4}")

_PHONE_WORD = (
    r"phone|\btele?\b|telefon|t[ée]l[ée](?:f|ph)on|mobile?\b|m[óo]vil|\bcell?|handy|\bfax|\bcall|\bring\b|\bdial|\bsms"
    r"|\btext(?:ed)?\b|whats\s?app|\bcontact\b|\breach|rufnummer|anrufen|\bruf\b|celular|portable|\bappel|\bllam|chiam|\bbel\b"
    r"|(?:my|his|her|their|our|meine|mi|mon) (?:number|nummer|n[úu]mero|num[ée]ro)|电话|手机|電話|전화|телефон|звон"
)
# The word, its ending, and at most three short words up to the number; lower-case text is searched twice as quickly as
# text in any case.
_CALLED_JUST = re.compile(
    rf"(?:{_PHONE_WORD})\w{{0,8}}(?:[\s:.#'(-]{{1,3}}(?:number|nummer|n[úu]mero|num[ée]ro|(?!id|ref|sku|pin)[^\W\d]{{1,3}})\b){{0,3}}"
    r"[\s:.#'(]{0,3}$",
)
_CALLED = re.compile(
    rf"(?P<phone>{_PHONE_WORD})"
    r"|(?P<other>order|invoice|\bref|ticket|track|account|\bacct|booking|\bcase\b|serial|isbn|\bsku|\bitem|\bpart\b|policy"
    r"|customer|transaction|confirm|receipt|member|model|parcel|article|\bid\b|version|flight|bestell|rechnung|konto|kunde"
    r"|vorgang|artikel|pedido|commande|factur|\bno\.|\bnr\.|\bcode\b|amount|total|balance|[#$€£¥₹])",
)
_WORDY = re.compile(r"[^\W\d]|[#$€£¥₹]")
_CALLED_AFTER = re.compile(
    r"\s?(?:is my|is the best|(?:\(|, )(?:mobile|cell|home|work|office|mob|tel|phone|fax|handy))", re.IGNORECASE
)
_SEPARATOR = r"[ ().\-/]"
_AMOUNT_BEFORE = re.compile(
    rf"(?:[$€£¥₹]\s?|(?<!\d)(?<!\d{_SEPARATOR})(?<!\d{_SEPARATOR}{{2}})(?<!\d{_SEPARATOR}{{3}})\d{{1,3}},)$"
)
_AMOUNT_AFTER = re.compile(
    rf"[,.]\d{{1,3}}(?!{_SEPARATOR}{{0,3}}\d)"
    r"|\s?[€$£¥₹%°]|\s?(?:eur|usd|gbp|chf|inr|jpy|euros?|dollars?|pounds?|rupees?|yen|kg|g|km|m|cm|mm|ml|l"
    r"|gb|mb|kb|bytes?|units?|pieces?|people|users?|times|million|billion)\b",
    re.IGNORECASE,
)
_GLUED_BEFORE = re.compile(r"[A-Za-z0-9_][-_/]?$|\d[.:]$")
_EXTENSION = re.compile(r",?[ ]?(?:ext\.?|extension|x|#)[ ]?\d{1,5}(?!\d)", re.IGNORECASE)


def phones(text: str) -> Iterator[Span]:
    """Phone numbers of 5 to 15 digits, with the sign, the bracket and the extension that belong to them."""
    done = 0
    for groups in runs(text, 5):
        for start, end in pick(groups, range(5, 18), 8, partial(_is_phone, text), done):
            extension = _EXTENSION.match(text, end)
            done = extension.end() if extension else end
            yield _opening(text, start, end), done


def _opening(text: str, start: int, end: int) -> int:
    """Where it really starts: at its "+", or at the bracket around its first group."""
    if text[start - 1 : start] == "(" and ")" in text[start:end]:
        start -= 1
    signed = start - 2 if text.startswith("+ ", max(0, start - 2)) else start - 1
    return signed if signed >= 0 and text[signed] == "+" else start


def _is_phone(text: str, done: int, start: int, end: int) -> bool:
    """Nothing up to `done`, where the last number ended, or up to anything else found says something of this one."""
    opening = _opening(text, start, end)
    if opening < done:
        return False
    written = text[start:end]
    number = digits(written.replace("(0)", "") if "(0)" in written else written)
    if text[opening] == "+":
        return _INTERNATIONAL.fullmatch(number) is not None
    before = text[max(done, opening - 40) : opening].rpartition(COVER)[2].lower()
    if _GLUED_BEFORE.search(before[-3:]) or text[end : end + 1].isalpha():
        return False
    return _DIALLED.fullmatch(number) is not None or (len(number) <= 13 and _is_national(text, before, start, end))


def _is_national(text: str, before: str, start: int, end: int) -> bool:
    """What form or words, or both, make a phone number of somewhere; fewer than seven digits need the words."""
    written = text[_opening(text, start, end) : end]
    shape = re.sub(r"\D+", "-", text[start:end])
    if not _LOOSE.fullmatch(shape) or _DATE.search(shape):
        return False
    if _AMOUNT_BEFORE.search(before[-9:]) or _AMOUNT_AFTER.match(text, end):
        return False
    long = len(shape) - shape.count("-") >= 7
    if long and not _AMOUNT.fullmatch(written):
        called = True if _CALLED_AFTER.match(text, end) or _is_all(text, start, end) else _called(before)
        national = _NATIONAL.fullmatch(shape) or _AREA.fullmatch(written) or _is_alone(text, start, end)
        if called is True or (called is None and national):
            return True
    return (long or _SHORT.fullmatch(written) is not None) and _CALLED_JUST.search(before) is not None


def _is_alone(text: str, start: int, end: int) -> bool:
    found = _ALONE.match(text, start)
    return found is not None and found.end() == end


def _called(before: str) -> bool | None:
    """Whether the last telling word, in lower case, says that it is a phone number; `None` where no word tells."""
    said = [found.lastgroup for found in _CALLED.finditer(before)] if _WORDY.search(before) else []
    return said[-1] == "phone" if said else None


def _is_all(text: str, start: int, end: int) -> bool:
    """Whether the text has nothing else: an answer to the question for the number."""
    return len(text) < 40 and text.strip() == text[start:end]
