"""The command line: the workspace's words as commands, one file each. It adds nothing but presentation."""

from ._app import app as app
from ._app import main as main
from ._errors import EXIT_CODES as EXIT_CODES
