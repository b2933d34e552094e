"""A text learner that goes on from the champion: it learns what is new, and rehearses what it remembers.

Training needs the extra `neural` (PyTorch); what it makes answers with NumPy and SciPy alone.
"""

from ._learner import ContinualTextLearner as ContinualTextLearner
from ._learner import create as create
from ._model import ContinualTextModel as ContinualTextModel
