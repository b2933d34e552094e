"""Records, and dicts like the lines of a file, as JSON."""

from __future__ import annotations

from typing import Any

import msgspec

from onward.core import InvalidInput


def json_line(line: object) -> bytes:
    """A record or dict as one line of JSON.

    Raises:
        InvalidInput: it holds what JSON does not.
    """
    try:
        return msgspec.json.encode(line, order="deterministic")
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput(f"Not JSON: {error}.", mend="Give strings, numbers, lists and dicts.") from error


def plain_line(line: object) -> dict[str, Any]:
    """A record or dict as a dict of plain values, without what it does not say.

    Raises:
        InvalidInput: it is neither.
    """
    plain = msgspec.json.decode(json_line(line))
    if not isinstance(plain, dict):
        raise InvalidInput(f"{line!r:.80} is no record.", mend='Give {"text": "...", "intent": "..."}.')
    return {key: value for key, value in plain.items() if value is not None}
