"""What is kept of the past: bounded buffers of examples, and what they keep.

| name | policy | offered | keeps |
| --- | --- | --- | --- |
| `reservoir` | `Reservoir` | every step | a uniform sample of the whole stream |
| `class_balanced` | `ClassBalanced` | every step | a uniform sample of each class, classes as equal as can be |
| `ring` | `Ring` | every step | the latest of each class or task |
| `random` | `Random` | after an experience | a uniform sample of each experience |
"""

from ._buffer import Buffer as Buffer
from ._buffer import Sample as Sample
from ._policy import Choice as Choice
from ._policy import ClassBalanced as ClassBalanced
from ._policy import Ledger as Ledger
from ._policy import Offer as Offer
from ._policy import Policy as Policy
from ._policy import Random as Random
from ._policy import Reservoir as Reservoir
from ._policy import Ring as Ring
