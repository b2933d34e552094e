"""Streams of experiences: from arrays, tables, streams without boundaries, and workspaces."""

from ._arrays import from_arrays as from_arrays
from ._blurry import blurry as blurry
from ._parts import held_out as held_out
from ._periods import from_frame as from_frame
from ._periods import from_periods as from_periods
from ._stream import Stream as Stream
from ._transformed import permuted as permuted
from ._transformed import rotated as rotated
from ._unknown import Detector as Detector
from ._unknown import from_stream as from_stream
from ._workspace import from_workspace as from_workspace
