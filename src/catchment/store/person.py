"""Erasing a person: what they wrote, their keys, and their name wherever else it is stored.

One commit takes all of that away; then the file is written anew. Whatever ends it in the middle, the same call again
goes on. The audit keeps what was done, without who did it: in the place of the person's id is a tag, by which nobody
without this store's secret can tell who that was.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from ..clock import render_moment
from ..errors import UsageError
from ..failpoints import failpoint
from ..resource import Resource
from . import audit, counting
from .engines import Connection, Workers, mapped, transaction
from .erase import Erasure, mark, tag
from .erasing import erased_under
from .group import Group
from .tables import Collection

__all__ = ["Person", "Removed", "Wrote"]

NAME = "people"
"""What is erased here, as marks and the audit call it."""


@dataclass(frozen=True, slots=True)
class Wrote:
    """What a person wrote in one collection. nameless: the records stay, as nobody's; the older versions go."""

    collection: str
    records: int
    versions: int
    nameless: bool


@dataclass(frozen=True, slots=True)
class Removed:
    """What goes of a person, or went. keys: API keys. entries: those of the audit that name the person.

    left: what was not looked at, a line each. done: False while the database file may still hold the name.
    """

    wrote: tuple[Wrote, ...] = ()
    keys: int = 0
    entries: int = 0
    left: tuple[str, ...] = ()
    done: bool = False

    @property
    def nothing(self) -> bool:
        return not (self.wrote or self.keys or self.entries)


class Person:
    """What a store has of one person. collections: of all apps that are looked at. user: the person's id.

    Raises:
        UsageError: nothing is stored of this person, nor ever was erased.
    """

    def __init__(self, connection: Connection, collections: Sequence[Collection], user: str, workers: Workers) -> None:
        self._connection = connection
        self._collections = {item.name: item for item in collections}
        self._user = user
        self._workers = workers
        with mapped():
            known = erased_under(connection, NAME)
        self._hash = known.hash(user)
        if not known.holds(user) and self.look().nothing:
            raise UsageError(
                f"nothing is stored of user {user}", hint="the id is a UUID, as it stands in a record's owner"
            )

    @property
    def _written(self) -> list[tuple[Collection, Resource]]:
        return [(item, item.feed) for item in self._collections.values() if isinstance(item.feed, Resource)]

    # -- what there is -------------------------------------------------------------------------------------------------

    def look(self) -> Removed:
        """What would go. Nothing changes."""
        with mapped():
            wrote = [self._wrote(*item) for item in self._written]
            return Removed(
                tuple(item for item in wrote if item.records or item.versions),
                self._count("_api_key WHERE principal = ?", self._user),
                self._count(f"_audit WHERE {_NAMED}", self._user, f"%{self._user}%"),
                tuple(self._not_looked_at()),
            )

    def _count(self, where: str, *values: str) -> int:
        (found,) = self._connection.execute(f"SELECT count(*) FROM {where}", values).fetchone()  # noqa: S608 (our words)
        return int(found)

    def _wrote(self, collection: Collection, resource: Resource) -> Wrote:
        own = [
            self._count(f'"{table}" WHERE "{resource.owner}" = ?', self._user) if resource.owner else 0
            for table in (collection.table, collection.versions)
        ]
        return Wrote(collection.name, own[0], own[1], resource.outlives)

    def _not_looked_at(self) -> Iterator[str]:
        for (name,) in self._connection.execute("SELECT name FROM _collection ORDER BY name"):
            if name not in self._collections and "_author" in self._connection.columns(name.replace("/", "_")):
                yield f"{name} was not looked at: name its app"

    # -- what is done --------------------------------------------------------------------------------------------------

    def run(self, now: datetime) -> Removed:
        """Erases. What is said of the person is gone with the first commit, from the files with `done`."""
        left, at = self.look(), render_moment(now)
        with transaction(self._connection, durable=True) as sql:
            begun = sql.execute(f"SELECT at FROM _erased WHERE {_MARK} AND done_at IS NULL", self._mark).fetchone()  # noqa: S608
            sql.overwrites()
            mark(sql, NAME, [self._hash], now)
            for collection, resource in self._written:
                self._take_away(sql, collection, resource, now)
            self._forget(sql, now)
            # What was begun before and is not done to the end is done together with this.
            sql.execute("UPDATE _erased SET at = ? WHERE at = ? AND done_at IS NULL", (begun[0] if begun else at, at))
        failpoint("person.forgotten")
        if not self._connection.write_anew():
            return left
        with transaction(self._connection, durable=True) as sql:
            sql.execute(
                "UPDATE _erased SET done_at = ? WHERE done_at IS NULL"  # noqa: S608 (our own words)
                f" AND at = (SELECT at FROM _erased WHERE {_MARK})",
                (at, *self._mark),
            )
        return replace(left, done=True)

    @property
    def _mark(self) -> tuple[str, bytes]:
        return NAME, self._hash

    def _take_away(self, sql: Connection, collection: Collection, resource: Resource, now: datetime) -> None:
        """The person's records of one collection, and the name in what others own."""
        tables = (collection.table, collection.versions)
        if resource.owner:
            own = " UNION ".join(f'SELECT _key FROM "{table}" WHERE "{resource.owner}" = ?' for table in tables)  # noqa: S608
            keys = [key for (key,) in sql.execute(own, (self._user, self._user)).fetchall()]
            if keys:
                app = {name: item for name, item in self._collections.items() if item.app == collection.app}
                erasure = Erasure(sql, collection, app, keys, self._workers, nameless=resource.outlives)
                erasure.take_away(sql, now)
        signed = [
            sql.execute(f'UPDATE "{table}" SET _author = ? WHERE _author = ?', (tag(self._hash), self._user)).rowcount  # noqa: S608
            for table in tables
        ]
        if any(signed):
            group = Group(sql, now)
            group.raise_revision(collection, render_moment(now))
            group.put()
            counting.follow(sql, collection)

    def _forget(self, sql: Connection, now: datetime) -> None:
        """The person's keys, what is counted and remembered of requests, and the name in the audit."""
        for (key,) in sql.execute("SELECT id FROM _api_key WHERE principal = ?", (self._user,)).fetchall():
            audit.note(sql, audit.Entry("key-erase", key), now)
        for table in ("_api_key", "_idempotency", "_taken"):
            sql.execute(f"DELETE FROM {table} WHERE principal = ?", (self._user,))  # noqa: S608 (names above)
        stands = tag(self._hash)
        sql.may_change("_audit")
        sql.execute(
            f"UPDATE _audit SET principal = replace(principal, ?, ?), object = replace(object, ?, ?) WHERE {_NAMED}",  # noqa: S608
            (self._user, stands, self._user, stands, self._user, f"%{self._user}%"),
        )
        audit.guard(sql)


_NAMED = "principal = ? OR object LIKE ?"
_MARK = "collection = ? AND hash = ?"
