"""Real data for these tests, where there are any."""

import pytest

from onward.core import NotFound
from onward.datasets import find
from onward.learners.meta.tasks._omniglot import FILES


def _missing() -> str:
    try:
        find("omniglot", *FILES)
    except NotFound as error:
        return str(error)
    return ""


needs_data = pytest.mark.skipif(bool(_missing()), reason=_missing() or "here")
