"""Very many new records of resources at once, below the API: by the same steps, so with the same checks and rows.

What only readers need is made at the end: their indexes, and the roll-ups. Until then nobody may read or write, and
what broke off is loaded anew into another file.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, islice
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from ..app import App
from ..clock import Clock
from ..principal import Principal
from ..record import Record
from ..resource import Resource
from ..settings import Settings
from . import allowances, rollups
from .change import apply
from .present import Present
from .sqlite import create, open_database, transaction
from .store import prepare
from .tables import Collection, collections_of, tables_of
from .write import Done, Write

__all__ = ["Draft", "load"]

BATCH, REMEMBERED, CACHE_KIB = 20_000, 100_000, 1_000_000


@dataclass(frozen=True, slots=True)
class Draft:
    """A new record: the body's members, and the id of who writes them. collection: `app/resource`."""

    collection: str
    owner: str
    members: Mapping[str, Any]


def load(path: Path, app: App, drafts: Iterable[Draft], clock: Clock) -> Iterator[Done]:
    """What each draft did, in turn; the load is whole when the iterator is at its end.

    path: of the database, which is made when it is absent.

    Raises:
        QueryError: a draft is refused; what came before it stays.
    """
    prepare(path, [app])
    collections = {item.name: item for item in collections_of(app)}
    written = [collection for collection in collections.values() if collection.written]
    with closing(open_database(path)) as sql:
        sql.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        _drop_indexes(sql, written)
        waiting = iter(drafts)
        for first in waiting:  # a draft may follow from what those before it did, so each is taken when it is due
            yield from _put(sql, collections, chain([first], islice(waiting, BATCH - 1)), clock)
        with transaction(sql, durable=True):
            for collection in written:
                create(sql, tables_of(collection, sa.MetaData()))
            for collection in written:
                assert isinstance(collection.feed, Resource)
                for number in range(len(collection.feed.rollups)):
                    rollups.rebuild(sql, collection, number)


def _drop_indexes(sql: sqlite3.Connection, collections: Sequence[Collection]) -> None:
    """Only the index that finds another record of the same owner is used while loading."""
    with transaction(sql, durable=True):
        for collection in collections:
            for table in tables_of(collection, sa.MetaData()):
                for index in table.indexes:
                    if not str(index.name).endswith("__one"):
                        sql.execute(f'DROP INDEX IF EXISTS "{index.name}"')


def _put(
    sql: sqlite3.Connection, collections: Mapping[str, Collection], batch: Iterable[Draft], clock: Clock
) -> Iterator[Done]:
    """What each did, as soon as it did; committed at the end."""
    unlimited = dict.fromkeys(allowances.rates(list(collections.values()), Settings()))
    with transaction(sql, durable=False):
        now, views = clock.now(), dict[str, _Remembering]()
        for draft in batch:
            collection = collections[draft.collection]
            view = views.setdefault(collection.app, _Remembering(Present(sql, collections, collection.app)))
            present = Present(sql, collections, collection.app, counting=False, looking=view)
            owner = Principal(draft.owner, scopes=frozenset({"read", "write"}))
            yield apply(present, _creation(collection, owner, draft.members), now, unlimited)


def _creation(collection: Collection, owner: Principal, members: Mapping[str, Any]) -> Write:
    assert isinstance(collection.feed, Resource)
    draft = collection.feed.draft(members)
    return Write(collection=collection, action="create", principal=owner, make=lambda _: draft)


class _Remembering:
    """What rules look up, read once for many: while new records are loaded, none that is there changes."""

    def __init__(self, present: Present) -> None:
        self.get: Callable[..., Record | None] = lru_cache(REMEMBERED)(present.get)
        self.find = present.find
