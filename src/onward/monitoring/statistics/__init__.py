"""Statistics of series of figures: trends, convergence, change points and when a goal will be met."""

from ._changes import ChangePoint as ChangePoint
from ._changes import change_points as change_points
from ._convergence import Convergence as Convergence
from ._convergence import convergence as convergence
from ._reach import Reach as Reach
from ._reach import time_to_reach as time_to_reach
from ._standing import Standing as Standing
from ._standing import standing as standing
from ._trend import Direction as Direction
from ._trend import Trend as Trend
from ._trend import trend as trend
from ._watch import ConvergenceWatch as ConvergenceWatch
