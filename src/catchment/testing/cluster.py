"""What tests need that run against a real PostgreSQL: a server of their own, from the machine's programs.

It lives in a temporary folder, listens on a socket there and is gone when it is closed. Nobody's service is touched.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ..errors import CatchmentError, StoreUnavailable
from ..store.engines import Database, database_of

__all__ = ["Cluster", "NoServer", "programs"]

_FAST: Mapping[str, str] = {
    "fsync": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "autovacuum": "off",
    "shared_buffers": "32MB",
    "max_connections": "200",
    "listen_addresses": "",
    "jit": "off",
}
"""Of a server whose data nobody wants back."""


class NoServer(CatchmentError):
    """There is no PostgreSQL on this machine, or it does not start."""


class Cluster:
    """One server process in a folder of its own. A context manager. As root it is started for an unprivileged user.

    settings: of the server, beside those that make it fast to start and to write; e.g. `shared_buffers="1GB"`.

    Raises:
        NoServer: its programs are not there, or say why they do not start.
    """

    def __init__(self, **settings: str) -> None:
        self._programs, self._as, self._settings = programs(), _unprivileged(), {**_FAST, **settings}
        self.folder = Path(tempfile.mkdtemp(prefix="catchment-pg-"))
        self._server: subprocess.Popen[bytes] | None = None
        self._made = 0
        try:
            if self._as:
                os.chown(self.folder, self._as["user"], self._as["group"])
            self._initialise()
            self.start()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _initialise(self) -> None:
        options = ("-U", "catchment", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        done = subprocess.run(  # noqa: S603 (the machine's own program)
            [self._programs / "initdb", "-D", self.folder / "data", *options],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            **self._as,
        )
        if done.returncode:
            raise NoServer(f"initdb failed: {done.stderr.strip()[-500:]}")

    def start(self) -> None:
        """Returns when it takes connections."""
        options = [part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self._server = subprocess.Popen(  # noqa: S603
                [self._programs / "postgres", "-D", self.folder / "data", "-k", self.folder, *options],
                cwd=self.folder,
                stdout=log,
                stderr=log,
                **self._as,
            )
        while not self._answers():
            if self._server.poll() is not None:
                raise NoServer(f"postgres does not start: {(self.folder / 'log').read_text()[-500:]}")

    def _answers(self) -> bool:
        try:
            database_of(self.url("postgres")).open().close()
        except StoreUnavailable:
            return False
        return True

    def stop(self) -> None:
        """Ends it at once, as a power cut would: what was not on the disk is gone."""
        if self._server is not None and self._server.poll() is None:
            self._server.send_signal(signal.SIGQUIT)
            self._server.wait()

    def url(self, name: str) -> str:
        """Where a database of it is."""
        return f"postgresql://catchment@/{name}?host={self.folder}"

    def database(self, template: str = "template1") -> str:
        """The name of a new database, a copy of another one that nobody is connected to."""
        self._made += 1
        name = f"of_{os.getpid()}_{self._made}"
        self._say(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY')
        return name

    def template(self, name: str, fill: Callable[[Database], None]) -> str:
        """The name, once there is a database of it that was filled."""
        with closing(database_of(self.url("postgres")).open()) as sql:
            if sql.execute("SELECT 1 FROM pg_database WHERE datname = ?", (name,)).fetchone():
                return name
        self._say(f'CREATE DATABASE "{name}"')
        fill(database_of(self.url(name)))
        return name

    def drop(self, name: str) -> None:
        """Removes a database, whoever is connected to it."""
        self._say(f'DROP DATABASE "{name}" WITH (FORCE)')

    def _say(self, statement: str) -> None:
        with closing(database_of(self.url("postgres")).open()) as sql:
            sql.execute(statement)

    def close(self) -> None:
        """Ends it, and removes all that it wrote."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def programs() -> Path:
    """The folder of a PostgreSQL's programs. NoServer where there is none."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for folder in folders:
        if all((folder / name).is_file() for name in ("initdb", "postgres")):
            return folder
    raise NoServer("PostgreSQL's programs are not on this machine", hint="install PostgreSQL 15 or newer")


def _unprivileged() -> Mapping[str, Any]:
    """As whom its programs run: never as root."""
    if os.geteuid() != 0:
        return {}
    names = {user.pw_name: user for user in pwd.getpwall()}
    user = names.get("postgres") or names["nobody"]
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
