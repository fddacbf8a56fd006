"""What one request may read, and a note of what it did read: from that its ETag, its age and its caching follow."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import sqlalchemy as sa

from ..clock import parse_moment, render_moment
from ..errors import QueryError
from ..grouping import read_group
from ..principal import Principal, may
from ..record import Column
from ..resource import Resource
from ..settings import Settings
from ..store.aggregate import tell
from ..store.engines import database_of
from ..store.kept import Kept, keep
from ..store.query import AsOf, Query, parse
from ..store.questions import Tables
from ..store.reader import Reader
from ..store.seen import Run, State
from ..store.snapshot import ALL, Filter, Snapshot, where
from ..store.statistics import Statistics, read_measure
from ..store.sums import Total
from ..store.tables import Collection
from .coding import known_tag
from .rights import demand

__all__ = ["Data", "View", "visible_columns"]

INSTANT = timedelta(microseconds=1)
"""The distance of two moments that are stored."""


def visible_columns(collection: Collection, *, moderates: bool) -> tuple[Column, ...]:
    """The fields that somebody reads who may moderate, or may not."""
    hidden = collection.feed.hidden if isinstance(collection.feed, Resource) and not moderates else ()
    return tuple(column for column in collection.columns if column.name not in hidden)


@dataclass
class Data:
    """The collections as one request sees them.

    principal: who asks, and so who may read what is not public. seen: what was read, by name. stale_by: collection ->
    the part of its partitions by which the answer names what is too old.
    if_none_match: the tags of what the client has. coding: the one that its answer comes in where that is worth it.
    concealed: whether it was denied as if there were nothing.
    whole: whether every collection was read in one state alone; what mixes two is answered, and not kept.
    """

    reader: Reader
    settings: Settings = field(repr=False)
    now: datetime
    principal: Principal
    app: str = ""
    seen: dict[str, State] = field(default_factory=dict)
    stale_by: dict[str, str] = field(default_factory=dict)
    whole: bool = True
    if_none_match: str = ""
    coding: str = ""
    concealed: bool = False

    def known_tag(self, etag: str) -> str:
        """The tag by which the client has the answer of that plain tag; "" where it has it not."""
        return known_tag(self.if_none_match, etag, self.coding)

    def may_read(self, collection: Collection) -> bool:
        return collection.feed.public or may(self.principal, "read")

    def visible(self) -> list[Collection]:
        """The collections that this request may read."""
        found = [item for item in self.reader.collections.values() if item.served and self.may_read(item)]
        return [self._as_shown(item) for item in found]

    def _as_shown(self, collection: Collection) -> Collection:
        """The collection as this request reads it: what people took back is shown to those alone who may moderate."""
        return collection if may(self.principal, "moderate") else collection.without_deleted

    def columns(self, collection: Collection) -> tuple[Column, ...]:
        """The fields of a collection that this request may read, and so ask for."""
        return visible_columns(collection, moderates=may(self.principal, "moderate"))

    def collection(self, name: str) -> Collection:
        """The collection `app/name`, or `name` of the app whose route this is.

        Raises:
            QueryError: 404 for none of that name, or none that this caller is let know of; 401 where a key may help.
        """
        found = self.reader.collections.get(name if "/" in name else f"{self.app}/{name}")
        # An app's own route may read what is not served for itself.
        found = found if found is None or found.served or found.app == self.app else None
        if found is not None and self.may_read(found):
            return self._as_shown(found)
        if found is not None and not self.principal.id:
            demand(self.principal, "read")
        raise QueryError("there is no such collection", kind="not-found", status=404)

    def note(self, snapshot: Snapshot, collection: Collection) -> State:
        """The collection's state in the snapshot, noted as read."""
        state = snapshot.state(collection)
        self.whole &= self.seen.setdefault(collection.name, state) == state
        return state

    def keep(self, name: str, value: Any, *, of: str, before: Kept | None) -> Kept:
        """What the app's routes go by from now on, in every process: the value, counted now, or what another kept.

        of: the collection that it was counted from; answers from that are made anew. before: what `View.kept` gave.

        Raises:
            StoreError: it cannot be kept just now.
        """
        collection = self.reader.collections[f"{self.app}/{of}"]
        return keep(database_of(self.settings.database), collection, name, Kept(value, self.now), before)

    @contextmanager
    def open(self, deadline_s: float | None = None) -> Iterator[View]:
        """One moment of the data: everything read inside belongs together.

        deadline_s: how long reading may take, for a question that is long by nature.

        Raises:
            StoreUnavailable: the data cannot be read.
            QueryError: 503 when a question takes too long.
        """
        with self.reader.snapshot(deadline_s) as snapshot:
            yield View(self, snapshot)


@dataclass(frozen=True)
class View:
    """Questions of an app's own route to its collections; a collection is named as its feed."""

    _data: Data
    _snapshot: Snapshot

    def _use(self, name: str) -> Collection:
        collection = self._data.collection(name)
        self._data.note(self._snapshot, collection)
        return collection

    def rows(
        self,
        name: str,
        filters: Sequence[Filter] = (),
        *,
        columns: Sequence[str] = (),
        sort: Sequence[str] = (),
        limit: int | None = None,
        offset: int = 0,
        as_of: AsOf | None = None,
    ) -> list[dict[str, Any]]:
        """Records as dicts of Python values: `rows("bars", [("symbol", "eq", "IBM")], sort=["-date"], limit=5)`."""
        collection = self._use(name)
        return self._snapshot.rows(
            collection, filters, columns=columns, sort=sort, limit=limit, offset=offset, as_of=as_of
        )

    def count(self, name: str, filters: Sequence[Filter] = (), *, as_of: AsOf | None = None) -> int:
        """How many records match."""
        return self._snapshot.count(self._use(name), filters, as_of=as_of)

    def query(self, name: str, pairs: Iterable[tuple[str, str]]) -> Query:
        """The filters and `as_of` of a request, read as the collection's own list reads them. QueryError for others."""
        collection = self._use(name)
        return parse(pairs, self._data.columns(collection), (), collection.aliases)

    def where(self, name: str, filters: Sequence[Filter] = (), *, as_of: AsOf | None = None) -> Query:
        """The records that meet these filters, for `stats`."""
        return where(self._use(name), filters, as_of=as_of)

    def stats(
        self, name: str, by: Sequence[str] = (), of: Sequence[str] = ("count()",), where: Query | None = None
    ) -> list[dict[str, Any]]:
        """What is told of each group of records, by the texts of `by` and `of` and in the order of `by`:
        `stats("bars", ["month(date)"], ["sum(volume)"], now.where("bars", [("symbol", "eq", "IBM")]))`.

        As `/stats` has it, in Python values: sums are exact. ValueError, QueryError for what there is nothing of.
        """
        collection = self._use(name)
        groups = tuple(read_group(text, collection.columns) for text in by)
        measures = tuple(read_measure(text, collection.columns) for text in of)
        asked = Statistics(groups, measures, where or Query(), limit=ALL)
        return tell(self._snapshot, collection, asked).rows

    def rollup(self, name: str, number: int, *values: Any) -> Total:
        """The count and the exact sum of one group of a resource's roll-up: `rollup("reviews", 0, provider)`."""
        return self._snapshot.rollup(self._use(name), number, values)

    def ever_collected(self, name: str) -> bool:
        """Whether a partition of one of the app's own collections was ever collected.

        Once it is so it stays so: the answer is not taken to depend on that collection, and has not its age.
        """
        return self._snapshot.ever_collected(self._data.reader.collections[f"{self._data.app}/{name}"])

    def name_stale(self, name: str, part: str) -> None:
        """Has the answer's `X-Stale` name what is too old by this part of the partitions: `denial,probing` for true."""
        self._data.stale_by[self._use(name).name] = part

    def runs(self, since: datetime) -> list[Run]:
        """The app's runs that were under way at some time after `since`, oldest first."""
        return self._snapshot.runs(self._data.app, since, self._data.now)

    def held(self, name: str, as_of: AsOf | None) -> tuple[int, str | None]:
        """The revision that held then (0 for none yet), and the moment that `as_of` means; None for now."""
        return self._snapshot.points(self._use(name)).held(as_of)

    def beside(self, name: str, as_of: AsOf | None) -> AsOf | None:
        """What `as_of` means in the app's other collections: of a revision of this one, the last moment that it held.

        None is now.
        """
        if as_of is None or not as_of.by_revision:
            return as_of
        ended = self._snapshot.points(self._use(name)).held_until(as_of.revision)
        return AsOf(moment=render_moment(parse_moment(ended) - INSTANT)) if ended else None

    def partitions(self, name: str) -> list[Mapping[str, Any]]:
        """The collection's partitions: key, params, verdict, reason, checked_at, collected_at,
        first_collected_at, records, failures.
        """
        return list(self._snapshot.partitions(self._use(name)))

    def asked(self, name: str, partition: str) -> list[Mapping[str, str]]:
        """The parameters of the requests whose answers brought what holds now of a partition."""
        return [dict(parse_qsl(urlsplit(url).query)) for url in self._snapshot.requests(self._use(name), partition)]

    def answer(self, name: str, partition: str) -> bytes | None:
        """The archived body that a partition of one answer last merged; None where it is not there, or no longer."""
        return self._snapshot.answer(self._use(name), partition)

    # -- what the questions above cannot say -------------------------------------------------------------------

    def tables(self, name: str) -> Tables:
        """The tables of one of the app's own collections, for `select`; whether its rows are public or not.

        What of them the answer shows is the route's to decide.
        """
        collection = self._data.reader.collections[f"{self._data.app}/{name}"]
        self._data.note(self._snapshot, collection)
        return self._data.reader.tables(collection)

    def state(self, name: str) -> State:
        """Generation and revision of one of the app's own collections."""
        collection = self._data.reader.collections[f"{self._data.app}/{name}"]
        return self._data.note(self._snapshot, collection)

    def select(self, statement: sa.Select[Any]) -> list[Any]:
        """The rows of a SELECT over `tables`, as tuples of stored values (a decimal, date or moment is a text).

        Values are bound, and the SQL is written once for each shape; the connection cannot write and has a deadline.
        """
        return self._snapshot.select(statement)

    def prepared(self, statement: sa.Select[Any]) -> Callable[..., list[Any]]:
        """For a SELECT that is asked many times: gives its rows for the values of its `bindparam`s, by their names.

        Only the first time costs the work of writing the SQL.
        """
        return self._snapshot.prepared(statement)

    def kept(self, name: str) -> Kept | None:
        """What the app's routes go by, and since when; see `Data.keep`."""
        return self._snapshot.kept(self._data.app, name)

    def seal(self, purpose: str, content: Any) -> str:
        """A text that holds the content and that nobody else can make: a cursor. purpose: what it is good for."""
        return self._snapshot.seal(purpose, content)

    def unseal(self, purpose: str, text: str) -> Any:
        """The content that was sealed for that purpose. QueryError: 400 for any other text."""
        return self._snapshot.unseal(purpose, text)
