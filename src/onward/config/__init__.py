"""onward.toml as typed settings, and the table of plug-ins."""

from ._alerts import DEFAULT_RULES as DEFAULT_RULES
from ._alerts import Action as Action
from ._alerts import AlertSettings as AlertSettings
from ._alerts import RuleSettings as RuleSettings
from ._alerts import Severity as Severity
from ._alerts import When as When
from ._plugins import BUILT_IN as BUILT_IN
from ._plugins import known_learners as known_learners
from ._plugins import load_learner as load_learner
from ._settings import FILE_NAME as FILE_NAME
from ._settings import CurationSettings as CurationSettings
from ._settings import GateSettings as GateSettings
from ._settings import LearningSettings as LearningSettings
from ._settings import RetentionSettings as RetentionSettings
from ._settings import ScheduleSettings as ScheduleSettings
from ._settings import Settings as Settings
from ._settings import ThresholdSettings as ThresholdSettings
from ._settings import TrainingSettings as TrainingSettings
from ._toml import load_settings as load_settings
from ._toml import settings_from as settings_from
from ._toml import to_toml as to_toml
