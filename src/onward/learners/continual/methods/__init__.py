"""Ways not to forget, one file each."""

from ._baselines import FineTuning as FineTuning
from ._baselines import Joint as Joint
from ._baselines import NoLearning as NoLearning
from ._ewc import EWC as EWC
from ._mas import MemoryAwareSynapses as MemoryAwareSynapses
from ._replay import ExperienceReplay as ExperienceReplay
from ._si import SynapticIntelligence as SynapticIntelligence
from ._slda import SLDA as SLDA
from ._slda import StreamingRidge as StreamingRidge
