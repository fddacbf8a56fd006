"""The tables: one set of ledger tables, and two tables a collection.

Moments are texts in UTC of fixed width, so that their order as text is their order in time. Ledger tables are named
with a leading underscore; a collection's are `<app>_<name>` (what holds now) and `<app>_<name>_version` (what held
before).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import sqlalchemy as sa

from ..app import App
from ..feed import Feed
from ..record import Column, Kind
from ..resource import Resource

__all__ = [
    "LEDGER",
    "OWN",
    "SCHEMA_VERSION",
    "Collection",
    "collection_of",
    "collections_of",
    "current_table",
    "list_table",
    "own_names",
    "rollup_table",
    "tables_of",
    "version_table",
]

SCHEMA_VERSION = 1

LEDGER = sa.MetaData()


def _ledger(name: str, *parts: sa.Column[object] | sa.Constraint | sa.Index) -> sa.Table:
    return sa.Table(name, LEDGER, *parts)


def _text(name: str, **options: object) -> sa.Column[object]:
    return sa.Column(name, sa.Text, **options)  # type: ignore[arg-type]  # passed through as given


def _integer(name: str, **options: object) -> sa.Column[object]:
    return sa.Column(name, sa.BigInteger().with_variant(sa.Integer, "sqlite"), **options)  # type: ignore[arg-type]


_ledger("_meta", _text("name", primary_key=True), _text("value", nullable=False))

_ledger(
    "_collection",
    _text("name", primary_key=True),  # app/feed
    _integer("generation", nullable=False),
    _integer("revision", nullable=False),
    _integer("horizon", nullable=False),  # the oldest revision that can still be read
    _text("model", nullable=False),  # digest of the declaration that derived the rows
    _text("changed_at"),
)

_ledger(
    "_partition",
    _text("feed", primary_key=True),  # app/feed
    _text("key", primary_key=True),  # force=leicestershire,month=2024-03
    _text("params", nullable=False),  # the same as JSON
    _text("verdict"),  # of the last attempt; null while there was none
    _text("reason", nullable=False, server_default=""),
    _text("checked_at"),  # end of the last attempt
    _text("collected_at"),  # end of the last attempt that was complete or unchanged
    _text("first_collected_at"),
    _text("retry_at"),  # not before, after a failure
    _integer("failures", nullable=False, server_default="0"),  # in a row
    _integer("pass", nullable=False, server_default="1"),
    _text("etag", nullable=False, server_default=""),
    _text("last_modified", nullable=False, server_default=""),
    _text("digest", nullable=False, server_default=""),  # of the answers that were last merged
    _text("model", nullable=False, server_default=""),  # of the declaration that merged them
    _integer("records", nullable=False, server_default="0"),
    _text("stamp", nullable=False, server_default=""),  # of the row for which it was last collected
    _text("doubted_at"),  # when an answer was first said that still waits to be said again
    _text("doubted_digest", nullable=False, server_default=""),  # of that answer
    _text("instead", nullable=False, server_default=""),  # the parameters with which it is asked instead, JSON
    _text("instead_until"),
    _text("lease_owner"),
    _integer("lease_token", nullable=False, server_default="0"),
    _text("lease_until"),
)

_ledger(
    "_filled",  # what the stored records of a feed with derived fields were last filled from
    _text("feed", primary_key=True),  # app/feed
    _text("source", nullable=False),  # the collection that was looked up
    _integer("generation", nullable=False),
    _integer("revision", nullable=False),
    _text("at"),  # when that was last collected
    _text("model", nullable=False),  # of the declaration that filled them
)

_ledger(
    "_shared",  # records that a partition serves and that belong to another one, which serves them too
    _text("collection", primary_key=True),
    _text("key", primary_key=True),
    _text("partition", primary_key=True),
    sa.Column("hash", sa.LargeBinary, nullable=False),  # of what this partition said last
    sa.Column("raw", sa.LargeBinary, nullable=False),  # of the bytes of that
    sa.Index("_shared_by", "collection", "partition"),
)

_ledger(
    "_run",
    _integer("id", primary_key=True),
    _text("app", nullable=False),
    _text("owner", nullable=False),
    _text("started_at", nullable=False),
    _text("ended_at"),
)

_ledger(
    "_attempt",
    _integer("id", primary_key=True),
    _integer("run", nullable=False),
    _text("feed", nullable=False),
    _text("partition", nullable=False),
    _integer("pass", nullable=False),
    _text("started_at", nullable=False),
    _text("ended_at"),
    _text("verdict"),
    _text("reason", nullable=False, server_default=""),
    *(
        _integer(name, nullable=False, server_default="0")
        for name in (
            *("requests", "bytes", "received", "new", "changed", "back", "same"),
            *("duplicate", "conflict", "rejected", "gone", "revision"),
        )
    ),
    sa.Index("_attempt_of", "feed", "partition", "id"),
    sa.Index("_attempt_in", "run"),
)

_ledger(
    "_exchange",
    _integer("id", primary_key=True),
    _text("feed", nullable=False),
    _text("partition", nullable=False),
    _integer("pass", nullable=False),
    _integer("attempt", nullable=False),
    _text("fingerprint", nullable=False),
    _text("method", nullable=False),
    _text("url", nullable=False),  # without secrets
    _integer("status", nullable=False),
    _text("headers", nullable=False),  # chosen ones, JSON
    _text("digest", nullable=False),  # of the body; "" for none
    _integer("size", nullable=False),
    _integer("wire", nullable=False),
    _text("at", nullable=False),  # when the answer was complete
    sa.Index("_exchange_of", "feed", "partition", "pass"),
    sa.Index("_exchange_digest", "digest"),
)

_ledger(
    "_body",
    _text("digest", primary_key=True),  # sha256 of the decoded body, hex
    _integer("chunk", primary_key=True),
    _integer("size", nullable=False),  # of the chunk, decoded
    sa.Column("data", sa.LargeBinary, nullable=False),  # zstd
)

_ledger(
    "_reject",
    _integer("id", primary_key=True),
    _text("feed", nullable=False),
    _text("partition", nullable=False),
    _text("digest", nullable=False),  # of the raw record
    _text("key"),  # where it could be read
    _text("reason", nullable=False),
    _text("path", nullable=False, server_default=""),
    sa.Column("raw", sa.LargeBinary, nullable=False),
    _integer("count", nullable=False),  # how many equal ones the last answer had; 0: no longer there
    _integer("first_attempt", nullable=False),
    _integer("last_attempt", nullable=False),
    _text("at", nullable=False),
    sa.UniqueConstraint("feed", "partition", "digest"),
)

_ledger(
    "_erased",  # keys that a person had erased: nothing brings their records back
    _text("collection", primary_key=True),
    sa.Column("hash", sa.LargeBinary, primary_key=True),  # of the key (`erased`)
    _text("at", nullable=False),
    _text("done_at"),  # null while the archive may still hold what was erased
)

_ledger(
    "_drift",
    _integer("id", primary_key=True),
    _text("feed", nullable=False),
    _text("partition", nullable=False),
    _integer("attempt", nullable=False),
    _text("kind", nullable=False),
    _text("field", nullable=False),
    _text("detail", nullable=False),
    _text("at", nullable=False),
    sa.Index("_drift_of", "feed", "id"),
)

_ledger(
    "_field",  # what is known of the fields of an upstream's rows
    _text("feed", primary_key=True),
    _text("name", primary_key=True),
    _text("kinds", nullable=False),  # of its values in JSON, joined by `|`
    _integer("steady", nullable=False),  # 1: no sampled row was ever without it
    _integer("gone", nullable=False),  # 1: it was steady, and the last sample had none
)

_ledger(
    "_budget",
    _text("upstream", primary_key=True),
    _text("name", primary_key=True),  # second, minute, hour, day; or pause
    _text("period", nullable=False, server_default=""),  # the day that is counted
    _integer("used", nullable=False, server_default="0"),
    _text("until"),  # theoretical arrival time of the next request; or the pause's end
    _text("reason", nullable=False, server_default=""),
)

_ledger(
    "_slot",
    _text("upstream", primary_key=True),
    _integer("number", primary_key=True),  # from 0
    _text("owner", nullable=False),  # the worker that may have a request open
)

_ledger(
    "_commit",
    _text("collection", primary_key=True),
    _integer("generation", primary_key=True),
    _integer("revision", primary_key=True),
    _text("at", nullable=False),
    _text("partition", nullable=False),
    _integer("attempt", nullable=False),
)

_ledger(
    "_api_key",
    _text("id", primary_key=True),
    sa.Column("digest", sa.LargeBinary, nullable=False),  # sha256 of the secret, which is stored nowhere
    _text("name", nullable=False),
    _text("principal", nullable=False),  # the user's UUID
    _text("scopes", nullable=False),  # words, split by blanks
    _text("created_at", nullable=False),
    _text("expires_at"),
    _text("last_used_at"),  # to the minute
    _text("revoked_at"),
)

_ledger(
    "_audit",  # append-only: triggers refuse anything else (store/audit.py)
    _integer("id", primary_key=True),
    _text("at", nullable=False),
    _text("principal", nullable=False),
    _text("key_id", nullable=False),
    _text("action", nullable=False),
    _text("object", nullable=False),
    _integer("before"),  # versions of a record
    _integer("after"),
    _text("result", nullable=False),  # allowed, denied
    _text("request_id", nullable=False),
)

_ledger(
    "_idempotency",
    _text("principal", primary_key=True),
    _text("key", primary_key=True),
    sa.Column("digest", sa.LargeBinary, nullable=False),  # of the request that the key was first sent with
    sa.Column("answer", sa.LargeBinary, nullable=False),  # what was written then
    _text("at", nullable=False),
    sa.Index("_idempotency_at", "at"),
)


_ledger(
    "_taken",  # writes that still count against what somebody may write
    _integer("id", primary_key=True),
    _text("name", nullable=False),  # the limit's setting
    _text("principal", nullable=False),
    sa.Column("free_at", sa.Double(), nullable=False),  # seconds since 1970: when it counts no more
    sa.Index("_taken_by", "name", "principal", "free_at"),
    sa.Index("_taken_free", "free_at"),
)

_ledger(
    "_kept",  # what an app's own routes counted and go by for a while, in every process
    _text("app", primary_key=True),
    _text("name", primary_key=True),
    _text("value", nullable=False),  # JSON
    _text("at", nullable=False),
)

_ledger(
    "_spelling",  # texts that several records share, as they were first written
    _text("app", primary_key=True),
    _text("name", primary_key=True),
    _text("key", primary_key=True),  # equal for all ways to write it
    _text("text", nullable=False),
)


@dataclass(frozen=True)
class Collection:
    """A collection as the store sees it: its name, its tables and its fields. feed: what fills it.

    staged: it is the generation that is derived beside the present one, under a name that no feed can have.
    served: this process serves it; others are there for the rules of those that it serves.
    """

    app: str
    feed: Feed | Resource
    generation: int = 1
    staged: bool = False
    served: bool = True

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


_TYPES: dict[Kind, Any] = {
    "text": sa.Text(),
    "integer": sa.BigInteger().with_variant(sa.Integer, "sqlite"),
    "number": sa.Double(),
    "decimal": sa.Text(),  # the sorting text of `record.decimal_key`
    "boolean": sa.SmallInteger().with_variant(sa.Integer, "sqlite"),
    "date": sa.Text(),
    "datetime": sa.Text(),
    "json": sa.Text(),
}

OWN = ("_key", "_partition", "_hash", "_raw", "_version", "_said_at", "_revision", "_attempt", "_exchange")
"""catchment's own columns of a row, in their order; the record's fields and `_doc` follow."""


def own_names(collection: Collection) -> tuple[str, ...]:
    """Our own columns of this collection's rows: of what people write, each version has its author too."""
    return (*OWN, "_author") if collection.written else OWN


def _own(collection: Collection, *, unique_key: bool) -> list[sa.Column[object]]:
    return [
        _integer("_id", primary_key=True),
        _text("_key", nullable=False, unique=unique_key),
        _text("_partition", nullable=False),
        sa.Column("_hash", sa.LargeBinary, nullable=False),  # of the typed values
        sa.Column("_raw", sa.LargeBinary, nullable=False),  # of the bytes that they came from
        _integer("_version", nullable=False),  # 1, 2, … of the key
        _text("_said_at", nullable=False),  # when the upstream said it
        _integer("_revision", nullable=False),  # when we committed it
        _integer("_attempt", nullable=False),
        _integer("_exchange", nullable=False),
        *([_text("_author", nullable=False)] if collection.written else []),
    ]


def _fields(collection: Collection) -> list[sa.Column[object]]:
    return [sa.Column(column.name, _TYPES[column.kind]) for column in collection.columns]


def current_table(collection: Collection, metadata: sa.MetaData) -> sa.Table:
    """The table of what holds now: one row a key."""
    table = sa.Table(
        collection.table,
        metadata,
        *_own(collection, unique_key=True),
        *_fields(collection),
        _text("_doc", nullable=False),
    )
    sa.Index(f"{collection.indexes}__partition", table.c["_partition"])
    for name in ("_exchange", "_attempt", "_revision") if collection.swept else ():
        sa.Index(f"{collection.indexes}__by{name}", table.c[name])
    for number, names in enumerate(_orders(collection.feed)):
        fields = [table.c[name.removeprefix("-")] for name in names]
        sa.Index(f"{collection.indexes}__order_{number}", *fields, table.c["_key"])
    if collection.written:
        sa.Index(f"{collection.indexes}__revision", table.c["_revision"])  # what a walk has to take back
    if isinstance(collection.feed, Resource) and collection.feed.one_per_owner is not None:
        one = (collection.feed.owner, *collection.feed.one_per_owner)
        sa.Index(f"{collection.indexes}__one", *(table.c[name] for name in one))
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
        _text("_doc", nullable=False),
        _text("_until", nullable=False),
        _integer("_until_revision", nullable=False),
        _integer("_gone", nullable=False),  # 1: it ended because the upstream no longer had it
    )
    sa.Index(f"{collection.indexes}_version__key", table.c["_key"], table.c["_version"], unique=True)
    sa.Index(f"{collection.indexes}_version__until", table.c["_until_revision"])
    for name in ("_exchange", "_attempt") if collection.swept else ():
        sa.Index(f"{collection.indexes}_version__by{name}", table.c[name])
    return table


def tables_of(collection: Collection, metadata: sa.MetaData) -> list[sa.Table]:
    """All tables of a collection."""
    found = [current_table(collection, metadata), version_table(collection, metadata)]
    if isinstance(collection.feed, Resource):
        found += [list_table(collection, name, metadata) for name in collection.feed.lists]
        found += [rollup_table(collection, number, metadata) for number in range(len(collection.feed.rollups))]
    return found


def list_table(collection: Collection, name: str, metadata: sa.MetaData) -> sa.Table:
    """The elements of a list field, a row each, of what holds now."""
    assert isinstance(collection.feed, Resource)
    elements = collection.feed.elements[name]
    fields = [sa.Column(element.name, _TYPES[element.kind]) for element in elements]
    table = sa.Table(
        f"{collection.table}__{name}",
        metadata,
        _text("_key", nullable=False),
        _integer("_place", nullable=False),
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
        _text("_group", primary_key=True),  # the values as JSON: as a key, a null is equal to no other
        *(sa.Column(name, _TYPES[kinds[name]]) for name in rollup.by),
        *(sa.Column(name, _TYPES[carried[name]]) for name in rollup.carries),
        _integer("_count", nullable=False),
        _text("_sum", nullable=False),  # exact, in decimal digits
        *([_integer("_whole", nullable=False), sa.Column("_mean", sa.Double(), nullable=False)] * bool(rollup.orders)),
    )
    if rollup.carries and len(rollup.by) > 1:
        sa.Index(f"{table.name}__about", table.c[rollup.by[0]])
    for place, names in enumerate(rollup.orders):
        columns = (table.c[name.removeprefix("-")] for name in names)
        parts = [part.desc() if name.startswith("-") else part for name, part in zip(names, columns, strict=True)]
        sa.Index(f"{table.name}__order_{place}", *parts)
    return table
