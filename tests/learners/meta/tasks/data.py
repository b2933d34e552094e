"""Real data for these tests, where there are any."""

import pytest

from onward.core import NotFound
from onward.datasets import DATA_SETS, find


def _missing() -> str:
    try:
        find("omniglot", *DATA_SETS["omniglot"].files)
    except NotFound as error:
        return str(error)
    return ""


needs_data = pytest.mark.skipif(bool(_missing()), reason=_missing() or "here")
