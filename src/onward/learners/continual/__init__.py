"""Learning without forgetting: networks that learn task after task, or an endless stream, and keep what they knew.

Needs the extra `neural` (PyTorch).
"""

from ._experience import Experience as Experience
from ._heads import Heads as Heads
from ._learner import ContinualLearner as ContinualLearner
from ._method import Course as Course
from ._method import Hooks as Hooks
from ._method import Method as Method
from ._method import Step as Step
from ._report import LearnReport as LearnReport
from .methods import FineTuning as FineTuning
from .methods import Joint as Joint
from .methods import NoLearning as NoLearning
