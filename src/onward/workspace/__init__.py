"""The workspace: everything that a user does, in as few words."""

from ._alerts import Watched as Watched
from ._alerts import watch_after as watch_after
from ._backups import snapshots as snapshots
from ._doctor import doctor as doctor
from ._open import open_workspace as open_workspace
from ._open import restore as restore
from ._records import Comparison as Comparison
from ._records import Forgotten as Forgotten
from ._records import Recorded as Recorded
from ._records import Status as Status
from ._records import Teacher as Teacher
from ._records import Trace as Trace
from ._workspace import Workspace as Workspace
