"""How much each parameter matters: gradients of single examples, and the Fisher information's diagonal."""

from ._fisher import fisher as fisher
from ._kronecker import Factors as Factors
from ._kronecker import kronecker_factors as kronecker_factors
from ._kronecker import nearest_sum as nearest_sum
from ._samples import sample_gradients as sample_gradients
from ._sums import Importance as Importance
from ._sums import mean_moments as mean_moments
