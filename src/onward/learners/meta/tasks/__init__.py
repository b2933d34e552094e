"""Few-shot tasks and what samples them: arrays, torch data sets, tables, workspaces, and built-in families."""

from ._arrays import from_arrays as from_arrays
from ._arrays import from_dataset as from_dataset
from ._blobs import GaussianBlobs as GaussianBlobs
from ._digits import digits as digits
from ._episodes import Episodes as Episodes
from ._frame import from_frame as from_frame
from ._groups import Episode as Episode
from ._images import cifar_fs as cifar_fs
from ._images import image_folder as image_folder
from ._omniglot import omniglot as omniglot
from ._sinusoid import Sinusoid as Sinusoid
from ._task import Examples as Examples
from ._task import MetaLearningTask as MetaLearningTask
from ._task import TaskBatch as TaskBatch
from ._task import TaskDistribution as TaskDistribution
from ._task import grouped as grouped
from ._workspace import from_workspace as from_workspace
