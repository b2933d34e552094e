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
from ._manager import ContinualLearningManager as ContinualLearningManager
from ._manager import TaskResult as TaskResult
from ._method import Course as Course
from ._method import Hooks as Hooks
from ._method import Method as Method
from ._method import Step as Step
from ._report import LearnReport as LearnReport
from ._retention import Retention as Retention
from ._retention import follow as follow
from ._strength import StrengthChoice as StrengthChoice
from ._strength import StrengthTrial as StrengthTrial
from ._strength import choose_strength as choose_strength
from ._trial import Attempt as Attempt
from .methods import AGEM as AGEM
from .methods import CLSER as CLSER
from .methods import EMA as EMA
from .methods import EWC as EWC
from .methods import GEM as GEM
from .methods import SLDA as SLDA
from .methods import DarkExperienceReplay as DarkExperienceReplay
from .methods import ExperienceReplay as ExperienceReplay
from .methods import FineTuning as FineTuning
from .methods import Growth as Growth
from .methods import Joint as Joint
from .methods import KroneckerLaplace as KroneckerLaplace
from .methods import LearningWithoutForgetting as LearningWithoutForgetting
from .methods import MemoryAwareSynapses as MemoryAwareSynapses
from .methods import NoLearning as NoLearning
from .methods import PackedNetwork as PackedNetwork
from .methods import PackNet as PackNet
from .methods import Progressive as Progressive
from .methods import ProgressiveNetwork as ProgressiveNetwork
from .methods import StreamingRidge as StreamingRidge
from .methods import SynapticIntelligence as SynapticIntelligence
from .methods import recommended as recommended
