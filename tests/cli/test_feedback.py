import pytest
from tests.cli.terminal import run


def _said(shop, interaction):
    return run("trace", interaction, "--workspace", shop, "--json").value["feedback"]


def test_everything_that_can_be_said_is_stored(shop):
    answer = run(
        "feedback", "s0-1", "--score", "0.25", "--intent", "refund", "--sentiment", "negative", "--entity", "0:4:WORD",
        "--entity", "5:7:THE:WORD", "--remark", '{"agent": 7}', "--user", "ann", "--workspace", shop, "--json",
    )  # fmt: skip
    assert answer.code == 0
    (said,) = _said(shop, "s0-1")
    assert said["id"] == answer.value["feedback"]
    assert answer.value["interaction"] == "s0-1"
    assert (said["score"], said["user"], said["remark"]) == (0.25, "ann", {"agent": 7})
    assert said["correction"]["intent"] == "refund"
    assert said["correction"]["sentiment"] == "negative"
    assert [(e["start"], e["end"], e["label"]) for e in said["correction"]["entities"]] == [
        (0, 4, "WORD"),
        (5, 7, "THE:WORD"),
    ]


def test_that_there_are_no_entities_can_be_said(shop):
    answer = run("feedback", "s0-1", "--no-entities", "--workspace", shop)
    assert answer.code == 0
    assert f"Next: onward --workspace {shop} cycle" in answer.out
    (said,) = _said(shop, "s0-1")
    assert said["correction"] == {"intent": None, "sentiment": None, "entities": []}


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ((), 2),
        (("--score", "7"), 2),
        (("--score", "nan"), 2),
        (("--score", "high"), 2),
        (("--remark", "{"), 2),
        (("--remark", "[1]"), 2),
        (("--remark", "[" * 100_000), 2),
        (("--entity", "4:2:X"), 2),
        (("--entity", "a:b:X"), 2),
        (("--entity", "1:2:"), 2),
        (("--entity", "1:99999999999999999999:X"), 2),
        (("--entity", "0:1:X", "--no-entities"), 2),
    ],
)
def test_what_cannot_be_used_is_refused_with_how_to_mend_it(shop, options, code):
    answer = run("feedback", "s0-1", *options, "--workspace", shop, "--json")
    assert answer.code == code
    assert answer.error["mend"]
    assert _said(shop, "s0-1") == []


def test_feedback_needs_its_interaction(shop):
    answer = run("feedback", "nobody", "--score", "1", "--workspace", shop)
    assert answer.code == 3
    assert "No interaction 'nobody'" in answer.err
