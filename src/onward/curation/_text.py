"""The normal form of a text, its words, and the id that both give an example."""

from __future__ import annotations

import hashlib
import re
import unicodedata

# Chinese and Japanese characters stand for words and are written without spaces.
_IDEOGRAPHS = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_IDEOGRAPHS}]|[^\W{_IDEOGRAPHS}]+")
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")


def normalise(text: str) -> str:
    """One form for texts that a reader takes for the same: case, width, white space and invisible marks.

    >>> normalise("  Where\\tis MY\\u200b card ")
    'where is my card'
    """
    if not text.isascii():
        text = _INVISIBLE.sub("", unicodedata.normalize("NFKC", text))
    return " ".join(text.casefold().split())


def example_id(text: str, task: str | None = None) -> str:
    """Hash of the normalised text, 32 hexadecimal digits: the same in every data set version, on every machine.

    Of an example of a task: 16 digits of the task's hash, which decide the split, then 16 of the hash of task and text.

    >>> example_id("Where is my card?") == example_id("where  is my CARD?")
    True
    >>> example_id("hello", "t1")[:16] == example_id("good bye", "t1")[:16]
    True
    """
    said = normalise(text)
    return _digest(said) if task is None else _digest(task)[:16] + _digest(f"{task}\0{said}")[:16]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf8", "surrogatepass")).hexdigest()[:32]


def words(text: str) -> list[str]:
    """The words of a normalised text, in order, without punctuation.

    >>> words("where's my card?")
    ['where', 's', 'my', 'card']
    """
    return _WORD.findall(text)
