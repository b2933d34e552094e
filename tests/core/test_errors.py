"""The one exception family."""

import pytest

from onward import core
from onward.core import InvalidInput, MissingExtra, NotFound, OnwardError

FAMILY = [
    getattr(core, name) for name in ("Busy", "Damaged", "InvalidInput", "MissingExtra", "NotFound", "Unavailable")
]


def test_every_kind_has_its_own_code_and_exit_code() -> None:
    assert all(issubclass(kind, OnwardError) for kind in FAMILY)
    assert len({kind.code for kind in [OnwardError, *FAMILY]}) == len(FAMILY) + 1
    assert len({kind.exit_code for kind in [OnwardError, *FAMILY]}) == len(FAMILY) + 1
    assert 0 not in {kind.exit_code for kind in FAMILY}


def test_the_message_says_what_why_mend_and_options_in_that_order() -> None:
    error = NotFound("No b.", why="It is gone.", mend="Look again.", options=["c", "a"])
    assert str(error) == "No b. It is gone. Look again. Known: a, c."
    assert str(NotFound("No b.")) == "No b."


def test_as_json_it_has_the_one_shape() -> None:
    assert InvalidInput("A.", why="B.", mend="C.", options=["d"]).to_dict() == {
        "error": "invalid_input",
        "what": "A.",
        "why": "B.",
        "mend": "C.",
        "options": ["d"],
    }


def test_a_missing_extra_says_the_command_that_adds_it() -> None:
    error = MissingExtra("spaCy", "text")
    assert "pip install 'onward[text]'" in str(error)
    with pytest.raises(OnwardError, match="spaCy is not installed"):
        raise error
