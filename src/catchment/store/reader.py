"""The reading side of the store: read-only connections, and snapshots in which everything read belongs together."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import sqlalchemy as sa
import zstandard
from sqlalchemy.dialects import sqlite as dialect

from ..clock import monotonic, parse_moment
from ..errors import QueryError, StoreError, StoreUnavailable, UsageError
from ..record import Column, Kind, Stored, from_decimal_key, to_stored
from ..resource import Resource
from ..settings import Settings
from .query import (
    COUNT_CAP,
    AsOf,
    Order,
    Position,
    Query,
    Statement,
    condition,
    count_statement,
    document,
    open_cursor,
    order_by,
    page_statement,
    rows_from,
    seal_cursor,
    term,
)
from .rollups import group_text
from .tables import Collection, current_table, list_table, rollup_table, version_table

__all__ = [
    "Due",
    "Freshness",
    "Item",
    "Page",
    "Reader",
    "Snapshot",
    "State",
    "Tables",
    "Total",
    "Version",
    "sqlite_path",
]

DEADLINE_S = 1.0
_STEPS_BETWEEN_CHECKS = 2000
_IDLE_CONNECTIONS = 8

Filter = tuple[str, str, Any]
"""Field, operator name (`eq`, `gte`, `in` …), Python value."""


@dataclass(frozen=True, slots=True)
class State:
    """What a collection's answers depend on."""

    generation: int
    revision: int
    horizon: int
    changed_at: str | None


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list. body: the records' JSON joined by commas. count: None when not asked for."""

    body: str
    count: int | None
    count_exact: bool
    next: str | None
    state: State


@dataclass(frozen=True, slots=True)
class Item:
    """One record's JSON as it is or was. revision, changed_at: of the commit that brought this version."""

    body: str
    version: int
    said_at: str
    revision: int
    changed_at: str | None
    state: State


@dataclass(frozen=True, slots=True)
class Version:
    """One state of a record; until, until_revision: None while it holds. author: of what people write, who wrote it."""

    version: int
    said_at: str
    until: str | None
    revision: int
    until_revision: int | None
    gone: bool
    run: int | None
    attempt: int
    exchange: int
    record: str
    author: str | None = None


@dataclass(frozen=True, slots=True)
class Due:
    """Moments for judging age: a partition collected before `stale` (a closed one: before `closed_stale`) is stale.

    closed: a partition first collected before this is closed; "" when none ever is.
    """

    stale: str
    closed: str = ""
    closed_stale: str = ""


@dataclass(frozen=True, slots=True)
class Freshness:
    """How old a collection is. oldest: of the partitions that are still re-read, or of all when none is.

    collected: False for what people write, which has no partitions and no age.
    """

    oldest: str | None
    newest: str | None
    partitions: int
    stale: int
    missing: int
    collected: bool = True


@dataclass(frozen=True, slots=True)
class Total:
    """An exact sum of the values that are there."""

    count: int
    sum: Decimal

    def average(self, places: int) -> Decimal | None:
        """The mean rounded half-even, without trailing zeros; None of nothing."""
        if not self.count:
            return None
        exact = Fraction(self.sum) / self.count * 10**places
        return _number(round(exact), -places)  # round() of a Fraction is half-even and exact


@dataclass(frozen=True)
class Tables:
    """A collection's tables. lists: of a resource, its list fields that are kept apart; rollups: as declared.

    Columns are named as the fields; our own begin with `_`: `_key`, `_version`, `_revision`, `_doc` (the record's
    JSON), in `versions` `_until_revision`, in a list `_key` and `_place`, in a roll-up `_group` (the group's values
    as a JSON array), `_count` and `_sum` (decimal digits).
    """

    current: sa.Table
    versions: sa.Table
    lists: Mapping[str, sa.Table]
    rollups: tuple[sa.Table, ...]


def _tables(collection: Collection) -> Tables:
    metadata, feed = sa.MetaData(), collection.feed
    lists, rollups = (feed.lists, feed.rollups) if isinstance(feed, Resource) else ((), ())
    return Tables(
        current_table(collection, metadata),
        version_table(collection, metadata),
        {name: list_table(collection, name, metadata) for name in lists},
        tuple(rollup_table(collection, number, metadata) for number in range(len(rollups))),
    )


def sqlite_path(database: str) -> Path:
    """The file that a database URL names. UsageError where the URL is none of SQLite."""
    scheme, found, path = database.partition(":///")
    if scheme != "sqlite" or not found or not path:
        raise UsageError("the database is not a SQLite file", hint="write sqlite:///PATH")
    return Path(path)


class Reader:
    """Read-only access to one store file. Connections are opened on use, kept while the file is the same one."""

    def __init__(self, path: Path, collections: Sequence[Collection], *, deadline_s: float = DEADLINE_S) -> None:
        self._path = path
        self._deadline_s = deadline_s
        self._lock = threading.Lock()
        self._idle: list[sqlite3.Connection] = []
        self._file: tuple[int, int] | None = None
        self._watch: sqlite3.Connection | None = None
        self._states: tuple[int, dict[str, State]] = (-1, {})
        self.collections = {item.name: item for item in collections}
        self._tables: dict[str, Tables] = {}

    @classmethod
    def of(cls, settings: Settings, collections: Sequence[Collection]) -> Reader:
        """The reader of the database that the settings name."""
        return cls(sqlite_path(settings.database), collections)

    def close(self) -> None:
        """Returns when no connection is kept any more."""
        with self._lock:
            self._forget()

    def tables(self, collection: Collection) -> Tables:
        """The collection's tables, for questions in the words of SQLAlchemy Core."""
        if collection.name not in self._tables:
            self._tables[collection.name] = _tables(collection)
        return self._tables[collection.name]

    def states(self) -> Mapping[str, State]:
        """The present state of every collection; asks the file only whether it changed.

        Raises:
            StoreUnavailable: the file is missing or cannot be read.
        """
        with self._lock, _wrapped():
            self._check_file()
            if self._watch is None:
                self._watch = _connect(self._path)
            seen = int(self._watch.execute("PRAGMA data_version").fetchone()[0])
            if seen != self._states[0]:
                self._states = (seen, _all_states(self._watch))
            return self._states[1]

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """One read transaction: everything asked of it is of one moment, and ends within the deadline.

        Raises:
            StoreUnavailable: the file is missing or cannot be read.
            QueryError: 503 when a question takes too long.
        """
        with _wrapped():
            connection = self._take()
            end = monotonic() + self._deadline_s
            connection.set_progress_handler(lambda: monotonic() > end, _STEPS_BETWEEN_CHECKS)
            try:
                connection.execute("BEGIN")
                yield Snapshot(connection)
                connection.execute("COMMIT")
            except sqlite3.Error:
                connection.close()
                raise
            except BaseException:
                connection.execute("ROLLBACK")
                self._give_back(connection)
                raise
            self._give_back(connection)

    def _take(self) -> sqlite3.Connection:
        with self._lock:
            self._check_file()
            if self._idle:
                return self._idle.pop()
        return _connect(self._path)

    def _give_back(self, connection: sqlite3.Connection) -> None:
        connection.set_progress_handler(None, 0)
        with self._lock:
            if len(self._idle) < _IDLE_CONNECTIONS:
                self._idle.append(connection)
                return
        connection.close()

    def _check_file(self) -> None:
        """A file that was replaced (a restored backup) is another file under the same name."""
        try:
            found = os.stat(self._path)  # noqa: PTH116 (once a request: the plain call is the cheapest)
        except OSError as error:
            self._forget()
            raise StoreUnavailable("there is no data yet", hint="run catchment collect") from error
        if (found.st_dev, found.st_ino) != self._file:
            self._forget()
            self._file = (found.st_dev, found.st_ino)

    def _forget(self) -> None:
        for connection in (*self._idle, *((self._watch,) if self._watch else ())):
            connection.close()
        self._idle, self._watch, self._states, self._file = [], None, (-1, {}), None


def _connect(path: Path) -> sqlite3.Connection:
    # Writers wait for nobody in WAL mode; the timeout is for the moment of a checkpoint or a recovery.
    connection = sqlite3.connect(
        f"file:{quote(str(path.absolute()))}?mode=ro",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=1.0,
        cached_statements=256,
    )
    try:
        connection.execute("PRAGMA query_only = 1")
        connection.execute("PRAGMA trusted_schema = 0")
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = '_collection'").fetchone():
            raise StoreUnavailable("the file holds no data of ours yet", hint="run catchment collect")
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def _wrapped() -> Iterator[None]:
    """Turns the driver's errors into ours."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
        if code == sqlite3.SQLITE_INTERRUPT:
            message = "the question takes too long; ask for less, or declare an index: Feed(indexes=[(field, …)])"
            raise QueryError(message, kind="too-slow", status=503) from error
        if code == sqlite3.SQLITE_ERROR:
            raise StoreError("the store did not understand a question") from error
        raise StoreUnavailable("the database cannot be read just now") from error


_STATE = "SELECT generation, revision, horizon, changed_at FROM _collection"


def _all_states(connection: sqlite3.Connection) -> dict[str, State]:
    rows = connection.execute("SELECT name, generation, revision, horizon, changed_at FROM _collection")
    return {name: State(*rest) for name, *rest in rows}


class Snapshot:
    """Questions to one moment of the store."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def _one(self, statement: Statement) -> Any:
        return self._connection.execute(statement.sql, statement.values).fetchone()

    def _all(self, statement: Statement) -> list[Any]:
        return self._connection.execute(statement.sql, statement.values).fetchall()

    def state(self, collection: Collection) -> State:
        """Generation, revision and horizon. StoreUnavailable while the collection has no tables."""
        row = self._one(Statement(f"{_STATE} WHERE name = ?", (collection.name,)))
        if row is None:
            raise StoreUnavailable(f"{collection.name} has no data yet", hint="run catchment collect")
        return State(*row)

    def page(self, collection: Collection, query: Query) -> Page:
        """The records that the query asks for.

        Raises:
            QueryError: 400 for a cursor of another walk, 410 for what is no longer kept.
        """
        state = self.state(collection)
        self._check_kept(collection, state, query.as_of)
        key = self._cursor_key()
        position = open_cursor(query, collection.name, generation=state.generation, horizon=state.horizon, key=key)
        body, found, last, *values = self._one(page_statement(collection, query, position))
        following = None
        if found > query.limit:
            following = seal_cursor(
                Position(tuple(values), last),
                query,
                collection.name,
                generation=state.generation,
                revision=state.revision,
                key=key,
            )
        count, exact = self._count(collection, query)
        return Page(body or "", count, exact, following, state)

    def _count(self, collection: Collection, query: Query) -> tuple[int | None, bool]:
        if query.count == "none":
            return None, False
        cap = COUNT_CAP if query.count == "capped" else None
        (count,) = self._one(count_statement(collection, query, cap))
        return (count, True) if cap is None or count <= cap else (cap, False)

    def _cursor_key(self) -> bytes:
        row = self._one(Statement("SELECT value FROM _meta WHERE name = 'cursor-key'"))
        if row is None:
            raise StoreUnavailable("the store was not finished when it was made", hint="run catchment collect")
        return bytes.fromhex(row[0])

    def _check_kept(self, collection: Collection, state: State, as_of: AsOf | None) -> None:
        if as_of is None:
            return
        if as_of.by_revision and as_of.revision > state.revision:
            raise QueryError(f"as_of: the newest revision is {state.revision}", parameter="as_of")
        if as_of.by_revision:
            kept = as_of.revision >= state.horizon
        else:
            since = self._committed_at(collection, state.generation, state.horizon)
            kept = state.horizon <= 1 or since is None or as_of.moment >= since
        if not kept:
            message = f"as_of: the oldest revision that is kept is {state.horizon}"
            raise QueryError(message, kind="history-gone", status=410, parameter="as_of")

    def _committed_at(self, collection: Collection, generation: int, revision: int) -> str | None:
        sql = 'SELECT at FROM "_commit" WHERE collection = ? AND generation = ? AND revision = ?'
        row = self._one(Statement(sql, (collection.name, generation, revision)))
        return row[0] if row else None

    def item(
        self, collection: Collection, key: str, *, as_of: AsOf | None = None, fields: Sequence[str] = ()
    ) -> Item | None:
        """The record of that key as it is, or was; None if there is (or was then) none."""
        state = self.state(collection)
        self._check_kept(collection, state, as_of)
        columns = ("_key", "_doc", "_version", "_said_at", "_revision")
        statement = Statement(f"SELECT {document(fields)}, _version, _said_at, _revision")
        row = self._one(statement + rows_from(collection, as_of, columns) + Statement(" WHERE _key = ?", (key,)))
        if row is None:
            return None
        changed_at = self._committed_at(collection, state.generation, row[3])
        body, version, said_at, revision = row
        return Item(body, version, said_at, revision, changed_at, state)

    def history(self, collection: Collection, key: str) -> list[Version]:
        """Every version that is kept, newest first; empty for a key that never was."""
        author = "_author" if collection.written else "NULL"
        own = f"_version, _said_at, {{}}, _revision, {{}}, {{}}, a.run, _attempt, _exchange, _doc, {author}"
        # The braces are filled with our own column names, never with anything that was asked.
        current = own.format("NULL", "NULL", "0")
        before = own.format("_until", "_until_revision", "_gone")
        joined = "LEFT JOIN _attempt a ON a.id = _attempt WHERE _key = ?"
        sql = (
            f'SELECT {current} FROM "{collection.table}" {joined}'  # noqa: S608 (declared names)
            f' UNION ALL SELECT {before} FROM "{collection.versions}" {joined} ORDER BY 1 DESC'
        )
        rows = self._all(Statement(sql, (key, key)))
        return [_version(*row) for row in rows]

    def source(self, collection: Collection, key: str, version: int | None = None) -> dict[str, Any] | None:
        """The exchange that brought a version (by default the newest), as named values; None if there is none."""
        found = next((v for v in self.history(collection, key) if version in (None, v.version)), None)
        if found is None:
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
        rows = self._all(Statement("SELECT data FROM _body WHERE digest = ? ORDER BY chunk", (digest,)))
        return b"".join(zstandard.decompress(data) for (data,) in rows) if rows else None

    def freshness(self, collection: Collection, due: Due) -> Freshness:
        """How old the collection is, by its partitions."""
        if collection.written:
            return Freshness(None, None, 0, 0, 0, collected=False)
        closed = "(first_collected_at IS NOT NULL AND first_collected_at < ?)"
        failed = "coalesce(verdict IN ('failed', 'partial', 'refused'), 0)"
        sql = (
            f"SELECT coalesce(min(CASE WHEN NOT {closed} THEN collected_at END), min(collected_at)),"  # noqa: S608
            " max(collected_at), count(*), coalesce(sum(collected_at IS NOT NULL AND"
            f" ({failed} OR collected_at < CASE WHEN {closed} THEN ? ELSE ? END)), 0),"
            " coalesce(sum(collected_at IS NULL AND coalesce(verdict, '') <> 'pending'), 0)"
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
        names = ("key", "params", "verdict", "reason", "checked_at", "collected_at", "records", "failures")
        sql = f"SELECT {', '.join(names)} FROM _partition WHERE feed = ? ORDER BY key"  # noqa: S608 (own names)
        rows = [dict(zip(names, row, strict=True)) for row in self._all(Statement(sql, (collection.name,)))]
        return [row | {"params": msgspec.json.decode(row["params"])} for row in rows]

    # -- for an app's own routes: values instead of text -------------------------------------------------------

    def select(self, statement: sa.Select[Any]) -> list[Any]:
        """The rows of a SELECT, as tuples of stored values."""
        return self._all(_written(statement))

    def seal(self, purpose: str, content: Any) -> str:
        """A text that holds the content and that nobody else can make."""
        payload = msgspec.msgpack.encode(content)
        return base64.urlsafe_b64encode(self._signature(purpose, payload) + payload).rstrip(b"=").decode()

    def unseal(self, purpose: str, text: str) -> Any:
        """The content that was sealed for that purpose. QueryError: 400 for any other text."""
        try:
            whole = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError) as error:
            raise _no_cursor() from error
        if not hmac.compare_digest(whole[:_SIGNED], self._signature(purpose, whole[_SIGNED:])):
            raise _no_cursor()
        return msgspec.msgpack.decode(whole[_SIGNED:])

    def _signature(self, purpose: str, payload: bytes) -> bytes:
        told = len(purpose.encode()).to_bytes(8) + purpose.encode() + payload
        return hmac.new(self._cursor_key(), told, hashlib.sha256).digest()[:_SIGNED]

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
        self._check_kept(collection, self.state(collection), as_of)
        wanted = [column for column in collection.columns if not columns or column.name in columns]
        order = [Order(name.removeprefix("-"), name.startswith("-")) for name in sort]
        terms = _terms(collection, filters)
        used = ["_key", *(column.name for column in wanted), *(o.column for o in order), *(t.column for t in terms)]
        names = ", ".join(f'"{column.name}"' for column in wanted)
        statement = Statement(f"SELECT {names}") + rows_from(collection, as_of, used) + Statement(" WHERE ")
        statement += condition(terms)
        statement += Statement(f"{order_by(order)} LIMIT ? OFFSET ?", (-1 if limit is None else limit, offset))
        return [_values(wanted, row) for row in self._all(statement)]

    def count(self, collection: Collection, filters: Sequence[Filter] = (), *, as_of: AsOf | None = None) -> int:
        """How many records match."""
        self._check_kept(collection, self.state(collection), as_of)
        query = Query(terms=tuple(_terms(collection, filters)), as_of=as_of)
        return int(self._one(count_statement(collection, query, None))[0])

    def total(
        self, collection: Collection, name: str, filters: Sequence[Filter] = (), *, as_of: AsOf | None = None
    ) -> Total:
        """The exact sum of an integer or decimal field over the records that match."""
        self._check_kept(collection, self.state(collection), as_of)
        column = _column(collection, name)
        groups, exact = _SUMS[column.kind]
        terms = _terms(collection, filters)
        body = rows_from(collection, as_of, [name, *(t.column for t in terms)]) + Statement(" WHERE ")
        body += condition([*terms, term(column, "isnull", value=False)])
        statement = (
            Statement(groups[0].replace("@", f'"{name}"')) + body + Statement(groups[1].replace("@", f'"{name}"'))
        )
        return exact(self._all(statement))


_SIGNED = 16


def _no_cursor() -> QueryError:
    message = "cursor: not one of this list with these filters and this order"
    return QueryError(message, kind="bad-cursor", parameter="cursor")


_DIALECT = dialect.dialect()
_SHAPES: dict[Any, Any] = {}
_MOST_SHAPES = 500


def _written(statement: sa.Select[Any]) -> Statement:
    """The statement in SQL with its values; of one shape the SQL is written once, whatever the values."""
    shape = statement._generate_cache_key()
    if shape is None:
        raise StoreError("a question has a part without a shape of its own")
    written = _SHAPES.get(shape.key)
    if written is None:
        if len(_SHAPES) >= _MOST_SHAPES:
            _SHAPES.clear()
        written = _SHAPES[shape.key] = statement.compile(dialect=_DIALECT, cache_key=shape)
    values = written.construct_params(extracted_parameters=shape.bindparams)
    return Statement(str(written), tuple(values[name] for name in written.positiontup or ()))


def _version(*values: Any) -> Version:
    version, said_at, until, revision, until_revision, gone, *rest = values
    return Version(version, said_at, until, revision, until_revision, bool(gone), *rest)


def _terms(collection: Collection, filters: Sequence[Filter]) -> list[Any]:
    return [term(_column(collection, name), operator, value) for name, operator, value in filters]


def _column(collection: Collection, name: str) -> Column:
    return next(column for column in collection.columns if column.name == name)


_FROM_STORED: dict[Kind, Callable[[Any], Any]] = {
    "text": str,
    "integer": int,
    "number": float,
    "decimal": from_decimal_key,
    "boolean": bool,
    "date": date.fromisoformat,
    "datetime": parse_moment,
    "json": msgspec.json.decode,
}


def _values(wanted: Sequence[Column], row: Sequence[Stored]) -> dict[str, Any]:
    pairs = zip(wanted, row, strict=True)
    return {c.name: None if stored is None else _FROM_STORED[c.kind](stored) for c, stored in pairs}


# -- exact sums ----------------------------------------------------------------------------------------------------
# SQLite adds 64-bit integers and refuses what overflows, so every number is added in two parts that cannot.

_HALF = 9  # decimal digits in a part

_INTEGER_SUM = ("SELECT count(@), sum(@ >> 32), sum(@ & 4294967295)", "")
# `decimal_key`: sign, four digits of power, digits; negative ones end with `~`. One group: one sign, power, length.
_DECIMAL_SUM = (
    "SELECT substr(@, 1, 5), length(rtrim(@, '~')) - 5, count(*), CASE WHEN length(@) > 23 THEN @ END,"  # noqa: ISC004
    f" sum(CAST(substr(rtrim(@, '~'), 6, max(length(rtrim(@, '~')) - 5 - {_HALF}, 0)) AS INTEGER)),"
    f" sum(CAST(substr(rtrim(@, '~'), max(length(rtrim(@, '~')) - {_HALF - 1}, 6)) AS INTEGER))",
    " GROUP BY substr(@, 1, 5), length(@), CASE WHEN length(@) > 23 THEN @ END",
)


def _integer_total(rows: Sequence[Any]) -> Total:
    ((count, high, low),) = rows
    return Total(count, Decimal(((high or 0) << 32) + (low or 0)))


def _decimal_total(rows: Sequence[Any]) -> Total:
    parts = [_group(*row) for row in rows]
    exponent = min((power for _, power in parts), default=0)
    total = sum(whole * 10 ** (power - exponent) for whole, power in parts)
    return Total(sum(row[2] for row in rows), _number(total, exponent))


def _group(head: str, digits: int, count: int, single: str | None, high: int, low: int) -> tuple[int, int]:
    """The sum of one group as (integer, power of ten)."""
    if head == "o":
        return 0, 0
    if single is not None:  # too long for two parts: each different number is a group of its own
        sign, figures, exponent = from_decimal_key(single).as_tuple()
        return count * int("".join(map(str, figures))) * (-1 if sign else 1), int(exponent)
    total = high * 10**_HALF + low
    if head[0] == "n":  # every digit of a negative number is stored as 9 less the digit
        return total - count * (10**digits - 1), _power(head[1:], complemented=True) - digits
    return total, _power(head[1:], complemented=False) - digits


def _power(text: str, *, complemented: bool) -> int:
    return (9999 - int(text) if complemented else int(text)) - 5000


def _number(whole: int, exponent: int) -> Decimal:
    """The decimal `whole * 10**exponent`, exactly, without trailing zeros or an exponent above 0."""
    digits = tuple(map(int, str(abs(whole))))
    while exponent < 0 and digits[-1] == 0 and len(digits) > 1:
        digits, exponent = digits[:-1], exponent + 1
    if whole == 0:
        return Decimal(0)
    return Decimal((int(whole < 0), digits + (0,) * max(exponent, 0), min(exponent, 0)))


_SUMS: Mapping[Kind, tuple[tuple[str, str], Callable[[Sequence[Any]], Total]]] = {
    "integer": (_INTEGER_SUM, _integer_total),
    "decimal": (_DECIMAL_SUM, _decimal_total),
}
