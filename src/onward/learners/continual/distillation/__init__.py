"""Smaller networks that know nearly as much: distillation, int8 weights, pruning."""

from ._compress import compress as compress
from ._loss import distillation_loss as distillation_loss
from ._measure import Compressed as Compressed
from ._narrow import narrowed as narrowed
from ._prune import prune as prune
from ._quantize import Int8Layer as Int8Layer
from ._quantize import quantize_int8 as quantize_int8
from ._teach import Lessons as Lessons
