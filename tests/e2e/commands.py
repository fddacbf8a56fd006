"""The command `catchment` as a person runs it: real processes, on one data folder and one clock in a file."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from databases import asked, copied, database_in, values_in
from forkserver import Ended, run

from catchment.clock import FileClock
from catchment.store.engines import Database, database_of

NOW = datetime(2026, 3, 20, 4, 0, tzinfo=UTC)
WAIT_S = 120.0
"""A process that has not ended by then never will; nothing waits for it otherwise."""


@dataclass
class Place:
    """Where commands run: a present folder, a data folder, a clock, settings in the environment."""

    folder: Path
    values: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.clock = FileClock(self.folder / "clock")
        self.clock.set(NOW)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def database(self) -> Database:
        return database_of(database_in(self.data))

    @property
    def environment(self) -> dict[str, str]:
        """Nothing of ours but what is said here; a person's own settings must not decide a test."""
        inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
        ours = {
            **values_in(self.data),
            "CATCHMENT_CLOCK": f"file:{self.folder / 'clock'}",
            "CATCHMENT_ALLOW_PRIVATE": "127.0.0.0/8",
            "COLUMNS": "200",
        }
        return {**inherited, **ours, **self.values}

    def start(self, *arguments: str, values: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """The command, running: an interpreter of its own, to be watched and killed."""
        return subprocess.Popen(
            [sys.executable, "-m", "catchment", *arguments],
            cwd=self.folder,
            env={**self.environment, **(values or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str, values: Mapping[str, str] | None = None) -> Ended:
        """The command, to its end."""
        return run(self.folder, arguments, {**self.environment, **(values or {})})

    def sql(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """What the database says now."""
        return asked(self.database, statement, values)

    def copy(self, folder: Path) -> Self:
        """A place in which all is as it is here, to be changed."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        copied(self.data, folder / "data")
        return type(self)(folder, dict(self.values))

    def tables(self) -> set[str]:
        with closing(self.database.open()) as sql:
            return sql.tables()


def ended(process: subprocess.Popen[str]) -> Ended:
    """How the process ends; one that does not is killed, and told."""
    try:
        out, err = process.communicate(timeout=WAIT_S)
    except subprocess.TimeoutExpired:
        killed(process)
        raise
    return Ended(process.returncode, out, err)


def killed(process: subprocess.Popen[str]) -> Ended:
    """The end of a process that gets no chance to end."""
    process.send_signal(signal.SIGKILL)
    out, err = process.communicate()
    return Ended(process.returncode, out, err)
