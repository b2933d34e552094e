"""Roll back, back up, bring back, retain, verify and rebuild."""

from ._ailment import Ailment as Ailment
from ._ailment import Found as Found
from ._ailment import treated as treated
from ._backup import back_up as back_up
from ._backup import read_back_up as read_back_up
from ._books import needed_now as needed_now
from ._doctor import Rebuilding as Rebuilding
from ._doctor import examine as examine
from ._doctor import is_emptied as is_emptied
from ._doctor import is_lost as is_lost
from ._expendable import expendable as expendable
from ._expendable import predecessor as predecessor
from ._ledger import correct_records as correct_records
from ._ledger import keep_records as keep_records
from ._ledger import keep_version as keep_version
from ._owner import settle_in as settle_in
from ._restore import restore as restore
from ._retention import Dropped as Dropped
from ._retention import retain as retain
from ._snapshots import Pruned as Pruned
from ._snapshots import Repository as Repository
from ._snapshots import Snapshot as Snapshot
from ._snapshots import open_repository as open_repository
from ._snapshots import prune as prune
from ._snapshots import take as take
from ._unnamed import stored_unnamed as stored_unnamed
