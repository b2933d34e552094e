"""Pictures of learning, with matplotlib (the `plots` extra)."""

from ._figure import save_figure as save_figure
from ._learning import learning_figure as learning_figure
from ._versions import plot_versions as plot_versions
