"""The contract must catch those who break it: learners that each do one thing wrong."""

import pickle
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from onward.core import DatasetVersion, Labels, Model, Prediction, Trained, Training
from onward.learners import contract
from onward.learners.contract import CHECKS, FEW_SHOT_CHECKS, Subject
from onward.learners.text.linear import LinearLearner


@dataclass(frozen=True)
class Flawed:
    """A linear learner with one flaw, by name."""

    flaw: str

    def train(self, dataset: DatasetVersion, champion: Model | None, training: Training) -> Trained:
        champion = champion.inner if isinstance(champion, FlawedModel) else champion
        if self.flaw == "swallows":
            training = replace(training, progress=lambda *_: None)
        if self.flaw == "goes back":
            training.progress(9, 9, "done")
        if self.flaw == "trains on evaluation":
            dataset = replace(dataset, examples=tuple(replace(e, split="train") for e in dataset.examples))
        if self.flaw == "forgets":
            fresh = tuple(e for e in dataset.examples if e.new)
            dataset, champion = replace(dataset, examples=fresh), None
        if self.flaw == "never learns anew" and champion is not None:
            return Trained(FlawedModel(champion, self.flaw), {})
        trained = LinearLearner().train(dataset, champion, training)
        report = {} if self.flaw == "no report" else trained.report
        return Trained(FlawedModel(trained.model, self.flaw), report)

    def load(self, folder: Path) -> Model:
        if self.flaw == "loads anything":
            return FlawedModel(LinearLearner().train(contract_data(), None, Training()).model, self.flaw)
        return FlawedModel(LinearLearner().load(folder), "read wrongly" if self.flaw == "loads another" else "")


def contract_data() -> DatasetVersion:
    return contract.dataset_of(contract.lessons()[:10])


CHANGES = {
    "drops empty": lambda said, texts: [p for p, text in zip(said, texts, strict=True) if text.strip()],
    "looks at the batch": lambda said, texts: [
        replace(p, confidence={h: c / len(texts) for h, c in p.confidence.items()}) for p in said
    ],
    "says too much": lambda said, _: [replace(p, labels=replace(p.labels, entities=())) for p in said],
    "too sure": lambda said, _: [replace(p, confidence=dict.fromkeys(p.confidence, 1.5)) for p in said],
    "read wrongly": lambda said, _: [Prediction(Labels(intent="x")) for _ in said],
    "always speaks": lambda said, _: said or [Prediction(Labels())],
}


@dataclass(frozen=True)
class FlawedModel:
    inner: Model
    flaw: str

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        said = self.inner.predict(texts)
        change = CHANGES.get(self.flaw)
        return change(said, texts) if change else said

    def save(self, folder: Path) -> None:
        self.inner.save(folder)
        if self.flaw == "pickles":
            (folder / "more.bin").write_bytes(pickle.dumps({"a": [1, 2]}))


@pytest.mark.parametrize(
    ("flaw", "check"),
    [
        ("says too much", "check_learns"),
        ("too sure", "check_learns"),
        ("loads another", "check_load_equals_save"),
        ("looks at the batch", "check_any_batch"),
        ("always speaks", "check_empty_list"),
        ("drops empty", "check_weird_texts"),
        ("says too much", "check_one_head"),
        ("forgets", "check_learns_new_label"),
        ("never learns anew", "check_learns_new_label"),
        ("trains on evaluation", "check_evaluation_unseen"),
        ("trains on evaluation", "check_nothing_to_learn"),
        ("swallows", "check_progress"),
        ("swallows", "check_checkpoints"),
        ("goes back", "check_progress"),
        ("no report", "check_report"),
        ("pickles", "check_nothing_pickled"),
        ("loads anything", "check_damaged_folder"),
    ],
)
def test_a_flaw_is_caught(flaw: str, check: str, tmp_path: Path):
    subject = Subject(lambda: Flawed(flaw), ("intent", "sentiment"), tmp_path)
    with pytest.raises(AssertionError):
        getattr(contract, check)(subject)


def test_without_a_flaw_nothing_is_caught(tmp_path: Path):
    subject = Subject(lambda: Flawed(""), ("intent", "sentiment"), tmp_path)
    for check in CHECKS:
        check(subject)


def test_a_learner_of_sentiment_alone_passes(tmp_path: Path):
    subject = Subject(LinearLearner, ("intent", "sentiment"), tmp_path)
    contract.check_learns_new_label(replace(subject, heads=("sentiment",)))


def test_a_pytorch_archive_counts_as_a_pickle(tmp_path: Path):
    import zipfile

    from onward.learners.contract._saving import _is_pickle

    for name, found in (("archive/data.pkl", True), ("readme.txt", False)):
        with zipfile.ZipFile(tmp_path / "file.bin", "w") as archive:
            archive.writestr(name, "x")
        assert _is_pickle(tmp_path / "file.bin") is found


def test_every_check_is_listed():
    listed = {check.__name__ for check in (*CHECKS, *FEW_SHOT_CHECKS)}
    assert {name for name in dir(contract) if name.startswith("check_")} == listed
