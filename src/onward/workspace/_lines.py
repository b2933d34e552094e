"""Records, and dicts like the lines of a file, as JSON."""

from __future__ import annotations

from collections.abc import Iterable
from json import JSONEncoder
from typing import Any, Final

import msgspec

from onward.core import InvalidInput

BYTES: Final = (bytes, bytearray, memoryview)
STRICT: Final = JSONEncoder(ensure_ascii=False, allow_nan=False)


def json_line(line: object) -> bytes:
    """A record or dict as one line of JSON.

    msgspec alone would make texts of bytes (base64), and nothing at all of NaN. Numbers may be NumPy's.

    Raises:
        InvalidInput: it holds what JSON does not.
    """
    try:
        plain = msgspec.to_builtins(line, order="deterministic", builtin_types=BYTES, str_keys=True, enc_hook=_number)
        return STRICT.encode(plain).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput(f"Not JSON: {error}.", mend="Give strings, finite numbers, lists and dicts.") from error


def _number(value: Any) -> Any:
    """What NumPy or PyTorch hold as one number, without importing either."""
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
        return value.item()
    raise TypeError(f"a {type(value).__name__} is none of its types")


def plain_line(line: object) -> dict[str, Any]:
    """A record or dict as a dict of plain values, without what it does not say.

    Raises:
        InvalidInput: it is neither.
    """
    plain = msgspec.json.decode(json_line(line))
    if not isinstance(plain, dict):
        raise InvalidInput(f"{line!r:.80} is no record.", mend='Give {"text": "...", "intent": "..."}.')
    return {key: value for key, value in plain.items() if value is not None}


def texts_of(asked: Any) -> list[str]:
    """One text, or several, as a list.

    Raises:
        InvalidInput: something is no text.
    """
    texts = [asked] if isinstance(asked, str) or not isinstance(asked, Iterable) else list(asked)
    for text in texts:
        if not isinstance(text, str):
            raise InvalidInput(f"{text!r:.80} is no text.", mend="Ask with a str, or with a list of them.")
    return texts
