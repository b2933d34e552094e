"""Public data sets: where they lie, and how they come there."""

from ._fetch import Fetched as Fetched
from ._fetch import fetch as fetch
from ._table import DATA_SETS as DATA_SETS
from ._table import DataSet as DataSet
from ._table import Source as Source
from ._where import find as find
from ._where import places as places
