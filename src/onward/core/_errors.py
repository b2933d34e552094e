"""The one exception family: every error says what happened, why, how to mend it and what the options are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar


class OnwardError(Exception):
    """Base of every error that Onward raises on purpose.

    Args:
        what: what happened, one sentence.
        why: the likely cause.
        mend: what to do now, best a command or a setting.
        options: the names that would have been right, where a name was wrong.

    >>> print(InvalidInput("No learner is called 'spacey'.", mend="Use a known one.", options=["spacy", "linear"]))
    No learner is called 'spacey'. Use a known one. Known: linear, spacy.
    """

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, *, why: str = "", mend: str = "", options: Iterable[str] = ()) -> None:
        self.what, self.why, self.mend = what, why, mend
        self.options = tuple(sorted(options))
        known = f"Known: {', '.join(self.options)}." if self.options else ""
        super().__init__(" ".join(part for part in (what, why, mend, known) if part))

    def to_dict(self) -> dict[str, object]:
        """The error as the JSON object that every `--json` command prints."""
        return {
            "error": self.code,
            "what": self.what,
            "why": self.why,
            "mend": self.mend,
            "options": list(self.options),
        }


class InvalidInput(OnwardError):
    """Something handed in cannot be used as it is: a record, a setting, an argument."""

    code, exit_code = "invalid_input", 2


class NotFound(OnwardError):
    """A name, number or id that does not exist here."""

    code, exit_code = "not_found", 3


class Busy(OnwardError):
    """Somebody else holds what is needed; the same call may work later."""

    code, exit_code = "busy", 4


class Damaged(OnwardError):
    """Stored bytes are not what was stored: a hash, a size or a format is wrong."""

    code, exit_code = "damaged", 5


class Unavailable(OnwardError):
    """The storage cannot be used as it is: disk full, read-only, no permission. Nothing acknowledged is lost."""

    code, exit_code = "unavailable", 8


class MissingExtra(OnwardError):
    """An optional dependency is not installed."""

    code, exit_code = "missing_extra", 6

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(
            f"{package} is not installed.",
            why="It is optional.",
            mend=f"Add it with: pip install 'onward[{extra}]'",
        )
