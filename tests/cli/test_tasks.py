"""Few-shot tasks from the shell."""

import json
import shutil

import pytest
from tests.cli.terminal import make, run
from tests.tasks import task, vocabulary

import onward

pytest.importorskip("torch")
SETTINGS = {"training": {"learners": ["few-shot"]}, "learning": {"min_data_threshold": 1}}
WORDS = vocabulary(4)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A workspace whose champion adapts to tasks, put there by hand. Read only."""
    folder = tmp_path_factory.mktemp("tasks") / "trained"
    with onward.open(folder, settings=SETTINGS) as ws:
        for number in range(12):
            ws.record_task(f"t{number}", *task(f"t{number}", WORDS))
        ws.promote(ws.cycle(force=True).candidate, force=True, reason="to be asked")
    return folder


@pytest.fixture
def shop(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "shop")


def test_lines_with_a_task_are_recorded(tmp_path):
    support, queries = task("t", WORDS)
    lines = [{**s, "task": "t", "part": "support"} for s in support] + [{**q, "task": "t"} for q in queries]
    answer = run("record", "-", "--workspace", make(tmp_path / "new"), stdin="\n".join(map(json.dumps, lines)).encode())
    assert answer.code == 0
    assert f"{len(lines)} interactions" in answer.out


def test_a_task_is_asked_by_name(shop):
    _, queries = task("t3", WORDS)
    answer = run("predict", queries[0]["text"], "--task", "t3", "--workspace", shop, "--json")
    assert answer.code == 0
    assert answer.value["intent"] == queries[0]["intent"]
    traced = run("trace", answer.value["interaction"], "--workspace", shop)
    assert "Query of task t3" in traced.out
    assert run("trace", answer.value["interaction"], "--workspace", shop, "--json").value["interaction"]["task"] == "t3"
    unknown = run("predict", "hello", "--task", "nowhere", "--workspace", shop)
    assert unknown.code == 3
    assert "'nowhere'" in unknown.err


def test_a_support_set_is_read_from_a_file(shop, tmp_path):
    support, queries = task("new", WORDS)
    file = tmp_path / "support.jsonl"
    file.write_text("\n".join(json.dumps({"text": s["text"], "intent": s["intent"]}) for s in support))
    stdin = "\n".join(q["text"] for q in queries).encode()
    answer = run("predict", "-", "--support", file, "--workspace", shop, stdin=stdin)
    said = [line.split("\t")[0] for line in answer.out.splitlines()]
    assert sum(a == q["intent"] for a, q in zip(said, queries, strict=True)) >= 9
    missing = run("predict", "hello", "--support", tmp_path / "missing.jsonl", "--workspace", shop)
    assert missing.code == 3
    file.write_text('{"text": "no label"}')
    bad = run("predict", "hello", "--support", file, "--workspace", shop)
    assert bad.code == 2
    assert "has no label" in bad.err
