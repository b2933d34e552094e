"""The learner contract, over every learner that ships."""

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec

import pytest

from onward.config import Settings
from onward.core import Learner
from onward.learners.contract import CHECKS, Subject


def linear() -> Learner:
    from onward.learners.text.linear import create

    return create(Settings())


def spacy() -> Learner:
    return import_module("onward.learners.text.spacy").create(Settings())


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
@pytest.mark.parametrize("subject", ["linear_subject", "spacy_subject"])
def test_contract(request: pytest.FixtureRequest, subject: str, check: Callable[[Subject], None]) -> None:
    check(request.getfixturevalue(subject))
