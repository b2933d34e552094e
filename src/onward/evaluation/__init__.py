"""Metrics, paired comparison, forgetting and the gate: predictions in, scorecard and verdict out."""

from ._by_label import recall_by_label as recall_by_label
from ._forgetting import Loss as Loss
from ._forgetting import forgetting as forgetting
from ._gate import judge as judge
from ._outcomes import HeadOutcomes as HeadOutcomes
from ._outcomes import Outcomes as Outcomes
from ._outcomes import score as score
from ._outcomes import score_all as score_all
from ._scorecard import scorecard as scorecard
from ._sets import answerable as answerable
from ._sets import bounded as bounded
from ._sets import freeze as freeze
from ._store import EvaluationSets as EvaluationSets
from ._tasks import answers as answers
from ._tasks import whole as whole
