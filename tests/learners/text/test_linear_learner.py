from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from benchmarks.real_data import Text, banking77, folder, snips, sst2
from sklearn.svm import LinearSVC

from onward.config import Settings
from onward.core import Example, InvalidInput, Labels, Model, Trained, Training
from onward.learners.contract import dataset_of, lessons, new_lessons, only
from onward.learners.text.linear import LinearLearner, LinearModel, create
from onward.learners.text.linear import _teaching as teaching


def train(examples: Sequence[Example], champion: Model | None = None, **training: object) -> Trained:
    return LinearLearner().train(dataset_of(examples), champion, Training(**training))


def old(examples: Sequence[Example]) -> list[Example]:
    return [replace(e, new=False) for e in examples]


def files(model: Model, room: Path) -> dict[str, bytes]:
    room.mkdir()
    model.save(room)
    return {file.name: file.read_bytes() for file in room.iterdir()}


def test_the_plug_in_table_s_attribute():
    assert create(Settings(learning={"replay_budget": 7})) == LinearLearner(replay_budget=7)


def test_the_report():
    report = train(lessons()).report
    assert report["examples"] == len(lessons())
    assert report["labels"] == {"intent": 3, "sentiment": 2}
    assert report["features"] > 100
    assert (report["quick"], report["complete"], report["skipped"]) == (False, True, 0)
    assert report["seconds"] > 0
    assert report["cpu_seconds"] > 0


@pytest.mark.parametrize(
    "unusable",
    [
        {"text": " \n"},
        {"weight": 0.0},
        {"weight": float("nan")},
        {"labels": Labels()},
        {"labels": Labels(entities=())},
        {"labels": Labels(intent="", sentiment="")},
    ],
)
def test_what_cannot_be_used_is_skipped_and_counted(unusable: dict[str, object], tmp_path: Path):
    trained = train([*lessons(), replace(lessons()[0], id="unusable", **unusable)])
    assert trained.report["skipped"] == 1
    assert files(trained.model, tmp_path / "a") == files(train(lessons()).model, tmp_path / "b")


def test_nothing_usable():
    with pytest.raises(InvalidInput, match="None of its 1 examples"):
        train([replace(lessons()[0], text="")])


@pytest.mark.parametrize("quick", [False, True])
def test_the_same_seed_gives_the_same_bytes(quick: bool, tmp_path: Path):
    champion = train(lessons()).model
    examples = [*old(lessons()), *new_lessons()]
    first, second = (train(examples, champion, quick=quick, seed=3).model for _ in range(2))
    assert files(first, tmp_path / "first") == files(second, tmp_path / "second")


def test_the_validation_split_is_learned_from():
    extra = [replace(e, split="validation") for e in new_lessons()]
    assert train([*lessons(), *extra]).report["labels"]["intent"] == 4


def test_a_quick_update_takes_as_many_old_examples_as_new_ones():
    champion = train(lessons()).model
    report = train([*old(lessons()), *new_lessons()], champion, quick=True).report
    assert report["quick"]
    assert report["examples"] == 2 * len(new_lessons())


def test_a_few_new_examples_still_meet_every_old_label():
    champion = train(lessons()).model
    report = train([*old(lessons()), new_lessons()[0]], champion, quick=True).report
    assert report["examples"] == 1 + 2 * 5


def test_a_quick_update_grows_from_the_champion():
    champion = train(lessons()).model
    model = train([*old(lessons()), *new_lessons()], champion, quick=True).model
    assert isinstance(champion, LinearModel)
    assert isinstance(model, LinearModel)
    assert list(model.features.columns)[: len(champion.features.columns)] == list(champion.features.columns)
    assert "restaurant" in model.features.columns
    assert model.heads["intent"].labels == (*champion.heads["intent"].labels, "dinner")


def test_a_quick_update_keeps_a_head_that_the_data_do_not_speak_of():
    champion = train(lessons()).model
    model = train([only(e, "intent") for e in new_lessons()], champion, quick=True).model
    assert model.predict(["wonderful, thank you so much"])[0].labels.sentiment == "positive"


def test_without_a_champion_without_news_or_with_a_new_head_everything_is_retrained():
    champion = train(lessons()).model
    without_moods = train([only(e, "intent") for e in lessons()]).model
    assert not train(lessons(), None, quick=True).report["quick"]
    assert not train(old(lessons()), champion, quick=True).report["quick"]
    assert not train(lessons(), without_moods, quick=True).report["quick"]


def test_a_stranger_as_champion_is_not_updated():
    class Stranger:
        def predict(self, texts: Sequence[str]) -> list[object]:
            return []

        def save(self, folder: Path) -> None:
            raise AssertionError(folder)

    assert not train(lessons(), Stranger(), quick=True).report["quick"]


def test_the_replay_budget_bounds_the_old_examples():
    learner = LinearLearner(replay_budget=60)
    report = learner.train(dataset_of([*old(lessons()), *new_lessons()]), None, Training()).report
    assert report["examples"] == 60
    assert report["labels"]["intent"] == 4


@pytest.mark.parametrize("quick", [False, True])
def test_out_of_time(quick: bool):
    champion = train(lessons()).model
    trained = train([*old(lessons()), *new_lessons()], champion, quick=quick, budget=1e-9)
    assert not trained.report["complete"]
    assert trained.model.predict(["give me my money back for order Berlin"])[0].labels.intent == "refund"


def narrow(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    """scikit-learn runs out of memory on more than `width` features."""
    fit = LinearSVC.fit

    def fit_if_narrow(self: LinearSVC, rows: np.ndarray, *args: object, **kwargs: object) -> LinearSVC:
        if rows.shape[1] > width:
            raise MemoryError
        return fit(self, rows, *args, **kwargs)

    monkeypatch.setattr(LinearSVC, "fit", fit_if_narrow)


def test_out_of_memory_it_takes_fewer_features(monkeypatch: pytest.MonkeyPatch):
    narrow(monkeypatch, 100)
    monkeypatch.setattr(teaching, "MIN_FEATURES", 64)
    trained = train(lessons())
    assert trained.report["features"] <= 100
    assert trained.model.predict(["give me my money back for order Berlin"])[0].labels.intent == "refund"


def test_out_of_memory_for_good(monkeypatch: pytest.MonkeyPatch):
    narrow(monkeypatch, 0)
    with pytest.raises(MemoryError):
        train(lessons())


def test_many_labels_mean_fewer_features(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(teaching, "MAX_WEIGHTS", 500)
    monkeypatch.setattr(teaching, "MIN_FEATURES", 10)
    champion = train(lessons())
    assert champion.report["features"] == 500 // 5
    assert train([*old(lessons()), *new_lessons()], champion.model, quick=True).report["features"] == 500 // 5


needs_data = pytest.mark.skipif(folder() is None, reason="ONWARD_DATA is not set: no real data here.")


def real(rows: Sequence[Text], head: str, *, new: bool = True) -> list[Example]:
    return [
        Example(id=f"{new}-{i}", text=row.text, labels=Labels(**{head: row.label}), split="train", new=new)
        for i, row in enumerate(rows)
    ]


def accuracy(model: Model, rows: Sequence[Text], head: str) -> float:
    said = model.predict([row.text for row in rows])
    return float(np.mean([getattr(p.labels, head) == row.label for p, row in zip(said, rows, strict=True)]))


@needs_data
def test_half_of_banking77(tmp_path: Path):
    rows, test = banking77()
    model = train(real(rows[::2], "intent")).model
    assert accuracy(model, test, "intent") >= 0.875
    assert sum(map(len, files(model, tmp_path / "saved").values())) < 10e6


@needs_data
def test_half_of_sst2_is_calibrated():
    rows, test = sst2()
    model = train(real(rows[::2], "sentiment")).model
    assert accuracy(model, test, "sentiment") >= 0.78
    sure = float(np.mean([p.confidence["sentiment"] for p in model.predict([row.text for row in test])]))
    assert sure == pytest.approx(accuracy(model, test, "sentiment"), abs=0.04)


@needs_data
def test_snips_task_after_task_by_quick_updates():
    rows, test = snips()
    tasks = np.array_split(sorted({row.label for row in rows}), 4)
    seen: list[Example] = []
    model: Model | None = None
    for task in tasks:
        news = real([row for row in rows if row.label in set(task)][::8], "intent")
        trained = train([*old(seen), *news], model, quick=True)
        assert trained.report["quick"] == (model is not None)
        model, seen = trained.model, [*seen, *news]
    assert model is not None
    assert accuracy(model, test, "intent") >= 0.96
