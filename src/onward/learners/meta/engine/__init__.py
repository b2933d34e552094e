"""Gradients of many tasks at once, each at its own parameters, and products with their Hessians.

README.md beside this has the mathematics.
"""

from ._choose import Choice as Choice
from ._choose import choose_engine as choose_engine
from ._engine import Chance as Chance
from ._engine import Engine as Engine
from ._engine import Params as Params
from ._engine import Step as Step
from ._losses import Custom as Custom
from ._losses import Loss as Loss
from ._losses import LossFunction as LossFunction
from ._losses import Scaled as Scaled
from ._losses import loss_of as loss_of
from ._model import MetaTrainableModel as MetaTrainableModel
from ._model import TwiceTrainableModel as TwiceTrainableModel
from ._model import frozen_of as frozen_of
from ._model import parameters_of as parameters_of
from ._rules import Rules as Rules
