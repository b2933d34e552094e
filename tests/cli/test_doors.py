"""Anything may come in at the doors: never a traceback, never the unexpected, always a word on how to mend it."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.cli.terminal import copy, run

from onward.cli import app

COMMANDS = sorted(command.callback.__name__ for command in app.registered_commands)
ENDLESS = {"schedule", "watch"}
OPTIONS = [
    "--json",
    "--workspace",
    "--tenant",
    "--force",
    "--quick",
    "--score",
    "--intent",
    "--entity",
    "--remark",
    "--user",
    "--by",
    "--reason",
    "--to",
    "--at",
    "--release",
    "--no-record",
    "--every",
    "--",
    "-",
    "--help",
]
anything = st.text(st.characters(exclude_categories=()), max_size=30)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
fields = st.sampled_from(
    [
        "id",
        "text",
        "at",
        "tenant",
        "user",
        "response",
        "labels",
        "prediction",
        "consent",
        "source",
        "context",
        "interaction",
        "score",
        "correction",
        "remark",
        "intent",
        "sentiment",
        "entities",
        "other",
    ]
)
few = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture(scope="module")
def door(taught, tmp_path_factory):
    return copy(taught, tmp_path_factory.mktemp("doors") / "shop")


def _expected(answer):
    assert answer.code not in (1, 130)
    if answer.code:
        assert answer.error["what"]
        assert answer.error["mend"] or answer.error["options"]
    return answer


@few
@given(data=st.binary(max_size=200))
def test_record_takes_any_bytes(door, data):
    answer = run("record", "-", "--workspace", door, "--json", stdin=data)
    assert answer.code in (0, 2)
    assert set(answer.value) == {"interactions", "feedback", "known", "bad"}


@few
@given(lines=st.lists(st.dictionaries(fields, json_values, max_size=6), max_size=4))
def test_record_takes_any_json(door, lines):
    stdin = b"\n".join(json.dumps(line).encode() for line in lines)
    answer = run("record", "-", "--workspace", door, "--json", stdin=stdin)
    assert answer.code in (0, 2)
    value = answer.value
    assert value["interactions"] + value["feedback"] + value["known"] + len(value["bad"]) == len(lines)


@few
@given(
    interaction=st.just("s0-1") | anything,
    options=st.dictionaries(
        st.sampled_from(["--score", "--intent", "--sentiment", "--entity", "--remark", "--user"]),
        anything | st.floats().map(str) | json_values.map(json.dumps) | st.just("0:1:X"),
        max_size=4,
    ),
)
def test_feedback_takes_any_strings(door, interaction, options):
    said = [f"{name}={value}" for name, value in options.items()]
    _expected(run("feedback", "--workspace", door, "--json", *said, "--", interaction))


@settings(few, max_examples=10)
@given(text=anything | st.text(max_size=300))
def test_predict_takes_any_text(door, text):
    answer = _expected(run("predict", "--workspace", door, "--json", "--", text, stdin=text.encode(errors="replace")))
    if answer.code == 0 and text != "-":
        assert answer.value["text"] == text
    _expected(run("predict", "--workspace", door, "--json", "-", stdin=text.encode(errors="surrogatepass")))


@settings(few, max_examples=10)
@given(text=anything)
def test_a_person_never_sees_a_control_character_of_a_text(door, text):
    answer = run("predict", "--workspace", door, "-", stdin=text.encode(errors="replace"))
    assert all(c.isprintable() or c in "\n\t" for c in answer.out)


@few
@given(
    command=st.sampled_from([name for name in COMMANDS if name not in ENDLESS and name != "demo"]),
    words=st.lists(st.sampled_from(OPTIONS) | anything | st.integers().map(str), max_size=5),
)
def test_any_words_after_a_command(door, elsewhere, command, words):
    answer = run("--workspace", door, command, *words)
    assert answer.code not in (1, 130), answer.err
    if answer.code not in (0, 7):
        assert "Mend:" in answer.err or "Known:" in answer.err or json.loads(answer.err)["mend"]


@few
@given(words=st.lists(st.sampled_from(OPTIONS) | anything, max_size=4))
def test_any_words_at_all(door, elsewhere, words):
    assert run(*words, env={"ONWARD_WORKSPACE": str(door)}).code in (0, 2, 3, 8)


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """Words may name folders and files: let those be made where they do no harm."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("here"))
        yield
