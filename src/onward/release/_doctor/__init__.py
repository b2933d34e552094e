"""Verifies everything that a workspace stores, and rebuilds what is lost."""

from ._database import Agreement as Agreement
from ._examine import examine as examine
from ._rebuild import Rebuilding as Rebuilding
from ._rebuild import is_emptied as is_emptied
from ._rebuild import is_lost as is_lost
