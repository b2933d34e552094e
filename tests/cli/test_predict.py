import io
import json
import re

import pytest
from tests.cli.terminal import run

import onward
from onward.cli._call import Call
from onward.cli._input import batches
from onward.cli._predict import _human, as_json
from onward.core import Entity, Labels, Prediction

TEXT = "please refund the red saddle"


def test_json_is_the_prediction_and_what_it_is_recorded_under(shop):
    answer = run("predict", TEXT, "--user", "ann", "--workspace", shop, "--json")
    assert answer.code == 0
    value = answer.value
    assert list(value) == ["text", "intent", "sentiment", "entities", "confidence", "version", "interaction"]
    assert (value["text"], value["intent"], value["sentiment"], value["version"]) == (TEXT, "refund", None, 1)
    assert 0 < value["confidence"]["intent"] <= 1
    stored = run("trace", value["interaction"], "--workspace", shop, "--json").value["interaction"]
    assert (stored["text"], stored["user"]) == (TEXT, "ann")


def test_a_person_reads_the_labels_and_the_next_command(shop):
    answer = run("predict", TEXT, "--workspace", shop)
    assert re.search(r"^intent +refund \([01]\.\d{3}\)", answer.out)
    assert f"Next: onward --workspace {shop} feedback in_" in answer.out


def test_nothing_is_recorded_where_that_is_asked(shop):
    before = run("status", "--workspace", shop, "--json").value["interactions"]
    answer = run("predict", TEXT, "--no-record", "--workspace", shop, "--json")
    assert answer.value["interaction"] is None
    assert "Next:" not in run("predict", TEXT, "--no-record", "--workspace", shop).out
    assert run("status", "--workspace", shop, "--json").value["interactions"] == before


def test_each_line_of_standard_input_is_a_text_and_each_result_a_line(shop):
    stdin = b"please refund it\r\n\n\xffwhere is my [bold]parcel[/bold]\twith \x1b[31mred\nhello"
    lines = run("predict", "-", "--no-record", "--workspace", shop, stdin=stdin).out.splitlines()
    assert [line.count("\t") for line in lines] == [3] * 4
    assert lines[0].split("\t") == ["refund", "-", "-", "please refund it"]
    assert lines[2].split("\t")[3] == "�where is my [bold]parcel[/bold]\\twith \\x1b[31mred"
    answer = run("predict", "-", "--no-record", "--workspace", shop, "--json", stdin=stdin)
    texts = [json.loads(line)["text"] for line in answer.out.splitlines()]
    assert texts == ["please refund it", "", "�where is my [bold]parcel[/bold]\twith \x1b[31mred", "hello"]


def test_without_a_champion_the_way_to_one_is_named(empty):
    answer = run("predict", TEXT, "--workspace", empty, "--json")
    assert answer.code == 3
    assert f"onward --workspace {empty} cycle" in answer.error["mend"]


def test_entities_carry_their_text():
    labels = Labels(entities=(Entity(4, 10, "PRODUCT"),))
    prediction = Prediction(labels, version=3)
    assert as_json("the saddle", prediction)["entities"] == [
        {"start": 4, "end": 10, "label": "PRODUCT", "text": "saddle"}
    ]
    (table,) = _human(Call(".onward", "default", json=False), "the saddle", prediction)
    assert "PRODUCT 'saddle'" in str(list(table.columns[1].cells)[2])
    (table,) = _human(Call(".onward", "default", json=False), "the saddle", Prediction(Labels(entities=())))
    assert [str(cell) for cell in table.columns[1].cells] == ["-", "-", "none", "-", "-"]


@pytest.mark.parametrize("size", [1, 2, 7, 100])
def test_lines_are_whole_however_they_arrive(size):
    text = "où est\nmon\r\ncolis\n\nüber"

    class Slow(io.BytesIO):
        def read1(self, _=-1):
            return super().read1(size)

    lines = [line for batch in batches(Slow(text.encode())) for line in batch]
    assert lines == ["où est", "mon", "colis", "", "über"]


def test_the_front_door_says_the_same(shop):
    with onward.open(shop) as workspace:
        said = workspace.predict(TEXT, record=False)
    assert as_json(TEXT, said) == run("predict", TEXT, "--no-record", "--workspace", shop, "--json").value
