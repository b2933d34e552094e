"""Drift: has what comes in, or how well it is answered, changed? In tables, texts and streams. Reports; never acts."""

from ._accuracy import AccuracyEstimate as AccuracyEstimate
from ._accuracy import estimate_accuracy as estimate_accuracy
from ._adwin import Adwin as Adwin
from ._detectors import DetectorScore as DetectorScore
from ._detectors import DriftStream as DriftStream
from ._detectors import evaluate_detectors as evaluate_detectors
from ._drift import EFFECTS as EFFECTS
from ._drift import WHOLE as WHOLE
from ._drift import drift as drift
from ._records import ColumnDrift as ColumnDrift
from ._records import DriftReport as DriftReport
from ._reference import Reference as Reference
from ._streams import DETECTORS as DETECTORS
from ._streams import RiverDetector as RiverDetector
from ._streams import StreamDetector as StreamDetector
from ._streams import detector as detector
from ._text import TextReference as TextReference
from ._text import text_drift as text_drift
