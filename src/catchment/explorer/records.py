"""A record: its fields, every version of it with what changed, and the bytes that a version came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import msgspec

from ..errors import QueryError, StoreError
from ..feed import Feed
from ..record import Column
from ..serve.collections import read_history, read_source
from ..serve.data import Data
from ..serve.reading import read_page
from ..store.query import Query
from ..store.seen import State, Version
from ..store.tables import Collection
from .cells import KINDS, LONG, Cell, cell, documents, key_of
from .excerpts import Excerpt, excerpt, row_of
from .links import api_of, page_of, record_of, write_of
from .related import Related, related
from .writing import allowed

__all__ = ["Change", "Entry", "Field", "Sheet", "Source", "first_key", "sheet"]

SHOWN = 100
"""Versions that one page tells of."""

ALIKE = 60
"""Characters of a value that others may share."""

Document = Mapping[str, msgspec.Raw]


@dataclass(frozen=True, slots=True)
class Change:
    """A field that two versions differ in."""

    field: str
    before: Cell
    after: Cell


@dataclass(frozen=True, slots=True)
class Entry:
    """One version in the timeline. words: what it was besides; changes: from the version before."""

    version: Version
    href: str
    words: str
    changes: Sequence[Change]
    shown: bool


@dataclass(frozen=True, slots=True)
class Source:
    """The exchange that brought a version. body: None where its bytes are no longer kept."""

    exchange: Mapping[str, Any]
    body: Excerpt | None
    download: str


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a record. alike: the address of all records that have the same in it, "" where that says little."""

    name: str
    kind: str
    value: Cell
    alike: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """A record's page. version: the one that is shown. write: the form that changes it, "" for whoever may not."""

    collection: Collection
    key: str
    state: State
    version: Version
    newest: Version
    fields: Sequence[Field]
    related: Sequence[Related]
    timeline: Sequence[Entry]
    more: int
    source: Source | None
    api: str
    write: str

    @property
    def present(self) -> bool:
        """Whether the record is there now."""
        return self.newest.until is None


def sheet(data: Data, collection: Collection, key: str, number: int | None) -> Sheet:
    """The page of one record, as of one of its versions (None: the newest). QueryError: 404 where there is none."""
    state, versions = read_history(data, collection, key)
    version = next((item for item in versions if number in (None, item.version)), None)
    if version is None:
        raise QueryError(f"there is no version {number} of this record", kind="not-found", status=404)
    columns = data.columns(collection)
    (document,) = documents(version.record)
    return Sheet(
        collection,
        key,
        state,
        version,
        versions[0],
        [_field(collection, column, document) for column in columns],
        related(data, collection, key, document),
        _timeline(collection, key, columns, versions, version),
        max(0, len(versions) - SHOWN),
        None if collection.written else _source(data, collection, key, version),
        f"{api_of(collection.name)}/{key}",
        write_of(collection.name, key) if _may_write(data, collection, key) else "",
    )


def _may_write(data: Data, collection: Collection, key: str) -> bool:
    """Whether this reader may change or delete the record that is there now."""
    if not collection.written or not data.principal.id:
        return False
    with data.reader.snapshot() as snapshot:
        item = snapshot.item(collection, key)
    return item is not None and bool(allowed(data, collection, item.body))


def _field(collection: Collection, column: Column, document: Document) -> Field:
    value = cell(column, document.get(column.name), limit=LONG)
    return Field(column.name, KINDS[column.kind], value, _alike(collection, column, value))


def _alike(collection: Collection, column: Column, value: Cell) -> str:
    """Of what may be one of several values, not of what identifies the record or measures it."""
    if value.empty or value.link or column.kind not in ("text", "boolean", "date") or len(value.text) > ALIKE:
        return ""
    if collection.feed.key == (column.name,) or column.name in collection.feed.search:
        return ""
    return page_of(collection.name, [(column.name, value.text)])


# -- the timeline --------------------------------------------------------------------------------------------------


def _timeline(
    collection: Collection, key: str, columns: Sequence[Column], versions: Sequence[Version], shown: Version
) -> list[Entry]:
    older: list[Version | None] = [*versions[1:], None]
    found = []
    for version, before in islice(zip(versions, older, strict=True), SHOWN):
        href = record_of(collection.name, key) + f"?version={version.version}"
        changes = _changes(columns, before, version) if before else []
        found.append(Entry(version, href, _words(version, before), changes, shown=version is shown))
    return found


def _words(version: Version, before: Version | None) -> str:
    if before is None:
        return "first seen" if version.version == 1 else "what was before is no longer kept"
    return "came back" if before.gone else ""


def _changes(columns: Sequence[Column], before: Version, after: Version) -> list[Change]:
    (old,), (new,) = documents(before.record), documents(after.record)
    return [
        Change(column.name, cell(column, old.get(column.name)), cell(column, new.get(column.name)))
        for column in columns
        if _member(old, column) != _member(new, column)
    ]


def _member(document: Document, column: Column) -> bytes:
    return bytes(document.get(column.name, b"null"))


# -- the source ----------------------------------------------------------------------------------------------------


def _source(data: Data, collection: Collection, key: str, version: Version) -> Source | None:
    try:
        _, exchange = read_source(data, collection, key, version.version)
    except QueryError:  # a version outlives the exchange that brought it
        return None
    with data.reader.snapshot() as snapshot:
        body = snapshot.body(exchange["digest"])
    assert isinstance(collection.feed, Feed)
    found = excerpt(body, row_of(collection.feed, exchange["partition"], key, body)) if body is not None else None
    download = f"{api_of(collection.name)}/{key}/source/body?version={version.version}"
    return Source(exchange, found, download)


def first_key(data: Data, name: str) -> str:
    """The key of some record of a collection, percent-encoded; "" where there is none, or none for this reader."""
    try:
        found = read_page(data, data.collection(name), Query(limit=1, count="none"))
    except (QueryError, StoreError):
        return ""
    return next((key_of(document) for document in documents(found.body)), "")
