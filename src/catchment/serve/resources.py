"""What people write: the routes that are the same for every resource, and what an app's own routes may write."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from litestar import Litestar, Request, Response
from litestar.enums import HttpMethod
from litestar.exceptions import MethodNotAllowedException
from litestar.handlers import HTTPRouteHandler
from litestar.utils import normalize_path

from ..errors import Concealed, DeclarationError, QueryError, StoreUnavailable
from ..principal import ANONYMOUS, may
from ..resource import Action, Resource
from ..store.seen import Item, State
from ..store.tables import Collection
from ..store.writes import Done, Once, Write, Writer
from . import gate, problems
from .collections import shown
from .data import Data
from .front import DATA
from .members import receive_members
from .reading import QUESTIONS, canonical_key, item_body, item_tag, item_tags
from .rights import REQUEST_ID, demand, judge_write

__all__ = ["HANDLERS", "WRITER", "Resources", "Writing", "writer_of"]

WRITER = "writer"
"""Where the service's `Writer` stands in the framework's state."""

Ask = Request[Any, Any, Any]
Key = str | Mapping[str, Any]
"""Of a record: its own, or the fields whose values it alone has."""

_JSON = "application/json"
_PATCH = (_JSON, "application/merge-patch+json")
_ONCE = re.compile(r"[\x21-\x7e]{1,255}")


def writer_of(framework: Litestar) -> Writer:
    """The writer of the service."""
    found: Writer = framework.state[WRITER]
    return found


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
    only_new: bool = False
    lets_anybody: bool = False
    names_version: bool = False
    tag: Callable[[int], str] | None = None

    @classmethod
    def of(cls, scope: Mapping[str, Any], writer: Writer, app: str) -> Writing:
        """What this request may write of the app's resources."""
        names = (b"if-match", b"idempotency-key", b"if-none-match")
        if_match, once, if_none_match = (gate.header(scope, name).strip() for name in names)
        return cls(writer, scope[DATA], app, scope[REQUEST_ID], if_match, once, only_new=if_none_match == "*")

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
        draft = _resource(collection).drafts.new(members)  # what cannot be a record at all takes no place in the queue
        return await self._send(self._write(collection, "create", "", lambda _: draft, members))

    async def replace(self, name: str, key: Key, members: Any) -> Done:
        """The record with the whole body's members."""
        collection = self._collection(name)
        make = _resource(collection).drafts.replacing
        write = self._write(collection, "change", key, lambda before: make(members, before), {"whole": members})
        return await self._send(write)

    async def patch(self, name: str, key: Key, members: Any) -> Done:
        """The record with a merge-patch's members (RFC 7396) merged into it."""
        collection = self._collection(name)
        make = _resource(collection).drafts.patching
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
            _demand(self.data, collection, action)
        return Write(
            collection=collection,
            action=action,
            principal=self.data.principal,
            key=key,
            make=make,
            matches=self._matches(collection, action),
            names_version=self._names_version(collection),
            only_new=self.only_new,
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
            if action != "create" and self._names_version(collection) and not self.only_new:
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
        except StoreUnavailable as error:
            self.data.reader.states()  # where it cannot be read either, that is what is said
            message = "nothing can be written just now; what is stored is read as before"
            raise QueryError(message, kind="read-only", status=503) from error


def _resource(collection: Collection) -> Resource:
    assert isinstance(collection.feed, Resource), f"{collection.name} is collected, not written"
    return collection.feed


def _may_write(data: Data, collection: Collection, action: Action) -> bool:
    """Whether the caller may write at all. Who moderates needs no right to write, or to read, for what that is."""
    moderates = action in _resource(collection).moderates
    return may(data.principal, "write") or (moderates and may(data.principal, "moderate"))


def _demand(data: Data, collection: Collection, action: Action) -> None:
    if not _may_write(data, collection, action):
        demand(data.principal, "write")


# -- routes ---------------------------------------------------------------------------------------------------------

_LIST, _ITEM = "/v1/{app:str}/{name:str}", "/v1/{app:str}/{name:str}/{key:str}"
_READ = "GET, HEAD, OPTIONS"
_ALLOWED = {_LIST: "GET, HEAD, OPTIONS, POST", _ITEM: "DELETE, GET, HEAD, OPTIONS, PATCH, PUT"}


class Resources:
    """An ASGI application around the framework's: what people write to its resources is answered before that."""

    def __init__(self, framework: Litestar, collections: Mapping[str, Collection], writer: Writer) -> None:
        self.writer = writer
        self._framework = framework
        self._written = {name: item for name, item in collections.items() if item.written and item.served}
        for route in framework.routes:
            _, *start = route.path.split("/")[:4]
            if (
                start[:1] == ["v1"]
                and "/".join(start[1:]) in self._written
                and not _WAYS.keys().isdisjoint(route.methods)
            ):
                raise DeclarationError(
                    "routes", f"{route.path}: a resource is written there", hint="choose another path"
                )

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        way = _WAYS.get(scope.get("method", ""))
        place = self._place(scope, way) if way else None
        if way is None or place is None:
            await self._framework(scope, receive, send)
            return
        scope["path_template"] = way.path.replace(":str", "")
        try:
            status, headers, body = await self._answer(scope, receive, way, *place)
        except Exception as error:  # noqa: BLE001 (the top of a request: it goes to whoever asked)
            problem = problems.of_error(error)
            status, headers, body = problem.status, problem.all_headers, problem.body(scope["path"])
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _place(self, scope: Any, way: _Way) -> tuple[Collection, str] | None:
        """The resource that the path names, and the key behind it; None for none that is written this way."""
        match normalize_path(scope["path"]).split("/"):
            case ["", "v1", app, name, *keys] if len(keys) == (way.path is _ITEM) and QUESTIONS.isdisjoint(keys):
                found = self._written.get(f"{app}/{name}")
                return (found, "".join(keys)) if found else None
        return None

    async def _answer(self, scope: Any, receive: Any, way: _Way, collection: Collection, key: str) -> _Answer:
        judge_write(scope)
        data: Data = scope[DATA]
        _check(data, collection, way.action)
        if scope["query_string"]:
            raise QueryError("writing takes no parameters", kind="unknown-parameter")
        writing = Writing.of(scope, self.writer, collection.app)
        name, members = collection.feed.name, None
        if way.types:
            members = await receive_members(scope, receive, _resource(collection).max_body, *way.types)
        return _answer(data, collection, await way.write(writing, name, key, members))


_Answer = tuple[int, list[tuple[bytes, bytes]], bytes]


@dataclass(frozen=True, slots=True)
class _Way:
    """How a method writes. types: that its body may have; none where it has no body."""

    path: str
    action: Action
    types: tuple[str, ...]
    write: Callable[[Writing, str, str, Any], Awaitable[Done]]


_WAYS = {
    "POST": _Way(_LIST, "create", (_JSON,), lambda writing, name, _, members: writing.create(name, members)),
    "PUT": _Way(
        _ITEM,
        "change",
        (_JSON,),
        lambda writing, name, key, members: writing.replace(name, canonical_key(key), members),
    ),
    "PATCH": _Way(
        _ITEM, "change", _PATCH, lambda writing, name, key, members: writing.patch(name, canonical_key(key), members)
    ),
    "DELETE": _Way(_ITEM, "delete", (), lambda writing, name, key, _: writing.delete(name, canonical_key(key))),
}


def _check(data: Data, collection: Collection, action: Action) -> None:
    """Returns if the caller may write at all. QueryError: 401, 403, or 404 where he is not let know of it."""
    if not data.may_read(collection) and data.principal.id and not _may_write(data, collection, action):
        data.collection(collection.name)  # 404: a right is not told to be missing where nothing may be seen
    _demand(data, collection, action)


def _answer(data: Data, collection: Collection, done: Done) -> _Answer:
    if done.outcome == "deleted":
        return 204, [], b""
    document = done.doc if _is_own(data, collection, done) else shown(data, collection, done.doc)
    state = State(done.generation, done.revision, 0, done.at)
    item = Item(document, done.version, done.at, done.revision, done.at, state)
    headers = [
        (b"content-type", _JSON.encode()),
        (b"etag", item_tag(collection, done.key, done.generation, done.version).encode()),
        (b"location", f"/v1/{collection.name}/{done.key}".encode()),
    ]
    return 201 if done.outcome == "created" else 200, headers, item_body(item)


def _is_own(data: Data, collection: Collection, done: Done) -> bool:
    owner = _resource(collection).owner
    return bool(owner) and msgspec.json.decode(done.doc)[owner] == data.principal.id


# -- what is not written --------------------------------------------------------------------------------------------


def _named(request: Ask) -> tuple[Data, str]:
    data: Data = request.scope[DATA]  # type: ignore[literal-required]  # a key of our own beside ASGI's
    return data, f"{request.path_params['app']}/{request.path_params['name']}"


def _refusing(path: str, methods: list[HttpMethod]) -> HTTPRouteHandler:
    """What is told who writes where nobody may: to what is collected, or to what is not there."""

    async def refuse(request: Ask) -> None:
        data, name = _named(request)
        data.collection(name)
        raise MethodNotAllowedException(headers={"Allow": _READ})

    return HTTPRouteHandler(path, http_method=methods, status_code=200)(refuse)


def _options(path: str) -> HTTPRouteHandler:
    """What may be done there: to what is collected less than to what people write."""

    async def options(request: Ask) -> Response[bytes]:
        data, name = _named(request)
        found = data.reader.collections.get(name)
        writes = (
            found is not None
            and found.served
            and found.written
            and (data.may_read(found) or may(data.principal, "write"))
        )
        return Response(b"", status_code=204, headers={"allow": _ALLOWED[path] if writes else _READ})

    return HTTPRouteHandler(path, http_method="OPTIONS", status_code=200)(options)


HANDLERS = (
    _options(_LIST),
    _options(_ITEM),
    _refusing(_LIST, [HttpMethod.POST]),
    _refusing(_ITEM, [HttpMethod.PUT, HttpMethod.PATCH, HttpMethod.DELETE]),
)
