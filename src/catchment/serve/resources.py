"""The routes by which people write: the same for every resource, and what an app's own routes may write."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NoReturn

import msgspec
from litestar import Litestar, Request, Response, delete, patch, post, put
from litestar.exceptions import MethodNotAllowedException
from litestar.handlers import HTTPRouteHandler

from ..bodies import InvalidRecord
from ..errors import Concealed, QueryError
from ..principal import ANONYMOUS, may
from ..resource import Action, Resource
from ..store.snapshot import Item, State
from ..store.tables import Collection
from ..store.writes import Done, Once, Write, Writer
from . import gate
from .collections import canonical_key, item_body, item_tag, item_tags, shown
from .data import Data
from .front import DATA
from .rights import REQUEST_ID, demand

__all__ = ["HANDLERS", "WRITER", "NoNumber", "Writing", "read_json", "read_members", "with_faults", "writer_of"]

WRITER = "writer"
"""Where the service's `Writer` stands in the framework's state."""

Ask = Request[Any, Any, Any]
Key = str | Mapping[str, Any]
"""Of a record: its own, or the fields whose values it alone has."""

_JSON = "application/json"
_PATCH = (_JSON, "application/merge-patch+json")
_ONCE = re.compile(r"[\x21-\x7e]{1,255}")
_LARGEST_POWER, _DEEPEST = 308, 64


def writer_of(framework: Litestar) -> Writer:
    """The writer of the service."""
    found: Writer = framework.state[WRITER]
    return found


def with_faults(body: bytes, error: InvalidRecord) -> bytes:
    """A problem's body that names everything that is wrong with what was written."""
    faults = [{"pointer": fault.pointer, "detail": fault.message} for fault in error.faults]
    return msgspec.json.encode(msgspec.json.decode(body) | {"errors": faults})


# -- what one request may write -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Writing:
    """The resources of an app as one request may write them; a resource is named as it is declared.

    A record is named by its key, or by fields whose values it alone has: so a request that is sent again with its
    Idempotency-Key is answered as at first, even if the record is gone by then.
    Every method answers what was done once it is on the disk.
    Raises: QueryError with the status that says why not: 401, 403, 404, 409, 412, 422, 428 or 503.
    """

    writer: Writer
    data: Data
    app: str
    request_id: str
    if_match: str
    once: str
    lets_anybody: bool = False
    names_version: bool = False
    tag: Callable[[int], str] | None = None

    @classmethod
    def of(cls, request: Ask, app: str) -> Writing:
        """What this request may write of the app's resources."""
        scope: Mapping[str, Any] = request.scope
        if_match, once = (gate.header(scope, name).strip() for name in (b"if-match", b"idempotency-key"))
        return cls(writer_of(request.app), scope[DATA], app, scope[REQUEST_ID], if_match, once)

    def for_nobody(self) -> Writing:
        """The same for nobody in particular, who owns nothing; the resource's `may` says what of others' is his.

        The app's route says when that is let be: no right to write is asked for any more.
        """
        nobody = dataclasses.replace(self.data, principal=ANONYMOUS)
        return dataclasses.replace(self, data=nobody, lets_anybody=True)

    def by_version(self) -> Writing:
        """The same, where `If-Match` has to name the version of whatever is there and written over (428)."""
        return dataclasses.replace(self, names_version=True)

    def tagged(self, tag: Callable[[int], str]) -> Writing:
        """The same where the app's routes give ETags of their own. tag: version -> its ETag, which `If-Match` takes."""
        return dataclasses.replace(self, tag=tag)

    async def create(self, name: str, members: Any) -> Done:
        """A new record, or where the declaration says so the next version of the one that it replaces."""
        collection = self._collection(name)
        draft = _resource(collection).draft(members)  # what cannot be a record at all takes no place in the queue
        return await self._send(self._write(collection, "create", "", lambda _: draft, members))

    async def replace(self, name: str, key: Key, members: Any) -> Done:
        """The record with the whole body's members."""
        collection = self._collection(name)
        make = _resource(collection).redraft
        write = self._write(collection, "change", key, lambda before: make(members, before), {"whole": members})
        return await self._send(write)

    async def patch(self, name: str, key: Key, members: Any) -> Done:
        """The record with a merge-patch's members (RFC 7396) merged into it."""
        collection = self._collection(name)
        make = _resource(collection).patched
        write = self._write(collection, "change", key, lambda before: make(members, before), members)
        return await self._send(write)

    async def delete(self, name: str, key: Key) -> Done:
        """The record gone; its versions stay."""
        return await self._send(self._write(self._collection(name), "delete", key, None, None))

    async def set(self, name: str, key: Key, **values: Any) -> Done:
        """The record with fields changed by the app itself, read-only ones too, whoever owns it.

        The app's route says who may: e.g. `demand(principal, "moderate")` before it publishes a comment.
        """
        collection = self._collection(name)

        def make(before: Any) -> dict[str, Any]:
            return msgspec.structs.asdict(before) | values

        write = self._write(collection, "change", key, make, sorted(values.items()), as_owner=False)
        return await self._send(write)

    def _collection(self, name: str) -> Collection:
        found = self.data.reader.collections[f"{self.app}/{name}"]
        _resource(found)
        return found

    def _write(
        self,
        collection: Collection,
        action: Action,
        key: Key,
        make: Callable[[Any], Mapping[str, Any]] | None,
        said: Any,
        *,
        as_owner: bool = True,
    ) -> Write:
        if as_owner and not self.lets_anybody:
            _demand(self.data, action)
        return Write(
            collection=collection,
            action=action,
            principal=self.data.principal,
            key=key,
            make=make,
            matches=self._matches(collection, action),
            names_version=self._names_version(collection),
            once=self._once(collection, action, key, said),
            request_id=self.request_id,
            as_owner=as_owner,
        )

    def _names_version(self, collection: Collection) -> bool:
        return (self.names_version or _resource(collection).if_match) and self.if_match != "*"

    def _matches(self, collection: Collection, action: Action) -> Callable[[str, int, int], bool] | None:
        """Whether a version is one that `If-Match` names (RFC 9110, 13.1.1: compared strongly)."""
        if self.if_match == "*":
            return None
        if not self.if_match:
            if action != "create" and self._names_version(collection):
                message = "This needs If-Match with the record's ETag."
                raise QueryError(message, kind="if-match-needed", status=428)
            return None
        tags, tag = {tag.strip() for tag in self.if_match.split(",")}, self.tag
        if tag is not None:
            return lambda _, __, version: tag(version) in tags
        return lambda key, generation, version: not tags.isdisjoint(item_tags(collection, key, generation, version))

    def _once(self, collection: Collection, action: Action, key: Key, said: Any) -> Once | None:
        if not self.once:
            return None
        if not _ONCE.fullmatch(self.once):
            raise QueryError("Idempotency-Key: is 1 to 255 visible ASCII characters")
        text = json.dumps([collection.name, action, key, said], sort_keys=True, default=repr)
        return Once(self.once, hashlib.sha256(text.encode(errors="surrogatepass")).digest())

    async def _send(self, write: Write) -> Done:
        try:
            return await self.writer.done(write)
        except Concealed:
            self.data.concealed = True  # it is audited all the same
            raise


def _resource(collection: Collection) -> Resource:
    assert isinstance(collection.feed, Resource), f"{collection.name} is collected, not written"
    return collection.feed


def _may_write(data: Data, action: Action) -> bool:
    """Whether the caller may write at all. Who moderates may delete without the right to write, or to read."""
    return may(data.principal, "write") or (action == "delete" and may(data.principal, "moderate"))


def _demand(data: Data, action: Action) -> None:
    if not _may_write(data, action):
        demand(data.principal, "write")


# -- bodies ---------------------------------------------------------------------------------------------------------


class NoNumber(QueryError):
    """A body holds NaN, Infinity or a number beyond bounds. JSON has none of them; other services call it invalid."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The body is no JSON: {reason}.", kind="malformed", status=400)


async def read_members(request: Ask, max_body: int, *, types: tuple[str, ...] = (_JSON,)) -> Any:
    """The JSON value of the request's body, read no further than its bound. Numbers with a fraction are Decimals.

    Raises:
        QueryError: 415 for another type, 413 beyond the bound, 400 for what is no strict JSON.
    """
    scope: Mapping[str, Any] = request.scope
    told = gate.header(scope, b"content-type").partition(";")[0].strip().lower()
    if told not in types or gate.header(scope, b"content-encoding") not in ("", "identity"):
        message = f"The body is {' or '.join(types)}, not compressed."
        raise QueryError(message, kind="unsupported-media-type", status=415)
    return read_json(await _body(request, max_body))


async def _body(request: Ask, max_body: int) -> bytes:
    length = gate.header(request.scope, b"content-length")
    if length.isascii() and length.isdigit() and (len(length) > 12 or int(length) > max_body):
        _too_large(max_body)
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > max_body:
            _too_large(max_body)
    return bytes(body)


def _too_large(max_body: int) -> NoReturn:
    raise QueryError(f"The body is longer than {max_body} bytes.", kind="body-too-large", status=413)


def read_json(body: bytes) -> Any:
    """The value of a JSON text in strict reading (RFC 8259, and each member once).

    Raises:
        QueryError: 400 for anything else, also NaN, Infinity and numbers beyond 1e308.
    """
    try:
        value = json.loads(
            body.decode(),
            object_pairs_hook=_members,
            parse_float=_decimal,
            parse_int=_integer,
            parse_constant=_no_number,
        )
    except UnicodeDecodeError as error:
        raise _no_json("it is no UTF-8") from error
    except json.JSONDecodeError as error:
        raise _no_json(f"{error.msg} at character {error.pos}") from error
    except RecursionError as error:
        raise _no_json("it is nested too deeply") from error
    _check_depth(value)
    return value


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(_DEEPEST):
        parts = [item.values() if isinstance(item, dict) else item for item in level if isinstance(item, dict | list)]
        level = [item for part in parts for item in part]
        if not level:
            return
    raise _no_json("it is nested too deeply")


def _no_json(reason: str) -> QueryError:
    return QueryError(f"The body is no JSON: {reason}.", kind="malformed", status=400)


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _no_json("an object has one member twice")
    return found


def _decimal(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except ArithmeticError as error:  # its exponent alone is out of bounds
        raise NoNumber("a number is out of bounds") from error
    # Also 1e-400: no number of the usual 64 bits, and never meant.
    if number and not -_LARGEST_POWER <= number.adjusted() <= _LARGEST_POWER:
        raise NoNumber("a number is out of bounds")
    return Decimal(format(number, "f")) if number else Decimal(0)


def _integer(text: str) -> int:
    if len(text) > _LARGEST_POWER:
        raise NoNumber("a number is out of bounds")
    return int(text)


def _no_number(text: str) -> NoReturn:
    raise NoNumber(f"{text} is no number")


# -- routes ---------------------------------------------------------------------------------------------------------

_LIST, _ITEM = "/v1/{app:str}/{name:str}", "/v1/{app:str}/{name:str}/{key:str}"
_ALLOWED = {_LIST: "GET, HEAD, OPTIONS, POST", _ITEM: "DELETE, GET, HEAD, OPTIONS, PATCH, PUT"}


def _found(request: Ask, action: Action) -> tuple[Collection, Writing]:
    """The resource that the path names, if the caller may write at all, and what the request may write.

    Raises:
        QueryError: 404 for none, or none that the caller is let know of; 401, 403.
        MethodNotAllowedException: it is collected.
    """
    data: Data = request.scope[DATA]  # type: ignore[literal-required]  # a key of our own beside ASGI's
    app, name = request.path_params["app"], request.path_params["name"]
    found = data.reader.collections.get(f"{app}/{name}")
    if found is None or not found.written or not found.served:
        data.collection(f"{app}/{name}")
        raise MethodNotAllowedException(headers={"Allow": "GET, HEAD, OPTIONS"})
    if not data.may_read(found) and data.principal.id and not _may_write(data, action):
        data.collection(found.name)  # 404: a right is not told to be missing where nothing may be seen
    _demand(data, action)
    if request.scope["query_string"]:
        raise QueryError("writing takes no parameters", kind="unknown-parameter")
    return found, Writing.of(request, app)


def _key(request: Ask) -> str:
    return canonical_key(request.path_params["key"])


@post(_LIST)
async def create(request: Ask) -> Response[bytes]:
    """A new record of the caller's."""
    collection, writing = _found(request, "create")
    members = await read_members(request, _resource(collection).max_body)
    return _answer(writing, collection, await writing.create(collection.feed.name, members))


@put(_ITEM)
async def replace(request: Ask) -> Response[bytes]:
    """The record, replaced as a whole."""
    collection, writing = _found(request, "change")
    members = await read_members(request, _resource(collection).max_body)
    return _answer(writing, collection, await writing.replace(collection.feed.name, _key(request), members))


@patch(_ITEM)
async def change(request: Ask) -> Response[bytes]:
    """The record with some members changed (RFC 7396)."""
    collection, writing = _found(request, "change")
    members = await read_members(request, _resource(collection).max_body, types=_PATCH)
    return _answer(writing, collection, await writing.patch(collection.feed.name, _key(request), members))


@delete(_ITEM, status_code=200)
async def remove(request: Ask) -> Response[bytes]:
    """Nothing; the record is gone, its versions stay."""
    collection, writing = _found(request, "delete")
    return _answer(writing, collection, await writing.delete(collection.feed.name, _key(request)))


def _answer(writing: Writing, collection: Collection, done: Done) -> Response[bytes]:
    if done.outcome == "deleted":
        return Response(b"", status_code=204)
    document = done.doc if _is_own(writing, collection, done) else shown(writing.data, collection, done.doc)
    state = State(done.generation, done.revision, 0, done.at)
    item = Item(document, done.version, done.at, done.revision, done.at, state)
    headers = {
        "etag": item_tag(collection, done.key, done.generation, done.version),
        "location": f"/v1/{collection.name}/{done.key}",
    }
    status = 201 if done.outcome == "created" else 200
    return Response(item_body(item), status_code=status, media_type=_JSON, headers=headers)


def _is_own(writing: Writing, collection: Collection, done: Done) -> bool:
    owner = _resource(collection).owner
    return bool(owner) and msgspec.json.decode(done.doc)[owner] == writing.data.principal.id


def _options(path: str) -> HTTPRouteHandler:
    """What may be done there: to what is collected less than to what people write."""

    async def options(request: Ask) -> Response[bytes]:
        data: Data = request.scope[DATA]  # type: ignore[literal-required]  # a key of our own beside ASGI's
        found = data.reader.collections.get(f"{request.path_params['app']}/{request.path_params['name']}")
        writes = (
            found is not None
            and found.served
            and found.written
            and (data.may_read(found) or may(data.principal, "write"))
        )
        allowed = _ALLOWED[path] if writes else "GET, HEAD, OPTIONS"
        return Response(b"", status_code=204, headers={"allow": allowed})

    return HTTPRouteHandler(path, http_method="OPTIONS", status_code=200)(options)


HANDLERS = (_options(_LIST), _options(_ITEM), create, replace, change, remove)
