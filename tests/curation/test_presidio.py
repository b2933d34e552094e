"""Presidio in addition to our patterns: what it adds, what it may not take away, and what happens when it fails."""

import socket
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from benchmarks.personal_data import cases, negatives
from hypothesis import given, settings
from hypothesis import strategies as st

import onward
from onward.config import Settings
from onward.core import Entity, Interaction, InvalidInput, Labels
from onward.curation import UNSEEN, curate
from onward.curation._personal import find, scrub, second_finder

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def asking(base="blank:en", **curation):
    return Settings(curation={"personal_data": "presidio", **curation}, training={"base": base})


@pytest.fixture(scope="module")
def second():
    pytest.importorskip("presidio_analyzer", reason="needs onward[presidio]")
    return second_finder(asking())


@pytest.fixture
def pipeline(tmp_path):
    """An installed pipeline that knows two names and a town, and breaks on one word."""
    pytest.importorskip("presidio_analyzer", reason="needs onward[presidio]")
    spacy = pytest.importorskip("spacy")

    @spacy.Language.component("breaks_on_a_word")
    def breaks(doc):
        if "boom" in doc.text:
            raise RuntimeError("The component broke.")
        return doc

    nlp = spacy.blank("en")
    nlp.add_pipe("entity_ruler").add_patterns(
        [
            {"label": "PERSON", "pattern": "Ada Lovelace"},
            {"label": "PER", "pattern": "Kim"},
            {"label": "CITY", "pattern": "Oslo"},
        ]
    )
    nlp.add_pipe("breaks_on_a_word")
    nlp.to_disk(tmp_path / "names")
    return str(tmp_path / "names")


def test_our_patterns_look_alone_by_default():
    assert second_finder(Settings()) is None


@pytest.mark.parametrize(
    ("text", "scrubbed"),
    [
        ("my passport is 912803456 ok", "my passport is [ID] ok"),
        ("send it to 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "send it to [ACCOUNT]"),
        ("my bank account 123456789012", "my bank account [ACCOUNT]"),
        ("device 00:1B:44:11:3A:B7 is lost", "device [ID] is lost"),
        ("my driver license D1234567", "my driver license [ID]"),
        ("Grüße, 😀 my passport is 912803456", "Grüße, 😀 my passport is [ID]"),
        (
            "born on 1990-01-02 in Paris, see http://foo.example/x",
            "born on 1990-01-02 in Paris, see http://foo.example/x",
        ),
    ],
)
def test_it_adds_what_has_no_check_digits(second, text, scrubbed):
    assert scrub(text).text == text
    assert scrub(text, also=second(text)).text == scrubbed


def test_ours_are_the_floor(second):
    for case in list(cases())[::211]:
        ours = {(s.label, case.text[s.start : s.end]) for s in find(case.text)}
        result = scrub(case.text, also=second(case.text))
        assert {kind for kind, _ in ours} <= set(result.found), case
        assert all(value not in result.text for _, value in ours), case


def test_the_same_text_has_the_same_spans(second):
    texts = [*negatives(), "ITIN 912-70-1234 and my passport is 912803456"]
    assert [second(text) for text in texts] == [second(text) for text in reversed(texts)][::-1]


@settings(max_examples=40, deadline=None)
@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_spans_lie_in_any_text(second, text):
    assert all(0 <= s.start < s.end <= len(text) for s in second(text))


def test_no_network_is_tried(second, monkeypatch):
    tried = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: tried.append(args))
    monkeypatch.setattr(socket.socket, "connect", lambda *args: tried.append(args))
    assert second("mail jo@example.co.uk or jo@never-seen-before.example") != ()
    assert tried == []


def test_names_are_those_that_the_pipeline_finds(pipeline):
    text = "Ada Lovelace, Kim and jo@example.com met in Oslo"
    found = second_finder(asking(pipeline))(text)
    assert sorted(text[s.start : s.end] for s in found if s.label == "PERSON") == ["Ada Lovelace", "Kim"]
    assert scrub(text, also=found).text == "[PERSON], [PERSON] and [EMAIL] met in Oslo"
    kept = second_finder(asking(pipeline, replace_names=False))(text)
    assert scrub(text, also=kept).text == "Ada Lovelace, Kim and [EMAIL] met in Oslo"


def said(key, text, **more):
    return Interaction(id=key, text=text, at=NOON, **{"labels": Labels(intent="x"), **more})


def made_of(records, base, told=lambda _: None):
    return curate([(one, []) for one in records], tenant="default", now=NOON, settings=asking(base), told=told)


def test_entities_move_with_what_it_finds(pipeline):
    text = "Kim has passport 912803456 for Oslo"
    city = Entity(31, 35, "CITY")
    (example,) = made_of([said("1", text, labels=Labels(entities=(city,)))], pipeline).dataset.examples
    assert example.text == "[PERSON] has passport [ID] for Oslo"
    assert [(e.label, example.text[e.start : e.end]) for e in example.labels.entities] == [("CITY", "Oslo")]


def test_a_text_on_which_it_fails_waits_and_the_others_go_on(pipeline):
    aside = []
    made = made_of([said("1", "boom goes my card"), said("2", "where is my card?")], pipeline, aside.append)
    assert [(s.interaction, s.reason) for s in aside] == [("1", UNSEEN)]
    assert made.dataset.set_aside == {UNSEEN: 1}
    assert [e.interactions for e in made.dataset.examples] == [("2",)]


def test_a_base_that_is_not_there_is_refused():
    pytest.importorskip("presidio_analyzer", reason="needs onward[presidio]")
    for base in ("no_such_pipeline", "blank:no-such-language"):
        with pytest.raises(InvalidInput, match="There is no spaCy base"):
            second_finder(asking(base))


ABSENT = """
import sys
sys.modules["{module}"] = None
from onward.config import Settings
from onward.core import MissingExtra
from onward.curation._personal import second_finder
assert second_finder(Settings()) is None
assert "presidio_analyzer" not in [name for name in sys.modules if sys.modules[name]]
try:
    second_finder(Settings(curation={{"personal_data": "presidio"}}))
except MissingExtra as error:
    print(error.mend)
"""


@pytest.mark.parametrize("module", ["presidio_analyzer", "spacy"])
def test_without_the_extra_it_says_what_to_install(module):
    done = subprocess.run(
        [sys.executable, "-c", ABSENT.format(module=module)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "Add it with: pip install 'onward[presidio]'"


def test_an_import_that_breaks_for_another_reason_is_not_hidden(monkeypatch):
    monkeypatch.setitem(sys.modules, "onward.curation._personal._presidio", None)
    with pytest.raises(ModuleNotFoundError):
        second_finder(asking())


def test_status_says_that_texts_wait_and_stops_when_they_no_longer_do(pipeline, tmp_path):
    calm = {"curation": {"personal_data": "presidio"}, "training": {"base": pipeline, "learners": ["linear"]}}
    with onward.open(tmp_path / "workspace", settings=calm) as workspace:
        workspace.record("boom goes my card", intent="x")
        workspace.cycle()
        (condition,) = workspace.house.conditions.open("default")
        assert (condition.part, condition.reason) == ("personal data", f"1 set aside: {UNSEEN}")
    calm["training"]["base"] = "blank:en"
    with onward.open(tmp_path / "workspace", settings=calm) as workspace:
        workspace.cycle()
        assert workspace.house.conditions.open("default") == []
