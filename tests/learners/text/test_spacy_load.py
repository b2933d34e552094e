import json
import shutil

import msgspec
import pytest
import spacy

from onward.config import TrainingSettings
from onward.core import Damaged, Training, file_hash
from onward.learners.contract import dataset_of, lessons
from onward.learners.text.spacy._learner import SpacyLearner
from onward.learners.text.spacy._load import _foreign_components
from onward.learners.text.spacy._model import CARD, files_in

LEARNER = SpacyLearner(TrainingSettings(n_iter=1))
TEXTS = [e.text for e in lessons()[::5]]


@pytest.fixture(scope="module")
def model():
    return LEARNER.train(dataset_of(lessons()[::3]), None, Training()).model


@pytest.fixture(scope="module")
def saved(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    model.save(folder)
    return folder


@pytest.fixture
def copy(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "copy")


def reseal(folder, **changes):
    """State the hashes of the files as they are now, as somebody would who tampers with all of them."""
    card = json.loads((folder / CARD).read_bytes())
    card["files"] = {name: file_hash(folder / name) for name in files_in(folder)}
    (folder / CARD).write_bytes(msgspec.json.encode(card | changes))


def edit(folder, old, new):
    config = folder / "config.cfg"
    text = config.read_text("utf8")
    assert old in text
    config.write_text(text.replace(old, new, 1), "utf8")
    reseal(folder)


def test_what_is_read_back_says_and_saves_the_same(model, saved, tmp_path):
    loaded = LEARNER.load(saved)
    assert loaded.predict(TEXTS) == model.predict(TEXTS)
    assert (loaded.labels, loaded.base) == (dict(model.labels), model.base)
    loaded.save(tmp_path)
    assert {n: file_hash(tmp_path / n) for n in files_in(tmp_path)} == {
        n: file_hash(saved / n) for n in files_in(saved)
    }


def test_no_word_of_a_text_is_saved(model, tmp_path):
    model.predict(["xylophonically yours"])
    model.save(tmp_path)
    for file in tmp_path.rglob("*"):
        if file.is_file():
            data = file.read_bytes()
            assert b"xylophonically" not in data
            assert b"Cordoba" not in data
            assert b"invoice" not in data


def test_spacy_itself_reads_the_folder(model, saved):
    nlp = spacy.load(saved)
    said = model.predict(TEXTS)
    for doc, prediction in zip(nlp.pipe(TEXTS), said, strict=True):
        wanted = model.labels["intent"]
        assert max(wanted, key=doc.cats.__getitem__) == prediction.labels.intent
        assert [(e.start_char, e.label_) for e in doc.ents] == [(e.start, e.label) for e in prediction.labels.entities]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("before_creation = null", 'before_creation = {"@callbacks": "x.v1"}'),
        ("before_creation = null", 'before_creation = {"@misc": "x.v1"}'),
        ("after_creation = null", 'after_creation = {"@callbacks": "x.v1"}'),
        ("spacy.Tokenizer.v1", "evil.Tokenizer.v1"),
        ('factory = "ner"', 'factory = "evil"'),
        ('factory = "ner"', 'factory = "ner"\nsource = "evil"'),
        ("spacy.TextCatBOW.v3", "evil.Network.v1"),
        ("spacy.HashEmbedCNN.v2", "spacy.Tok2VecListener.v1"),
        ("spacy.ner_scorer.v1", "evil.scorer.v1"),
        ('lang = "en"', 'lang = "../evil"'),
        ('lang = "en"', 'lang = "qq"'),
        ('"sentiment"', '"tagger"'),
        ("[nlp]", "[elsewhere]"),
        ("hidden_width = 64", "hidden_width = 32"),
        ("[nlp]", '[nlp]\ncode = "evil.py"'),
    ],
)
def test_a_configuration_that_names_anything_else_is_refused(copy, old, new):
    edit(copy, old, new)
    with pytest.raises(Damaged):
        LEARNER.load(copy)


def test_functions_are_found_at_any_depth():
    hidden = {"intent": {"factory": "textcat", "model": {"layers": [{"deep": {"@misc": "evil.v1"}}]}}}
    assert list(_foreign_components(hidden)) == ["@misc = 'evil.v1'"]


@pytest.mark.parametrize("name", ["evil.py", "intent/weights.pkl", "vocab/more", "other/model"])
def test_a_file_that_does_not_belong_there_is_refused(copy, name):
    (copy / name).parent.mkdir(exist_ok=True)
    (copy / name).write_bytes(b"x")
    reseal(copy)
    with pytest.raises(Damaged, match="does not belong"):
        LEARNER.load(copy)


def test_every_file_is_checked(saved, tmp_path):
    for name in files_in(saved):
        for how in ("gone", "changed"):
            folder = shutil.copytree(saved, tmp_path / f"{name.replace('/', '-')}-{how}")
            if how == "gone":
                (folder / name).unlink()
            else:
                (folder / name).write_bytes((folder / name).read_bytes() + b" ")
            with pytest.raises(Damaged, match="missing or is not what was saved"):
                LEARNER.load(folder)


def test_another_format_and_other_labels_are_refused(copy):
    reseal(copy, format=2)
    with pytest.raises(Damaged, match="format 2"):
        LEARNER.load(copy)
    heads = json.loads((copy / CARD).read_bytes())["heads"]
    reseal(copy, format=1, heads=heads | {"intent": ["other"]})
    with pytest.raises(Damaged, match="labels"):
        LEARNER.load(copy)
    reseal(copy, heads={"intent": heads["intent"]})
    with pytest.raises(Damaged, match="do not fit"):
        LEARNER.load(copy)


def test_no_folder_is_damaged(tmp_path):
    with pytest.raises(Damaged, match="cannot be read"):
        LEARNER.load(tmp_path / "missing")
