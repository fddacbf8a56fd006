"""What people write: one thread takes what is waiting, commits it at once and durably, then answers everybody.

Each write is whole or not there, whatever becomes of the others in its commit. It brings its version, its author, its
roll-ups, its list elements, its audit and its revision in one transaction.
"""

from __future__ import annotations

import queue
import sqlite3
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import msgspec

from ..clock import Clock, parse_moment, render_moment
from ..decode import render_key
from ..errors import QueryError, StoreUnavailable
from ..principal import Principal
from ..record import Record, Stored, content_hash, stored_record, stored_values, to_stored
from ..resource import REPLACE, Action, Fault, InvalidRecord, Resource
from . import audit, rollups
from .records import Statements
from .sqlite import mapped, open_database, transaction
from .tables import Collection

__all__ = ["Done", "Once", "Write", "Writer"]

CAPACITY, BATCH = 1000, 256
REMEMBERED = timedelta(hours=24)

Made = Callable[[Any], Mapping[str, Any]]
"""From the record that is there (None for a new one) to the values that are written. It may raise InvalidRecord."""


@dataclass(frozen=True, slots=True)
class Once:
    """A client's own key for one request, so that sending it again writes nothing. digest: of that request."""

    key: str
    digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One thing to do to one record.

    make: gives the values; for a deletion there are none. matches: whether (generation, version) is the version that
    the writer means; None: any. as_owner: False lets the app's own code change what is not the principal's: then
    neither `may` nor `refuse` is asked.
    """

    collection: Collection
    action: Action
    principal: Principal
    key: str = ""
    make: Made | None = None
    matches: Callable[[int, int], bool] | None = None
    once: Once | None = None
    request_id: str = ""
    as_owner: bool = True

    @property
    def resource(self) -> Resource:
        found = self.collection.feed
        assert isinstance(found, Resource)
        return found


class Done(msgspec.Struct, frozen=True):
    """What a write did. doc: the record's JSON, "" once it is deleted. at: the moment of this version."""

    outcome: Literal["created", "changed", "same", "deleted"]
    key: str
    doc: str
    version: int
    revision: int
    generation: int
    at: str


class Writer:
    """Writes to one database, from any thread. Nothing is opened before the first write."""

    def __init__(
        self, path: Path, collections: Sequence[Collection], clock: Clock, *, capacity: int = CAPACITY
    ) -> None:
        self._path = path
        self._collections = {item.name: item for item in collections}
        self._clock = clock
        self._waiting: queue.Queue[tuple[Write, Future[Done]] | None] = queue.Queue(capacity)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._connection: tuple[tuple[int, int], sqlite3.Connection] | None = None

    def submit(self, write: Write) -> Future[Done]:
        """What the write did, once it is on the disk; or the CatchmentError that says why it did nothing.

        Raises:
            QueryError: 503, too many are waiting.
            StoreUnavailable: the writer is closed.
        """
        waiting: Future[Done] = Future()
        with self._lock:
            if self._closed:
                raise StoreUnavailable("the service ends")
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="catchment-writes", daemon=True)
                self._thread.start()
            try:
                self._waiting.put_nowait((write, waiting))
            except queue.Full:
                raise QueryError("too many writes are waiting; try again", kind="overloaded", status=503) from None
        return waiting

    def close(self) -> None:
        """Returns when all that was waiting is answered and the database is closed."""
        with self._lock:
            self._closed, thread = True, self._thread
        if thread is not None and thread.is_alive():
            self._waiting.put(None)
            thread.join()

    def _work(self) -> None:
        """One thread's life: wait for one, take what else is there, commit, answer. It has no idle state to miss."""
        open_ended = True
        while open_ended:
            taken = [self._waiting.get()]
            while len(taken) < BATCH and not self._waiting.empty():
                taken.append(self._waiting.get_nowait())
            open_ended = None not in taken
            # Somebody who no longer waits for the answer has not been promised anything.
            self._answer([item for item in taken if item is not None and item[1].set_running_or_notify_cancel()])
        if self._connection is not None:
            self._connection[1].close()

    def _answer(self, taken: Sequence[tuple[Write, Future[Done]]]) -> None:
        if not taken:
            return
        try:
            found = self._commit([write for write, _ in taken])
        except Exception as error:  # noqa: BLE001 (the top of a worker: it goes to everybody who waits)
            found = [error] * len(taken)
        for (_, waiting), outcome in zip(taken, found, strict=True):
            if isinstance(outcome, Exception):
                waiting.set_exception(outcome)
            else:
                waiting.set_result(outcome)

    def _commit(self, writes: Sequence[Write]) -> list[Done | Exception]:
        with transaction(self._database(), durable=True) as sql:
            now = self._clock.now()
            return [self._alone(sql, write, now) for write in writes]

    def _database(self) -> sqlite3.Connection:
        """The connection; a file that was replaced (a restored backup) is another file under the same name."""
        try:
            found = self._path.stat()
        except OSError as error:
            raise StoreUnavailable("there is no data folder any more") from error
        identity = (found.st_dev, found.st_ino)
        if self._connection is not None and self._connection[0] != identity:
            self._connection[1].close()
            self._connection = None
        if self._connection is None:
            self._connection = identity, open_database(self._path)
        return self._connection[1]

    def _alone(self, sql: sqlite3.Connection, write: Write, now: datetime) -> Done | Exception:
        """What one write did, or why it did nothing: then all of it is undone, and nothing of the others."""
        sql.execute("SAVEPOINT one")
        try:
            with mapped():
                done = _apply(_Present(sql, self._collections, write.collection.app), write, now)
        except Exception as error:  # also a fault in a declared rule: it is its writer's answer, nobody else's
            if not sql.in_transaction:
                raise  # the engine has undone everything: full, or broken
            sql.execute("ROLLBACK TO one")
            done = error  # type: ignore[assignment]  # given back as a value
        sql.execute("RELEASE one")
        return done


# -- one write ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Row:
    """A record as it is stored now."""

    key: str
    version: int
    hash: bytes
    at: str
    revision: int
    doc: str
    record: Any


@dataclass(frozen=True, slots=True)
class _Present:
    """The collections as they are inside the writing transaction: what rules may look up."""

    sql: sqlite3.Connection
    collections: Mapping[str, Collection]
    app: str

    def _named(self, name: str) -> Collection:
        return self.collections[name if "/" in name else f"{self.app}/{name}"]

    def get(self, collection: str, *key: Any) -> Record | None:
        row = self.row(self._named(collection), render_key(key))
        return row.record if row else None

    def find(self, collection: str, **fields: Any) -> list[Record]:
        found = self._named(collection)
        return [_record(found, doc) for _, doc in self.matching(found, fields)]

    def matching(self, collection: Collection, fields: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Key and document of the records with these values, in the order of keys."""
        kinds = {column.name: column.kind for column in collection.columns}
        values = [to_stored(kinds[name], value) for name, value in fields.items()]
        terms = " AND ".join(f'"{name}" IS ?' for name in fields) or "1"
        return self.sql.execute(
            f'SELECT _key, _doc FROM "{collection.table}" WHERE {terms} ORDER BY _key',  # noqa: S608
            values,
        ).fetchall()

    def row(self, collection: Collection, key: str) -> _Row | None:
        found = self.sql.execute(
            f'SELECT _key, _version, _hash, _said_at, _revision, _doc FROM "{collection.table}" WHERE _key = ?',  # noqa: S608
            (key,),
        ).fetchone()
        if found is None:
            return None
        key, version, content, at, revision, doc = found
        return _Row(key, version, content, at, revision, doc, _record(collection, doc))


def _record(collection: Collection, doc: str) -> Record:
    try:
        return stored_record(collection.feed.record, doc)
    except msgspec.ValidationError as error:
        message = f"a stored record of {collection.feed.name} is no longer what its declaration says: {error}"
        raise QueryError(message, kind="conflict", status=409) from error


def _apply(present: _Present, write: Write, now: datetime) -> Done:
    if remembered := _remembered(present.sql, write, now):
        return remembered
    row = _meant(present, write) if write.action != "create" else None
    if write.action == "delete":
        assert row is not None
        done = _Change(present, write, row, _moment(row, now)).delete()
    else:
        done = _put(present, write, row, now)
    _note(present.sql, write, row, done, now)
    _remember(present.sql, write, done, now)
    return done


def _meant(present: _Present, write: Write) -> _Row:
    """The row that is meant, if this principal may do that to it and it is still the version that was meant.

    Raises:
        QueryError: 404, 403 or 412.
    """
    row = present.row(write.collection, write.key)
    if row is None:
        raise _absent()
    if write.as_owner and not write.resource.allows(write.action, write.principal, row.record):
        if write.resource.conceal:
            raise _absent()
        raise QueryError("This record is not yours.", kind="forbidden", status=403)
    if write.matches and not write.matches(_generation(present.sql, write.collection), row.version):
        raise QueryError("The record has another version by now.", kind="changed-meanwhile", status=412)
    return row


def _absent() -> QueryError:
    return QueryError("there is no such record", kind="not-found", status=404)


def _moment(row: _Row | None, now: datetime) -> datetime:
    """When a version begins: never before the one that it ends, whatever the clock does."""
    return max(now, parse_moment(row.at)) if row else now


def _put(present: _Present, write: Write, row: _Row | None, now: datetime) -> Done:
    assert write.make is not None
    draft = write.make(row.record if row else None)
    record = _made(write, draft, row, now)
    other = _other(present, write, record)
    if other is not None:
        if row is not None or write.resource.again is not REPLACE:
            raise QueryError("You have written such a record already.", kind="conflict", status=409)
        row, record = other, _made(write, draft, other, now)
    before, change = row.record if row else None, _Change(present, write, row, _moment(row, now))
    if row is not None and write.resource.same(record, before):
        return change.done("same", row.version, row.revision, row.doc, row.at)
    _check_links(present, write, record, before)
    _check_refusal(present, write, record)
    return change.put(record)


def _check_refusal(present: _Present, write: Write, record: Any) -> None:
    """Raises QueryError where the declared rule does not take the record from this person."""
    refuse = write.resource.refuse if write.as_owner else None
    refusal = refuse(record, write.principal, present) if refuse else None
    if refusal is not None:
        raise QueryError(refusal.message, kind=_REFUSED[refusal.status], status=refusal.status)


_REFUSED = {403: "forbidden", 404: "not-found", 409: "conflict", 422: "invalid"}


def _made(write: Write, draft: Mapping[str, Any], row: _Row | None, now: datetime) -> Any:
    """The record that a draft makes: a new one, or the next version of what is there."""
    before, key = (row.record, row.key) if row else (None, str(uuid.uuid4()))
    return write.resource.complete(draft, before, key=key, owner=write.principal.id, at=_moment(row, now))


def _other(present: _Present, write: Write, record: Any) -> _Row | None:
    """Another record of the same owner where one is allowed."""
    resource = write.resource
    if resource.one_per_owner is None or not (owner := getattr(record, resource.owner)):
        return None
    fields = {resource.owner: owner} | {name: getattr(record, name) for name in resource.one_per_owner}
    found = [key for key, _ in present.matching(write.collection, fields) if key != record.id]
    return present.row(write.collection, found[0]) if found else None


def _check_links(present: _Present, write: Write, record: Any, before: Any) -> None:
    """Raises InvalidRecord where a record is newly about one that is not there. Later on that one may go."""
    faults = []
    for link in write.resource.links:
        values = [getattr(record, name) for name in link.fields]
        stood = before is not None and values == [getattr(before, name) for name in link.fields]
        if stood or None in values:
            continue
        target = present.collections[f"{write.collection.app}/{link.target.name}"]
        # A content's key is its own text; every other is made of its fields.
        key = render_key(values) if isinstance(link.target.key, tuple) else str(values[0])
        found = present.sql.execute(f'SELECT 1 FROM "{target.table}" WHERE _key = ?', (key,)).fetchone()  # noqa: S608
        if found is None:
            faults.append(Fault(f"/{link.fields[0]}", f"there is no such record in {link.target.name}"))
    if faults:
        raise InvalidRecord(faults)


def _generation(sql: sqlite3.Connection, collection: Collection) -> int:
    row = sql.execute("SELECT generation FROM _collection WHERE name = ?", (collection.name,)).fetchone()
    return int(row[0])


@dataclass(frozen=True, slots=True)
class _Change:
    """The rows that one write changes. row: what is there before, None for nothing."""

    present: _Present
    write: Write
    row: _Row | None
    at: datetime

    @property
    def _sql(self) -> sqlite3.Connection:
        return self.present.sql

    @property
    def _moment(self) -> str:
        return render_moment(self.at)

    def put(self, record: Any) -> Done:
        """The record, stored as its next version."""
        collection, row = self.write.collection, self.row
        values = stored_values(self.write.resource.record)(record)
        key = row.key if row else render_key([record.id])
        doc = f'{{"_key":"{key}",{msgspec.json.encode(record)[1:].decode()}'
        revision = self._raise_revision()
        statements = Statements(collection)
        own: tuple[Stored | bytes, ...] = ("", content_hash(values), b"")
        since = (self._moment, revision, 0, 0, self.write.principal.id)
        if row is None:
            self._sql.execute(statements.insert, (key, *own, 1, *since, *values, doc))
        else:
            self._keep(revision, row, gone=False)
            self._sql.execute(statements.update, (*own, *since, *values, doc, key, row.hash))
        self._follow(key, record)
        version = row.version + 1 if row else 1
        return self.done("changed" if row else "created", version, revision, doc, self._moment, key)

    def delete(self) -> Done:
        """The record, gone; its versions stay."""
        row = self.row
        assert row is not None
        revision = self._raise_revision()
        self._keep(revision, row, gone=True)
        self._sql.execute(Statements(self.write.collection).delete, (row.key, row.hash))
        self._follow(row.key, None)
        return self.done("deleted", row.version, revision, "", self._moment)

    def done(
        self,
        outcome: Literal["created", "changed", "same", "deleted"],
        version: int,
        revision: int,
        doc: str,
        at: str,
        key: str = "",
    ) -> Done:
        """What was done, with the generation that it was done to."""
        key = key or (self.row.key if self.row else "")
        return Done(outcome, key, doc, version, revision, _generation(self._sql, self.write.collection), at)

    def _keep(self, revision: int, row: _Row, *, gone: bool) -> None:
        statement = Statements(self.write.collection).keep
        self._sql.execute(statement, (self._moment, revision, int(gone), row.key, row.hash))

    def _raise_revision(self) -> int:
        """One more for each write, so that every state between two writes can be read again."""
        name = self.write.collection.name
        generation, revision = self._sql.execute(
            "UPDATE _collection SET revision = revision + 1, changed_at = ? WHERE name = ?"
            " RETURNING generation, revision",
            (self._moment, name),
        ).fetchone()
        self._sql.execute(
            "INSERT INTO _commit (collection, generation, revision, at, partition, attempt) VALUES (?, ?, ?, ?, '', 0)",
            (name, generation, revision, self._moment),
        )
        return int(revision)

    def _follow(self, key: str, record: Any) -> None:
        """Has everything follow that is kept beside the record: sums, and the elements of lists."""
        collection, resource = self.write.collection, self.write.resource
        rollups.keep(self._sql, collection, self.row.record if self.row else None, record)
        for name, elements in resource.elements.items():
            table = f"{collection.table}__{name}"
            self._sql.execute(f'DELETE FROM "{table}" WHERE _key = ?', (key,))  # noqa: S608
            items = (getattr(record, name) if record is not None else None) or []
            marks = ", ".join("?" * (len(elements) + 2))
            self._sql.executemany(
                f'INSERT INTO "{table}" VALUES ({marks})',  # noqa: S608
                [
                    (key, place, *(to_stored(element.kind, _part(item, element.name)) for element in elements))
                    for place, item in enumerate(items)
                ],
            )


def _part(item: Any, name: str) -> Any:
    """A column's value of a list's element: a field of a struct, or the plain value itself."""
    return getattr(item, name) if isinstance(item, msgspec.Struct) else item


# -- what is noted beside it ----------------------------------------------------------------------------------------


def _note(sql: sqlite3.Connection, write: Write, row: _Row | None, done: Done, now: datetime) -> None:
    entry = audit.Entry(
        write.action,
        f"{write.collection.name}/{done.key}",
        write.principal.id,
        write.principal.key_id,
        before=row.version if row else None,
        after=None if done.outcome == "deleted" else done.version,
        request_id=write.request_id,
    )
    audit.note(sql, entry, now)


def _remembered(sql: sqlite3.Connection, write: Write, now: datetime) -> Done | None:
    """What the same request with the same key of this principal did within the last day.

    Raises:
        QueryError: 422, the key was sent with another request.
    """
    if write.once is None:
        return None
    sql.execute("DELETE FROM _idempotency WHERE at <= ?", (render_moment(now - REMEMBERED),))
    found = sql.execute(
        "SELECT digest, answer FROM _idempotency WHERE principal = ? AND key = ?", (write.principal.id, write.once.key)
    ).fetchone()
    if found is None:
        return None
    digest, answer = found
    if digest != write.once.digest:
        message = "this Idempotency-Key was sent with another request"
        raise QueryError(message, kind="idempotency-key-reused", status=422)
    return msgspec.msgpack.decode(answer, type=Done)


def _remember(sql: sqlite3.Connection, write: Write, done: Done, now: datetime) -> None:
    if write.once is not None:
        sql.execute(
            "INSERT INTO _idempotency (principal, key, digest, answer, at) VALUES (?, ?, ?, ?, ?)",
            (write.principal.id, write.once.key, write.once.digest, msgspec.msgpack.encode(done), render_moment(now)),
        )
