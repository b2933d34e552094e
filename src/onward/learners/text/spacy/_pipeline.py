"""The pipeline: its base, its components, and the weights that a new one takes over from the champion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import spacy
from spacy.attrs import LOWER
from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import get_installed_models

from onward.core import Head, InvalidInput

LabelTable = Mapping[Head, tuple[str, ...]]

FEWEST_SLOTS: Final = 2**14
MOST_SLOTS: Final = 2**17
SLOTS_PER_WORD: Final = 2
BLANK: Final = "blank:"


def open_base(base: str) -> Language:
    """A pipeline without components: `blank:LANG`, or an installed one's language, tokenizer, vocabulary and vectors.

    Raises:
        InvalidInput: there is no such language or pipeline, or its tokenizer is of its own kind.
    """
    try:
        if base.startswith(BLANK):
            return spacy.blank(base.removeprefix(BLANK))
        return _stripped(spacy.load(base), base)
    except (ImportError, OSError) as error:
        raise InvalidInput(
            f"There is no spaCy base {base!r}.",
            why=str(error).split("\n", maxsplit=1)[0],
            mend="Set training.base to blank:LANG (blank:en), or install the pipeline: python -m spacy download NAME",
            options=get_installed_models(),
        ) from error


def _stripped(whole: Language, base: str) -> Language:
    nlp = spacy.blank(str(whole.lang), vocab=whole.vocab)
    if type(nlp.tokenizer) is not type(whole.tokenizer):
        raise InvalidInput(
            f"The base {base!r} has a tokenizer of its own kind.",
            why="A saved model must load without that code.",
            mend=f"Set training.base to blank:{whole.lang}, or to a pipeline with the tokenizer of its language.",
        )
    source: Any = whole.tokenizer
    target: Any = nlp.tokenizer
    target.from_bytes(source.to_bytes(exclude=["vocab"]), exclude=["vocab"])
    return nlp


def slots_for(docs: Sequence[Doc]) -> int:
    """Slots of a bag-of-words head for the vocabulary of these texts: a power of two."""
    words: set[int] = set()
    for doc in docs:
        words.update(doc.to_array([LOWER]).tolist())
    needed = max(FEWEST_SLOTS, min(MOST_SLOTS, SLOTS_PER_WORD * len(words)))
    return int(2 ** (needed - 1).bit_length())


def add_heads(nlp: Language, labels: LabelTable, slots: int) -> None:
    """Add a component for every head, named like the head. A head without any label needs none."""
    for head, names in labels.items():
        if not names:
            continue
        if head == "entities":
            _add_ner(nlp, names)
        else:
            _add_classifier(nlp, head, names, slots)


def outputs(names: Sequence[str]) -> tuple[str, ...]:
    """The outputs of a classifier: spaCy wants two at least, so that a lone label gets a counterpart, never predicted.

    >>> outputs(["refund"])
    ('refund', 'not refund')
    """
    return tuple(names) if len(names) > 1 else (names[0], f"not {names[0]}")


def _sample(nlp: Language) -> list[Any]:
    doc = nlp.make_doc("any text")
    return [spacy.training.Example(doc, Doc(nlp.vocab, words=[t.text for t in doc]))]


def _add_classifier(nlp: Language, head: Head, names: Sequence[str], slots: int) -> None:
    bag = {
        "@architectures": "spacy.TextCatBOW.v3",
        "exclusive_classes": True,
        "length": slots,
        "ngram_size": 1,
        "no_output_layer": False,
    }
    component: Any = nlp.add_pipe("textcat", name=head, config={"model": bag})
    component.initialize(lambda: _sample(nlp), nlp=nlp, labels=outputs(names))
    node(component.model, "extract_ngrams").attrs["attr"] = LOWER


def _add_ner(nlp: Language, names: Sequence[str]) -> None:
    network = {
        "@architectures": "spacy.TransitionBasedParser.v2",
        "state_type": "ner",
        "extra_state_tokens": False,
        "hidden_width": 64,
        "maxout_pieces": 2,
        "use_upper": True,
        "tok2vec": {
            "@architectures": "spacy.HashEmbedCNN.v2",
            "pretrained_vectors": bool(nlp.vocab.vectors.shape[1]) or None,
            "width": 64,
            "depth": 2,
            "embed_size": 2000,
            "window_size": 1,
            "maxout_pieces": 3,
            "subword_features": True,
        },
    }
    component: Any = nlp.add_pipe("ner", name="entities", config={"model": network})
    actions = component.moves.get_actions(entity_types=list(names))
    component.initialize(lambda: _sample(nlp), nlp=nlp, labels=actions)


def node(network: Any, name: str) -> Any:
    """The layer of that name."""
    return next(layer for layer in network.walk() if layer.name == name)


def slots_of(nlp: Language) -> int | None:
    """Slots of the bag-of-words heads; `None` where there are none."""
    bags: list[Any] = [nlp.get_pipe(name) for name in nlp.pipe_names if name != "entities"]
    return node(bags[0].model, "sparse_linear").get_dim("length") if bags else None


def carry(old: Language, new: Language) -> None:
    """Copy the champion's weights into a new pipeline, label by label: what a new label needs starts untrained.

    spaCy's own `add_label` is of no use here: a label added to a trained text classifier starts with a bias of
    -5000, which no training makes good.
    """
    for name in set(old.pipe_names) & set(new.pipe_names):
        source: Any = old.get_pipe(name)
        target: Any = new.get_pipe(name)
        if name == "entities":
            _carry_ner(source, target)
        else:
            _carry_bag(source, target)


def _carry_bag(source: Any, target: Any) -> None:
    pairs = _matching(source.labels, target.labels)
    old, new = node(source.model, "sparse_linear"), node(target.model, "sparse_linear")
    length = new.get_dim("length")
    if old.get_dim("length") != length:
        return
    _copy_rows(old.get_param("W").reshape(-1, length), new.get_param("W").reshape(-1, length), pairs)
    _copy_rows(old.get_param("b"), new.get_param("b"), pairs)


def _carry_ner(source: Any, target: Any) -> None:
    last = source.model.get_ref("upper"), target.model.get_ref("upper")
    for old, new in zip(source.model.walk(), target.model.walk(), strict=True):
        if new is not last[1]:
            for name in new.param_names:
                if new.has_param(name):
                    new.set_param(name, old.get_param(name).copy())
    pairs = _matching(_actions(source), _actions(target))
    for name in ("W", "b"):
        _copy_rows(last[0].get_param(name), last[1].get_param(name), pairs)


def _actions(component: Any) -> list[str]:
    return [component.moves.get_class_name(i) for i in range(component.moves.n_moves)]


def _matching(old: Sequence[str], new: Sequence[str]) -> list[tuple[int, int]]:
    places = {name: i for i, name in enumerate(old)}
    return [(places[name], i) for i, name in enumerate(new) if name in places]


def _copy_rows(old: np.ndarray[Any, Any], new: np.ndarray[Any, Any], pairs: Sequence[tuple[int, int]]) -> None:
    for source, target in pairs:
        new[target] = old[source]
