"""Learning without forgetting: networks that learn task after task, or an endless stream, and keep what they knew.

Needs the extra `neural` (PyTorch).
"""

from ._consolidation import ConsolidationScheduler as ConsolidationScheduler
from ._episodic import EpisodicMemorySystem as EpisodicMemorySystem
from ._experience import Experience as Experience
from ._forgetting import ForgettingDetector as ForgettingDetector
from ._forgetting import ForgettingReport as ForgettingReport
from ._forgetting import TaskFinding as TaskFinding
from ._forgetting import outcomes as outcomes
from ._heads import Heads as Heads
from ._learner import ContinualLearner as ContinualLearner
from ._method import Course as Course
from ._method import Hooks as Hooks
from ._method import Method as Method
from ._method import Step as Step
from ._report import LearnReport as LearnReport
from ._retention import Retention as Retention
from ._retention import follow as follow
from .methods import EWC as EWC
from .methods import SLDA as SLDA
from .methods import ExperienceReplay as ExperienceReplay
from .methods import FineTuning as FineTuning
from .methods import Joint as Joint
from .methods import MemoryAwareSynapses as MemoryAwareSynapses
from .methods import NoLearning as NoLearning
from .methods import StreamingRidge as StreamingRidge
from .methods import SynapticIntelligence as SynapticIntelligence
