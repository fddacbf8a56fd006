"""The store: one database, opened for collecting."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, replace
from datetime import datetime
from types import TracebackType
from typing import Any, Self, TypeVar

import sqlalchemy as sa

from ..app import App
from ..errors import DecodeError, FieldsDiffer
from ..exchange import Answer
from ..feed import Feed
from ..partitions import Partition
from ..resource import Resource
from ..scrub import scrubbed
from ..settings import Settings
from ..spool import Content
from . import audit, counting
from .archive import Archive, Exchange
from .budgets import Budgets
from .desk import Desk
from .engines import Connection, Database, database_of, mapped, transaction
from .erase import Erasure
from .erasing import burn_pass, erased_of
from .generations import Next
from .lease import Lease
from .ledger import Ledger
from .migrate import adopt, check_schema
from .orders import Orders
from .person import Person
from .records import Records
from .slots import Slots
from .sweep import sweep
from .tables import Collection, collections_of, tables_of
from .widen import unfillable, widen

__all__ = ["Held", "Store", "prepare"]


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Held:
    """How many records a collection holds now, and how many rejects its last answers had."""

    records: int
    rejects: int


class Store:
    """The parts of one database that a collector uses. A context manager.

    Two connections, each with a thread of its own: `paid` writes what was paid for (archive, budgets) while `derived`
    merges and keeps the ledger, so that a merge holds up no request for longer than its transaction.

    replaying: collections may have other fields than their declaration: they are about to be derived again.
    """

    keeps = True
    """Whether anything of a run stays."""

    def __init__(self, settings: Settings, apps: Sequence[App], *, replaying: bool = False) -> None:
        self.database = database_of(settings.database)
        self._derived = _prepared(self.database, apps, replaying=replaying)
        self._paid_thread = ThreadPoolExecutor(1, "catchment-paid")
        self._derived_thread = ThreadPoolExecutor(1, "catchment-derived")
        self.workers = self.database.workers()
        self._paid = self.database.open()
        self.archive = Archive(self._paid)
        self.budgets = Budgets(self._paid)
        self.slots = Slots(self._paid, self.workers)
        self.ledger = Ledger(self._derived, self.workers)
        self.desk = Desk(self._derived)
        self.orders = Orders(self._derived, self.workers)

    def records(self, collection: Collection) -> Records:
        return Records(self._derived, collection)

    def body(self, exchange: Exchange) -> Content:
        """The body of an archived answer, for what uses the ledger or the records."""
        return Archive(self._derived).whole(exchange).answer.content

    def collections(self) -> list[str]:
        """The names of all that is stored, of whatever app."""
        with mapped():
            rows = self._derived.execute("SELECT name FROM _collection WHERE name NOT LIKE '%@next' ORDER BY name")
            return [name for (name,) in rows]

    def next_generation(self, collection: Collection) -> Next:
        """The collection's next generation, begun afresh. UsageError while another process is at it."""
        return Next(self._derived, collection, self.workers)

    def erasure(self, collection: Collection, app: App, keys: Sequence[str]) -> Erasure:
        """The erasure of these keys of a collection of this app. UsageError where nothing is known of one."""
        every = {item.name: item for item in collections_of(app)}
        return Erasure(self._derived, every[collection.name], every, keys, self.workers)

    def person(self, user: str, apps: Sequence[App]) -> Person:
        """What these apps have of a person. UsageError where nothing is known of him."""
        return Person(self._derived, [item for app in apps for item in collections_of(app)], user, self.workers)

    def without_erased(self, collection: Collection, partition: Partition, answer: Answer) -> Answer:
        """The answer as it may be archived: without the rows of erased records, where they can be cut out. Not to be
        called from the ledger's thread.
        """
        assert isinstance(collection.feed, Feed)
        erased = erased_of(self._paid, collection)
        if not erased:
            return answer
        try:
            body = scrubbed(collection.feed, partition, answer.content, erased)
        except DecodeError:
            return answer
        return answer if body is None else replace(answer, content=body)

    def burn_pass(self, collection: Collection, lease: Lease) -> None:
        """Removes what of a pass that ends without a commit may not stay (`burn_pass`)."""
        burn_pass(self._derived, collection, lease)

    def sweep(self, collection: Collection, cutoff: datetime, *, keep_bodies: bool) -> Iterator[int]:
        """Removes what ended before the cutoff: each step a transaction (`sweep`)."""
        return sweep(self._derived, collection, cutoff, keep_bodies=keep_bodies)

    async def paid(self, function: Callable[..., T], *args: Any) -> T:
        """Calls a method of the archive, the budgets or the slots, off the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._paid_thread, copy_context().run, function, *args)

    async def derived(self, function: Callable[..., T], *args: Any) -> T:
        """Calls what uses the ledger or the records, off the event loop."""
        return await asyncio.get_running_loop().run_in_executor(
            self._derived_thread, copy_context().run, function, *args
        )

    def extent(self, app: App, feed: Feed | Resource) -> tuple[int, int]:
        """How many records a collection holds, and its revision."""
        collection = Collection(app.name, feed)
        with mapped():
            records = self._derived.execute(f'SELECT count(*) FROM "{collection.table}"').fetchone()[0]  # noqa: S608
            revision = self._derived.execute(
                "SELECT revision FROM _collection WHERE name = ?", (collection.name,)
            ).fetchone()[0]
        return int(records), int(revision)

    def revisions(self, app: App) -> dict[str, tuple[int, int]]:
        """Generation and revision of each of the app's collections."""
        with mapped():
            rows = self._derived.execute("SELECT name, generation, revision FROM _collection").fetchall()
        own = {collection.name for collection in collections_of(app)}
        return {name: (generation, revision) for name, generation, revision in rows if name in own}

    def held(self, collection: Collection) -> Held:
        """How much a collection holds."""
        with mapped():
            row = self._derived.execute(
                f'SELECT (SELECT count(*) FROM "{collection.table}"),'  # noqa: S608
                " (SELECT coalesce(sum(count), 0) FROM _reject WHERE feed = ?)",
                (collection.name,),
            ).fetchone()
        return Held(*row)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._paid_thread.shutdown()
        self._derived_thread.shutdown()
        self._paid.close()
        self._derived.close()
        self.workers.close()


def prepare(database: Database, apps: Sequence[App], *, replaying: bool = False) -> None:
    """Makes what is missing in the database: the ledger, and the tables of every collection of these apps.

    replaying: what no longer fits its declaration is left as it is, to be derived again.

    Raises:
        SchemaTooNew, SchemaTooOld: another catchment wrote it.
        FieldsDiffer: a collection's declaration no longer fits its tables. What people wrote gets new fields in place.
    """
    _prepared(database, apps, replaying=replaying).close()


def _prepared(database: Database, apps: Sequence[App], *, replaying: bool) -> Connection:
    """The connection by which the database was made ready (`prepare`)."""
    connection = database.open()
    try:
        with transaction(connection, durable=True) as sql:
            check_schema(sql, database.label)
            adopt(sql)
            audit.guard(sql)
            _make_keys(sql)
            for app in apps:
                for collection in collections_of(app):
                    _prepare_collection(sql, app, collection, replaying=replaying)
                _make_views(sql, app)
    except BaseException:
        connection.close()
        raise
    return connection


def _make_views(sql: Connection, app: App) -> None:
    """The app's views, as they are declared now."""
    there = sql.views()
    for name, select in app.views.items():
        if there.get(name) != select:
            sql.make_view(name, select)


def _make_keys(sql: Connection) -> None:
    """What signs cursors, and what erased keys are hashed with."""
    for name in ("cursor-key", "erased-key"):
        sql.execute("INSERT INTO _meta VALUES (?, ?) ON CONFLICT DO NOTHING", (name, secrets.token_hex(32)))


def _prepare_collection(sql: Connection, app: App, collection: Collection, *, replaying: bool) -> None:
    sql.execute(
        "INSERT INTO _collection (name, generation, revision, horizon, model) VALUES (?, 1, 0, 0, '')"
        " ON CONFLICT DO NOTHING",
        (collection.name,),
    )
    generation = sql.execute("SELECT generation FROM _collection WHERE name = ?", (collection.name,)).fetchone()[0]
    tables = tables_of(replace(collection, generation=generation))
    if collection.written:
        _prepare_written(sql, replace(collection, generation=generation), tables)
        counting.prepare(sql, collection)
        return
    differing = [name for table in tables for name in _differing(sql, table)]
    if differing and replaying:
        return
    if differing:
        raise FieldsDiffer(collection.name, differing, mend=app.command("replay", collection.feed))
    sql.create(tables)
    counting.prepare(sql, collection)


def _prepare_written(sql: Connection, collection: Collection, tables: Sequence[sa.Table]) -> None:
    """Makes the tables of what people write; what they wrote before a field was declared gets it in place."""
    stored = sql.columns(collection.table)
    if not stored or all(sql.columns(table.name) == [column.name for column in table.columns] for table in tables):
        sql.create(tables)
        return
    if standing := unfillable(collection, stored):
        raise FieldsDiffer(collection.name, standing, mend="")
    widen(sql, collection, stored)


def _differing(sql: Connection, table: sa.Table) -> list[str]:
    """The columns that a stored table has and its declaration has not, or the other way round; in another order, all
    of them.
    """
    stored = sql.columns(table.name)
    declared = [column.name for column in table.columns]
    if not stored or stored == declared:
        return []
    return sorted(set(stored) ^ set(declared)) or declared
