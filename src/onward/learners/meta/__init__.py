"""Learning from five examples: learners that, after many small tasks, adapt to a new one in a few steps.

Needs the extra `neural` (PyTorch).
"""

from ._adapted import AdaptedModel as AdaptedModel
from ._aggregate import Aggregate as Aggregate
from ._framework import MetaLearningFramework as MetaLearningFramework
from ._learner import MetaLearner as MetaLearner
from ._standing import FitReport as FitReport
from .algorithms import ANIL as ANIL
from .algorithms import IMAML as IMAML
from .algorithms import MAML as MAML
from .algorithms import Algorithm as Algorithm
from .algorithms import FineTuning as FineTuning
from .algorithms import MAMLPlusPlus as MAMLPlusPlus
from .algorithms import Matching as Matching
from .algorithms import MetaSGD as MetaSGD
from .algorithms import Prototypical as Prototypical
from .algorithms import Relation as Relation
from .algorithms import Reptile as Reptile
from .engine import MetaTrainableModel as MetaTrainableModel
from .engine import TwiceTrainableModel as TwiceTrainableModel
from .tasks import Examples as Examples
from .tasks import MetaLearningTask as MetaLearningTask
from .tasks import TaskBatch as TaskBatch
from .tasks import TaskDistribution as TaskDistribution
