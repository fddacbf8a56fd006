"""One moment of the store: everything that is read of it belongs together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
import sqlalchemy as sa
import zstandard

from ..clock import parse_moment, render_moment
from ..errors import QueryError, StoreUnavailable
from ..record import Column, Stored, from_stored, to_stored
from ..resource import Resource
from .attempts import Attempts
from .budgets import Budgets
from .changes import Changes
from .cursors import Position, open_cursor, seal, seal_cursor, unseal
from .desk import Desk
from .engines import Connection
from .kept import Kept, kept
from .pages import Pages
from .planning import Planning
from .points import Points
from .query import COUNT_CAP, AsOf, Order, Query, Term, term
from .questions import prepared, written
from .rollups import group_text
from .seen import Due, Freshness, Item, Page, Run, State, Version
from .sql import Statement, condition, count_statement, document, order_by, page_rows, rows_from, still_there
from .sums import Total
from .tables import Collection

__all__ = ["ALL", "Filter", "Snapshot", "all_states", "where"]

Filter = tuple[str, str, Any]
"""Field, operator name (`eq`, `gte`, `in` …), Python value."""

ALL = 2**62
"""A limit that none is: more than any table has."""

_STATE = "SELECT generation, revision, horizon, changed_at FROM _collection"


def all_states(connection: Connection) -> dict[str, State]:
    """Every collection's state, by its name."""
    rows = connection.execute("SELECT name, generation, revision, horizon, changed_at FROM _collection")
    return {name: State(*rest) for name, *rest in rows}


class Snapshot:
    """Questions to one moment of the store."""

    def __init__(self, connection: Connection, remembered: dict[str, bytes] | None = None) -> None:
        """remembered: what never changes in this database, and so is asked for once."""
        self._connection = connection
        self._remembered = {} if remembered is None else remembered
        self._known: dict[str, State] = {}

    @property
    def desk(self) -> Desk:
        """Rejects and drift, as of this moment."""
        return Desk(self._connection)

    def changes(self, collection: Collection) -> Changes:
        """What changed in the collection until this moment."""
        return Changes(self._connection, collection, self.state(collection))

    @property
    def attempts(self) -> Attempts:
        """What collecting did, as of this moment."""
        return Attempts(self._connection)

    @property
    def budgets(self) -> Budgets:
        """What is left of the upstreams' budgets, as of this moment."""
        return Budgets(self._connection)

    @property
    def planning(self) -> Planning:
        """What a plan is made of, as of this moment."""
        return Planning(self._connection)

    def _one(self, statement: Statement) -> Any:
        return self._connection.execute(statement.sql, statement.values).fetchone()

    def ask(self, statement: Statement) -> list[Any]:
        """The rows of a question of the store's own."""
        return self._connection.execute(statement.sql, statement.values).fetchall()

    def state(self, collection: Collection) -> State:
        """Generation, revision and horizon. StoreUnavailable while the collection has no tables."""
        known = self._known.get(collection.name)
        if known is None:
            row = self._one(Statement(f"{_STATE} WHERE name = ?", (collection.name,)))
            if row is None:
                raise StoreUnavailable(f"{collection.name} has no data yet", hint="run catchment collect")
            known = self._known[collection.name] = State(*row)
        return known

    def points(self, collection: Collection, state: State | None = None) -> Points:
        """The collection's points in time. state: where it was asked for already."""
        return Points(self._connection, collection, state or self.state(collection))

    def page(self, collection: Collection, query: Query, pages: Pages | None = None) -> Page:
        """The records that the query asks for. pages: of this list, where more than one is asked for.

        Raises:
            QueryError: 400 for a cursor of another walk, 410 for what is no longer kept.
        """
        state = self.state(collection)
        if query.words:  # they stand in a table of the generation, which whoever made the pages did not know
            collection, pages = replace(collection, generation=state.generation), None
        if query.as_of is not None:
            query, pages = replace(query, as_of=self.points(collection, state).kept(query.as_of)), None
        pages, key = pages or Pages(collection, query), self.cursor_key()
        position = open_cursor(query, collection.name, generation=state.generation, horizon=state.horizon, key=key)
        rows = self.ask(pages.statement(position))
        found, following = rows[: query.limit], None
        if len(rows) > query.limit:
            last, at = _position(found[-1]), {"generation": state.generation, "revision": state.revision}
            following = seal_cursor(last, query, collection.name, **at, key=key)
        count, exact = pages.count(state, lambda: self.counted(collection, query))
        return Page(",".join([row[0] for row in found]), count, exact, following, state)

    def piece(
        self, collection: Collection, query: Query, position: Position | None
    ) -> tuple[list[str], Position | None]:
        """The JSON of the next records of a query, and where the last one stands; None behind the last of all."""
        query = replace(query, as_of=self.points(collection).kept(query.as_of))
        rows = self.ask(page_rows(collection, query, position))
        found = rows[: query.limit]
        last = _position(found[-1]) if len(rows) > query.limit else None
        return [row[0] for row in found], last

    def counted(self, collection: Collection, query: Query) -> tuple[int | None, bool]:
        """How many records match, as far as the query has them counted, and whether those are all."""
        if query.count == "none":
            return None, False
        cap = COUNT_CAP if query.count == "capped" else None
        (count,) = self._one(count_statement(collection, query, cap))
        return (count, True) if cap is None or count <= cap else (cap, False)

    def cursor_key(self) -> bytes:
        """What cursors are signed with. StoreUnavailable where the store was never finished."""
        name = "cursor-key"
        if name not in self._remembered:
            key = self.meta(name)
            if key is None:
                raise StoreUnavailable("the store was not finished when it was made", hint="run catchment collect")
            self._remembered[name] = bytes.fromhex(key)
        return self._remembered[name]

    def meta(self, name: str) -> str | None:
        """What the store notes of itself under that name; None for nothing."""
        row = self._one(Statement("SELECT value FROM _meta WHERE name = ?", (name,)))
        return row[0] if row else None

    def item(
        self, collection: Collection, key: str, *, as_of: AsOf | None = None, fields: Sequence[str] = ()
    ) -> Item | None:
        """The record of that key as it is, or was; None if there is (or was then) none."""
        state = self.state(collection)
        points = self.points(collection, state)
        as_of = points.kept(as_of)
        columns = ("_key", "_doc", "_version", "_said_at", "_revision")
        statement = Statement(f"SELECT {document(fields)}, _version, _said_at, _revision")
        row = self._one(statement + rows_from(collection, as_of, columns) + Statement(" WHERE _key = ?", (key,)))
        if row is None:
            return None
        changed_at = points.committed_at(row[3])
        body, version, said_at, revision = row
        return Item(body, version, said_at, revision, changed_at, state)

    def history(self, collection: Collection, key: str) -> list[Version]:
        """Every version that is kept and shown, newest first; empty for a key that never was."""
        author = "_author" if collection.written else "NULL"
        own = f"_version, _said_at, {{}}, _revision, {{}}, {{}}, a.run, _attempt, _exchange, _doc, {author}"
        # The braces are filled with our own column names, never with anything that was asked.
        current = own.format("NULL", "NULL", "0")
        before = own.format("_until", "_until_revision", "_gone")
        joined = "LEFT JOIN _attempt a ON a.id = _attempt WHERE _key = ?"
        sql = (
            f'SELECT {current} FROM "{collection.table}" {joined}'  # noqa: S608 (declared names)
            f' UNION ALL SELECT {before} FROM "{collection.versions}" {joined} AND {still_there(collection)}'
            " ORDER BY 1 DESC"
        )
        rows = self.ask(Statement(sql, (key, key)))
        return [_version(*row) for row in rows]

    def source(self, collection: Collection, key: str, version: int | None = None) -> dict[str, Any] | None:
        """The exchange that brought a version (by default the newest), as named values; None if there is none.

        QueryError: 410 for a version that is no longer kept.
        """
        kept = self.history(collection, key)
        found = next((v for v in kept if version in (None, v.version)), None)
        if found is None:
            if version and kept and version < kept[-1].version:
                message = f"version: the oldest version that is kept is {kept[-1].version}"
                raise QueryError(message, kind="history-gone", status=410, parameter="version")
            return None
        names = ("id", "partition", "attempt", "method", "url", "status", "headers", "digest", "size", "wire", "at")
        row = self._one(Statement(f"SELECT {', '.join(names)} FROM _exchange WHERE id = ?", (found.exchange,)))  # noqa: S608
        if row is None:
            return None
        exchange = dict(zip(names, row, strict=True))
        exchange["headers"] = msgspec.json.decode(exchange["headers"])
        return {"version": found.version, **exchange}

    def body(self, digest: str) -> bytes | None:
        """The archived bytes of that digest; None when they are no longer kept."""
        rows = self.ask(Statement("SELECT data FROM _body WHERE digest = ? ORDER BY chunk", (digest,)))
        return b"".join(zstandard.decompress(data) for (data,) in rows) if rows else None

    def freshness(self, collection: Collection, due: Due) -> Freshness:
        """How old the collection is, by its partitions."""
        if collection.written:
            return Freshness(None, None, 0, 0, 0, collected=False)
        closed = "(first_collected_at IS NOT NULL AND first_collected_at < ?)"
        failed = "coalesce(verdict, '') IN ('failed', 'partial', 'refused')"
        sql = (
            f"SELECT coalesce(min(CASE WHEN NOT {closed} THEN collected_at END), min(collected_at)),"  # noqa: S608
            " max(collected_at), count(*), count(*) FILTER (WHERE collected_at IS NOT NULL AND"
            f" ({failed} OR collected_at < CASE WHEN {closed} THEN ? ELSE ? END)),"
            " count(*) FILTER (WHERE collected_at IS NULL AND coalesce(verdict, '') <> 'pending')"
            " FROM _partition WHERE feed = ?"
        )
        values = (due.closed, due.closed, due.closed_stale, due.stale, collection.name)
        return Freshness(*self._one(Statement(sql, values)))

    def rollup(self, collection: Collection, number: int, values: Sequence[Any]) -> Total:
        """The count and the exact sum of one group of a roll-up of what people write."""
        assert isinstance(collection.feed, Resource)
        names = collection.feed.rollups[number].by
        stored = [to_stored(_column(collection, name).kind, value) for name, value in zip(names, values, strict=True)]
        sql = f'SELECT _count, _sum FROM "{collection.table}__rollup_{number}" WHERE _group = ?'  # noqa: S608
        row = self._one(Statement(sql, (group_text(stored),)))
        return Total(row[0], Decimal(row[1])) if row else Total(0, Decimal(0))

    def partitions(self, collection: Collection) -> list[dict[str, Any]]:
        """The collection's partitions in the order of their keys: parameters, verdict, reason, moments."""
        moments = ("checked_at", "collected_at", "first_collected_at")
        names = ("key", "params", "verdict", "reason", *moments, "records", "failures", "instead", "instead_until")
        sql = f"SELECT {', '.join(names)} FROM _partition WHERE feed = ? ORDER BY key"  # noqa: S608 (own names)
        rows = [dict(zip(names, row, strict=True)) for row in self.ask(Statement(sql, (collection.name,)))]
        return [
            row
            | {
                "params": msgspec.json.decode(row["params"]),
                "instead": dict(msgspec.json.decode(row["instead"] or "[]")),
            }
            for row in rows
        ]

    def requests(self, collection: Collection, partition: str) -> list[str]:
        """The URLs, without secrets, whose answers brought what holds now of a partition; each once."""
        sql = (
            "SELECT DISTINCT url FROM _exchange WHERE id IN"  # noqa: S608 (declared names)
            f' (SELECT DISTINCT _exchange FROM "{collection.table}" WHERE _partition = ?) ORDER BY url'
        )
        return [url for (url,) in self.ask(Statement(sql, (partition,)))]

    def known(self, collection: Collection) -> set[str]:
        """The keys of its partitions."""
        return {key for (key,) in self.ask(Statement("SELECT key FROM _partition WHERE feed = ?", (collection.name,)))}

    def answer(self, collection: Collection, partition: str) -> bytes | None:
        """The one body that a partition last merged; None where there is none, or it is no longer kept."""
        row = self._one(
            Statement("SELECT digest FROM _partition WHERE feed = ? AND key = ?", (collection.name, partition))
        )
        return self.body(row[0]) if row and row[0] else None

    def ever_collected(self, collection: Collection) -> bool:
        """Whether any partition was ever collected."""
        sql = "SELECT 1 FROM _partition WHERE feed = ? AND collected_at IS NOT NULL LIMIT 1"
        return self._one(Statement(sql, (collection.name,))) is not None

    def runs(self, app: str, since: datetime, now: datetime) -> list[Run]:
        """The runs that asked for something and were under way at some time after `since`, oldest first."""
        leased = "EXISTS (SELECT 1 FROM _partition WHERE lease_owner = r.owner AND lease_until > ?)"
        sql = (
            f"SELECT started_at, ended_at, ended_at IS NULL AND {leased} FROM _run r"  # noqa: S608 (our own words)
            " WHERE app = ? AND coalesce(ended_at, ?) >= ?"
            " AND EXISTS (SELECT 1 FROM _attempt WHERE run = r.id) ORDER BY id"
        )
        at = render_moment(now)
        rows = self.ask(Statement(sql, (at, app, at, render_moment(since))))
        return [
            Run(parse_moment(start), parse_moment(end) if end else None, running=bool(alive))
            for start, end, alive in rows
        ]

    # -- for an app's own routes: values instead of text -------------------------------------------------------

    def select(self, statement: sa.Select[Any]) -> list[Any]:
        """The rows of a SELECT, as tuples of stored values."""
        return self.ask(written(statement, self._connection.dialect))

    def prepared(self, statement: sa.Select[Any]) -> Callable[..., list[Any]]:
        """Gives the rows of the SELECT for the values of its `bindparam`s, by their names."""
        question = prepared(statement, self._connection.dialect)
        return lambda **values: self.ask(question.with_values(**values))

    def kept(self, app: str, name: str) -> Kept | None:
        """What the app keeps under that name."""
        return kept(self._connection, app, name)

    def seal(self, purpose: str, content: Any) -> str:
        """A text that holds the content and that nobody else can make."""
        return seal(content, purpose.encode(), self.cursor_key())

    def unseal(self, purpose: str, text: str) -> Any:
        """The content that was sealed for that purpose. QueryError: 400 for any other text."""
        return unseal(text, purpose.encode(), self.cursor_key())

    def rows(
        self,
        collection: Collection,
        filters: Sequence[Filter] = (),
        *,
        columns: Sequence[str] = (),
        sort: Sequence[str] = (),
        limit: int | None = None,
        offset: int = 0,
        as_of: AsOf | None = None,
    ) -> list[dict[str, Any]]:
        """Records as dicts of Python values, in that order (`-name`: descending), the key breaking ties."""
        as_of = self.points(collection).kept(as_of)
        wanted = [column for column in collection.columns if not columns or column.name in columns]
        order = [Order(name.removeprefix("-"), name.startswith("-")) for name in sort]
        terms = _terms(collection, filters)
        used = ["_key", *(column.name for column in wanted), *(o.column for o in order), *(t.column for t in terms)]
        names = ", ".join(f'"{column.name}"' for column in wanted)
        statement = Statement(f"SELECT {names}") + rows_from(collection, as_of, used) + Statement(" WHERE ")
        statement += condition(collection, terms, as_of)
        statement += Statement(f"{order_by(order)} LIMIT ? OFFSET ?", (ALL if limit is None else limit, offset))
        return [_values(wanted, row) for row in self.ask(statement)]

    def count(self, collection: Collection, filters: Sequence[Filter] = (), *, as_of: AsOf | None = None) -> int:
        """How many records match."""
        as_of = self.points(collection).kept(as_of)
        return int(self._one(count_statement(collection, where(collection, filters, as_of=as_of), None))[0])


def _position(row: Sequence[Any]) -> Position:
    """Where a row of a page stands: behind its document are its key and its values in the walk's order."""
    return Position(tuple(row[2:]), row[1])


def _version(*values: Any) -> Version:
    version, said_at, until, revision, until_revision, gone, *rest = values
    return Version(version, said_at, until, revision, until_revision, bool(gone), *rest)


def where(collection: Collection, filters: Sequence[Filter] = (), *, as_of: AsOf | None = None) -> Query:
    """The records that meet these filters."""
    return Query(terms=tuple(_terms(collection, filters)), as_of=as_of)


def _terms(collection: Collection, filters: Sequence[Filter]) -> list[Term]:
    return [term(_column(collection, name), operator, value) for name, operator, value in filters]


def _column(collection: Collection, name: str) -> Column:
    return next(column for column in collection.columns if column.name == name)


def _values(wanted: Sequence[Column], row: Sequence[Stored]) -> dict[str, Any]:
    pairs = zip(wanted, row, strict=True)
    return {c.name: None if stored is None else from_stored(c.kind)(stored) for c, stored in pairs}
