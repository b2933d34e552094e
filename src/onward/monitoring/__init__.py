"""Reports how the loop stands; never acts."""

from ._conditions import Condition as Condition
from ._conditions import Conditions as Conditions
from ._cycles import IN_SERVICE as IN_SERVICE
from ._cycles import Figures as Figures
from ._cycles import drift_of_texts as drift_of_texts
from ._cycles import report_cycle as report_cycle
from ._forgetting import ForgettingMatrix as ForgettingMatrix
from .pictures import plot_versions as plot_versions
from .tracker import METRICS as METRICS
from .tracker import GoalProgress as GoalProgress
from .tracker import LearningCurve as LearningCurve
from .tracker import LearningEvent as LearningEvent
from .tracker import LearningProgressTracker as LearningProgressTracker
