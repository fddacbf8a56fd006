"""The routes that every collection has: list, item, differences, history, source."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec
from litestar import Request, Response, get

from ..errors import QueryError
from ..store.difference import Differences, Span, differences, parse_span
from ..store.seen import State, Version
from ..store.tables import Collection
from . import gate
from .cache import digest
from .data import Data
from .front import DATA
from .reading import (
    Reply,
    canonical_key,
    item_query,
    item_reply,
    list_reply,
    list_tag,
    listing_of,
    next_of,
    no_record,
)

__all__ = ["HANDLERS", "answer", "asked", "given", "known", "read_history", "read_source", "shown", "version_number"]

_JSON = "application/json"
_encode = msgspec.json.Encoder().encode
Ask = Request[Any, Any, Any]
T = TypeVar("T")


def asked(request: Ask) -> tuple[Data, Collection]:
    """What the request may read, and the collection that its path names."""
    data: Data = request.scope[DATA]  # type: ignore[literal-required]  # a key of our own beside ASGI's
    return data, data.collection(f"{request.path_params['app']}/{request.path_params['name']}")


def given(request: Ask, allowed: Sequence[str] = ()) -> list[tuple[str, str]]:
    """The request's parameters; with `allowed`, no others than these."""
    pairs = gate.pairs(request.scope["query_string"])
    return gate.only(pairs, allowed) if allowed else pairs


def known(data: Data, etag: str) -> Response[bytes] | None:
    """A 304 if the client has this answer."""
    if told := data.known_tag(etag):
        return Response(b"", status_code=304, headers={"etag": told}, media_type=_JSON)
    return None


def answer(body: bytes, etag: str, headers: dict[str, str] | None = None) -> Response[bytes]:
    """A 200 of JSON."""
    return Response(body, media_type=_JSON, headers={"etag": etag, **(headers or {})})


def _said(reply: Reply) -> Response[bytes]:
    return answer(reply.body, reply.etag, dict(reply.headers))


# -- list ----------------------------------------------------------------------------------------------------------


@get("/v1/{app:str}/{name:str}")
async def records(request: Ask) -> Response[bytes]:
    """One page of a collection."""
    data, collection = asked(request)
    listing = listing_of(given(request), request.scope["path"], data, collection)
    state = data.reader.states().get(collection.name)
    if state is not None and (told := known(data, list_tag(collection, state, listing))):
        data.seen[collection.name] = state
        return told
    return _said(await _read(lambda: list_reply(data, collection, listing), quick=listing.quick and data.reader.near))


async def _read(question: Callable[[], T], *, quick: bool = False) -> T:
    return question() if quick else await asyncio.to_thread(question)


# -- item ----------------------------------------------------------------------------------------------------------


@get("/v1/{app:str}/{name:str}/{key:str}")
async def record(request: Ask) -> Response[bytes]:
    """One record. Its ETag is its version, so it stands when only others change."""
    data, collection = asked(request)
    query = item_query(given(request), data, collection)
    wanted = canonical_key(request.path_params["key"])
    reply = await _read(
        lambda: item_reply(data, collection, wanted, query), quick=query.as_of is None and data.reader.near
    )
    return known(data, reply.etag) or _said(reply)


# -- differences ---------------------------------------------------------------------------------------------------


@get("/v1/{app:str}/{name:str}/diff")
async def diff(request: Ask) -> Response[bytes]:
    """The records that differ between two points in time, in the order of their keys."""
    data, collection = asked(request)
    columns = data.columns(collection)
    pairs = given(request)
    span = parse_span(pairs, columns)
    if len(columns) < len(collection.columns):
        # Else it would tell when something was changed that this reader does not see.
        span = dataclasses.replace(span, ignored=frozenset({"updated_at"}))
    state = data.reader.states().get(collection.name)
    if state is not None and (told := known(data, _span_tag(collection, state, span))):
        data.seen[collection.name] = state
        return told
    page = await _read(lambda: _differences(data, collection, span))
    headers = {"link": f'<{next_of(request.scope["path"], pairs)}{page.next}>; rel="next"'} if page.next else {}
    body = b"".join((b'{"data":[', b",".join(page.entries), b'],"meta":', _meta(page.state, next=page.next), b"}"))
    return answer(body, _span_tag(collection, page.state, span), headers)


def _span_tag(collection: Collection, state: State, span: Span) -> str:
    return digest("diff", collection.name, state, span.normal, str(collection.deleted))


def _differences(data: Data, collection: Collection, span: Span) -> Differences:
    with data.reader.snapshot() as snapshot:
        data.note(snapshot, collection)
        return differences(snapshot, collection, span)


# -- history and source --------------------------------------------------------------------------------------------


@get("/v1/{app:str}/{name:str}/{key:str}/history")
async def history(request: Ask) -> Response[bytes]:
    """Every version of one record that is kept, newest first."""
    data, collection = asked(request)
    if given(request):
        raise QueryError("history takes no parameters", kind="unknown-parameter")
    wanted = canonical_key(request.path_params["key"])
    state, versions = await _read(lambda: read_history(data, collection, wanted))
    names = tuple(column.name for column in data.columns(collection))
    bodies = [_version_body(version, version.record) for version in versions]
    body = b"".join((b'{"data":[', b",".join(bodies), b'],"meta":', _meta(state), b"}"))
    return answer(body, digest("history", collection.name, wanted, state, repr((names, collection.deleted))))


def read_history(data: Data, collection: Collection, key: str) -> tuple[State, list[Version]]:
    """Every version of a record as this reader sees them, newest first. QueryError: 404 where there is none."""
    with data.reader.snapshot() as snapshot:
        state, versions = data.note(snapshot, collection), snapshot.history(collection, key)
    if not versions:
        raise no_record()
    if len(data.columns(collection)) < len(collection.columns):
        versions = _visible(data, collection, versions)
    return state, versions


def _visible(data: Data, collection: Collection, versions: list[Version]) -> list[Version]:
    """The versions as they differ for somebody who does not read every field, newest first.

    One that differs in hidden fields alone belongs to the one before it; who brought it is not told.
    """
    found: list[Version] = []
    for version in reversed(versions):
        seen = dataclasses.replace(version, record=shown(data, collection, version.record))
        if found and not found[-1].gone and _same_content(found[-1].record, seen.record):
            ends = {name: getattr(seen, name) for name in ("until", "until_revision", "gone")}
            found[-1] = dataclasses.replace(found[-1], **ends)
        else:
            found.append(seen)
    return found[::-1]


def _same_content(one: str, other: str) -> bool:
    left, right = (msgspec.json.decode(text, type=dict[str, Any]) | {"updated_at": None} for text in (one, other))
    return left == right


def _meta(state: State, **more: str | None) -> bytes:
    return _encode({"revision": state.revision, "changed_at": state.changed_at, **more})


def shown(data: Data, collection: Collection, document: str) -> str:
    """A record's JSON with the members that this reader may read."""
    hidden = {column.name for column in collection.columns} - {column.name for column in data.columns(collection)}
    if not hidden:
        return document
    members = msgspec.json.decode(document, type=dict[str, msgspec.Raw])
    return msgspec.json.encode({name: text for name, text in members.items() if name not in hidden}).decode()


def _version_body(version: Version, record: str) -> bytes:
    origin = ("run", "attempt") if version.author is None else ("author",)
    names = ("version", "said_at", "until", "revision", "until_revision", "gone", *origin)
    head = _encode({name: getattr(version, name) for name in names})
    return head[:-1] + b',"record":' + record.encode() + b"}"


@get("/v1/{app:str}/{name:str}/{key:str}/source")
async def source(request: Ask) -> Response[bytes]:
    """The exchange that a version came from; with `raw=true` the bytes of its body."""
    data, collection = asked(request)
    pairs = dict(given(request, ("version", "raw")))
    version, wanted = version_number(pairs.get("version", "")), canonical_key(request.path_params["key"])
    if pairs.get("raw", "false") not in ("true", "false"):
        raise QueryError("raw: is true or false", parameter="raw")
    if pairs.get("raw") == "true":
        return await _raw_body(data, collection, wanted, version)
    state, found = await _read(lambda: read_source(data, collection, wanted, version))
    path = f"/v1/{collection.name}/{wanted}/source/body?version={found['version']}"
    body = _encode(
        {"data": found | {"body": path}, "meta": {"revision": state.revision, "changed_at": state.changed_at}}
    )
    return answer(body, digest("source", collection.name, wanted, state, str(version)))


@get("/v1/{app:str}/{name:str}/{key:str}/source/body")
async def source_body(request: Ask) -> Response[bytes]:
    """The bytes that a version came from, as they were archived."""
    data, collection = asked(request)
    pairs = dict(given(request, ("version",)))
    return await _raw_body(
        data, collection, canonical_key(request.path_params["key"]), version_number(pairs.get("version", ""))
    )


def version_number(text: str) -> int | None:
    """The version that a parameter names; None for none. QueryError where it is no number."""
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise QueryError("version: is a whole number, e.g. 2", parameter="version")
    return int(text)


def read_source(data: Data, collection: Collection, key: str, version: int | None) -> tuple[State, dict[str, Any]]:
    """The exchange that brought a version. QueryError: 404 where there is none."""
    with data.reader.snapshot() as snapshot:
        state = data.note(snapshot, collection)
        found = snapshot.source(collection, key, version)
    if found is None:
        raise no_record()
    return state, found


async def _raw_body(data: Data, collection: Collection, key: str, version: int | None) -> Response[bytes]:
    _, found = await _read(lambda: read_source(data, collection, key, version))

    def question() -> bytes | None:
        with data.reader.snapshot() as snapshot:
            return snapshot.body(found["digest"])

    body = await _read(question)
    if body is None:
        raise QueryError("the bytes are no longer kept", kind="not-found", status=404)
    # Never shown in a browser as what it claims to be: it is somebody else's.
    headers = {"etag": f'"{found["digest"]}"', "content-disposition": f'attachment; filename="{found["digest"][:16]}"'}
    return Response(body, media_type="application/octet-stream", headers=headers)


HANDLERS = (records, record, diff, history, source, source_body)
