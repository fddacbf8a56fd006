"""The raw ASGI layer before the framework: what is refused, what is answered from memory, what every answer carries."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType
from typing import Any

import structlog

from ..clock import Clock, monotonic
from ..errors import QueryError, StoreUnavailable
from ..principal import ANONYMOUS, Principal
from ..settings import Settings
from ..store.audit import Entry
from ..store.engines import database_of
from ..store.keys import without_keys
from ..store.reader import Reader
from ..store.snapshot import Freshness, State
from . import freshness, gate, problems
from .cache import Answer, Cache, digest
from .data import Data
from .freshness import Age, age, due
from .limits import Limits
from .rights import COUNT_WRITE, PRINCIPAL, REQUEST_ID, SAFE, FailedKey, Rights, peer_of, request_id
from .streams import STANDING, Standing

__all__ = ["DATA", "Front"]

DATA = "catchment.data"
"""Where the request's `Data` stands in its scope."""

_TOLD = "catchment.told"
_log = structlog.get_logger("catchment.serve")

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

_ALWAYS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
    (b"server", b"catchment"),  # else the server names itself
)
_NO_METHOD = "TRACE"
"""A method that no route has."""
_KEYED = ("/v1/", "/explore/")
"""What the paths that end in a key begin with."""
_PUBLIC = [(b"cache-control", b"public, no-cache")]
_PRIVATE = [(b"cache-control", b"private, no-cache")]
_VARY, _VARY_TOLD = b"Accept, Authorization, X-API-Key", b", user-id, user_id"
"""By what an answer may differ: whether its type is taken, and who asks."""


@dataclass
class _In:
    """The request's body: whether there is more of it than was taken. until: by when it has to have come."""

    receive: Receive
    left: bool
    until: float

    @classmethod
    def of(cls, scope: Message, receive: Receive, timeout_s: float) -> _In:
        chunked = bool(gate.header(scope, b"transfer-encoding"))
        left = chunked or gate.header(scope, b"content-length") not in ("", "0")
        return cls(receive, left, asyncio.get_running_loop().time() + timeout_s)

    async def __call__(self) -> Message:
        if not self.left:
            return await self.receive()  # that the client leaves: that may take as long as it does
        try:
            async with asyncio.timeout_at(self.until):
                message = await self.receive()
        except TimeoutError as error:
            raise QueryError("The body did not come in time.", kind="request-timeout", status=408) from error
        self.left &= bool(message.get("more_body"))
        return message


@dataclass
class _Out:
    """The way to the client: whether anything went it, the request's id on it, and no body for a HEAD."""

    send: Send
    body: _In
    bodiless: bool
    request_id: str
    status: int = 0
    started: bool = False

    async def __call__(self, message: Message) -> None:
        self.started = True
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = [*message["headers"], (b"x-request-id", self.request_id.encode())]
            if self.body.left and b"connection" not in dict(headers):
                # The server does not wait for what nobody read: a client that goes on would write into a closed pipe.
                headers.append((b"connection", b"close"))
            message = {**message, "headers": headers}
        if self.bodiless and message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await self.send(message)


@dataclass
class _Told:
    """What the log says of a request. What was read without a fault has no line: it would cost more than reading.

    route: the template of its path, which holds no key and no query; "" when none was found. key_id: of its key.
    """

    began: float
    route: str = ""
    key_id: str = ""


@dataclass
class _Caught:
    """The framework's answer. One that comes in several pieces goes on at once and is not kept."""

    send: Send
    start: Message = field(default_factory=dict)
    body: bytes = b""
    streamed: bool = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.start = message
        elif self.streamed:
            await self.send(message)
        elif message.get("more_body"):
            self.streamed = True
            await self.send({**self.start, "headers": _complete(self.start["headers"])})
            await self.send(message)
        else:
            self.body = message.get("body", b"")

    def header(self, name: bytes) -> str:
        return next((value.decode("latin-1") for known, value in self.start["headers"] if known == name), "")

    def allowing(self, methods: str) -> _Caught:
        """The same, whose Allow is this one where it is not empty."""
        if methods:
            headers = [pair for pair in self.start["headers"] if pair[0] != b"allow"]
            self.start["headers"] = [*headers, (b"allow", methods.encode())]
        return self


def _complete(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """The headers, with those that every answer has where they are not there already."""
    given = list(headers)
    names = {name for name, _ in given}
    return [*given, *(pair for pair in _ALWAYS if pair[0] not in names)]


class Front:
    """An ASGI application around the framework's."""

    def __init__(
        self,
        app: Any,
        reader: Reader,
        settings: Settings,
        clock: Clock,
        *,
        cache: Cache | None = None,
        tick: Callable[[], float] = monotonic,
        home: str = "",
        forms: problems.Forms = MappingProxyType({}),
    ) -> None:
        self._app = app
        self._reader = reader
        self._settings = settings
        self._clock = clock
        self._hosts = gate.allowed_hosts(settings)
        self._body_timeout_s = gate.body_timeout(settings)
        self._rights = Rights(settings, database_of(settings.database), reader.states)
        self._vary = _VARY + (_VARY_TOLD if self._rights.gateways else b"")
        self._tick = tick
        self._limits = Limits(settings, tick)
        self._cache = cache or Cache()
        self._home = home
        self._forms = forms
        self._fresh: dict[str, tuple[Mapping[str, State], int, Freshness]] = {}

    def close(self) -> None:
        """Returns when no database connection is open any more."""
        self._rights.close()
        self._reader.close()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope = self._at_home({**scope, gate.HEADERS: gate.gathered(scope)})
        path, identity, told = gate.raw_path(scope), request_id(scope), _Told(self._tick())
        scope[REQUEST_ID], scope[_TOLD] = identity, told
        body = _In.of(scope, receive, self._body_timeout_s)
        out = _Out(send, body, scope["method"] == "HEAD", identity)
        # A request is a task with a context of its own: nothing is to be taken back at its end.
        structlog.contextvars.bind_contextvars(request_id=identity, user="")
        try:
            refused = gate.refusal(scope, self._hosts)
            if refused is None:
                refused = await self._admit(scope, path, body, out)
        except Exception as error:
            if out.started:
                raise  # half an answer is out: the server breaks the connection, so that nobody takes it for whole
            refused = problems.of_error(error)
        if refused is not None:
            await self._send_problem(refused, path, out)
        if out.status >= 400 or scope["method"] not in SAFE:
            took = round((self._tick() - told.began) * 1000, 1)
            # What went well is for who looks for it: a terminal or a pipe that nobody reads is not filled by it.
            said = _log.info if out.status >= 400 else _log.debug
            said("request", method=scope["method"], path=told.route, status=out.status, ms=took, key=told.key_id)

    def _at_home(self, scope: Message) -> Message:
        """The request as it is meant: `/` is the only app's own page, for whoever does not rather read HTML."""
        if not self._home or scope["path"] != "/" or gate.prefers_html(gate.header(scope, b"accept")):
            return scope
        return {**scope, "path": self._home, "raw_path": self._home.encode()}

    async def _admit(self, scope: Message, path: str, receive: Receive, send: Send) -> problems.Problem | None:
        """Answers whoever may ask now; else gives the reason why not."""
        now, peer = self._clock.now(), peer_of(scope, self._rights.gateways)
        try:
            principal = self._rights.principal(scope, now)
        except QueryError as error:
            return await self._turn_away(scope, path, peer, error)
        if refused := self._limits.refusal(principal, peer):
            return refused
        scope[_TOLD].key_id = principal.key_id
        self._rights.used(principal, now)
        if principal.id:
            structlog.contextvars.bind_contextvars(user=principal.id)
        counted = partial(self._limits.count_write, principal)
        stands = Standing(self._clock.now, partial(self._still, scope, principal), bodiless=scope["method"] == "HEAD")
        asked = {**scope, PRINCIPAL: principal, COUNT_WRITE: counted, STANDING: stands}
        await self._answer(asked, path, receive, send)
        return None

    def _still(self, scope: Message, principal: Principal) -> bool:
        """Whether who asked is still the same to us, with the same rights."""
        try:
            return self._rights.principal(scope, self._clock.now()) == principal
        except QueryError:
            return False

    async def _turn_away(self, scope: Message, path: str, peer: str, error: QueryError) -> problems.Problem:
        """What to answer somebody whose identity does not hold; tries are counted, and audited until too many."""
        failed = isinstance(error, FailedKey)
        refused = self._limits.refusal(ANONYMOUS, peer)
        if refused is None and failed:
            refused = self._limits.failure(peer)
        if refused is not None:
            return refused
        if failed or scope["method"] not in SAFE:
            key_id = error.key_id if isinstance(error, FailedKey) else ""
            await self._deny("authenticate", scope, path, Principal(key_id=key_id))
        return problems.of_error(error)

    async def _deny(self, action: str, scope: Message, path: str, principal: Principal) -> None:
        """Returns when it is logged and audited that this was tried and denied."""
        place = without_keys(path)
        _log.info("denied", action=action, path=place, key=principal.key_id)
        entry = Entry(action, place, principal.id, principal.key_id, result="denied", request_id=scope[REQUEST_ID])
        await self._rights.denied(entry, self._clock.now())

    async def _answer(self, scope: Message, path: str, receive: Receive, send: Send) -> None:
        asks = scope["method"] in ("GET", "HEAD")
        data = self._data(scope)
        # A route of an app's own may answer each caller differently, so what is kept for one is given to that one only.
        caller = data.principal
        key = (f"{caller.via}:{caller.key_id or caller.id} {path}", scope["query_string"])
        kept = self._kept(key, data) if asks else None
        if kept is not None:
            await self._send_answer(kept, path, scope, data, send)
            return
        caught = await self._ask(scope, path, data, receive, send)
        if caught.streamed:
            return
        if asks and data.seen and caught.start["status"] == 200:
            answer = self._made(caught, data)
            if data.whole and b"no-store" not in dict(answer.headers).get(b"cache-control", b""):
                self._cache.put(key, answer)
            await self._send_answer(answer, path, scope, data, send)
            return
        if scope["method"] == "OPTIONS" and not path.startswith("/v1/"):
            caught = await self._with_all_methods(caught, path, scope, data)
        if caught.start["status"] == 405 and path.startswith("/v1/"):
            caught = await self._with_its_methods(caught, path, scope, data)
        await self._send_other(caught, path, scope, data, send)

    async def _with_all_methods(self, caught: _Caught, path: str, scope: Message, data: Data) -> _Caught:
        """The answer to OPTIONS with all that the path takes: the framework tells of one handler, or by 405 of all."""
        other = await self._ask({**scope, "method": _NO_METHOD}, path, data, _nothing, caught.send)
        return caught.allowing(other.header(b"allow")) if caught.start["status"] == 204 else caught

    async def _with_its_methods(self, caught: _Caught, path: str, scope: Message, data: Data) -> _Caught:
        """The 405 with what OPTIONS says: the framework tells of a route that what is collected shares with what people
        write.
        """
        other = await self._ask({**scope, "method": "OPTIONS"}, path, data, _nothing, caught.send)
        return caught.allowing(other.header(b"allow")) if other.start["status"] == 204 else caught

    def _data(self, scope: Message) -> Data:
        return Data(
            self._reader,
            self._settings,
            self._clock.now(),
            scope[PRINCIPAL],
            if_none_match=gate.header(scope, b"if-none-match"),
        )

    def _kept(self, key: tuple[str, bytes], data: Data) -> Answer | None:
        try:
            answer = self._cache.get(key, self._reader.states())
        except StoreUnavailable:
            return None  # the handler finds out too, and an app's own says it in its own form
        if answer is None or not all(data.may_read(self._reader.collections[name]) for name in answer.states):
            return None
        data.seen.update(answer.states)
        data.stale_by.update(answer.stale_by)
        return answer

    async def _ask(self, scope: Message, path: str, data: Data, receive: Receive, send: Send) -> _Caught:
        """The framework's answer to the request; HEAD is asked as GET."""
        caught = _Caught(send)
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        # A key may hold an encoded slash: below these the path stays as it was sent.
        inner_path = path if path.startswith(_KEYED) else scope["path"]
        # The framework notes in the server's `state` that it began to answer: asked twice, it would not begin again.
        own = dict(scope.get("state") or {})
        inner = {**scope, "method": method, "path": inner_path, "state": own, DATA: data}
        await self._app(inner, receive, caught)
        scope[_TOLD].route = inner.get("path_template") or ""
        return caught

    def _made(self, caught: _Caught, data: Data) -> Answer:
        headers = [pair for pair in caught.start["headers"] if pair[0] not in (b"etag", b"content-length")]
        told = caught.header(b"cache-control")
        if not told or (data.principal.id and "no-store" not in told):
            headers = [pair for pair in headers if pair[0] != b"cache-control"] + self._caching(data)
        if not caught.header(b"vary"):
            headers.append((b"vary", self._vary))
        # An app's own route may depend on more than revisions: its tag is that of its bytes.
        etag = caught.header(b"etag") or digest(caught.body)
        return Answer(tuple(headers), caught.body, etag, dict(data.seen), dict(data.stale_by))

    async def _send_answer(self, answer: Answer, path: str, scope: Message, data: Data, send: Send) -> None:
        media_type = dict(answer.headers).get(b"content-type", b"").decode("latin-1")
        if not gate.accepts(gate.header(scope, b"accept"), media_type):
            refused = problems.of_status(406, f"This is {media_type.partition(';')[0]}.")
            await self._send_problem(refused, path, send)
            return
        headers: Headers = [*answer.headers, (b"etag", answer.etag.encode()), *self._age(data).headers]
        if gate.matches(data.if_none_match, answer.etag):
            kept = [pair for pair in headers if pair[0] not in (b"content-type", b"content-disposition")]
            await _send(304, kept, b"", send)
        else:
            await _send(200, headers, answer.body, send)

    async def _send_other(self, caught: _Caught, path: str, scope: Message, data: Data, send: Send) -> None:
        """Sends what is not kept: errors, what is not about collections, and a 304 that a handler found itself."""
        status = caught.start["status"]
        headers = [pair for pair in caught.start["headers"] if pair[0] != b"content-length"]
        headers = [(name, _with_head(value) if name == b"allow" else value) for name, value in headers]
        if status == 304:
            headers = [pair for pair in headers if pair[0] != b"content-type"]
            headers += [*self._caching(data), (b"vary", self._vary), *self._age(data).headers]
        if (data.concealed or status in (401, 403)) and scope["method"] not in SAFE:
            await self._deny(scope["method"].lower(), scope, path, data.principal)
        media_type = caught.header(b"content-type")
        # Whoever writes is told before it is done: see `guard`.
        if status == 200 and scope["method"] in SAFE and not gate.accepts(gate.header(scope, b"accept"), media_type):
            refused = problems.of_status(406, f"This is {media_type.partition(';')[0]}.")
            await self._send_problem(refused, path, send)
            return
        await _send(status, headers, caught.body, send)

    async def _send_problem(self, problem: problems.Problem, path: str, send: Send) -> None:
        media_type, body = problem.told(path, self._forms)
        headers = [(name.encode(), value.encode()) for name, value in (("content-type", media_type), *problem.headers)]
        await _send(problem.status, headers, body, send)

    def _caching(self, data: Data) -> Headers:
        """Who may keep the answer: anybody what anybody may read, unless it was given to somebody in particular."""
        public = all(self._reader.collections[name].feed.public for name in data.seen)
        return _PUBLIC if public and not data.principal.id else _PRIVATE

    def _age(self, data: Data) -> Age:
        found = age([self._freshness(name, data) for name in data.seen], data.now)
        return replace(found, named=self._too_old(data)) if data.stale_by else found

    def _too_old(self, data: Data) -> tuple[str, ...]:
        """What of the collections is too old, by the part of their partitions that the answer names."""
        named: set[str] = set()
        with self._reader.snapshot() as snapshot:
            for name, part in data.stale_by.items():
                collection = self._reader.collections[name]
                before = due(collection.feed, data.now, data.settings).stale
                late = (item for item in snapshot.partitions(collection) if (item["collected_at"] or before) < before)
                named.update(dict(item["params"])[part] for item in late)
        return tuple(sorted(named))

    def _freshness(self, name: str, data: Data) -> Freshness:
        """The collection's freshness; read again when the file changed or a second has passed."""
        states, second = self._reader.states(), int(data.now.timestamp())
        known = self._fresh.get(name)
        if known is not None and known[0] is states and known[1] == second:
            return known[2]
        collection = self._reader.collections[name]
        with self._reader.snapshot() as snapshot:
            fresh = freshness.read(snapshot, collection, data.now, data.settings)
        self._fresh[name] = (states, second, fresh)
        return fresh


async def _nothing() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


def _with_head(allow: bytes) -> bytes:
    names = [name.strip() for name in allow.decode("latin-1").split(",")]
    return ", ".join(sorted({*names, *(["HEAD"] if "GET" in names else [])})).encode()


async def _send(status: int, headers: Headers, body: bytes, send: Send) -> None:
    if status not in (204, 304):
        headers = [*headers, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": _complete(headers)})
    await send({"type": "http.response.body", "body": b"" if status == 304 else body})
