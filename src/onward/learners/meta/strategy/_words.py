"""What the texts and the code of a task are like."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from sklearn.feature_extraction.text import HashingVectorizer

from onward.core import InvalidInput

LONGEST: Final = 100_000  # characters looked at in each text
WORD: Final = re.compile(r"\w+")
NAME: Final = re.compile(r"[^\W\d]\w*")
COMMENT: Final = re.compile(r"\s*(#|//|/\*|\*|--|;)")
BRANCH: Final = frozenset(
    [
        "if",
        "elif",
        "else",
        "for",
        "while",
        "switch",
        "case",
        "match",
        "when",
        "catch",
        "except",
        "try",
        "unless",
        "until",
        "foreach",
    ]
)
DEFINES: Final = frozenset(
    [
        "def",
        "class",
        "func",
        "function",
        "fn",
        "struct",
        "interface",
        "impl",
        "trait",
        "enum",
        "void",
        "lambda",
        "module",
    ]
)
IMPORTS: Final = frozenset(["import", "include", "using", "require", "use", "from", "package"])


def texts_of(metadata: Mapping[str, Any], *names: str) -> list[str]:
    """The texts under some names: one each, or a sequence.

    Raises:
        InvalidInput: there is something else.
    """
    found: list[str] = []
    for name in names:
        value = metadata.get(name, ())
        several = [value] if isinstance(value, str) else value
        if not isinstance(several, Sequence) or not all(isinstance(one, str) for one in several):
            raise InvalidInput(
                f"The metadata {name!r} of a task is {type(value).__name__}.", mend="Give a text or a list of texts."
            )
        found += [one[:LONGEST].encode(errors="replace").decode() for one in several]  # lone surrogates
    return found


def text_features(texts: Sequence[str], size: int) -> dict[str, float]:
    """Lengths, vocabulary and kinds of characters of some texts, and their words hashed into `size` numbers.

    Signed hashing after Weinberger et al. 2009; the rows are averaged and the mean scaled to length 1.
    """
    names = ("text", "words", "words_vary", "vocabulary", "word_length", "capitals", "digits", "punctuation")
    found = dict.fromkeys(names, 0.0) | {f"word_{at}": 0.0 for at in range(size)}
    if not any(map(str.strip, texts)):
        return found
    split = [WORD.findall(text.lower()) for text in texts]
    lengths = np.log10([1 + len(words) for words in split])
    words = [word for text in split for word in text]
    characters = "".join(texts)
    found |= {
        "text": 1.0,
        "words": float(lengths.mean()),
        "words_vary": float(lengths.std()),
        "vocabulary": len(set(words)) / max(len(words), 1),
        "word_length": float(np.log10(1 + sum(map(len, words)) / max(len(words), 1))),
        "capitals": _share(characters, str.isupper),
        "digits": _share(characters, str.isdigit),
        "punctuation": _share(characters, lambda one: not (one.isalnum() or one.isspace())),
    }
    if size:
        mean = np.asarray(HashingVectorizer(n_features=size, analyzer=list).transform(split).mean(axis=0))
        length = float(np.linalg.norm(mean))
        found |= {f"word_{at}": float(value) / (length or 1.0) for at, value in enumerate(mean.ravel())}
    return found


def code_features(sources: Sequence[str]) -> dict[str, float]:
    """Size, nesting and kinds of statements of source code in any language, by its words and lines.

    Counts of branches and names after McCabe 1976 and Halstead 1977, as rates, so that length is told only once.
    """
    names = ("code", "lines", "line_length", "indentation", "comments", "branches", "definitions", "imports", "calls",
             "operators", "names")  # fmt: skip
    found = dict.fromkeys(names, 0.0)
    lines = [line for source in sources for line in source.expandtabs(4).splitlines() if line.strip()]
    if not lines:
        return found
    text = "\n".join(lines)
    words = NAME.findall(text)
    count = len(lines)
    return {
        "code": 1.0,
        "lines": float(np.log10(1 + count / len(sources))),
        "line_length": float(np.log10(1 + sum(len(line.strip()) for line in lines) / count)),
        "indentation": min(sum(len(line) - len(line.lstrip()) for line in lines) / count / 8, 5.0),
        "comments": sum(bool(COMMENT.match(line)) for line in lines) / count,
        "branches": min(sum(word in BRANCH for word in words) / count, 5.0),
        "definitions": min(sum(word in DEFINES for word in words) / count, 5.0),
        "imports": min(sum(word in IMPORTS for word in words) / count, 5.0),
        "calls": min(len(re.findall(r"\w\(", text)) / count, 5.0),
        "operators": min(len(re.findall(r"[-+*/%=<>&|^!]+", text)) / count, 5.0),
        "names": len(set(words)) / max(len(words), 1),
    }


def _share(characters: str, kind: Callable[[str], bool]) -> float:
    return sum(1 for one in characters if kind(one)) / max(len(characters), 1)
