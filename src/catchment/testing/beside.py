"""Another process on the same database: it lives there as it is told, and dies when it is told."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from ..errors import CatchmentError
from .life import START, living

__all__ = ["Beside", "beside"]

# Forked from a process that has imported all of this and does nothing else: a fork of this one would take its threads.
_PROCESSES = multiprocessing.get_context("forkserver")
PATIENCE_S = 120.0


@dataclass(frozen=True, slots=True)
class Beside:
    """A `Life` in a process of its own."""

    _process: BaseProcess
    _orders: Connection

    def begin(self, what: str, *arguments: object, **named: object) -> None:
        """Has it do what a method of `Life` does; `end` gives what came of it."""
        self._orders.send((what, arguments, named))

    def end(self) -> Any:
        """What came of what was begun. The CatchmentError that it raised there."""
        if not self._orders.poll(PATIENCE_S):
            raise AssertionError("the other process says nothing")
        came, found = self._orders.recv()
        if not came:
            raise found
        return found

    def do(self, what: str, *arguments: object, **named: object) -> Any:
        """What comes of a method of `Life` there."""
        self.begin(what, *arguments, **named)
        return self.end()

    def kill(self) -> None:
        """It is gone, without a word."""
        self._process.kill()
        self._process.join()


@contextmanager
def beside(url: str, now: datetime = START) -> Iterator[Beside]:
    """A process that lives the app on the database of a URL, once it does; it is gone when the context is left."""
    _PROCESSES.set_forkserver_preload([__name__])
    ours, theirs = _PROCESSES.Pipe()
    process = _PROCESSES.Process(target=_live, args=(url, now, theirs), daemon=True)
    process.start()
    theirs.close()
    found = Beside(process, ours)
    try:
        found.end()
        yield found
        if process.is_alive():
            ours.send(None)
            process.join(PATIENCE_S)
    finally:
        found.kill()
        ours.close()


def _live(url: str, now: datetime, orders: Connection) -> None:
    """The life of the other process."""
    with living(url, now, lot=2) as life:
        orders.send((True, None))
        while (order := orders.recv()) is not None:
            what, arguments, named = order
            try:
                orders.send((True, getattr(life, what)(*arguments, **named)))
            except CatchmentError as error:
                orders.send((False, error))
