"""Which worker processes are alive, told by PostgreSQL: each holds a lock that ends with its session.

Where the server falls every worker looks dead until it asks again; a lease's token keeps such a one from writing twice.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from ...errors import StoreError

if TYPE_CHECKING:
    from .interface import Connection

__all__ = ["Presence"]


class Presence:
    """This process's name among the workers (`me`), and whether another one is alive."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._one_at_a_time = threading.Lock()
        self.me = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._hold()

    def _hold(self) -> None:
        """Takes the own lock, where it is not held: a session that was opened anew has none."""
        mine = _number(self.me)
        held = self._connection.execute(
            "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
            " AND (CAST(classid AS bigint) << 32) + CAST(objid AS bigint) = ?",
            (mine,),
        ).fetchone()
        if held is None:
            self._connection.execute("SELECT pg_advisory_lock_shared(?)", (mine,))

    def alive(self, name: str) -> bool:
        """Whether the worker of that name still runs."""
        if name == self.me:
            return True
        with self._one_at_a_time:
            self._hold()
            (free,) = self._connection.execute("SELECT pg_try_advisory_lock(?)", (_number(name),)).fetchone()
            if free:
                self._connection.execute("SELECT pg_advisory_unlock(?)", (_number(name),))
            return not free

    def close(self) -> None:
        # The server takes a session's locks away a moment after its end: whoever looks at once is told the truth.
        with suppress(StoreError):
            self._connection.execute("SELECT pg_advisory_unlock_all()")
        self._connection.close()


def _number(name: str) -> int:
    """A lock's number, below 2**62: positive as one number and as its halves."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) >> 2
