"""Roll back, back up, bring back, retain."""

from ._backup import back_up as back_up
from ._backup import back_up_workspace as back_up_workspace
from ._backup import read_back_up as read_back_up
from ._backup import restore_workspace as restore_workspace
from ._retention import expendable as expendable
from ._retention import predecessor as predecessor
