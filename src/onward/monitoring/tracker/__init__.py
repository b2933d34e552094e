"""The learning progress tracker: events, metrics and goals, in memory or in a workspace."""

from ._check import LARGEST as LARGEST
from ._check import check_name as check_name
from ._curves import LearningCurve as LearningCurve
from ._durable import DurableStore as DurableStore
from ._goals import GoalProgress as GoalProgress
from ._memory import MemoryStore as MemoryStore
from ._metrics import METRICS as METRICS
from ._records import LearningEvent as LearningEvent
from ._records import Measurement as Measurement
from ._records import Source as Source
from ._sound import Unsound as Unsound
from ._sound import sum_up_anew as sum_up_anew
from ._sound import unsound as unsound
from ._store import Store as Store
from ._tracker import LearningProgressTracker as LearningProgressTracker
