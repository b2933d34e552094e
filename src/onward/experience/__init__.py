"""Record and query what happened and what was said of it."""

from ._check import check_labels as check_labels
from ._erase import Erased as Erased
from ._erase import Withdrawal as Withdrawal
from ._erasure import Erasure as Erasure
from ._files import BadLine as BadLine
from ._files import FileContents as FileContents
from ._files import read_file as read_file
from ._files import read_lines as read_lines
from ._files import read_record as read_record
from ._store import Experience as Experience
from ._withdrawn import Withdrawn as Withdrawn
