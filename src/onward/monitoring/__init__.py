"""Reports how the loop stands; never acts."""

from ._conditions import Condition as Condition
from ._conditions import Conditions as Conditions
from ._plots import plot_versions as plot_versions
