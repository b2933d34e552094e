"""Ways not to forget, one file each."""

from ._baselines import FineTuning as FineTuning
from ._baselines import Joint as Joint
from ._baselines import NoLearning as NoLearning
from ._cls_er import CLSER as CLSER
from ._columns import Growth as Growth
from ._columns import ProgressiveNetwork as ProgressiveNetwork
from ._der import DarkExperienceReplay as DarkExperienceReplay
from ._ema import EMA as EMA
from ._ewc import EWC as EWC
from ._gem import AGEM as AGEM
from ._gem import GEM as GEM
from ._laplace import KroneckerLaplace as KroneckerLaplace
from ._lwf import LearningWithoutForgetting as LearningWithoutForgetting
from ._mas import MemoryAwareSynapses as MemoryAwareSynapses
from ._packed import PackedNetwork as PackedNetwork
from ._packnet import PackNet as PackNet
from ._progressive import Progressive as Progressive
from ._recommended import recommended as recommended
from ._replay import ExperienceReplay as ExperienceReplay
from ._si import SynapticIntelligence as SynapticIntelligence
from ._slda import SLDA as SLDA
from ._slda import StreamingRidge as StreamingRidge
