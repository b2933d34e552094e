"""Ways not to forget, one file each."""

from ._baselines import FineTuning as FineTuning
from ._baselines import Joint as Joint
from ._baselines import NoLearning as NoLearning
