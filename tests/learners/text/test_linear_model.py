import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load, save

from onward.core import Damaged, Training, content_hash
from onward.learners.contract import dataset_of, lessons
from onward.learners.text.linear import LinearLearner, LinearModel
from onward.learners.text.linear import _model as module

MODEL = LinearLearner().train(dataset_of(lessons()), None, Training()).model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    MODEL.save(tmp_path)
    return tmp_path


@given(st.lists(st.text(st.characters(codec=None), max_size=40), max_size=12))
def test_the_same_prediction_in_any_batch(texts: list[str]):
    assert [MODEL.predict([text])[0] for text in texts] == MODEL.predict(texts)


def test_many_texts_are_predicted_in_pieces(monkeypatch: pytest.MonkeyPatch):
    texts = [e.text for e in lessons()]
    whole = MODEL.predict(texts)
    monkeypatch.setattr(module, "PREDICTED_AT_ONCE", 7)
    assert MODEL.predict(texts) == whole


def test_it_says_nothing_of_heads_that_it_did_not_learn():
    alone = LinearModel(MODEL.features, {"sentiment": MODEL.heads["sentiment"]})
    (said,) = alone.predict(["wonderful, thank you so much"])
    assert (said.labels.intent, said.labels.sentiment, said.labels.entities) == (None, "positive", None)
    assert set(said.confidence) == {"sentiment"}
    assert set(MODEL.predict(["x"])[0].confidence) == {"intent", "sentiment"}
    only_intent = LinearModel(MODEL.features, {"intent": MODEL.heads["intent"]})
    assert set(only_intent.predict(["x"])[0].confidence) == {"intent"}
    assert LinearModel(MODEL.features, {}).predict(["x"])[0].confidence == {}


def test_what_was_saved_is_read_back_to_the_bit(folder: Path, tmp_path_factory: pytest.TempPathFactory):
    again = tmp_path_factory.mktemp("again")
    LinearLearner().load(folder).save(again)
    assert {f.name: f.read_bytes() for f in again.iterdir()} == {f.name: f.read_bytes() for f in folder.iterdir()}
    assert {f.name for f in folder.iterdir()} == {"model.json", "weights.safetensors"}


@pytest.mark.parametrize("name", ["model.json", "weights.safetensors"])
def test_a_missing_file_is_damage(folder: Path, name: str):
    (folder / name).unlink()
    with pytest.raises(Damaged, match=f"{name} cannot be read"):
        LinearLearner().load(folder)


def test_one_flipped_bit_of_the_weights_is_damage(folder: Path):
    data = bytearray((folder / "weights.safetensors").read_bytes())
    data[-1] ^= 1
    (folder / "weights.safetensors").write_bytes(data)
    with pytest.raises(Damaged, match="hash"):
        LinearLearner().load(folder)


def rewrite(folder: Path, weights: bytes | None = None, **changes: object) -> None:
    card = json.loads((folder / "model.json").read_text())
    if weights is not None:
        (folder / "weights.safetensors").write_bytes(weights)
        changes["weights"] = content_hash(weights)
    (folder / "model.json").write_text(json.dumps(card | changes))


def test_another_format_is_refused(folder: Path):
    rewrite(folder, format=2)
    with pytest.raises(Damaged, match="format 2"):
        LinearLearner().load(folder)


def test_weights_that_are_no_safetensors(folder: Path):
    rewrite(folder, b"garbage")
    with pytest.raises(Damaged, match=r"weights.safetensors: "):
        LinearLearner().load(folder)


@pytest.mark.parametrize("spoil", ["shape", "type", "missing", "terms", "twice", "empty"])
def test_parts_that_do_not_fit(folder: Path, spoil: str):
    tensors = load((folder / "weights.safetensors").read_bytes())
    terms = list(MODEL.features.columns)
    if spoil == "shape":
        tensors["idf"] = tensors["idf"][:-1].copy()
    elif spoil == "type":
        tensors["intent.bias"] = tensors["intent.bias"].astype(np.float64)
    elif spoil == "missing":
        del tensors["intent.bias"]
    else:
        terms = {"terms": terms[:-1], "twice": [*terms[:-1], terms[0]], "empty": [*terms[:-1], ""]}[spoil]
    rewrite(folder, save(tensors), terms=terms)
    with pytest.raises(Damaged, match="do not fit"):
        LinearLearner().load(folder)


def test_a_label_too_few(folder: Path):
    card = json.loads((folder / "model.json").read_text())
    card["heads"]["intent"]["labels"].pop()
    rewrite(folder, heads=card["heads"])
    with pytest.raises(Damaged, match="do not fit"):
        LinearLearner().load(folder)


@given(st.binary(max_size=200))
def test_any_other_bytes_are_damage(data: bytes):
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as name:
        (Path(name) / "model.json").write_bytes(data)
        with pytest.raises(Damaged):
            LinearLearner().load(Path(name))
