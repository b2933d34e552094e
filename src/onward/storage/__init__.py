"""What lasts: SQL (SQLite in WAL mode, or PostgreSQL) and blobs (a folder, or a bucket), and leases on names."""

from . import _schema as schema
from ._backend import Backend as Backend
from ._blobs import Blobs as Blobs
from ._blobs import sync as sync
from ._bucket import EXTRAS as EXTRAS
from ._bucket import hidden as hidden
from ._checksum import COVERED as COVERED
from ._checksum import checksum as checksum
from ._checksum import checksum_of as checksum_of
from ._checksum import is_whole as is_whole
from ._copy import count_on as count_on
from ._database import Database as Database
from ._folder import explained as explained
from ._journal import Intake as Intake
from ._journal import Journal as Journal
from ._lease import Lease as Lease
from ._lease import hold as hold
from ._manifest import FileEntry as FileEntry
from ._manifest import Manifest as Manifest
from ._older import brought_up as brought_up
from ._place import Place as Place
from ._place import folder_of as folder_of
from ._place import place_of as place_of
from ._postgresql import postgresql_backend as postgresql_backend
from ._process import is_gone as is_gone
from ._process import mark_of_process as mark_of_process
from ._process import name_of_process as name_of_process
from ._rows import add_up as add_up
from ._rows import insert_into as insert_into
from ._rows import insert_new as insert_new
from ._rows import next_place as next_place
from ._rows import tally as tally
from ._schema import stamp as stamp
from ._sqlite import as_they_are as as_they_are
from ._sqlite import empty_log as empty_log
from ._sqlite import is_in_use as is_in_use
from ._sqlite import sqlite_backend as sqlite_backend
from ._sqlite import stands_in as stands_in
from ._storage import DATABASE_NAME as DATABASE_NAME
from ._storage import Storage as Storage
from ._storage import open_storage as open_storage

__all__ = [
    "COVERED",
    "DATABASE_NAME",
    "EXTRAS",
    "Backend",
    "Blobs",
    "Database",
    "FileEntry",
    "Intake",
    "Journal",
    "Lease",
    "Manifest",
    "Place",
    "Storage",
    "add_up",
    "as_they_are",
    "brought_up",
    "checksum",
    "checksum_of",
    "count_on",
    "empty_log",
    "explained",
    "folder_of",
    "hidden",
    "hold",
    "insert_into",
    "insert_new",
    "is_gone",
    "is_in_use",
    "is_whole",
    "mark_of_process",
    "name_of_process",
    "next_place",
    "open_storage",
    "place_of",
    "postgresql_backend",
    "schema",
    "sqlite_backend",
    "stamp",
    "stands_in",
    "sync",
    "tally",
]
