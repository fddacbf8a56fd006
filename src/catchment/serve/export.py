"""A whole list as a file: in which forms, and how it is sent piece by piece."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler

from ..errors import QueryError
from ..record import Column
from ..store.export import Export
from ..store.query import Query, parse
from ..store.tables import Collection
from . import gate
from .cache import digest
from .collections import given
from .data import Data
from .front import DATA
from .streams import standing, streamed

__all__ = ["FORMATS", "LEFT_OUT", "Format", "columns_shown", "handlers", "query_of_export"]

Ask = Request[Any, Any, Any]
Make = Callable[[Sequence[Column], Iterator[list[str]]], Iterator[bytes]]
LEFT_OUT = frozenset({"limit", "cursor", "count", "q"})
"""Of a list's parameters, what means nothing of all of it; and `q`, which asks what holds now alone."""


@dataclass(frozen=True, slots=True)
class Format:
    """A form of file. make: its pieces, from the fields and the records' JSON, some at a time."""

    name: str
    media_type: str
    words: str
    make: Make


# -- forms ---------------------------------------------------------------------------------------------------------


def _lines(_: Sequence[Column], pieces: Iterator[list[str]]) -> Iterator[bytes]:
    for documents in pieces:
        yield ("\n".join(documents) + "\n").encode()


_QUOTED = re.compile(r'[",\r\n]')
_FORMULA = re.compile(r"[=+\-@\t\r]")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?\Z")


def _table(columns: Sequence[Column], pieces: Iterator[list[str]]) -> Iterator[bytes]:
    """RFC 4180: null is nothing at all, a text without a letter is `""`; lists are JSON.

    A text that a spreadsheet would take for a formula has an apostrophe before it (OWASP, CSV Injection); a number is
    none, also where it is below zero.
    """
    names = ["_key", *(column.name for column in columns)]
    yield (",".join(names) + "\r\n").encode()
    decode = msgspec.json.Decoder(dict[str, Any]).decode
    for documents in pieces:
        rows = map(decode, documents)
        yield "".join(",".join([_cell(row.get(name)) for name in names]) + "\r\n" for row in rows).encode()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool | int | float):
        return str(value).lower() if isinstance(value, bool) else repr(value)
    return _text(value if isinstance(value, str) else msgspec.json.encode(value).decode())


def _text(value: str) -> str:
    if _FORMULA.match(value) and not _NUMBER.match(value):
        value = f"'{value}"
    return '"' + value.replace('"', '""') + '"' if not value or _QUOTED.search(value) else value


FORMATS = {
    item.name: item
    for item in (
        Format("csv", "text/csv", "RFC 4180, with a line of names; formulas are made harmless", _table),
        Format("ndjson", "application/x-ndjson", "a line of JSON each, as the list has it", _lines),
    )
}
"""By the ending of the path."""


# -- what is asked -------------------------------------------------------------------------------------------------


def query_of_export(pairs: Sequence[tuple[str, str]], collection: Collection, columns: Sequence[Column]) -> Query:
    """The list that is meant, of these fields; in the order of keys where none is asked for: that has an index in
    every state. QueryError as for a list, and for what means nothing of all of it.
    """
    for name, _ in pairs:
        if name in LEFT_OUT:
            raise QueryError(f"{name}: is not of a whole list as a file", kind="unknown-parameter", parameter=name)
    query = parse(pairs, columns, (), collection.aliases)
    if not query.fields and len(columns) < len(collection.columns):
        query = replace(query, fields=tuple(column.name for column in columns))
    return query


def columns_shown(query: Query, columns: Sequence[Column]) -> list[Column]:
    """The fields that the query answers, in its order."""
    by_name = {column.name: column for column in columns}
    return [by_name[name] for name in query.fields] if query.fields else list(columns)


# -- routes --------------------------------------------------------------------------------------------------------


def handlers(collections: Sequence[Collection]) -> list[HTTPRouteHandler]:
    """The routes: every collection with every ending."""
    paths = [f"/v1/{item.name}.{ending}" for item in collections if item.served for ending in FORMATS]
    return [get(paths)(_export)] if paths else []


async def _export(request: Ask) -> Response[Any]:
    """The whole list as a file."""
    data: Data = request.scope[DATA]  # type: ignore[literal-required]  # a key of our own beside ASGI's
    name, _, ending = request.scope["path"].removeprefix("/v1/").rstrip("/").partition(".")
    form, collection = FORMATS[ending], data.collection(name)
    if not gate.accepts(gate.header(request.scope, b"accept"), form.media_type):
        raise QueryError(f"This is {form.media_type}.", kind="not-acceptable", status=406)
    columns = data.columns(collection)
    query = query_of_export(given(request), collection, columns)
    export = await asyncio.to_thread(Export.begin, data.reader, collection, query)
    headers = {
        "x-revision": str(export.state.revision),
        "etag": digest("export", ending, name, export.state, query.normal, str(collection.deleted)),
        "content-disposition": f'attachment; filename="{collection.app}-{collection.feed.name}.{ending}"',
    }
    if known := data.known_tag(headers["etag"]):
        return Response(b"", status_code=304, headers={"etag": known}, media_type=form.media_type)
    pieces = form.make(columns_shown(query, columns), export.pieces())
    return streamed(request, _sent(pieces, standing(request).holds), form.media_type, headers)


async def _sent(pieces: Iterator[bytes], holds: Callable[[], bool]) -> AsyncIterator[bytes]:
    """The pieces, each made when the one before was taken; none where who asked may no longer read."""
    yield b""  # what has no record is an answer in pieces too
    while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
        if not holds():
            raise QueryError("the key holds no longer", kind="forbidden", status=403)
        yield piece
