"""Learning from five examples: learners that, after many small tasks, adapt to a new one in a few steps.

Needs the extra `neural` (PyTorch).
"""

from .tasks import Examples as Examples
from .tasks import MetaLearningTask as MetaLearningTask
from .tasks import TaskBatch as TaskBatch
from .tasks import TaskDistribution as TaskDistribution
