"""A text learner that learns from few-shot tasks, and then a new task from a handful of examples.

Training needs the extra `neural` (PyTorch); what it makes answers with NumPy and SciPy alone.
"""

from ._learner import FewShotTextLearner as FewShotTextLearner
from ._learner import create as create
from ._model import FewShotTextModel as FewShotTextModel
from ._model import TaskModel as TaskModel
