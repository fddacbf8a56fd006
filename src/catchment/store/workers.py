"""Which worker processes of this machine are alive, so that a killed one's leases are free at once.

Each holds a lock on a file of its own in the data folder. The operating system lets go of it when the process ends,
however it ends; no clock and no process number is trusted.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import IO

__all__ = ["LocalWorkers"]


class LocalWorkers:
    """This process's name among the workers (`me`), and whether another one is alive."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._sweep()
        self.me = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._file = _locked(folder / self.me)

    def alive(self, name: str) -> bool:
        """Whether the worker of that name still runs."""
        if name == self.me:
            return True
        try:
            with (self._folder / Path(name).name).open() as file:
                return not _free(file.fileno())
        except FileNotFoundError:
            return False

    def close(self) -> None:
        (self._folder / self.me).unlink(missing_ok=True)
        self._file.close()

    def _sweep(self) -> None:
        """Removes what dead workers left."""
        for path in self._folder.iterdir():
            # Another worker may sweep at the same time.
            with suppress(FileNotFoundError), path.open() as file:
                if _free(file.fileno()):
                    path.unlink(missing_ok=True)


def _locked(path: Path) -> IO[str]:
    """The file, locked. Another worker may sweep it away between its making and its locking: then once more."""
    while True:
        file = path.open("w")
        fcntl.flock(file, fcntl.LOCK_EX)
        if path.exists() and path.stat().st_ino == os.fstat(file.fileno()).st_ino:
            return file
        file.close()


def _free(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
