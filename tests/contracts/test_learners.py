"""The learner contract, over every learner that ships."""

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec

import pytest

from onward.config import Settings
from onward.core import Learner
from onward.learners.contract import CHECKS, FEW_SHOT_CHECKS, Subject


def linear() -> Learner:
    from onward.learners.text.linear import create

    return create(Settings())


def spacy() -> Learner:
    return import_module("onward.learners.text.spacy").create(Settings())


def few_shot() -> Learner:
    return import_module("onward.learners.text.few_shot").create(Settings())


def continual() -> Learner:
    return import_module("onward.learners.text.continual").create(Settings())


@pytest.fixture(scope="module")
def continual_subject(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    pytest.importorskip("torch")
    return Subject(continual, ("intent", "sentiment"), tmp_path_factory.mktemp("continual"))


@pytest.fixture(scope="module")
def few_shot_subject(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    pytest.importorskip("torch")
    return Subject(few_shot, ("intent",), tmp_path_factory.mktemp("few-shot"))


@pytest.fixture(scope="module")
def linear_subject(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    return Subject(linear, ("intent", "sentiment"), tmp_path_factory.mktemp("linear"))


@pytest.fixture(scope="module")
def spacy_subject(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    if find_spec("onward.learners.text.spacy") is None:
        pytest.skip("The spaCy learner is not part of this build.")
    pytest.importorskip("spacy")
    return Subject(spacy, ("intent", "sentiment", "entities"), tmp_path_factory.mktemp("spacy"))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("subject", ["linear_subject", "spacy_subject", "few_shot_subject", "continual_subject"])
def test_contract(request: pytest.FixtureRequest, subject: str, check: Callable[[Subject], None]) -> None:
    check(request.getfixturevalue(subject))


@pytest.mark.parametrize("check", FEW_SHOT_CHECKS, ids=lambda check: check.__name__)
def test_few_shot_contract(few_shot_subject: Subject, check: Callable[[Subject], None]) -> None:
    check(few_shot_subject)
