"""Roll back, back up, bring back, retain."""

from ._backup import back_up as back_up
from ._backup import read_back_up as read_back_up
from ._retention import expendable as expendable
from ._retention import predecessor as predecessor
