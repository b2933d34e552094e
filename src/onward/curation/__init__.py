"""From what happened to what is learned from: consent, validity, labels, duplicates, poisoning, splits, audit."""

from ._curate import Curation as Curation
from ._curate import curate as curate
from ._personal import scrub as scrub
from ._pieces import UNSEEN as UNSEEN
from ._store import Datasets as Datasets
from ._support import support_of as support_of
from ._text import example_id as example_id
