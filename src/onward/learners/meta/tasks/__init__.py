"""Few-shot tasks and what samples them: arrays, torch data sets, tables, workspaces, and built-in families."""

from ._episodes import Episode as Episode
from ._episodes import Episodes as Episodes
from ._episodes import from_arrays as from_arrays
from ._omniglot import omniglot as omniglot
from ._sinusoid import Sinusoid as Sinusoid
from ._task import Examples as Examples
from ._task import MetaLearningTask as MetaLearningTask
from ._task import TaskBatch as TaskBatch
from ._task import TaskDistribution as TaskDistribution
from ._task import grouped as grouped
