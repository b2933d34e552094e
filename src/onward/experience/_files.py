"""JSON Lines and CSV in: good lines become records, bad lines are set aside with their number and reason."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import msgspec

from onward.core import (
    DEFAULT_TENANT,
    Feedback,
    Interaction,
    InvalidInput,
    Labels,
    NotFound,
    content_hash,
    convert,
)

from ._check import check_feedback, check_interaction

OF_INTERACTION: Final = frozenset(
    {field.name for kind in (Interaction, Labels) for field in fields(kind)}  # labels may stand loose
)
OF_LABELS: Final = frozenset(field.name for field in fields(Labels))
OF_FEEDBACK: Final = frozenset(field.name for field in fields(Feedback))
UNREADABLE: Final = (msgspec.MsgspecError, UnicodeError, RecursionError)
GZIP: Final = b"\x1f\x8b"
NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})
TRUE, FALSE = frozenset({"true", "1", "yes"}), frozenset({"false", "0", "no"})


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that could not be used: its number, counted from 1, and the reason."""

    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class FileContents:
    """What a file held."""

    interactions: tuple[Interaction, ...]
    feedback: tuple[Feedback, ...]
    bad: tuple[BadLine, ...]


def read_file(
    path: Path, *, tenant: str = DEFAULT_TENANT, now: datetime, more: Mapping[str, Any] = NOTHING
) -> FileContents:
    """Read a .jsonl, .ndjson, .json or .csv file; the arguments are those of `read_lines`.

    Raises:
        NotFound: there is no such file.
        InvalidInput: it cannot be read at all.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise NotFound(f"There is no file {path}.", mend="Check the path.") from error
    except OSError as error:
        raise InvalidInput(
            f"{path} cannot be read.", why=f"{error.strerror}.", mend="Name a file that can be read."
        ) from error
    if b"\0" in data[:4096] or data.startswith(GZIP):
        raise InvalidInput(f"{path} is not a text file.", mend="Give JSON Lines or CSV, unpacked, in UTF-8.")
    is_csv = path.suffix.lower() == ".csv"
    return read_lines(data, csv_format=is_csv, source=path.stem, tenant=tenant, now=now, more=more)


def read_lines(
    data: bytes,
    *,
    csv_format: bool = False,
    source: str,
    tenant: str = DEFAULT_TENANT,
    now: datetime,
    more: Mapping[str, Any] = NOTHING,
) -> FileContents:
    """Read JSON Lines (or CSV with a header) from bytes.

    A line with `interaction` is feedback, any other an interaction. Without an `id`, the id is a hash of the line (and
    of how often it occurred before in this file), so that reading the same file twice records it once.

    Args:
        source: taken for lines that name no source.
        tenant: taken for lines that name no tenant.
        now: taken for lines that name no time.
        more: keys and values that every line has where it does not say otherwise.

    >>> from datetime import UTC
    >>> line = b'{"text": "where is my parcel", "intent": "order_status"}'
    >>> contents = read_lines(line, source="chat", now=datetime.now(UTC))
    >>> contents.interactions[0].labels.intent
    'order_status'
    """
    interactions: list[Interaction] = []
    feedback: list[Feedback] = []
    bad: list[BadLine] = []
    seen: Counter[str] = Counter()
    for number, line in _csv_rows(data) if csv_format else _json_rows(data):
        try:
            if isinstance(line, InvalidInput):
                raise line
            record = read_record({**more, **line}, source=source, tenant=tenant, now=now, seen=seen)
        except InvalidInput as error:
            bad.append(BadLine(number, str(error)))
            continue
        if isinstance(record, Interaction):
            interactions.append(record)
        else:
            feedback.append(record)
    return FileContents(tuple(interactions), tuple(feedback), tuple(bad))


def _json_rows(data: bytes) -> Iterator[tuple[int, Mapping[str, Any] | InvalidInput]]:
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").splitlines(), 1):
        if line.strip():
            yield number, _json_row(line)


def _json_row(line: bytes) -> Mapping[str, Any] | InvalidInput:
    try:
        row = msgspec.json.decode(line)
    except UNREADABLE as error:
        return InvalidInput(f"Not JSON: {error}.", mend="Write one JSON object on the line.")
    if not isinstance(row, dict):
        return InvalidInput(f"A JSON {type(row).__name__}, not an object.", mend='Write {"text": "..."}.')
    return row


def _csv_rows(data: bytes) -> Iterator[tuple[int, Mapping[str, Any] | InvalidInput]]:
    number = 0  # the reader's own count leaves out the lines that it stumbles over

    def lines() -> Iterator[str]:
        nonlocal number
        for line in io.StringIO(data.decode("utf-8-sig", errors="surrogateescape"), newline=""):
            number += 1
            yield line

    reader = csv.DictReader(lines(), strict=True)
    while True:
        try:
            row = next(reader, None)
        except csv.Error as error:
            yield number, InvalidInput(f"Not CSV: {error}.", mend="Quote the field.")
            continue
        if row is None:
            return
        yield number, _named_twice(reader.fieldnames or ()) or _csv_row(row)


def _named_twice(header: Sequence[str]) -> InvalidInput | None:
    """Of two columns of one name, one would be passed over."""
    twice = [name for name, times in Counter(header).items() if name and times > 1]
    if not twice:
        return None
    return InvalidInput(f"The header names {', '.join(twice)} twice.", mend="Give each column its own.")


def _is_unicode(row: Mapping[str | None, Any]) -> bool:
    try:
        "".join(f"{key}{value}" for key, value in row.items()).encode()
    except UnicodeEncodeError:
        return False
    return True


def _csv_row(row: dict[str | None, Any]) -> Mapping[str, Any] | InvalidInput:
    if not _is_unicode(row):
        return InvalidInput("Not UTF-8.", mend="Save the file as UTF-8.")
    if None in row:
        return InvalidInput("More fields than the header has.", mend="Quote fields that hold commas.")
    values: dict[str, Any] = {str(key): value for key, value in row.items() if value not in (None, "")}
    consent = str(values.get("consent", "true")).strip().lower()
    if consent not in TRUE | FALSE:
        return InvalidInput(f"consent is {consent!r}.", mend="Write true or false.")
    if "consent" in values:
        values["consent"] = consent in TRUE
    for name in ("entities", "labels", "context", "remark", "correction", "prediction"):
        if name in values:
            try:
                values[name] = msgspec.json.decode(values[name])
            except UNREADABLE as error:
                return InvalidInput(f"{name} is not JSON: {error}.", mend="Write JSON, or leave it empty.")
    if "score" in values:
        try:
            values["score"] = float(values["score"])
        except ValueError:
            return InvalidInput(f"score is {values['score']!r}.", mend="Give a number from 0 to 1.")
    return values


def read_record(
    line: Mapping[str, Any], *, source: str, tenant: str, now: datetime, seen: Counter[str]
) -> Interaction | Feedback:
    """One line, decoded, as a record; the arguments are those of `read_lines`.

    Args:
        seen: how often each line without an id occurred before; counted on here.

    Raises:
        InvalidInput: saying which field is wrong, and how it should be.
    """
    said = {key: value for key, value in line.items() if value is not None}
    _check_keys(line, said)
    values = {"tenant": tenant, "at": now, **said}
    if "id" not in values:
        base = content_hash({"line": line, "tenant": values["tenant"]})
        seen[base] += 1
        values["id"] = content_hash({"line": base, "occurrence": seen[base]})[:32]
    if "interaction" in said:
        return check_feedback(convert(values, Feedback))
    if "text" not in said:
        raise InvalidInput("No `text`.", mend='Write {"text": "..."}; feedback names its `interaction`.')
    loose: dict[str, Any] = {name: values.pop(name) for name in ("intent", "sentiment", "entities") if name in values}
    interaction = convert({"source": source, **values}, Interaction)
    if loose:
        interaction = replace(interaction, labels=convert(loose, Labels).over(interaction.labels))
    return check_interaction(interaction)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _check_keys(line: Mapping[str, Any], said: Mapping[str, Any]) -> None:
    unknown = set(line) - OF_INTERACTION - OF_FEEDBACK
    kind, known = ("feedback", OF_FEEDBACK) if "interaction" in said else ("an interaction", OF_INTERACTION)
    unknown |= set(said) - known
    inner = (line.get("labels"), line.get("correction"), _mapping(line.get("prediction")).get("labels"))
    unknown |= {str(key) for place in inner for key in _mapping(place) if key not in OF_LABELS}
    if unknown:
        raise InvalidInput(
            f"Keys unknown for {kind}: {', '.join(sorted(unknown))}.",
            mend="Put what is yours under `context` or `remark`; a line that names its `interaction` is feedback.",
            options=known,
        )
