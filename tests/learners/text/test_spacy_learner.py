import random
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import spacy
from benchmarks.real_data import folder, snips
from spacy.pipeline import TextCategorizer

from onward.config import Settings, TrainingSettings
from onward.core import Entity, Example, InvalidInput, Labels, MissingExtra, Prediction, Training
from onward.learners.contract import dataset_of, lessons, new_lessons, only
from onward.learners.text.spacy import _model, create
from onward.learners.text.spacy._course import figures, run, seeded
from onward.learners.text.spacy._learner import SpacyLearner
from onward.learners.text.spacy._pipeline import add_heads, carry, open_base
from onward.learners.text.spacy._pupil import learn, pupil_of
from onward.learners.text.spacy._rows import rows_of
from onward.learners.text.spacy._say import mark_entities, scores
from onward.learners.text.spacy._weights import weights_of

FEW = lessons()[::3]
TEXTS = [e.text for e in lessons()[::7]]
FAST = TrainingSettings(n_iter=2)


def train(examples=FEW, champion=None, settings=FAST, **training):
    return SpacyLearner(settings).train(dataset_of(examples), champion, Training(**training))


def intents(examples=FEW):
    return [only(e, "intent") for e in examples]


def weights(model):
    return {(name, k): v for name, c in model.nlp.pipeline for k, v in weights_of(c.model).items()}


def same_weights(a, b):
    a, b = weights(a), weights(b)
    return a.keys() == b.keys() and all(np.array_equal(a[k], b[k]) for k in a)


@pytest.fixture(scope="module")
def trained():
    return train()


@pytest.fixture(scope="module")
def model(trained):
    return trained.model


def test_create_takes_the_settings_of_the_workspace():
    learner = create(Settings(training=FAST))
    assert learner == SpacyLearner(FAST, Settings().learning.replay_budget)


def test_without_spacy_it_says_what_to_install(monkeypatch):
    monkeypatch.delitem(sys.modules, "onward.learners.text.spacy._learner")
    monkeypatch.setitem(sys.modules, "spacy.about", None)
    with pytest.raises(MissingExtra, match=r"onward\[text\]"):
        create(Settings())


def test_another_missing_module_is_not_blamed_on_spacy(monkeypatch):
    monkeypatch.delitem(sys.modules, "onward.learners.text.spacy._learner")
    monkeypatch.setitem(sys.modules, "onward.learners.text._shared", None)
    with pytest.raises(ModuleNotFoundError, match="_shared"):
        create(Settings())


def test_the_report_says_how_it_was(trained):
    report = trained.report
    assert report["examples"] == len(FEW)
    assert report["skipped"] == 0
    assert report["epochs"] == len(report["losses"]) == len(report["validation"]) <= 2
    assert set(report["best_epoch"]) == {"intent", "sentiment", "entities"}
    assert 0 <= report["score"] <= 1
    assert report["stopped"] in {"early", "epochs"}
    assert report["seconds"] > 0
    assert report["cpu_seconds"] > 0
    assert (report["resumed"], report["quick"], report["reasons"]) == (0, False, {})


def test_it_leaves_the_random_numbers_of_the_process_alone():
    before = random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    train(intents(), settings=TrainingSettings(n_iter=1))
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before  # noqa: NPY002


def test_another_seed_gives_other_weights(model):
    assert same_weights(train().model, model)
    one, other = (train(intents(), seed=seed).model for seed in (0, 1))
    assert not same_weights(one, other)


def test_the_same_label_in_two_heads_is_two_labels():
    both = [replace(e, labels=Labels(intent="x", sentiment=e.labels.sentiment)) for e in FEW]
    both += [replace(e, id=f"n{e.id}", labels=Labels(intent=e.labels.sentiment, sentiment="x")) for e in FEW[:3]]
    said = train(both).model.predict(TEXTS)
    assert {p.labels.intent for p in said} <= {"x", "positive", "negative"}
    assert sum(p.labels.sentiment == "x" for p in said) < sum(p.labels.intent == "x" for p in said)


def test_entities_said_to_be_none_everywhere_are_none():
    model = train([replace(e, labels=Labels(entities=())) for e in FEW]).model
    assert model.nlp.pipe_names == []
    assert model.predict(TEXTS[:2]) == [Prediction(Labels(entities=()))] * 2


def test_only_validation_examples_teach_nothing():
    with pytest.raises(InvalidInput, match="train split"):
        train([replace(e, split="validation") for e in FEW])


def test_a_head_without_usable_rows_stays_untrained_but_predicts():
    broken = [replace(e, labels=Labels(intent=e.labels.intent, entities=(Entity(0, 999, "NAME"),))) for e in FEW]
    made = train(broken)
    assert made.report["reasons"] == {"skipped: entity outside the text": len(FEW)}
    assert made.model.predict(TEXTS)[0].labels.entities is not None


def test_without_validation_examples_it_has_no_score():
    made = train([replace(e, split="train") for e in intents()])
    assert made.report["score"] is None
    assert made.report["validation"] == [{}] * made.report["epochs"]


def test_examples_of_weight_zero_are_skipped():
    made = train([*intents(), replace(intents()[0], id="untrusted", weight=0.0)])
    assert made.report["skipped"] == 1


def test_a_budget_stops_between_updates():
    made = train(intents(), budget=1e-9)
    assert made.report["stopped"] == "budget"
    assert made.report["epochs"] == 0
    assert len(made.model.predict(TEXTS)) == len(TEXTS)


def test_it_stops_early_when_nothing_gets_better():
    rng = random.Random(0)
    noise = [replace(e, labels=Labels(intent=rng.choice("ab"))) for e in lessons()]
    report = train(noise, settings=TrainingSettings(n_iter=50)).report
    assert report["stopped"] == "early"
    assert report["epochs"] < 50


def test_progress_runs_to_its_end_unless_stopped_early():
    calls = []
    noise = [replace(e, labels=Labels(intent="ab"[i % 2])) for i, e in enumerate(intents(), 1)]
    train(noise, progress=lambda *call: calls.append(call))
    assert calls[-1][:2] == (200, 200)


# --- interruption


class Stop(Exception):
    pass


def stop_after(epoch):
    def progress(done, total, note):
        if done >= 100 * epoch:
            raise Stop

    return progress


THREE = TrainingSettings(n_iter=3)


def noisy():
    """Labels that cannot be learned, so that all epochs are run."""
    return [
        replace(e, labels=replace(e.labels, intent="ab"[i % 2], sentiment=None))
        for i, e in enumerate(lessons()[::6], 1)
    ]


@pytest.mark.parametrize("epoch", [1, 2])
def test_a_training_taken_up_again_ends_with_the_very_same_weights(tmp_path, epoch):
    straight = train(noisy(), settings=THREE)
    with pytest.raises(Stop):
        train(noisy(), settings=THREE, checkpoints=tmp_path, progress=stop_after(epoch))
    assert [p.name for p in (tmp_path / "spacy").iterdir()] == [f"epoch-000{epoch}"]
    resumed = train(noisy(), settings=THREE, checkpoints=tmp_path)
    assert resumed.report["resumed"] == epoch
    assert resumed.report["losses"] == straight.report["losses"]
    assert same_weights(resumed.model, straight.model)


def test_a_checkpoint_of_another_training_or_a_broken_one_is_left_alone(tmp_path):
    made = train(intents(), checkpoints=tmp_path)
    assert train(intents(), checkpoints=tmp_path).report["resumed"] == made.report["epochs"]
    assert train(intents(), checkpoints=tmp_path, seed=1).report["resumed"] == 0
    found = next((tmp_path / "spacy").iterdir())
    (found / "weights.safetensors").write_bytes(b"torn")
    assert train(intents(), checkpoints=tmp_path, seed=1).report["resumed"] == 0
    (next((tmp_path / "spacy").iterdir()) / "state.json").unlink()
    assert train(intents(), checkpoints=tmp_path, seed=1).report["resumed"] == 0


# --- trouble while learning


def test_when_memory_runs_out_batches_are_halved(monkeypatch):
    real = TextCategorizer.update

    def update(self, examples, **options):
        if len(examples) > 3:
            raise MemoryError
        return real(self, examples, **options)

    monkeypatch.setattr(TextCategorizer, "update", update)
    report = train(intents()).report
    assert report["batch_size"] == {"intent": 2}
    assert report["reasons"]["out of memory"] == 2


def test_no_memory_for_a_single_row_is_an_error(monkeypatch):
    def update(self, examples, **options):
        raise MemoryError

    monkeypatch.setattr(TextCategorizer, "update", update)
    with pytest.raises(MemoryError):
        train(intents())


def test_a_row_that_spacy_refuses_is_left_out_and_the_others_are_learned():
    examples = [
        Example(id=str(i), text=f"to Berlin {i}", labels=Labels(entities=(Entity(3, 9, kind),)), split="train")
        for i, kind in enumerate(["CITY"] * 6 + ["UNKNOWN"])
    ]
    nlp = open_base("blank:en")
    labels = {"entities": ("CITY",)}
    add_heads(nlp, labels, 1024)
    counts = Counter()
    rows = rows_of(nlp, examples, [nlp.make_doc(e.text) for e in examples], labels, counts)
    pupil = pupil_of(nlp, "entities", rows["entities"], FAST)
    for _ in range(20):
        learn(pupil, list(range(7)), 0.0, counts)
    assert counts == {"skipped: spaCy E022": 1}
    assert pupil.standing.dropped == [6]
    doc = nlp.make_doc("to Berlin 9")
    mark_entities(nlp, [doc])
    assert [e.text for e in doc.ents] == ["Berlin"]


# --- quick updates


def test_weights_are_carried_over_label_by_label(model):
    nlp = open_base("blank:en")
    labels = {
        "intent": ("aaa", *model.labels["intent"], "zzz"),
        "sentiment": model.labels["sentiment"],
        "entities": ("AAA", "NAME"),
    }
    add_heads(nlp, labels, 2**14)
    carry(model.nlp, nlp)
    docs, twins = ([p.make_doc(t) for t in TEXTS] for p in (model.nlp, nlp))
    before, after = scores(model.nlp, "intent", docs), scores(nlp, "intent", twins)[:, 1:-1]
    assert np.allclose(before, after / after.sum(axis=1, keepdims=True), atol=1e-5)
    mark_entities(model.nlp, docs)
    old = weights_of(model.nlp.get_pipe("entities").model)
    new = weights_of(nlp.get_pipe("entities").model)
    changed = [k for k in old if old[k].shape != new[k].shape]
    assert all(np.array_equal(old[k], new[k]) for k in old if k not in changed)
    assert len(changed) == 2


def test_a_table_of_another_size_is_learned_anew(model):
    nlp = open_base("blank:en")
    add_heads(nlp, {"intent": model.labels["intent"]}, 2**10)
    carry(model.nlp, nlp)
    assert not any(w.any() for w in weights_of(nlp.get_pipe("intent").model).values())


def old(examples):
    return [replace(e, new=False) for e in examples]


def test_a_quick_update_takes_the_new_and_as_many_old_ones(model):
    fresh = new_lessons()[:12]
    made = train([*old(lessons()), *fresh], model, quick=True)
    assert made.report["quick"]
    assert made.report["examples"] <= 2 * 12 + 2 * 6
    assert made.model.labels["intent"] == ("dinner", "music", "refund", "weather")
    assert sum(p.labels.intent == "dinner" for p in made.model.predict([e.text for e in fresh])) >= 10


def test_a_quick_update_of_entities_only_keeps_the_other_heads(model):
    fresh = [only(e, "entities") for e in new_lessons()[:8]]
    made = train([*old(FEW), *fresh], model, quick=True)
    assert [p.labels.intent for p in made.model.predict(TEXTS)] == [p.labels.intent for p in model.predict(TEXTS)]


@pytest.mark.parametrize("why", ["no champion", "another base", "nothing new", "not asked"])
def test_otherwise_all_is_learned(model, why):
    champion = {"no champion": None, "another base": replace(model, base="blank:xx")}.get(why, model)
    examples = old(intents()) if why == "nothing new" else intents()
    assert not train(examples, champion, quick=why != "not asked").report["quick"]


# --- bases


def test_an_unknown_base_is_refused():
    for base in ("blank:qq", "no_such_pipeline"):
        with pytest.raises(InvalidInput, match="no spaCy base"):
            open_base(base)


def test_a_base_gives_its_tokenizer_and_vectors(tmp_path):
    base = spacy.blank("en")
    base.vocab.set_vector("berlin", np.ones(8, dtype="float32"))
    base.tokenizer.add_special_case("refundme", [{"ORTH": "refund"}, {"ORTH": "me"}])
    base.add_pipe("sentencizer")
    base.to_disk(tmp_path / "base")
    learner = SpacyLearner(TrainingSettings(n_iter=1, base=str(tmp_path / "base")))
    model = learner.train(dataset_of(FEW), None, Training()).model
    assert [t.text for t in model.nlp.make_doc("refundme")] == ["refund", "me"]
    assert model.nlp.pipe_names == ["intent", "sentiment", "entities"]
    (tmp_path / "saved").mkdir()
    model.save(tmp_path / "saved")
    loaded = learner.load(tmp_path / "saved")
    assert loaded.predict(TEXTS) == model.predict(TEXTS)
    assert loaded.nlp.vocab.get_vector("berlin").tolist() == [1.0] * 8


@spacy.registry.tokenizers("onward.tests.Letters.v1")
def letters():
    class Letters:
        def __init__(self, vocab):
            self.vocab = vocab

        def __call__(self, text):
            return spacy.tokens.Doc(self.vocab, words=list(text), spaces=[False] * len(text))

        def to_disk(self, path, **kwargs):
            path.write_bytes(b"")

        def from_disk(self, path, **kwargs):
            return self

    return lambda nlp: Letters(nlp.vocab)


def test_a_base_with_its_own_kind_of_tokenizer_is_refused(tmp_path):
    spacy.blank("en", config={"nlp": {"tokenizer": {"@tokenizers": "onward.tests.Letters.v1"}}}).to_disk(tmp_path)
    with pytest.raises(InvalidInput, match="tokenizer of its own kind"):
        open_base(str(tmp_path))


# --- predicting


def test_threads_may_ask_at_once(model):
    expected = model.predict(TEXTS)
    with ThreadPoolExecutor(4) as pool:
        texts = [[f"{t} {n}" for t in TEXTS] for n in range(8)]
        answers = list(pool.map(model.predict, texts))
        assert answers == [model.predict(part) for part in texts]
        assert all(said == expected for said in pool.map(model.predict, [TEXTS] * 8))


def test_beyond_its_limit_the_vocabulary_grows_no_more(model, monkeypatch):
    expected = model.predict(["an unheardof1 word"])
    monkeypatch.setattr(_model, "WORDS_KEPT", 0)
    before = len(model.nlp.vocab.strings)
    assert model.predict(["an unheardof1 word"]) == expected
    assert len(model.predict([f"wholly{i} new{i}" for i in range(300)])) == 300
    assert len(model.nlp.vocab.strings) == before


def test_lone_surrogates_are_read_as_unknown_characters(model):
    assert model.predict(["refund \ud800 now"]) == model.predict(["refund \ufffd now"])


@pytest.mark.skipif(folder() is None, reason="ONWARD_DATA names no folder of data sets.")
def test_snips_is_learned_from_a_small_part():
    rows, test = snips()
    examples = [
        Example(id=str(i), text=r.text, labels=Labels(intent=r.label), split="train" if i % 10 else "validation")
        for i, r in enumerate(rows[::12])
    ]
    said = train(examples, settings=TrainingSettings(n_iter=4)).model.predict([r.text for r in test])
    assert np.mean([p.labels.intent == r.label for p, r in zip(said, test, strict=True)]) > 0.93


def test_an_epoch_that_the_budget_cut_short_counts_where_it_helped():
    learner, examples, asked = SpacyLearner(FAST), intents(lessons()), iter(range(1000))
    lesson = learner._lesson(examples, None, Training())
    with seeded():
        course, model = learner._prepare(dataset_of(examples), lesson, Training(), lambda: next(asked) >= 20)
        assert run(course) == "budget"
    assert (figures(course)["epochs"], figures(course)["best_epoch"]) == (0, {"intent": 1})
    said = model.predict([e.text for e in lessons()])
    assert sum(p.labels.intent == e.labels.intent for p, e in zip(said, lessons(), strict=True)) > 120
