"""Public data sets: where they lie, and how they come there."""

from ._where import find as find
from ._where import places as places
