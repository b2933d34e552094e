"""HTML that is escaped unless it was made here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any, Final

import msgspec

NOTHING: Final = "–"


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def tag(name: str, *inside: object, **attributes: object) -> Html:
    """An element; what is inside is escaped, unless it is `Html`, and so are the attributes' values.

    An attribute's name is written with `_` for `-`, and with `_` at its end where Python has a use for the word.

    >>> tag("b", "<i>", title='"', class_="x")
    '<b title="&quot;" class="x">&lt;i&gt;</b>'
    """
    said = "".join(f' {key.rstrip("_").replace("_", "-")}="{_text(value)}"' for key, value in attributes.items())
    return Html(f"<{name}{said}>{joined(inside)}</{name}>")


def joined(parts: Iterable[object]) -> Html:
    """Parts after each other."""
    return Html("".join(part if isinstance(part, Html) else _text(part) for part in parts))


def table(caption: str, heads: Sequence[str], rows: Iterable[Sequence[object]]) -> Html:
    """A table; the first cell of a row is its head, numbers stand to the right."""
    head = tag("tr", *(tag("th", each, scope="col") for each in heads))
    body = joined(tag("tr", tag("th", _shown(first), scope="row"), *map(_cell, rest)) for first, *rest in rows)
    whole = tag("table", tag("caption", caption), tag("thead", head), tag("tbody", body))
    return tag("div", whole, class_="wide", tabindex="0", role="region", aria_label=caption)


def data(identity: str, value: Any) -> Html:
    r"""Data for the page's script, which no text in it can end.

    >>> data("d", "</script>")
    '<script type="application/json" id="d">"\\u003c/script\\u003e"</script>'
    """
    text = msgspec.json.encode(value).decode()
    for one in "<>&\u2028\u2029":
        text = text.replace(one, f"\\u{ord(one):04x}")
    return Html(f'<script type="application/json" id="{_text(identity)}">{text}</script>')


def _cell(value: object) -> Html:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return tag("td", _shown(value), class_="number") if number else tag("td", _shown(value))


def _shown(value: object) -> object:
    if value is None or value == "":
        return NOTHING
    return figure(value) if isinstance(value, float) else value


def figure(value: float) -> str:
    """A figure to four digits.

    >>> figure(0.91666), figure(12345.0), figure(2.6e-10)
    ('0.9167', '12,345', '2.6e-10')
    """
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _text(value: object) -> str:
    """Escaped; what no HTML may hold is shown as unknown."""
    text = "".join(one if one.isprintable() or one in "\n\t" else "\ufffd" for one in str(value))
    return escape(text)
