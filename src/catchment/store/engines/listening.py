"""Whether something was committed, told by PostgreSQL: a session that listens, so that nobody has to ask each time."""

from __future__ import annotations

import itertools
import os
import select
import threading
from collections.abc import Callable
from contextlib import closing
from typing import Any

import psycopg

from ...clock import monotonic

__all__ = ["CHANNEL", "Listening", "wrote"]

CHANNEL = "catchment"
"""Where every transaction that wrote tells so, as it commits."""

BEAT_S = 1.0
"""After so long a silence it is asked whether the server is still there, and after so long a loss it is tried again."""
HEARD_S = 3 * BEAT_S
"""Who has heard nothing for so long, not even that the server is there, does not listen."""

_numbers = itertools.count(1)
_wrote: dict[str, int] = {}


def wrote(url: str) -> None:
    """Notes that this process committed something: who reads here must not wait to be told of it."""
    _wrote[url] = next(_numbers)


class Listening:
    """The clock of a process that reads. connect: gives a connection of the driver. ask: the same by a question.

    While it listens, a value changes with what this process commits at once, and with what others commit as soon as
    the server tells it; while it does not, the database is asked each time.
    """

    def __init__(self, url: str, connect: Callable[[], psycopg.Connection[Any]], ask: Callable[[], object]) -> None:
        self._url, self._connect, self._ask = url, connect, ask
        self._told = 0
        self._heard_at = float("-inf")
        self._ended, (self._wakes, self._waker) = threading.Event(), os.pipe()
        self._thread = threading.Thread(target=self._listen, name="catchment-listens", daemon=True)
        self._thread.start()

    @property
    def listens(self) -> bool:
        """Whether it would be told."""
        return monotonic() - self._heard_at < HEARD_S

    def changes(self) -> object:
        """Another value whenever something was committed."""
        if self.listens:
            return self._told, _wrote.get(self._url)
        return self._ask()

    def close(self) -> None:
        """Ends the session. A server that does not answer is not waited for."""
        self._ended.set()
        os.write(self._waker, b".")
        self._thread.join(HEARD_S)
        if not self._thread.is_alive():
            os.close(self._wakes)
            os.close(self._waker)

    def _listen(self) -> None:
        while not self._ended.is_set():
            try:
                with closing(self._connect()) as driver:
                    self._hear(driver)
            except psycopg.Error:
                pass  # it is asked meanwhile
            self._heard_at = float("-inf")
            self._ended.wait(BEAT_S)

    def _hear(self, driver: psycopg.Connection[Any]) -> None:
        driver.add_notify_handler(lambda _: self._note())
        driver.execute(f"LISTEN {CHANNEL}")
        self._note()  # what was committed before is not told
        waiting = select.poll()
        for what in (driver.fileno(), self._wakes):
            waiting.register(what, select.POLLIN)
        while not self._ended.is_set():
            self._heard_at = monotonic()
            if not waiting.poll(BEAT_S * 1000):
                driver.execute("SELECT 1")
            elif not self._ended.is_set():
                driver.pgconn.consume_input()
                while driver.pgconn.notifies():
                    self._note()

    def _note(self) -> None:
        self._told += 1
