"""The few-shot text learner: what it learns, that it goes on bit for bit, and what its model is."""

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.tasks import task, vocabulary

from onward.config import Settings
from onward.core import Damaged, Example, InvalidInput, Labels, Model, Trained, Training
from onward.learners.contract import dataset_of, lessons, only, task_lessons
from onward.learners.text._features import extended, fit_features
from onward.learners.text.few_shot import FewShotTextLearner, FewShotTextModel, create
from onward.learners.text.few_shot._episodes import Shape, draw, sources_of
from onward.learners.text.few_shot._learner import _untaught
from onward.learners.text.few_shot._metric import cosines, prototypes_of

pytest.importorskip("torch")


def examples_of(name: str, words: list[list[str]], split: str = "train", **more) -> list[Example]:
    return [
        Example(
            id=line["id"], text=line["text"], labels=Labels(intent=line["intent"]), split=split, task=name, part=part
        )
        for part, lines in zip(("support", "query"), task(name, words, **more), strict=True)
        for line in lines
    ]


@pytest.fixture(scope="module")
def many() -> list[Example]:
    """Thirty tasks over eight concepts, each spoken of in twelve words; five of them check."""
    words = vocabulary(words=12)
    return [e for n in range(30) for e in examples_of(f"t{n}", words, "validation" if n < 5 else "train")]


def train(examples: Sequence[Example], champion: Model | None = None, **training: object) -> Trained:
    return FewShotTextLearner().train(dataset_of(examples), champion, Training(**training))


@pytest.fixture(scope="module")
def trained(many: list[Example]) -> Trained:
    return train(many)


def files(model: Model, room: Path) -> dict[str, bytes]:
    room.mkdir()
    model.save(room)
    return {file.name: file.read_bytes() for file in room.iterdir()}


def accuracy(model: FewShotTextModel, tasks: Sequence[Sequence[Example]]) -> float:
    shares = []
    for one in tasks:
        queries = [e for e in one if e.part == "query"]
        said = model.adapt([e for e in one if e.part == "support"]).predict([e.text for e in queries])
        shares.append(np.mean([p.labels.intent == e.labels.intent for p, e in zip(said, queries, strict=True)]))
    return float(np.mean(shares))


def test_the_plug_in_table_s_attribute() -> None:
    assert create(Settings()) == FewShotTextLearner()


def test_the_metric_learns_that_words_which_never_meet_mean_the_same(trained: Trained) -> None:
    words = vocabulary(words=12)
    new = [examples_of(f"new{n}", words, shots=1) for n in range(40)]
    model = trained.model
    plain = FewShotTextModel(_untaught(model.metric.features), None)
    assert accuracy(plain, new) < 0.8
    assert accuracy(model, new) > 0.9


def test_the_report_has_a_curve(trained: Trained, many: list[Example]) -> None:
    report = trained.report
    assert report["examples"] == len(many)
    assert (report["quick"], report["skipped"], report["resumed"], report["sources"]) == (False, 0, 0, 25)
    assert len(report["losses"]) == len(report["validation"]) == report["epochs"] > 0
    assert report["losses"][0]["task"] > report["losses"][-1]["task"]
    assert report["score"] == max(one["task"] for one in report["validation"])
    assert report["tasks"] >= 20 * report["epochs"]
    json.dumps(report)


def test_progress_says_how_fast_and_how_well(many: list[Example]) -> None:
    notes: list[str] = []
    train(many, progress=lambda done, total, note: notes.append(note))
    assert "25 sources of tasks" in notes[0]
    assert all("tasks/s" in note and re.search(r"accuracy [01]\.\d{3}$", note) for note in notes[1:])


class Stop(Exception):
    pass


@pytest.mark.parametrize("period", [1, 3])
def test_a_training_that_was_cut_off_ends_in_the_same_bytes(
    many: list[Example], trained: Trained, tmp_path: Path, period: int
) -> None:
    def cut(done: int, total: int, note: str) -> None:
        if done == period:
            raise Stop

    with pytest.raises(Stop):
        train(many, checkpoints=tmp_path / "kept", progress=cut)
    resumed = train(many, checkpoints=tmp_path / "kept")
    assert resumed.report["resumed"] == period
    assert resumed.report["losses"] == trained.report["losses"]
    assert files(resumed.model, tmp_path / "resumed") == files(trained.model, tmp_path / "straight")
    done = train(many, checkpoints=tmp_path / "kept")
    assert done.report["tasks"] == 0
    assert files(done.model, tmp_path / "done") == files(trained.model, tmp_path / "again")


def test_checkpoints_of_another_training_and_torn_ones_are_passed_over(tmp_path: Path) -> None:
    train(task_lessons(), checkpoints=tmp_path)
    assert train(task_lessons(), checkpoints=tmp_path).report["resumed"] > 0
    assert train(task_lessons(), seed=1, checkpoints=tmp_path).report["resumed"] == 0
    (kept,) = (tmp_path / "few-shot").glob("period-*")
    (kept / "arrays.safetensors").write_bytes(b"torn")
    assert train(task_lessons(), seed=1, checkpoints=tmp_path).report["resumed"] == 0


def test_seeds_differ(tmp_path: Path) -> None:
    one, same, other = (train(task_lessons(), seed=seed) for seed in (0, 0, 1))
    assert files(one.model, tmp_path / "one") == files(same.model, tmp_path / "same")
    assert files(one.model, tmp_path / "again") != files(other.model, tmp_path / "other")


def test_out_of_time_it_keeps_the_best_so_far(many: list[Example]) -> None:
    report = train(many, budget=1e-9).report
    assert (report["epochs"], report["tasks"]) == (0, 0)


def test_a_quick_training_goes_on_from_the_champion(many: list[Example], trained: Trained) -> None:
    words = vocabulary(words=12, seed=1)
    more = [e for n in range(25) for e in examples_of(f"m{n}", words)]
    old = [replace(e, new=False) for e in many]
    quick = train([*old, *more], trained.model, quick=True)
    assert quick.report["quick"] is True
    assert quick.report["epochs"] <= 4
    assert quick.report["features"] > trained.report["features"]
    new = [examples_of(f"q{n}", words) for n in range(20)]
    assert accuracy(quick.model, new) > accuracy(trained.model, new) + 0.1


def test_plain_intents_are_a_source_of_tasks_too(tmp_path: Path) -> None:
    words = vocabulary(12)
    plain = [
        Example(id=f"{c}-{n}", text=" ".join(np.random.default_rng([c, n]).choice(own, 3).tolist()), labels=Labels(intent=f"i{c}"), split="train")
        for c, own in enumerate(words)
        for n in range(10)
    ]  # fmt: skip
    made = train(plain)
    assert made.report["sources"] == 1
    assert made.report["validation"]  # two of the twelve intents check
    said = made.model.predict([e.text for e in plain])
    assert np.mean([p.labels.intent == e.labels.intent for p, e in zip(said, plain, strict=True)]) > 0.95
    few = train([e for e in plain if e.labels.intent in {"i0", "i1", "i2"}])
    assert few.report["validation"] == []
    assert few.report["score"] is None


def test_tasks_without_a_second_example_teach_no_metric_but_are_answered(tmp_path: Path) -> None:
    alone = [e for e in task_lessons() if e.id.endswith("-0")]
    made = train(alone, checkpoints=tmp_path)
    assert made.report["sources"] == 0
    assert made.model.metric.projection.any() is np.False_
    support = [e for e in task_lessons(tasks=1, first=50) if e.part == "support"]
    assert made.model.adapt(support).predict([support[0].text])[0].labels == support[0].labels


def test_nothing_to_learn_is_said() -> None:
    silent = [replace(e, labels=Labels(sentiment="x")) for e in task_lessons()]
    with pytest.raises(InvalidInput, match="None of its 96"):
        train(silent)


def test_skipped_examples_are_counted(many: list[Example]) -> None:
    odd = [
        replace(many[0], id="blank", text=" \n"),
        replace(many[0], id="weightless", weight=0.0),
        replace(many[0], id="silent", labels=Labels()),
    ]
    assert train([*many[:200], *odd], budget=1e-9).report["skipped"] == 3


# The model ---------------------------------------------------------------------------------------------------------------


def test_a_saved_model_is_read_back_bit_for_bit(many: list[Example], tmp_path: Path) -> None:
    model = train([*many, *(only(e, "intent") for e in lessons())], budget=1e-9).model
    saved = files(model, tmp_path / "a")
    loaded = FewShotTextLearner().load(tmp_path / "a")
    assert files(loaded, tmp_path / "b") == saved
    assert loaded.plain is not None
    assert loaded.plain.labels == ("music", "refund", "weather")


def test_an_adapted_model_saves_itself_as_a_whole(trained: Trained, tmp_path: Path) -> None:
    support = examples_of("other", vocabulary(seed=9))[:6]
    adapted = trained.model.adapt(support)
    files(adapted, tmp_path / "a")
    loaded = FewShotTextLearner().load(tmp_path / "a")
    texts = [e.text for e in support]
    wanted = [(p.labels, pytest.approx(p.confidence["intent"], abs=1e-6)) for p in adapted.predict(texts)]
    assert [(p.labels, p.confidence["intent"]) for p in loaded.predict(texts)] == wanted


@pytest.mark.parametrize("change", [{"format": 2}, {"terms": ["x"]}, {"weights": "0" * 64}, {"labels": ["x", "y"]}])
def test_a_card_that_does_not_fit_is_damage(trained: Trained, tmp_path: Path, change: dict[str, object]) -> None:
    files(trained.model, tmp_path / "a")
    card = tmp_path / "a" / "model.json"
    card.write_text(json.dumps({**json.loads(card.read_text()), **change}))
    with pytest.raises(Damaged):
        FewShotTextLearner().load(tmp_path / "a")


def test_words_that_training_never_saw_count_in_a_task(trained: Trained) -> None:
    support = [
        Example(id=w, text=f"{w} {w}", labels=Labels(intent=w), split="train", task="t", part="support")
        for w in ("xylophone", "quagmire", "zeppelin")
    ]
    said = trained.model.adapt(support).predict(["a quagmire", "the zeppelin", "xylophone!"])
    assert [p.labels.intent for p in said] == ["quagmire", "zeppelin", "xylophone"]


def test_without_a_known_term_all_labels_are_as_likely(trained: Trained) -> None:
    support = examples_of("even", vocabulary())[:6]
    (said,) = trained.model.adapt(support).predict([""])
    labels = {e.labels.intent for e in support}
    assert said.confidence["intent"] == pytest.approx(1 / len(labels))


def test_weights_say_how_much_an_example_counts() -> None:
    features, _ = fit_features(["red apple", "green pear", "blue plum"], 999)
    model = FewShotTextModel(_untaught(features), None)
    one = Example(id="1", text="red apple", labels=Labels(intent="a"), split="train")
    doubted = replace(one, id="2", text="green pear", weight=0.01)
    other = replace(one, id="3", text="green pear blue plum", labels=Labels(intent="b"))
    assert model.adapt([one, doubted, other]).predict(["green pear"])[0].labels.intent == "b"
    assert (
        model.adapt([one, replace(doubted, weight=1.0), replace(other, text="blue plum")])
        .predict(["green pear"])[0]
        .labels.intent
        == "a"
    )


def test_a_wrong_example_among_five_moves_little(trained: Trained) -> None:
    words, wrong = vocabulary(words=12), []
    for n in range(40):
        support = [e for e in examples_of(f"five{n}", words, shots=5) if e.part == "support"]
        names = sorted({str(e.labels.intent) for e in support})
        flipped = [replace(e, labels=Labels(intent=names[0])) if e is support[-1] else e for e in support]
        wrong.append([*flipped, *(e for e in examples_of(f"five{n}", words, shots=5) if e.part == "query")])
    assert accuracy(trained.model, wrong) > 0.9


# Parts ---------------------------------------------------------------------------------------------------------------------


def test_extended_features_are_the_same_and_more() -> None:
    features, _ = fit_features(["red apple", "green apple"], 999)
    more = extended(features, ["purple apple"])
    assert list(more.columns)[: len(features.columns)] == list(features.columns)
    np.testing.assert_array_equal(more.idf[: len(features.idf)], features.idf)
    old, new = features.rows(["red apple"]), more.rows(["red apple"])
    np.testing.assert_array_equal(new[:, : old.shape[1]].toarray(), old.toarray())
    assert more.columns["purple"] >= len(features.idf)
    assert more.rows(["purple"]).nnz > features.rows(["purple"]).nnz
    assert len(extended(features, []).idf) == len(features.idf)


def test_cosines_are_those_of_the_whole_vectors() -> None:
    rng = np.random.default_rng(0)
    texts = ["red apple pie", "green pear", "blue plum cake", "red plum"]
    features, rows = fit_features(texts, 999)
    metric = replace(
        _untaught(features),
        weights=rng.uniform(0.5, 2, len(features.idf)).astype(np.float32),
        projection=rng.normal(size=(len(features.idf), 3)).astype(np.float32),
    )
    prototypes = prototypes_of(rows, ["a", "b", "a", "b"], [1.0, 1.0, 3.0, 1.0])
    dense = rows.toarray().astype(float)
    means = np.stack([(dense[0] + 3 * dense[2]) / 4, (dense[1] + dense[3]) / 2])

    def whole(x):
        vector = np.hstack([x * np.sqrt(metric.weights), x @ metric.projection])
        return vector / np.linalg.norm(vector, axis=1, keepdims=True)

    np.testing.assert_allclose(cosines(metric, prototypes, rows), whole(dense) @ whole(means).T, atol=1e-5)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 6), st.integers(2, 9))
def test_episodes_never_ask_what_they_teach(seed: int, shots: int, ways: int) -> None:
    words = vocabulary()
    examples = [e for n in range(6) for e in examples_of(f"t{n}", words, ways=2 + n % 4)]
    learn, check = sources_of(examples, seed)
    assert (len(learn), check) == (6, [])
    found = draw(learn, Shape(ways, shots, 3), 12, np.random.default_rng(seed))
    for label in range(12):
        taught, asked = found.support[found.support_label == label], found.query[found.query_label == label]
        assert 1 <= len(taught) <= shots
        assert 1 <= len(asked) <= 3
        assert not set(taught.tolist()) & set(asked.tolist())
    for numbers, labels in ((found.support, found.support_label), (found.query, found.query_label)):
        for number, label in zip(numbers.tolist(), labels.tolist(), strict=True):
            mates = found.support[found.support_label == label]
            assert {(examples[i].task, examples[i].labels) for i in mates} == {
                (examples[number].task, examples[number].labels)
            }
    for episode in range(found.task[-1] + 1):
        inside = np.flatnonzero(found.task == episode)
        assert len({examples[i].task for i in found.support[np.isin(found.support_label, inside)]}) == 1
        assert len(inside) <= ways


def test_what_answers_needs_no_pytorch(trained: Trained, tmp_path: Path) -> None:
    files(trained.model, tmp_path / "model")
    program = f"""
import sys
from pathlib import Path
from onward.config import Settings, load_learner
from onward.core import Example, Labels
model = load_learner("few-shot", Settings()).load(Path({str(tmp_path / "model")!r}))
one = Example(id="1", text="hello", labels=Labels(intent="x"), split="train")
assert model.adapt([one]).predict(["hello"])[0].labels.intent == "x"
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_without_pytorch_training_says_what_to_install(tmp_path: Path) -> None:
    program = """
import sys
sys.modules["torch"] = None
from onward.core import MissingExtra, Training
from onward.learners.contract import dataset_of, task_lessons
from onward.learners.text.few_shot import FewShotTextLearner
try:
    FewShotTextLearner().train(dataset_of(task_lessons()), None, Training())
except MissingExtra as error:
    assert "onward[neural]" in str(error)
else:
    raise AssertionError
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_banking77_beats_what_it_is_measured_beside() -> None:
    real_data = pytest.importorskip("benchmarks.real_data")
    if real_data.folder() is None:
        pytest.skip("no real data: set ONWARD_DATA")
    from benchmarks.few_shot_text import intents, one_seed

    texts = {name: found[:25] for name, found in intents().items()}
    figures = one_seed(texts, seed=0, count=30, shapes=((5, 5),))["5-way 5-shot"]
    means = {name: float(np.mean(found)) for name, found in figures.items()}
    assert means["few-shot"] > 0.85
    assert means["few-shot"] > means["nearest centroid"]
    assert means["few-shot"] > means["regression"]
