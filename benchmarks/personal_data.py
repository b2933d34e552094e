"""Personal data: recall and precision by kind on public formats, false positives on real texts, and speed.

The cases stand in `personal_data.json` with their sources; none was made from the patterns they test. A planted value
counts as found when no letter or digit of it is left outside of spans of its kind; a found span counts as right when it
touches a planted value of its kind.

The patterns were mended after the first measurement on these cases, so the figures are not of unseen data. The
first one gave, as recall, EMAIL .898, PHONE international .988, national of common countries .782, of others .699,
and 1.0 for CARD, IBAN, IP, SSN and SECRET (precision of SSN .29, of IP .993). Afterwards 1,230 valid numbers of the
common countries, drawn at random with libphonenumber, gave 1.0 in international form and .985 in national form
(.998 where words around call it a phone number); what was missed are Iceland's seven digits. A second time they were
mended for short national numbers and for what stands behind a social security number (PHONE .946, SSN .969, which is
one of 32, until then); afterwards 60,693 other lines with digits, from documentation found on the machine, held one
more PHONE than before, 136 in place of 135, and no more SSN. Passphrases of several words are not looked for.

Presidio's recognisers are measured alone and together with the patterns on the same texts, over a blank English spaCy
pipeline, where the extra is installed. It has no kind SECRET.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.machine import write_results
from benchmarks.real_data import banking77, folder, snips, sst2
from onward.config import Settings
from onward.core import Entity, MissingExtra
from onward.curation._personal import SecondFinder, find, scrub, second_finder
from onward.curation._personal._scrub import free

HERE = Path(__file__).parent
ROUNDS = 5
Find = Callable[[str], Sequence[Entity]]
SHOWN = 12


class Case(NamedTuple):
    """A text with one planted value."""

    group: str
    kind: str
    text: str
    start: int
    end: int


def cases() -> Iterator[Case]:
    """Every value in every carrier of its kind."""
    data = json.loads((HERE / "personal_data.json").read_text(encoding="utf8"))
    for group, kind, value in _values(data):
        for carrier in _carriers(data["carriers"], kind):
            yield _planted(group, kind, carrier, value)
    for carrier, value in data["SECRET"]["in words"]:
        yield _planted("SECRET, in words", "SECRET", carrier, value)


def negatives() -> list[str]:
    """Hand-written texts with numbers and signs, but without personal data."""
    return list(json.loads((HERE / "personal_data.json").read_text(encoding="utf8"))["negatives"])


def _values(data: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    for kind in ("EMAIL", "CARD", "IP", "SSN"):
        yield from ((kind, kind, value) for value in data[kind])
    for value in data["IBAN"]:
        yield from (("IBAN", "IBAN", written) for written in (value, value.replace(" ", "")))
    for group, values in data["PHONE"].items():
        yield from ((f"PHONE, {group}", "PHONE", value) for value in values)
    yield from (("SECRET, tokens", "SECRET", "".join(parts)) for parts in data["SECRET"]["tokens"])


def _carriers(carriers: dict[str, list[str]], kind: str) -> list[str]:
    """Phone numbers also stand where words call them so; so do social security numbers, nearly always."""
    if kind == "SSN":
        return carriers["SSN"]
    return [*carriers["any"], *carriers["PHONE"]] if kind == "PHONE" else carriers["any"]


def _planted(group: str, kind: str, carrier: str, value: str) -> Case:
    start = carrier.index("{}")
    return Case(group, kind, carrier.replace("{}", value), start, start + len(value))


def _is_found(case: Case, spans: Sequence[Entity]) -> bool:
    inside = {place for span in spans if span.label == case.kind for place in range(span.start, span.end)}
    return all(place in inside for place in range(case.start, case.end) if case.text[place].isalnum())


def quality(every: int = 1, look: Find = find) -> dict[str, Any]:
    """Recall by group, precision by kind; over all cases or over every n-th one."""
    planted, found, right, false = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    missed: dict[str, list[str]] = {}
    wrong: list[str] = []
    for case in islice(cases(), 0, None, every):
        spans = look(case.text)
        hit = _is_found(case, spans)
        for name in {case.group, case.kind}:
            planted[name] += 1
            found[name] += hit
        if not hit:
            missed.setdefault(case.group, []).append(case.text)
        for span in spans:
            good = span.label == case.kind and span.start < case.end and span.end > case.start
            (right if good else false)[span.label] += 1
            wrong += [] if good else [f"{span.label} {case.text[span.start : span.end]!r} in {case.text!r}"]
    for text in negatives():
        for span in look(text):
            false[span.label] += 1
            wrong.append(f"{span.label} {text[span.start : span.end]!r} in {text!r}")
    return {
        "recall": {name: [round(found[name] / planted[name], 4), planted[name]] for name in sorted(planted)},
        "precision": {
            kind: [round(right[kind] / (right[kind] + false[kind]), 4), false[kind]]
            for kind in sorted({*right, *false})
        },
        "missed": {group: texts[:SHOWN] for group, texts in missed.items()},
        "wrong": wrong[: 4 * SHOWN],
    }


def real_texts() -> list[str]:
    """36,308 public texts; none of them holds personal data."""
    return [row.text for part in (*banking77(), *snips(), *sst2()) for row in part]


def presidio() -> SecondFinder | None:
    """Presidio's recognisers, `None` where the extra is not installed."""
    try:
        return second_finder(Settings(curation={"personal_data": "presidio"}))
    except MissingExtra:
        return None


def together(second: SecondFinder) -> Find:
    """What the patterns find, and what of the other's spans is then still free."""

    def look(text: str) -> list[Entity]:
        ours = find(text)
        return [*ours, *free(text, second(text), ours)]

    return look


def speed(texts: list[str], scrubbed: Callable[[str], object] = scrub, rounds: int = ROUNDS) -> int:
    """Texts scrubbed in a second of one processor's time, median of rounds."""
    return round(statistics.median(_rate(texts, scrubbed) for _ in range(rounds)))


def _rate(texts: list[str], scrubbed: Callable[[str], object]) -> float:
    start = time.process_time()
    for text in texts:
        scrubbed(text)
    return len(texts) / (time.process_time() - start)


def speeds(kinds_of_text: dict[str, list[str]], second: SecondFinder | None) -> dict[str, dict[str, int]]:
    """Texts a second by kind of text: our patterns alone, and with Presidio (every 100th text, one round)."""
    result = {"patterns": {name: speed(texts) for name, texts in kinds_of_text.items()}}
    if second is not None:
        result["with presidio"] = {
            name: speed(texts[::100], lambda text: scrub(text, also=second(text)), 1)
            for name, texts in kinds_of_text.items()
        }
    return result


def short_texts() -> dict[str, list[str]]:
    """Short texts by kind: real ones where they are at hand, and those that all hold personal data."""
    planted = [case.text for case in cases()]
    if folder() is None:
        return {"with personal data": planted}
    real = [row.text for part in (*banking77(), *snips()) for row in part]
    mixed = [
        x for at, text in enumerate(real) for x in ([text, planted[at % len(planted)]] if at % 20 == 0 else [text])
    ]
    named = {"SNIPS and BANKING77": real, "those, 5 % with personal data": mixed, "with personal data": planted}
    return named | {"all of them": [*real, *planted]}


def measure() -> dict[str, Any]:
    """All figures."""
    result, second = quality(), presidio()
    if second is not None:
        once = cache(second)
        result["presidio"] = quality(look=once)
        result["both"] = quality(look=together(once))
    result["texts_per_second"] = speeds(short_texts(), second)
    if folder() is not None:
        texts = real_texts()
        result["real_texts"] = {
            "count": len(texts),
            "mean_length": round(statistics.mean(map(len, texts)), 1),
            "false_positives": [f"{span.label} in {text!r}" for text in texts for span in find(text)],
        }
        if second is not None:
            sample = texts[::10]
            result["real_texts"]["sample"] = len(sample)
            result["real_texts"]["presidio"] = [f"{s.label} in {text!r}" for text in sample for s in second(text)]
    return result


if __name__ == "__main__":
    figures = measure()
    print(f"{'':28}{'recall':>8}{'planted':>9}{'precision':>11}{'false':>7}")
    for name, (share, count) in figures["recall"].items():
        precise = figures["precision"].get(name)
        print(f"{name:28}{share:8.4f}{count:9}" + (f"{precise[0]:11.4f}{precise[1]:7}" if precise else ""))
    print(
        figures["texts_per_second"],
        len(figures.get("real_texts", {}).get("false_positives", [])),
        "false in real texts",
    )
    print(write_results("personal_data", figures))
