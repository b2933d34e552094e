"""A PostgreSQL server of our own: Debian's binaries, a temporary folder, a free port, an unprivileged user.

It can be stopped, restarted and killed by tests that want to know what happens then. Nothing else listens to it.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

PLACES = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/local/pgsql/bin", "/opt/homebrew/opt/postgresql*/bin")
SETTINGS = """
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = '{folder}'
max_connections = 200
shared_buffers = 32MB
fsync = off  # what is killed here is the server, not the machine: the system keeps what was written
full_page_writes = off
log_statement = none
log_min_messages = fatal
"""

# Waits until the process that tests is gone, however it went, then leaves nothing behind.
MOURN = 'cat; "$1/pg_ctl" stop --wait --pgdata="$2" --mode=immediate >/dev/null 2>&1; rm -rf "$3"'


class Server:
    """A running server; `url` makes a database on it."""

    def __init__(self, binaries: Path, folder: Path, user: str | None) -> None:
        self._binaries, self._folder, self._user = binaries, folder, user
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self._data = folder / "data"
        self._run(
            "initdb", "--username=onward", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", self._data
        )
        with (self._data / "postgresql.conf").open("a") as settings:
            settings.write(SETTINGS.format(port=self.port, folder=folder))
        self.start()
        self._mourner = self._popen("sh", "-c", MOURN, "sh", binaries, self._data, folder, stdin=subprocess.PIPE)

    def start(self) -> None:
        """Start, and wait until it answers."""
        log = self._folder / "log"
        self._run("pg_ctl", "start", "--wait", f"--pgdata={self._data}", f"--log={log}")

    def stop(self, mode: str = "immediate") -> None:
        """Stop: `fast` breaks all connections, `immediate` is a crash."""
        self._run("pg_ctl", "stop", "--wait", f"--pgdata={self._data}", f"--mode={mode}")

    def restart(self, mode: str = "immediate") -> None:
        """Stop and start: every connection is broken."""
        self.stop(mode)
        self.start()

    def kill(self) -> None:
        """SIGKILL to the server and all its processes, at once; `start` recovers."""
        number = int((self._data / "postmaster.pid").read_text().splitlines()[0])
        children = Path(f"/proc/{number}/task/{number}/children").read_text().split()
        for process in (number, *map(int, children)):
            os.kill(process, signal.SIGKILL)
        while any(Path(f"/proc/{process}").exists() for process in (number, *children)):
            time.sleep(0.01)
        (self._data / "postmaster.pid").unlink()

    def sql(self, statement: str, database: str = "postgres") -> list[Any]:
        """Run a statement outside of any transaction; return its rows."""
        import psycopg

        with psycopg.connect(self.dsn(database), autocommit=True) as connection:
            cursor = connection.execute(statement)  # type: ignore[arg-type] # a test's own text
            return cursor.fetchall() if cursor.description else []

    def dsn(self, database: str) -> str:
        """The URL of a database, without a workspace's folder."""
        return f"postgresql://onward@127.0.0.1:{self.port}/{database}"

    def make(self, template: str = "template0") -> str:
        """A new database with a name of its own."""
        name = f"shop_{secrets.token_hex(6)}"
        self.sql(f"CREATE DATABASE {name} TEMPLATE {template} ENCODING 'UTF8'")
        return name

    def drop(self, name: str) -> None:
        """Remove a database, whoever is connected to it."""
        self.sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def url(self, folder: Path) -> str:
        """The URL of a workspace in a new database."""
        return f"{self.dsn(self.make())}?folder={folder}"

    def remove(self) -> None:
        """Stop, and leave nothing behind."""
        self._mourner.communicate()

    def _run(self, program: str, *arguments: object) -> None:
        said = self._folder / "said"
        with said.open("w+") as out:  # a pipe would be kept open by the server
            done = self._popen(self._binaries / program, *arguments, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
            if done.wait():
                raise RuntimeError(f"{program}: {said.read_text()}")

    def _popen(self, *command: object, **streams: Any) -> subprocess.Popen[bytes]:
        who: dict[str, Any] = {}
        if self._user:
            who = {"user": self._user, "group": pwd.getpwnam(self._user).pw_gid, "extra_groups": []}
        return subprocess.Popen([str(word) for word in command], cwd="/", start_new_session=True, **streams, **who)


def find_binaries() -> Path | None:
    """Where the newest initdb is."""
    found = [path for place in PLACES for path in Path("/").glob(f"{place[1:]}/initdb")]
    on_path = shutil.which("initdb")
    return max(found).parent if found else Path(on_path).parent if on_path else None


def start_server() -> Server:
    """A server of our own.

    Raises:
        RuntimeError: why there cannot be one.
    """
    binaries = find_binaries()
    if binaries is None:
        raise RuntimeError("PostgreSQL is not installed: apt-get install postgresql")
    memory = Path("/dev/shm")  # many small files, made and removed all the time
    roomy = memory.is_dir() and shutil.disk_usage(memory).free > 2**30
    folder = Path(tempfile.mkdtemp(prefix="onward-pg-", dir=memory if roomy else "/tmp"))
    user = None
    if os.geteuid() == 0:
        user = next((name for name in ("postgres", "nobody") if _exists(name)), None)
        if user is None:
            raise RuntimeError("PostgreSQL does not run as root, and there is no user `postgres` or `nobody`")
        shutil.chown(folder, user)
    return Server(binaries, folder, user)


def _exists(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True
