"""Onward keeps models and prompts learning from what happens to them, and never lets them slip back.

>>> import onward
>>> sorted(set(onward.__all__) & {"open", "Workspace"})
['Workspace', 'open']
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from .autonomous import create_autonomous_learner as create_autonomous_learner
    from .config import Settings as Settings
    from .core import CycleResult as CycleResult
    from .core import Entity as Entity
    from .core import Feedback as Feedback
    from .core import Interaction as Interaction
    from .core import Labels as Labels
    from .core import ModelVersion as ModelVersion
    from .core import OnwardError as OnwardError
    from .core import Prediction as Prediction
    from .core import Verdict as Verdict
    from .core import masked as masked
    from .monitoring import LearningProgressTracker as LearningProgressTracker
    from .scheduler import schedule as schedule
    from .workspace import Workspace as Workspace
    from .workspace import doctor as doctor
    from .workspace import open_workspace
    from .workspace import restore as restore
    from .workspace import snapshots as snapshots

    open = open_workspace  # noqa: A001 - `onward.open` is what users say

_DOOR: Final = {
    "open": "workspace:open_workspace",
    "restore": "workspace:restore",
    "doctor": "workspace:doctor",
    "snapshots": "workspace:snapshots",
    "Workspace": "workspace:Workspace",
    "Settings": "config:Settings",
    "schedule": "scheduler:schedule",
    "LearningProgressTracker": "monitoring:LearningProgressTracker",
    "create_autonomous_learner": "autonomous:create_autonomous_learner",
    **{
        name: f"core:{name}"
        for name in (
            "CycleResult",
            "Entity",
            "Feedback",
            "Interaction",
            "Labels",
            "ModelVersion",
            "OnwardError",
            "Prediction",
            "Verdict",
            "masked",
        )
    },
}

__all__ = [*_DOOR]  # noqa: PLE0604 - the table above is the door
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Load what the door names when it is first asked for, so that `import onward` stays light."""
    if name not in _DOOR:
        raise AttributeError(f"module 'onward' has no attribute {name!r}; it offers {', '.join(sorted(_DOOR))}")
    module, _, attribute = _DOOR[name].partition(":")
    value = globals()[name] = getattr(import_module(f"onward.{module}"), attribute)
    return value
