"""Rates, and any other hyper-parameter, that change as training goes on."""

from ._average import ExponentialMovingAverage as ExponentialMovingAverage
from ._average import exponential_moving_average as exponential_moving_average
from ._bandit import Bandit as Bandit
from ._curve import Curve as Curve
from ._cycles import cosine_restarts as cosine_restarts
from ._cycles import cyclical as cyclical
from ._cycles import one_cycle as one_cycle
from ._decay import exponential_decay as exponential_decay
from ._decay import step_decay as step_decay
from ._drive import Driven as Driven
from ._drive import drive as drive
from ._plateau import Plateau as Plateau
from ._schedule import Schedule as Schedule
