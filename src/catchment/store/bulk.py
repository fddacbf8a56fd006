"""Very many new records of resources at once, below the API: by the same rules, so with the same checks and rows.

Rows wait in memory and are written many at a time. What only readers need is made at the end: indexes, and the
roll-ups. Until then nobody may read or write, and what broke off is loaded anew into another file.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache, partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

from ..app import App
from ..clock import Clock, render_moment
from ..errors import QueryError, UsageError
from ..principal import Action, Principal
from ..record import Record
from ..resource import Resource
from . import audit, counting, rollups, spellings
from .change import check_links, check_refusal
from .engines import Connection, database_of, transaction
from .group import COMMIT, new_keys
from .present import Present
from .rows import Content, elements_of
from .statements import Statements
from .store import prepare
from .tables import Collection, collections_of, tables_of
from .write import Done

__all__ = ["Draft", "load"]

_SCOPES: frozenset[Action] = frozenset({"read", "write"})
BATCH, REMEMBERED = 20_000, 100_000


@dataclass(frozen=True, slots=True)
class Draft:
    """A new record: the body's members, and the id of who writes them. collection: `app/resource`."""

    collection: str
    owner: str
    members: Mapping[str, Any]


def load(path: Path, app: App, drafts: Iterable[Draft], clock: Clock) -> Iterator[Done]:
    """What each draft did, in turn; the load is whole when the iterator is at its end.

    path: of the SQLite file, which is made when it is absent.

    Raises:
        UsageError: people have written there already.
        QueryError: a draft is refused, or, at the end, somebody has written twice what may be written once.
    """
    database = database_of(f"sqlite:///{path}")
    prepare(database, [app])
    collections = {item.name: item for item in collections_of(app)}
    written = [collection for collection in collections.values() if collection.written]
    with closing(database.open()) as sql:
        _check_nothing_written(sql, path, written)
        sql.bulk()
        _drop_indexes(sql, written)
        loading, waiting = _Loading(sql, collections), iter(drafts)
        for first in waiting:  # a draft may follow from what those before it did, so each is taken when it is due
            with transaction(sql, durable=False):
                now = clock.now()
                for draft in chain([first], islice(waiting, BATCH - 1)):
                    yield loading.put(draft, now)
                loading.flush()
        with transaction(sql, durable=True):
            for collection in written:
                sql.create(tables_of(collection))
                _check_ones(sql, collection)
            for collection in written:
                assert isinstance(collection.feed, Resource)
                for number in range(len(collection.feed.rollups)):
                    rollups.rebuild(sql, collection, number)
                counting.prepare(sql, collection)


def _check_nothing_written(sql: Connection, path: Path, collections: Sequence[Collection]) -> None:
    for collection in collections:
        (revision,) = sql.execute("SELECT revision FROM _collection WHERE name = ?", (collection.name,)).fetchone()
        if revision:
            raise UsageError(f"{path}: {collection.name} holds records", hint="load into a new data folder")


def _drop_indexes(sql: Connection, collections: Sequence[Collection]) -> None:
    """None is used while loading."""
    with transaction(sql, durable=True):
        for collection in collections:
            for table in tables_of(collection):
                for index in table.indexes:
                    sql.execute(f'DROP INDEX IF EXISTS "{index.name}"')


def _check_ones(sql: Connection, collection: Collection) -> None:
    """Raises QueryError where an owner has two records that are one."""
    assert isinstance(collection.feed, Resource)
    if collection.feed.one_per_owner is None:
        return
    names = ", ".join(f'"{name}"' for name in (collection.feed.owner, *collection.feed.one_per_owner))
    found = sql.execute(
        f'SELECT {names} FROM "{collection.table}" WHERE "{collection.feed.owner}" IS NOT NULL'  # noqa: S608
        f" GROUP BY {names} HAVING count(*) > 1 LIMIT 1"
    ).fetchone()
    if found:
        message = f"{collection.name}: {found[0]} has written two of {', '.join(map(repr, found[1:]))}"
        raise QueryError(message, kind="conflict", status=409)


class _Loading:
    """New records and the rows of them that wait. What is looked up is remembered: none that is there changes."""

    def __init__(self, sql: Connection, collections: Mapping[str, Collection]) -> None:
        self._sql, self._collections, self._at = sql, collections, ""
        self._waiting = defaultdict[str, list[tuple[Any, ...]]](list)
        self._unwritten: set[str] = set()
        states = sql.execute("SELECT name, generation, revision FROM _collection").fetchall()
        self._states = {name: (generation, revision) for name, generation, revision in states if name in collections}
        self._looks = {item.app: _Look(self, Present(sql, collections, item.app)) for item in collections.values()}
        self._is_there = lru_cache(REMEMBERED)(self._looked_up)
        self._first = lru_cache(REMEMBERED)(partial(spellings.first_written, sql))
        self._inserts = {item.name: Statements.of(item).insert for item in collections.values()}
        self._keys = new_keys()

    def put(self, draft: Draft, now: datetime) -> Done:
        """What the draft did; its rows wait. QueryError: it is refused."""
        collection, key = self._collections[draft.collection], next(self._keys)
        resource, look = collection.feed, self._looks[collection.app]
        assert isinstance(resource, Resource)
        made = resource.complete(resource.drafts.new(draft.members), None, key=key, owner=draft.owner, at=now)
        record = spellings.as_first_written(collection, made, self._first)
        check_links(collection, record, None, self._is_there)
        look.new = key
        check_refusal(resource, record, Principal(draft.owner, scopes=_SCOPES), look)
        self._at = render_moment(now)
        return self._keep(collection, key, record, draft.owner)

    def _keep(self, collection: Collection, key: str, record: Any, owner: str) -> Done:
        generation, revision = self._states[collection.name]
        revision += 1
        self._states[collection.name] = generation, revision
        content, waiting = Content.of(collection, key, record), self._waiting
        self._unwritten.add(collection.name)
        waiting[self._inserts[collection.name]].append(content.first_version(key, self._at, revision, owner))
        for statement, rows in elements_of(collection, key, record):
            waiting[statement] += rows
        waiting[COMMIT].append((collection.name, generation, revision, self._at, ""))
        entry = audit.Entry("create", f"{collection.name}/{key}", owner, after=1)
        waiting[audit.INSERT].append(audit.row(entry, self._at))
        return Done("created", key, content.doc, 1, revision, generation, self._at)

    def show(self, name: str) -> None:
        """Has what was loaded into a collection be found: writes what waits, if any of it is of that."""
        if name in self._unwritten:
            self.flush()

    def flush(self) -> None:
        """Writes what waits, inside the caller's transaction."""
        self._unwritten.clear()
        for statement, rows in self._waiting.items():
            self._sql.executemany(statement, rows)
        self._waiting.clear()
        self._sql.executemany(
            "UPDATE _collection SET revision = ?1, changed_at = ?2 WHERE name = ?3 AND revision < ?1",
            [(revision, self._at, name) for name, (_, revision) in self._states.items()],
        )

    def _looked_up(self, name: str, key: str) -> bool:
        """Whether a collection has a record of that key."""
        self.show(name)
        table = self._collections[name].table
        return self._sql.execute(f'SELECT 1 FROM "{table}" WHERE _key = ?', (key,)).fetchone() is not None  # noqa: S608


class _Look:
    """What rules look up. new: the key of the record that is judged, which is not there yet."""

    def __init__(self, loading: _Loading, present: Present) -> None:
        self._loading, self._present, self.new = loading, present, ""
        self._got: Callable[..., Record | None] = lru_cache(REMEMBERED)(self._get)

    def get(self, collection: str, *key: Any) -> Record | None:
        return None if key == (self.new,) else self._got(collection, *key)

    def _get(self, collection: str, *key: Any) -> Record | None:
        self._loading.show(self._present.named(collection).name)
        return self._present.get(collection, *key)

    def find(self, collection: str, **fields: Any) -> list[Record]:
        self._loading.show(self._present.named(collection).name)
        return self._present.find(collection, **fields)
