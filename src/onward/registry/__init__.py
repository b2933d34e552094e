"""Model versions, aliases, lineage, the log of cycles and the audit trail."""

from ._cycles import Candidate as Candidate
from ._cycles import Cycles as Cycles
from ._cycles import CycleState as CycleState
from ._registry import CHAMPION as CHAMPION
from ._registry import Alias as Alias
from ._registry import Registry as Registry
