"""The algorithms, one file each: frozen settings that `MetaLearner` works with."""

from ._algorithm import Adapted as Adapted
from ._algorithm import Algorithm as Algorithm
from ._algorithm import MetaGradient as MetaGradient
from ._algorithm import Setting as Setting
from ._algorithm import accuracy as accuracy
from ._algorithm import are_classes as are_classes
from ._algorithm import laid_out as laid_out
from ._anil import ANIL as ANIL
from ._fine_tuning import FineTuning as FineTuning
from ._imaml import IMAML as IMAML
from ._maml import MAML as MAML
from ._maml_plus_plus import MAMLPlusPlus as MAMLPlusPlus
from ._matching import Matching as Matching
from ._meta_sgd import MetaSGD as MetaSGD
from ._metric import check_known as check_known
from ._prototypical import Prototypical as Prototypical
from ._relation import Relation as Relation
from ._reptile import Reptile as Reptile
