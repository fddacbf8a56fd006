"""What one write does, inside the writing transaction: checked, stored, and everything beside it that follows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Literal

import msgspec

from ..bodies import Fault, InvalidRecord
from ..clock import parse_moment, render_moment
from ..decode import render_key
from ..errors import Concealed, QueryError
from ..principal import LOOPBACK, Principal
from ..resource import REPLACE, Resource, View
from . import allowances, counting, rollups, rows, spellings
from .allowances import Rates
from .audit import Entry
from .engines import Connection
from .group import Group
from .present import Present, Row
from .statements import Statements
from .tables import Collection
from .write import Done, Write

__all__ = ["apply", "check_links", "check_refusal", "remove", "stay_nameless"]

REMEMBERED = timedelta(hours=24)


def apply(present: Present, write: Write, group: Group, rates: Rates) -> Done:
    """What the write did. group: what is written with it in one transaction. rates: how often people may write.

    Raises:
        QueryError: why it did nothing; what it has changed by then the caller takes back.
    """
    now = group.now
    if remembered := _remembered(present.sql, write, now):
        return remembered
    allowances.take(present.sql, write, rates, now)
    row = _meant(present, write, group) if write.action != "create" else None
    if write.action == "delete":
        assert row is not None
        done = _Change(present, write, group, row).delete()
    else:
        done = _put(present, write, group, row)
    group.note(_entry(write, row, done))
    _remember(present.sql, write, done, now)
    return done


def remove(present: Present, collection: Collection, row: Row, group: Group) -> None:
    """Deletes a record on the operator's word, whoever's it is and whether or not what it is about is still there."""
    write = Write(collection=collection, action="delete", principal=LOOPBACK, key=row.key, as_owner=False)
    group.note(_entry(write, row, _Change(present, write, group, row).delete()))


def stay_nameless(present: Present, collection: Collection, row: Row, group: Group) -> None:
    """Stores what was deleted as nobody's: a new record, which has no owner and nothing before it."""
    assert isinstance(collection.feed, Resource)
    write = Write(collection=collection, action="create", principal=LOOPBACK, as_owner=False)
    nobodys = {"id": next(group.keys), collection.feed.owner: None}
    _Change(present, write, group, None).put(msgspec.structs.replace(row.record, **nobodys))


def _meant(present: Present, write: Write, group: Group) -> Row:
    """The row that is meant, if this principal may do that to it and it is still the version that was meant.

    Raises:
        QueryError: 404, 403 or 412.
    """
    key = write.key if isinstance(write.key, str) else _key_of(present, write.collection, write.key)
    row = present.row(write.collection, key)
    if row is None or not present.stands(write.collection, row.record):
        raise _absent()
    if write.as_owner and not write.resource.allows(write.action, write.principal, row.record):
        if write.resource.conceal:
            raise Concealed
        raise QueryError("This record is not yours.", kind="forbidden", status=403)
    _check_version(group, write, row)
    return row


def _key_of(present: Present, collection: Collection, fields: Mapping[str, Any]) -> str:
    """The key of the one record with these values; "" for none."""
    return next((key for key, _ in present.matching(collection, fields)), "")


def _check_version(group: Group, write: Write, row: Row) -> None:
    """Raises QueryError, 412, where another version is there than the one that is meant, or one where none may be."""
    if write.only_new:
        raise QueryError("There is such a record.", kind="changed-meanwhile", status=412)
    if write.matches and not write.matches(row.key, group.generation(write.collection), row.version):
        raise QueryError("The record has another version by now.", kind="changed-meanwhile", status=412)


def _check_replaced(group: Group, write: Write, other: Row | None) -> None:
    """Raises QueryError where a new record may not take the place of the other one: 428 or 412."""
    if write.action != "create" or write.resource.one_per_owner is None:
        return
    if other is None and write.matches:
        raise QueryError("There is no such record yet.", kind="changed-meanwhile", status=412)
    if other is not None and write.names_version and not write.matches and not write.only_new:
        message = "You have written this already: to replace it name its version with If-Match."
        raise QueryError(message, kind="if-match-needed", status=428)
    if other is not None:
        _check_version(group, write, other)


def _absent() -> QueryError:
    return QueryError("there is no such record", kind="not-found", status=404)


def _moment(row: Row | None, now: datetime) -> datetime:
    """When a version begins: never before the one that it ends, whatever the clock does."""
    return max(now, parse_moment(row.at)) if row else now


def _put(present: Present, write: Write, group: Group, row: Row | None) -> Done:
    assert write.make is not None
    draft = write.make(row.record if row else None)
    record = _made(present, write, draft, group, row)
    other = _other(present, write, record)
    if other is not None:
        if row is not None or write.resource.again is not REPLACE:
            raise QueryError("You have written such a record already.", kind="conflict", status=409)
        _check_replaced(group, write, other)
        row, record = other, _made(present, write, draft, group, other)
    elif write.action == "create":
        _check_replaced(group, write, None)
    before, change = row.record if row else None, _Change(present, write, group, row)
    check_links(write.collection, record, before, partial(_is_there, present))
    if row is not None and write.resource.same(record, before):
        return change.done("same", row.version, row.revision, row.doc, row.at)
    if write.as_owner:
        check_refusal(write.resource, record, write.principal, present)
    return change.put(record)


def check_refusal(resource: Resource, record: Any, principal: Principal, view: View) -> None:
    """Raises QueryError where the declared rule does not take the record from this person."""
    refusal = resource.refuse(record, principal, view) if resource.refuse else None
    if refusal is not None:
        raise QueryError(refusal.message, kind=_REFUSED[refusal.status], status=refusal.status)


_REFUSED = {403: "forbidden", 404: "not-found", 409: "conflict", 422: "invalid"}


def _made(present: Present, write: Write, draft: Mapping[str, Any], group: Group, row: Row | None) -> Any:
    """The record that a draft makes: a new one, or the next version of what is there."""
    before, key = (row.record, row.key) if row else (None, next(group.keys))
    made = write.resource.complete(draft, before, key=key, owner=write.principal.id, at=_moment(row, group.now))
    return spellings.as_first_written(write.collection, made, partial(spellings.first_written, present.sql))


def _other(present: Present, write: Write, record: Any) -> Row | None:
    """Another record of the same owner where one is allowed; where the owner may be null, that is nobody's."""
    resource = write.resource
    if resource.one_per_owner is None or (owner := getattr(record, resource.owner)) is None:
        return None
    fields = {resource.owner: owner} | {name: getattr(record, name) for name in resource.one_per_owner}
    found = [key for key, _ in present.matching(write.collection, fields) if key != record.id]
    return present.row(write.collection, found[0]) if found else None


def _is_there(present: Present, target: str, key: str) -> bool:
    table = present.collections[target].table
    return present.sql.execute(f'SELECT 1 FROM "{table}" WHERE _key = ?', (key,)).fetchone() is not None  # noqa: S608


def check_links(collection: Collection, record: Any, before: Any, is_there: Callable[[str, str], bool]) -> None:
    """Raises InvalidRecord where a record is newly about one that is not there. What is collected may go later on.

    is_there: whether a collection has a record of that key.
    """
    assert isinstance(collection.feed, Resource)
    faults = []
    for link in collection.feed.links:
        values = [getattr(record, name) for name in link.fields]
        stood = (
            before is not None
            and not isinstance(link.target, Resource)
            and values == [getattr(before, name) for name in link.fields]
        )
        if stood or None in values:
            continue
        # A content's key is its own text; every other is made of its fields.
        key = render_key(values) if isinstance(link.target.key, tuple) else str(values[0])
        if not is_there(f"{collection.app}/{link.target.name}", key):
            faults.append(Fault(f"/{link.fields[0]}", f"there is no such record in {link.target.name}"))
    if faults:
        raise InvalidRecord(faults)


@dataclass(frozen=True, slots=True)
class _Change:
    """The rows that one write changes. row: what is there before, None for nothing."""

    present: Present
    write: Write
    group: Group
    row: Row | None

    @property
    def _sql(self) -> Connection:
        return self.present.sql

    @property
    def _moment(self) -> str:
        return render_moment(_moment(self.row, self.group.now))

    def put(self, record: Any) -> Done:
        """The record, stored as its next version."""
        collection, row = self.write.collection, self.row
        key = row.key if row else render_key([record.id])
        content = rows.Content.of(collection, key, record)
        doc, author = content.doc, self.write.principal.id
        revision = self._raise_revision()
        statements = Statements.of(collection)
        if row is None:
            self._sql.execute(statements.insert, content.first_version(key, self._moment, revision, author))
        else:
            self._keep(revision, row, gone=False)
            since = ("", content.hash, b"", self._moment, revision, 0, 0, author)
            self._sql.execute(statements.update, (*since, *content.values, doc, key, row.hash))
        self._follow(key, record)
        counting.follow(self._sql, collection, revision)
        version = row.version + 1 if row else 1
        return self.done("changed" if row else "created", version, revision, doc, self._moment, key)

    def delete(self) -> Done:
        """The record, gone; its versions stay."""
        row = self.row
        assert row is not None
        revision = self._raise_revision()
        rollups.leave(self.present, self.write.collection, row.key)
        about = self.present.about(self.write.collection, row.key)
        for other, names in about:
            where = " OR ".join(f'"{name}" = ?' for name in names)
            counting.move(self._sql, other, other.table, where, [row.key] * len(names), sign=-1)
        self._keep(revision, row, gone=True)
        self._sql.execute(Statements.of(self.write.collection).delete, (row.key, row.hash))
        self._follow(row.key, None)
        counting.follow(self._sql, self.write.collection, revision)
        for other, _ in about:
            hidden = self.group.raise_revision(other, self._moment, hides=row.key)
            counting.follow(self._sql, other, hidden)
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
        return Done(outcome, key, doc, version, revision, self.group.generation(self.write.collection), at)

    def _keep(self, revision: int, row: Row, *, gone: bool) -> None:
        statement = Statements.of(self.write.collection).keep
        self._sql.execute(statement, (self._moment, revision, int(gone), row.key, row.hash))

    def _raise_revision(self) -> int:
        return self.group.raise_revision(self.write.collection, self._moment)

    def _follow(self, key: str, record: Any) -> None:
        """Has everything follow that is kept beside the record: sums, and the elements of lists."""
        collection, resource = self.write.collection, self.write.resource
        before = self.row.record if self.row else None
        rollups.keep(self._sql, collection, before, record)
        rollups.carry(self._sql, self.present.collections.values(), collection, before, record)
        for name in resource.elements if self.row else ():
            self._sql.execute(f'DELETE FROM "{collection.table}__{name}" WHERE _key = ?', (key,))  # noqa: S608
        if record is not None:
            rows.insert_elements(self._sql, collection, key, record)


# -- what is noted beside it ----------------------------------------------------------------------------------------


def _entry(write: Write, row: Row | None, done: Done) -> Entry:
    return Entry(
        write.action,
        f"{write.collection.name}/{done.key}",
        write.principal.id,
        write.principal.key_id,
        before=row.version if row else None,
        after=None if done.outcome == "deleted" else done.version,
        request_id=write.request_id,
    )


def _remembered(sql: Connection, write: Write, now: datetime) -> Done | None:
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


def _remember(sql: Connection, write: Write, done: Done, now: datetime) -> None:
    if write.once is not None:
        sql.execute(
            "INSERT INTO _idempotency (principal, key, digest, answer, at) VALUES (?, ?, ?, ?, ?)",
            (write.principal.id, write.once.key, write.once.digest, msgspec.msgpack.encode(done), render_moment(now)),
        )
