"""What learners that train networks share: data as tensors, records of JSON and tensors, identity, progress, Ctrl-C."""

from ._arrays import classes_of as classes_of
from ._arrays import column_names as column_names
from ._arrays import columns_of as columns_of
from ._arrays import inputs_of as inputs_of
from ._arrays import numbers_of as numbers_of
from ._device import device_of as device_of
from ._identity import refuse_foreign as refuse_foreign
from ._identity import shapes as shapes
from ._identity import text as text
from ._interrupt import deferred as deferred
from ._kept import check_writable as check_writable
from ._kept import folder_of as folder_of
from ._kept import is_kept as is_kept
from ._kept import keep as keep
from ._kept import kept as kept
from ._numbers import above as above
from ._numbers import at_least as at_least
from ._numbers import is_number as is_number
from ._numbers import plain_number as plain_number
from ._numbers import plain_numbers as plain_numbers
from ._numbers import share as share
from ._numbers import whole as whole
from ._progress import Progress as Progress
from ._progress import shown as shown
from ._tree import put_together as put_together
from ._tree import taken_apart as taken_apart
