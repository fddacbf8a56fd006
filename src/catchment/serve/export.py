"""A whole list as a file: what may be asked for, and how it is sent piece by piece."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler

from ..errors import QueryError, UsageError
from ..record import Column
from ..store.export import Export
from ..store.query import Query, parse
from ..store.tables import Collection
from . import gate
from .cache import digest
from .collections import given
from .data import Data
from .forms import FORMATS, Format
from .front import DATA
from .streams import standing, streamed

__all__ = ["LEFT_OUT", "columns_shown", "handlers", "query_of_export"]

Ask = Request[Any, Any, Any]
LEFT_OUT = frozenset({"limit", "cursor", "count", "q"})
"""Of a list's parameters, what means nothing of all of it; and `q`, which asks what holds now alone."""


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
    export = await asyncio.to_thread(_begun, form, data, collection, query)
    headers = {
        "x-revision": str(export.state.revision),
        "etag": digest("export", ending, name, export.state, query.normal, str(collection.deleted)),
        "content-disposition": f'attachment; filename="{collection.app}-{collection.feed.name}.{ending}"',
    }
    if known := data.known_tag(headers["etag"]):
        return Response(b"", status_code=304, headers={"etag": known}, media_type=form.media_type)
    pieces = form.make(columns_shown(query, columns), export)
    return streamed(request, _sent(pieces, standing(request).holds), form.media_type, headers)


def _begun(form: Format, data: Data, collection: Collection, query: Query) -> Export:
    """The export, where this form can be made here. QueryError: 501 where it cannot."""
    try:
        form.check()
    except UsageError as error:
        raise QueryError(f"{error.message}: {error.hint}", kind="not-installed", status=501) from error
    return Export.begin(data.reader, collection, query)


async def _sent(pieces: Iterator[bytes], holds: Callable[[], bool]) -> AsyncIterator[bytes]:
    """The pieces, each made while the one before is taken; none where who asked may no longer read."""
    yield b""  # what has no record is an answer in pieces too
    following = asyncio.create_task(asyncio.to_thread(next, pieces, None))
    try:
        while (piece := await following) is not None:
            if not holds():
                raise QueryError("the key holds no longer", kind="forbidden", status=403)
            following = asyncio.create_task(asyncio.to_thread(next, pieces, None))
            if piece:  # a form that gathers has nothing to send for a while: meanwhile it is seen that the client left
                yield piece
    finally:
        following.cancel()
