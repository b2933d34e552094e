"""What is kept of the past: bounded buffers of examples, and what they keep.

| name | policy | offered | keeps |
| --- | --- | --- | --- |
| `reservoir` | `Reservoir` | every step | a uniform sample of the whole stream |
| `class_balanced` | `ClassBalanced` | every step | a uniform sample of each class, classes as equal as can be |
| `ring` | `Ring` | every step | the latest of each class or task |
| `random` | `Random` | after an experience | a uniform sample of each experience |
| `gradient_magnitude` | `GradientMagnitude` | after an experience | what would change the network most |
| `uncertainty` | `Uncertainty` | after an experience | what the network is least sure of |
| `herding` | `Herding` | after an experience | what has the mean of its class's features |
"""

from ._buffer import Buffer as Buffer
from ._buffer import buffer_of as buffer_of
from ._buffer import merits_for as merits_for
from ._importance import GradientMagnitude as GradientMagnitude
from ._importance import Herding as Herding
from ._importance import Scored as Scored
from ._importance import Uncertainty as Uncertainty
from ._merit import View as View
from ._merit import view_of as view_of
from ._names import POLICIES as POLICIES
from ._names import policy_of as policy_of
from ._policy import By as By
from ._policy import Choice as Choice
from ._policy import ClassBalanced as ClassBalanced
from ._policy import Ledger as Ledger
from ._policy import Offer as Offer
from ._policy import Policy as Policy
from ._policy import Random as Random
from ._policy import Reservoir as Reservoir
from ._policy import Ring as Ring
from ._table import Sample as Sample
