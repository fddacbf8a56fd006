"""What the writes of one transaction have in common: its moment, and what is noted once for all of them at its end."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ..clock import render_moment
from ..errors import StoreError
from . import audit
from .engines import Connection
from .tables import Collection

__all__ = ["COMMIT", "Group", "HalfDone", "new_keys"]

COMMIT = "INSERT INTO _commit (collection, generation, revision, at, partition, attempt) VALUES (?, ?, ?, ?, ?, 0)"

_State = tuple[int, int, str]
"""A collection's generation, its revision, and the moment of that; "" where the group did not raise it."""


class HalfDone(Exception):
    """A write that failed half-way cannot be taken back alone: all of its group is to be done again, apart."""


def new_keys() -> Iterator[str]:
    """UUIDs of random bits. They are asked for many at a time: a thread that asks lets go of the interpreter."""
    while True:
        bits = os.urandom(16 * 64)
        for place in range(0, len(bits), 16):
            yield str(uuid.UUID(bytes=bits[place : place + 16], version=4))


@dataclass(slots=True)
class Group:
    """Writes that are committed together. Nobody reads the revisions or the audit in between, so they are put last.

    Use it inside the transaction that holds the write lock, and call `put` before that is committed.
    apart: whether a write that fails half-way can be taken back alone. It costs more than most writes, of which next
    to none fails when it has changed something already. keys: what new records are called by.
    """

    sql: Connection
    now: datetime
    apart: bool = False
    keys: Iterator[str] = field(default_factory=new_keys)
    _states: dict[str, _State] = field(default_factory=dict)
    _commits: list[tuple[str, int, int, str, str]] = field(default_factory=list)
    _entries: list[tuple[Any, ...]] = field(default_factory=list)

    @contextmanager
    def one(self) -> Iterator[None]:
        """One write: what it raised and noted is taken back with its rows if it raises an error.

        Raises:
            HalfDone: it failed when it had changed something, and the group is not `apart`.
        """
        states, commits, entries = dict(self._states), len(self._commits), len(self._entries)
        changes = self.sql.total_changes
        if self.apart:
            self.sql.execute("SAVEPOINT one")
        try:
            yield
        except Exception as error:
            if not self.sql.in_transaction:
                raise  # the engine has undone everything: full, or broken
            if self.apart:
                self.sql.execute("ROLLBACK TO one")
            elif isinstance(error, StoreError) or self.sql.total_changes != changes:
                raise HalfDone from error
            self._states = states
            del self._commits[commits:], self._entries[entries:]
            raise
        finally:
            if self.apart and self.sql.in_transaction:
                self.sql.execute("RELEASE one")

    def generation(self, collection: Collection) -> int:
        """Of the collection, as long as the transaction lasts."""
        return self._state(collection)[0]

    def raise_revision(self, collection: Collection, moment: str, *, hides: str = "") -> int:
        """The collection's next revision, of that moment: one for each write, so that each state can be read again.

        hides: the key of what went, where its records about that are shown no more.
        """
        generation, revision, _ = self._state(collection)
        self._states[collection.name] = generation, revision + 1, moment
        self._commits.append((collection.name, generation, revision + 1, moment, hides))
        return revision + 1

    def note(self, entry: audit.Entry) -> None:
        """Has the audit tell it, if it is committed."""
        self._entries.append(audit.row(entry, render_moment(self.now)))

    def put(self) -> None:
        """Stores what was raised and noted."""
        raised = [(revision, moment, name) for name, (_, revision, moment) in self._states.items() if moment]
        self.sql.executemany("UPDATE _collection SET revision = ?, changed_at = ? WHERE name = ?", raised)
        self.sql.executemany(COMMIT, self._commits)
        self.sql.executemany(audit.INSERT, self._entries)

    def _state(self, collection: Collection) -> _State:
        found = self._states.get(collection.name)
        if found is None:
            row = self.sql.execute("SELECT generation, revision FROM _collection WHERE name = ?", (collection.name,))
            found = self._states[collection.name] = (*row.fetchone(), "")
        return found
