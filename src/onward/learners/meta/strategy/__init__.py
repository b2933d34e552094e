"""What has worked on tasks like this one: tasks as vectors, their similarity, and strategies learned from experience.

>>> from onward.learners.meta.strategy import StrategyPredictor
>>> len(StrategyPredictor().buffer)
0
"""

from ._buffer import Experience as Experience
from ._buffer import ExperienceBuffer as ExperienceBuffer
from ._clusters import TaskClusters as TaskClusters
from ._clusters import cluster_tasks as cluster_tasks
from ._encoder import TaskEncoder as TaskEncoder
from ._predictor import StrategyPredictor as StrategyPredictor
from ._strategy import Strategy as Strategy
