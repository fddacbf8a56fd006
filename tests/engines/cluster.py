"""A real PostgreSQL for the tests: started in a temporary folder, on a Unix socket, by nobody in particular."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FAST = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "autovacuum": "off",
    "shared_buffers": "32MB",
    "max_connections": "200",
    "listen_addresses": "",
    "jit": "off",
}
"""A server whose data nobody wants back."""


class Missing(Exception):
    """There is no PostgreSQL on this machine."""


def binaries() -> Path:
    """The folder of the server's programs."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for folder in folders:
        if all((folder / name).is_file() for name in ("initdb", "postgres")):
            return folder
    raise Missing("PostgreSQL's programs (initdb, postgres) are not on this machine")


def _nobody() -> Mapping[str, Any]:
    """How its programs are started: never by root."""
    if os.geteuid() != 0:
        return {}
    try:
        user = pwd.getpwnam("postgres")
    except KeyError:
        user = pwd.getpwnam("nobody")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


class Cluster:
    """One server process and its folder."""

    def __init__(self) -> None:
        self._programs, self._as = binaries(), _nobody()
        self.folder = Path(tempfile.mkdtemp(prefix="catchment-pg-"))
        if self._as:
            os.chown(self.folder, self._as["user"], self._as["group"])
        self._run("initdb", "-D", str(self.data), "-U", "catchment", "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
        self._server: subprocess.Popen[bytes] | None = None
        self._made = 0
        self.start()

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [self._programs / program, *arguments],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            **self._as,
        )
        if done.returncode:
            raise Missing(f"{program} failed: {done.stderr.strip()[-500:]}")

    def start(self) -> None:
        """Returns when it takes connections."""
        options = [part for name, value in FAST.items() for part in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self._server = subprocess.Popen(
                [self._programs / "postgres", "-D", self.data, "-k", self.folder, *options],
                cwd=self.folder,
                stdout=log,
                stderr=log,
                **self._as,
            )
        self._wait()

    def _wait(self) -> None:
        import psycopg

        assert self._server is not None
        while True:
            try:
                psycopg.connect(self.url("postgres"), autocommit=True).close()
            except psycopg.OperationalError as error:
                if self._server.poll() is not None:
                    raise Missing((self.folder / "log").read_text()[-500:]) from error
            else:
                return

    def url(self, name: str) -> str:
        """Of a database on it."""
        return f"postgresql://catchment@/{name}?host={self.folder}"

    def execute(self, statement: str) -> None:
        """A statement of its administrator."""
        import psycopg

        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement)  # type: ignore[call-overload]

    def database(self) -> str:
        """The URL of a new database, a copy of the template."""
        self._made += 1
        name = f"test_{os.getpid()}_{self._made}"
        self.execute(f'CREATE DATABASE "{name}"')
        return self.url(name)

    def kill(self) -> None:
        """As a power cut ends it."""
        assert self._server is not None
        self._server.send_signal(signal.SIGQUIT)
        self._server.wait()

    def close(self) -> None:
        """Ends it, and removes what it wrote."""
        if self._server is not None and self._server.poll() is None:
            self._server.send_signal(signal.SIGQUIT)
            self._server.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
