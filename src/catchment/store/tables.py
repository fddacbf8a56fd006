"""The tables of a collection: `<app>_<name>` (what holds now), `<app>_<name>_version` (what held before), and what is
kept beside them of records that people write.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, wraps
from typing import Any, TypeVar

import sqlalchemy as sa

from ..app import App
from ..feed import Feed
from ..record import Column, Kind
from ..resource import Resource
from .engines import WORDS, Words
from .schema import INTEGER, TEXT, integer, text

__all__ = [
    "OWN",
    "TYPES",
    "Collection",
    "collection_of",
    "collections_of",
    "current_table",
    "list_table",
    "once",
    "own_names",
    "rollup_table",
    "tables_of",
    "version_table",
]


@dataclass(frozen=True)
class Collection:
    """A collection as the store sees it: its name, its tables and its fields. feed: what fills it.

    staged: it is the generation that is derived beside the present one, under a name that no feed can have.
    served: this process serves it; others are there for the rules of those that it serves.
    deleted: what people deleted is shown in what held before; else of that only that it is gone.
    """

    app: str
    feed: Feed | Resource
    generation: int = 1
    staged: bool = False
    served: bool = True
    deleted: bool = True

    @cached_property
    def without_deleted(self) -> Collection:
        """The same for those who are not shown what people deleted."""
        retracts = isinstance(self.feed, Resource) and self.feed.retracts
        return replace(self, deleted=False) if retracts else self

    @property
    def name(self) -> str:
        return f"{self.app}/{self.feed.name}{'@next' if self.staged else ''}"

    @property
    def table(self) -> str:
        return f"{self.app}_{self.feed.name}{'__next' if self.staged else ''}"

    @property
    def indexes(self) -> str:
        """What the names of its indexes begin with. A table is renamed, its indexes are not: each generation has
        names of its own.
        """
        table = f"{self.app}_{self.feed.name}"
        return table if self.generation == 1 else f"{table}__g{self.generation}"

    @property
    def words(self) -> str:
        """The table of the words of its searched fields, of this generation."""
        return f"{self.indexes}__words"

    @property
    def versions(self) -> str:
        return f"{self.table}_version"

    @property
    def columns(self) -> tuple[Column, ...]:
        return self.feed.columns

    @cached_property
    def row(self) -> tuple[str, ...]:
        """The columns of its rows, in their order, without those that the store gives by itself."""
        return (*own_names(self), *(column.name for column in self.columns), "_doc")

    @property
    def apart(self) -> tuple[str, ...]:
        """The list fields whose elements stand in tables of their own."""
        return tuple(self.feed.lists) if isinstance(self.feed, Resource) else ()

    @cached_property
    def targets(self) -> tuple[tuple[str, str], ...]:
        """What else people wrote that its records are about: the tables, each with the field that names the record."""
        links = self.feed.links if isinstance(self.feed, Resource) else ()
        found = [link for link in links if isinstance(link.target, Resource)]
        return tuple((f"{self.app}_{link.target.name}", link.fields[0]) for link in found)

    @property
    def swept(self) -> bool:
        """Whether old versions of it are removed one day: then it is asked what its rows cite."""
        return isinstance(self.feed, Feed) and self.feed.retention is not None

    @property
    def aliases(self) -> Mapping[str, str]:
        """Other names of fields, for readers."""
        return {} if isinstance(self.feed, Resource) else self.feed.aliases

    @property
    def written(self) -> bool:
        """Whether people write it; else it is collected."""
        return isinstance(self.feed, Resource)


def collection_of(app: App, feed: Feed | Resource) -> Collection:
    """The collection that a feed or a resource of this app fills."""
    return Collection(app.name, feed, served=not app.only or feed.name in app.only)


def collections_of(app: App) -> list[Collection]:
    """The collections of an app, those of its feeds first."""
    return [collection_of(app, item) for item in app.feeds] + [collection_of(app, item) for item in app.resources]


TYPES: dict[Kind, Any] = {
    "text": TEXT,
    "integer": INTEGER,
    "number": sa.Double(),
    "decimal": TEXT,  # the sorting text of `record.decimal_key`
    "boolean": INTEGER,  # 0 and 1
    "date": TEXT,
    "datetime": TEXT,
    "json": TEXT,
}

OWN = ("_key", "_partition", "_hash", "_raw", "_version", "_said_at", "_revision", "_attempt", "_exchange")
"""catchment's own columns of a row, in their order; the record's fields and `_doc` follow."""


def own_names(collection: Collection) -> tuple[str, ...]:
    """Our own columns of this collection's rows: of what people write, each version has its author too."""
    return (*OWN, "_author") if collection.written else OWN


def _own(collection: Collection, *, unique_key: bool) -> list[sa.Column[object]]:
    return [
        integer("_id", primary_key=True),
        text("_key", nullable=False, unique=unique_key),
        text("_partition", nullable=False),
        sa.Column("_hash", sa.LargeBinary, nullable=False),  # of the typed values
        sa.Column("_raw", sa.LargeBinary, nullable=False),  # of the bytes that they came from
        integer("_version", nullable=False),  # 1, 2, … of the key
        text("_said_at", nullable=False),  # when the upstream said it
        integer("_revision", nullable=False),  # when we committed it
        integer("_attempt", nullable=False),
        integer("_exchange", nullable=False),
        *([text("_author", nullable=False)] if collection.written else []),
    ]


def _fields(collection: Collection) -> list[sa.Column[object]]:
    return [sa.Column(column.name, TYPES[column.kind]) for column in collection.columns]


def current_table(collection: Collection, metadata: sa.MetaData) -> sa.Table:
    """The table of what holds now: one row a key."""
    table = sa.Table(
        collection.table,
        metadata,
        *_own(collection, unique_key=True),
        *_fields(collection),
        text("_doc", nullable=False),
    )
    sa.Index(f"{collection.indexes}__partition", table.c["_partition"])
    for name in ("_exchange", "_attempt") if collection.swept else ():
        sa.Index(f"{collection.indexes}__by{name}", table.c[name])
    # What a walk has to take back, what changed and what differs, what is swept.
    sa.Index(f"{collection.indexes}__revision", table.c["_revision"], table.c["_key"])
    if collection.feed.search:
        table.info[WORDS] = Words(collection.words, tuple(collection.feed.search))
    for number, names in enumerate(_orders(collection.feed)):
        fields = [table.c[name.removeprefix("-")] for name in names]
        sa.Index(f"{collection.indexes}__order_{number}", *fields, table.c["_key"])
    if isinstance(collection.feed, Resource) and collection.feed.one_per_owner is not None:
        one = (collection.feed.owner, *collection.feed.one_per_owner)
        sa.Index(f"{collection.indexes}__only", *(table.c[name] for name in one), unique=True)
    return table


def _orders(feed: Feed | Resource) -> list[tuple[str, ...]]:
    """The orders that have an index: the feed's own, unless the key is in that order anyway, and the declared ones."""
    orders = [tuple(feed.sort), *map(tuple, feed.indexes)]
    return [order for order in dict.fromkeys(orders) if order]


def version_table(collection: Collection, metadata: sa.MetaData) -> sa.Table:
    """The table of what held before: from `_said_at` until `_until`, from `_revision` until `_until_revision`."""
    table = sa.Table(
        collection.versions,
        metadata,
        *_own(collection, unique_key=False),
        *_fields(collection),
        text("_doc", nullable=False),
        text("_until", nullable=False),
        integer("_until_revision", nullable=False),
        integer("_gone", nullable=False),  # 1: it ended because the upstream no longer had it
    )
    sa.Index(f"{collection.indexes}_version__key", table.c["_key"], table.c["_version"], unique=True)
    sa.Index(f"{collection.indexes}_version__until", table.c["_until_revision"], table.c["_key"])
    sa.Index(f"{collection.indexes}_version__revision", table.c["_revision"], table.c["_key"])
    for name in ("_exchange", "_attempt") if collection.swept else ():
        sa.Index(f"{collection.indexes}_version__by{name}", table.c[name])
    return table


T = TypeVar("T")
_MOST = 256


def once(make: Callable[[Collection], T]) -> Callable[[Collection], T]:
    """The function, whose value of a declaration is made once: it is not to be changed."""
    made: dict[tuple[object, ...], tuple[Feed | Resource, T]] = {}

    @wraps(make)
    def found(collection: Collection) -> T:
        same = (id(collection.feed), collection.app, collection.generation, collection.staged)
        if same not in made:
            if len(made) >= _MOST:
                made.clear()
            made[same] = collection.feed, make(collection)  # it is kept, so that no other one gets its id
        return made[same][1]

    return found


@once
def tables_of(collection: Collection) -> Sequence[sa.Table]:
    """All tables of a collection."""
    metadata = sa.MetaData()
    found = [current_table(collection, metadata), version_table(collection, metadata)]
    if isinstance(collection.feed, Resource):
        found += [list_table(collection, name, metadata) for name in collection.feed.lists]
        found += [rollup_table(collection, number, metadata) for number in range(len(collection.feed.rollups))]
    return found


def list_table(collection: Collection, name: str, metadata: sa.MetaData) -> sa.Table:
    """The elements of a list field, a row each, of what holds now."""
    assert isinstance(collection.feed, Resource)
    elements = collection.feed.elements[name]
    fields = [sa.Column(element.name, TYPES[element.kind]) for element in elements]
    table = sa.Table(
        f"{collection.table}__{name}",
        metadata,
        text("_key", nullable=False),
        integer("_place", nullable=False),
        *fields,
    )
    sa.Index(f"{table.name}__key", table.c["_key"], table.c["_place"], unique=True)
    sa.Index(f"{table.name}__value", *(table.c[element.name] for element in elements), table.c["_key"])
    return table


def rollup_table(collection: Collection, number: int, metadata: sa.MetaData) -> sa.Table:
    """The counts and sums of a roll-up, a row a group that has records, or that could have some.

    `_whole` and `_mean` are there where the roll-up has orders.
    """
    resource = collection.feed
    assert isinstance(resource, Resource)
    rollup = resource.rollups[number]
    target = resource.carried_from(rollup)
    kinds = {column.name: column.kind for column in resource.columns}
    carried = {column.name: column.kind for column in target.columns} if target else {}
    table = sa.Table(
        f"{collection.table}__rollup_{number}",
        metadata,
        text("_group", primary_key=True),  # the values as JSON: as a key, a null is equal to no other
        *(sa.Column(name, TYPES[kinds[name]]) for name in rollup.by),
        *(sa.Column(name, TYPES[carried[name]]) for name in rollup.carries),
        integer("_count", nullable=False),
        text("_sum", nullable=False),  # exact, in decimal digits
        *([integer("_whole", nullable=False), sa.Column("_mean", sa.Double(), nullable=False)] * bool(rollup.orders)),
    )
    if rollup.carries and len(rollup.by) > 1:
        sa.Index(f"{table.name}__about", table.c[rollup.by[0]])
    for place, names in enumerate(rollup.orders):
        columns = (table.c[name.removeprefix("-")] for name in names)
        parts = [part.desc() if name.startswith("-") else part for name, part in zip(names, columns, strict=True)]
        sa.Index(f"{table.name}__order_{place}", *parts)
    return table
