"""Personal data and secrets: found by format and checksum, replaced by typed placeholders.

`_fold` makes disguised characters plain, `_kinds` lists who looks for what in which order, the modules it names look,
`_find` runs them until nothing is left, `_second` opens who looks in addition (`_presidio`), `_scrub` replaces and
keeps entities in place.
"""

from ._find import find as find
from ._scrub import PEOPLE as PEOPLE
from ._scrub import Scrubbed as Scrubbed
from ._scrub import scrub as scrub
from ._second import SecondFinder as SecondFinder
from ._second import second_finder as second_finder
