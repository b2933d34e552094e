"""How much each parameter matters: gradients of single examples, and the Fisher information's diagonal."""

from ._fisher import fisher as fisher
from ._sums import Importance as Importance
from ._sums import mean_moments as mean_moments
