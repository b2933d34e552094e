"""The continual text learner: goes on from the champion, bit for bit, and remembers no more than it may."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onward.core import Damaged, DatasetVersion, Example, Labels, Model, Training, decode, encode
from onward.learners.contract import dataset_of, lessons, new_lessons, only
from onward.learners.text.continual import ContinualTextLearner, ContinualTextModel

torch = pytest.importorskip("torch")

from onward.learners.text.continual._rows import WIDTH, counted, weighed  # noqa: E402
from onward.learners.text.continual._state import remembered  # noqa: E402
from onward.learners.text.continual._teaching import inputs  # noqa: E402

MEMORY = 500
OLD = tuple(replace(example, new=False) for example in lessons())


def model_of(examples: Sequence[Example], champion: Model | None = None, **options: object) -> ContinualTextModel:
    learner = ContinualTextLearner(int(options.pop("memory", MEMORY)))  # type: ignore[call-overload]
    model = learner.train(dataset_of(examples), champion, Training(**options)).model  # type: ignore[arg-type]
    assert isinstance(model, ContinualTextModel)
    return model


def saved(model: Model, folder: Path) -> dict[str, bytes]:
    folder.mkdir()
    model.save(folder)
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.fixture(scope="module")
def champion() -> ContinualTextModel:
    return model_of(lessons())


@pytest.fixture(scope="module")
def candidate(champion: ContinualTextModel) -> ContinualTextModel:
    return model_of([*OLD, *new_lessons()], champion)


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def share_right(model: Model, examples: Sequence[Example]) -> float:
    said = model.predict([e.text for e in examples])
    return float(np.mean([p.labels.intent == e.labels.intent for p, e in zip(said, examples, strict=True)]))


@given(st.lists(st.text(max_size=60), max_size=6))
def test_rows_are_the_same_to_the_network_and_to_numpy(texts: list[str]) -> None:
    counts = counted(texts)
    assert counts.shape == (len(texts), WIDTH)
    rows = weighed(counts).toarray()
    assert np.allclose(rows, inputs(torch.from_numpy(counts.toarray())).numpy(), atol=1e-6)
    for start, end in ((0, 1024), (1024, 2048), (2048, 4096)):
        lengths = np.linalg.norm(rows[:, start:end], axis=1)
        assert np.allclose(lengths[lengths > 0], 1, atol=1e-6)


def test_a_term_said_a_thousand_times_still_fits_a_byte() -> None:
    assert counted(["so " * 1000]).data.max() == 255


def test_a_new_label_grows_the_output_and_the_old_ones_keep_their_places(
    champion: ContinualTextModel, candidate: ContinualTextModel
) -> None:
    before, after = champion.heads["intent"], candidate.heads["intent"]
    assert after.labels == (*before.labels, "dinner")
    assert after.weights.shape == (len(before.labels) + 1, WIDTH)
    assert share_right(candidate, new_lessons()) > 0.9
    assert share_right(candidate, lessons()) > 0.9


def test_old_examples_are_not_looked_at(champion: ContinualTextModel, candidate: ContinualTextModel) -> None:
    lies = [replace(e, labels=Labels(intent="lie", sentiment="lie")) for e in OLD]
    misled = model_of([*lies, *new_lessons()], champion)
    assert misled.heads["intent"].labels == candidate.heads["intent"].labels
    assert np.array_equal(misled.heads["intent"].weights, candidate.heads["intent"].weights)


def test_the_same_bytes_whatever_the_threads_and_whether_the_champion_was_read_back(
    champion: ContinualTextModel, candidate: ContinualTextModel, tmp_path: Path, threads: None
) -> None:
    wanted = saved(candidate, tmp_path / "wanted")
    saved(champion, tmp_path / "champion")
    for count in (1, 2):
        torch.set_num_threads(count)
        read = ContinualTextLearner(MEMORY).load(tmp_path / "champion")
        again = model_of([*OLD, *new_lessons()], read)
        assert saved(again, tmp_path / f"threads {count}") == wanted
        assert torch.get_num_threads() == count


def test_another_seed_gives_another_model(champion: ContinualTextModel, candidate: ContinualTextModel) -> None:
    other = model_of([*OLD, *new_lessons()], model_of(lessons(), seed=1), seed=1)
    assert not np.array_equal(other.heads["intent"].weights, candidate.heads["intent"].weights)


class Killed(Exception):
    """The process dies here."""


def many(count: int) -> list[Example]:
    words = ("red", "green", "blue")
    return [
        Example(
            id=f"many {n}",
            text=f"the {words[n % 3]} one, number {n}",
            labels=Labels(intent=words[n % 3]),
            split="train",
        )
        for n in range(count)
    ]


def test_killed_and_resumed_it_ends_in_the_same_bytes(champion: ContinualTextModel, tmp_path: Path) -> None:
    examples = [*OLD, *many(680)]

    def kill(done: int, total: int, note: str) -> None:
        if done >= 205:
            raise Killed

    straight = saved(model_of(examples, champion), tmp_path / "straight")
    with pytest.raises(Killed):
        model_of(examples, champion, checkpoints=tmp_path / "checkpoints", progress=kill)
    learner = ContinualTextLearner(MEMORY)
    resumed = learner.train(dataset_of(examples), champion, Training(checkpoints=tmp_path / "checkpoints"))
    assert resumed.report["resumed"]
    assert saved(resumed.model, tmp_path / "resumed") == straight


def test_checkpoints_of_another_training_are_left_alone(champion: ContinualTextModel, tmp_path: Path) -> None:
    wanted = saved(model_of([*OLD, *new_lessons()], champion), tmp_path / "wanted")
    model_of([*OLD, *many(50)], champion, checkpoints=tmp_path / "checkpoints")
    found = model_of([*OLD, *new_lessons()], champion, checkpoints=tmp_path / "checkpoints")
    assert saved(found, tmp_path / "found") == wanted


def test_the_buffer_is_bounded_and_holds_every_label() -> None:
    head = model_of([*lessons(), *new_lessons()], memory=40).heads["intent"]
    ids = remembered(head)
    assert len(ids) == len(set(ids)) == 40
    intents = {e.id: e.labels.intent for e in [*lessons(), *new_lessons()]}
    counts = [sum(intents[i] == name for i in ids) for name in head.labels]
    assert counts == [10, 10, 10, 10]


def test_what_the_data_set_no_longer_holds_leaves_the_buffer(champion: ContinualTextModel) -> None:
    gone = {e.id for e in OLD[::3]}
    assert gone & set(remembered(champion.heads["intent"]))
    left = [e for e in OLD if e.id not in gone]
    trained = ContinualTextLearner(MEMORY).train(dataset_of([*left, *new_lessons()]), champion, Training())
    assert isinstance(trained.model, ContinualTextModel)
    for name, head in trained.model.heads.items():
        ids = set(remembered(head))
        assert not ids & gone
        assert ids <= {e.id for e in [*left, *new_lessons()]}
        assert trained.report["dropped"][name] == len(gone)
        assert trained.report["remembered"][name] == len(ids)


def test_with_nothing_new_only_the_buffer_changes(champion: ContinualTextModel) -> None:
    model = model_of(OLD[1:], champion)
    assert np.array_equal(model.heads["intent"].weights, champion.heads["intent"].weights)
    assert OLD[0].id not in remembered(model.heads["intent"])


def test_a_corrected_example_is_remembered_once_under_its_new_label(champion: ContinualTextModel) -> None:
    wrong = OLD[0]
    right = replace(wrong, new=True, labels=Labels(intent="corrected"))
    model = model_of([*OLD[1:], *[replace(right, id=f"{wrong.id} {n}") for n in range(5)], right], champion)
    assert remembered(model.heads["intent"]).count(wrong.id) == 1
    assert wrong.id not in remembered(model.heads["sentiment"])
    assert model.predict([wrong.text])[0].labels.intent == "corrected"


def test_a_head_that_the_champion_lacks_is_learned_from_all() -> None:
    first = model_of([only(e, "intent") for e in lessons()])
    assert set(first.heads) == {"intent"}
    second = model_of([*OLD, *new_lessons()], first)
    said = second.predict([e.text for e in lessons()])
    right = [p.labels.sentiment == e.labels.sentiment for p, e in zip(said, lessons(), strict=True)]
    assert np.mean(right) > 0.9


@pytest.mark.parametrize("other", ["memory", "learner"])
def test_another_champion_is_not_gone_on_from(champion: ContinualTextModel, other: str) -> None:
    from onward.learners.text.linear import LinearLearner

    foreign = LinearLearner().train(dataset_of(lessons()), None, Training()).model
    before = foreign if other == "learner" else champion
    learner = ContinualTextLearner(MEMORY + 1)
    trained = learner.train(dataset_of([*OLD, *new_lessons()]), before, Training())
    assert trained.report["quick"] is False
    assert trained.report["examples"] == len(OLD) + len(new_lessons())


def test_weightless_and_silent_examples_are_skipped() -> None:
    some = [*lessons(), replace(OLD[0], id="none", weight=0.0), replace(OLD[0], id="blank", text=" ")]
    assert ContinualTextLearner(MEMORY).train(dataset_of(some), None, Training()).report["skipped"] == 2


def test_out_of_time_it_stops_and_says_so() -> None:
    report = ContinualTextLearner(MEMORY).train(dataset_of(many(700)), None, Training(budget=1e-9)).report
    assert report["complete"] is False


def test_a_card_that_does_not_fit_is_damage(champion: ContinualTextModel, tmp_path: Path) -> None:
    saved(champion, tmp_path / "model")
    card = tmp_path / "model" / "model.json"
    content = decode(card.read_bytes(), dict)
    for change in ({"format": 9}, {"heads": {"intent": {**content["heads"]["intent"], "labels": ["one"]}}}):
        card.write_bytes(encode({**content, **change}))
        with pytest.raises(Damaged, match="does not hold a continual text model"):
            ContinualTextLearner().load(tmp_path / "model")


def test_the_buffer_and_the_memory_follow_the_replay_budget() -> None:
    from onward.config import settings_from
    from onward.learners.text.continual import create

    assert create(settings_from({"learning": {"replay_budget": 70}})).memory == 70
    assert create(settings_from({})).memory == 5000


def test_the_data_set_may_hold_what_is_new_alone(champion: ContinualTextModel) -> None:
    dataset: DatasetVersion = dataset_of(new_lessons())
    model = ContinualTextLearner(MEMORY).train(dataset, champion, Training()).model
    assert share_right(model, new_lessons()) > 0.9
