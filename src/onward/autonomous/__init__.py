"""The autonomous learner: a facade that watches conversations and keeps a workspace learning from them."""

from ._learner import AutonomousLearner as AutonomousLearner
from ._learner import ConfigSection as ConfigSection
from ._learner import TrainingPipeline as TrainingPipeline
from ._learner import create_autonomous_learner as create_autonomous_learner
from ._records import ConversationMetadata as ConversationMetadata
from ._records import LearningCycleResult as LearningCycleResult
from ._records import LearningMetrics as LearningMetrics
from ._records import ValidationResult as ValidationResult
