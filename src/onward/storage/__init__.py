"""What lasts: SQL (SQLite in WAL mode) and blobs (a folder), and leases on names."""

from . import _schema as schema
from ._blobs import Blobs as Blobs
from ._blobs import sync as sync
from ._database import Database as Database
from ._lease import Lease as Lease
from ._lease import hold as hold
from ._schema import stamp as stamp
from ._storage import Storage as Storage
from ._storage import folder_of as folder_of
from ._storage import open_storage as open_storage

__all__ = ["Blobs", "Database", "Lease", "Storage", "folder_of", "hold", "open_storage", "schema", "stamp", "sync"]
