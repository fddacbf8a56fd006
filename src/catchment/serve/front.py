"""The raw ASGI layer before the framework: what is refused, what is answered from memory, what every answer carries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
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
from ..watching import Watchers
from . import coding, gate, problems
from .answers import Answers
from .at_least import AT_LEAST, check_heard
from .cache import Answer, Cache, Key
from .data import Data
from .direct import Direct
from .ending import Ending
from .express import COUNTED, HEALTH, Express, key_of
from .freshness import Ages
from .limits import Limits
from .rights import COUNT_WRITE, PRINCIPAL, PROVES, REQUEST_ID, SAFE, FailedKey, Rights, peer_of
from .streams import STANDING, Standing
from .tracing import Ids, ids_of, span_of
from .traffic import OTHER, ROUTE, Traffic
from .wire import (
    Caught,
    Headers,
    Incoming,
    Message,
    Outgoing,
    Receive,
    Send,
    nothing,
    send_whole,
    varying,
    with_head,
)

__all__ = ["DATA", "Front", "Own", "note_fault"]

DATA = "catchment.data"
"""Where the request's `Data` stands in its scope."""

_TOLD = "catchment.told"
_log = structlog.get_logger("catchment.serve")

_READING = ("GET", "HEAD")
_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})
"""Those that are counted by their names: a client may make up any."""
_NO_METHOD = "TRACE"
"""A method that no route has."""
_SERVICE = "/v1/_/"
"""What the paths begin with that are no collection's."""
_KEYED = ("/v1/", "/explore/")
"""What the paths that end in a key begin with."""


@dataclass
class _Told:
    """What the log says of a request. What was read without a fault has no line: it would cost more than reading.

    route: the template of its path, which holds no key and no query; "" when none was found. key_id: of its key.
    fault: what nobody expected.
    kept: whether it was answered from memory.
    """

    began: float
    route: str = ""
    key_id: str = ""
    kept: bool = False
    user: str = ""
    fault: BaseException | None = None


@dataclass(frozen=True, slots=True)
class Own:
    """What apps have of their own. home: the path that `/` is another name of; "" for none. paths: of their routes.

    forms: of their errors, by path.
    """

    home: str = ""
    paths: Sequence[str] = ()
    forms: problems.Forms = field(default_factory=dict)


def note_fault(scope: Message, error: BaseException, status: int) -> None:
    """Has those who watch hear of an error that is answered with this status, where nobody expected it."""
    if status == 500:
        scope[_TOLD].fault = error


class Front:
    """An ASGI application around the framework's."""

    def __init__(  # noqa: PLR0913 (as `build`)
        self,
        app: Any,
        reader: Reader,
        settings: Settings,
        clock: Clock,
        *,
        cache: Cache | None = None,
        tick: Callable[[], float] = monotonic,
        own: Own | None = None,
        traffic: Traffic | None = None,
        ending: Ending | None = None,
    ) -> None:
        own = own or Own()
        self._app = app
        self._reader = reader
        self._settings = settings
        self._clock = clock
        self._hosts = gate.allowed_hosts(settings)
        self._body_timeout_s = gate.timeout_s(settings, "BODY")
        self._rights = Rights(settings, database_of(settings.database), reader.states)
        self._answers = Answers(reader.collections, told=bool(self._rights.gateways))
        self._tick = tick
        self._traffic = traffic or Traffic()
        self._ending = ending or Ending()
        self._limits = Limits(settings, tick)
        self._cache = Cache() if cache is None else cache
        self._ages = Ages(reader, settings)
        self._express = Express(
            reader,
            settings,
            clock,
            self._hosts,
            self._rights,
            self._limits,
            self._ages,
            self._answers,
            self._cache,
            Direct(reader.collections, own.paths),
        )
        self._home = own.home
        self._forms = own.forms
        self._watchers = Watchers.of(settings)

    def close(self) -> None:
        """Returns when no database connection is open any more."""
        self._rights.close()
        self._reader.close()
        self._watchers.close()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                self._ending.begin()
            await self._app(scope, receive, send)
            return
        began = self._tick()
        # What is watched goes the whole way: there it is told of.
        if scope["method"] in _READING and not self._watchers and (found := self._express.find(scope)) is not None:
            status, headers, content = found
            route, kept = scope[ROUTE]
            self._traffic.note(route, scope["method"], status, self._tick() - began, kept=kept)
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": content})
        else:
            await self._whole_way(scope, receive, send)

    async def _whole_way(self, scope: Message, receive: Receive, send: Send) -> None:
        scope = self._at_home({**scope, gate.HEADERS: gate.gathered(scope)})
        ids = ids_of(gate.header(scope, b"x-request-id"), gate.header(scope, b"traceparent"))
        path, told = gate.raw_path(scope), _Told(self._tick())
        scope[REQUEST_ID], scope[_TOLD] = ids.request, told
        body = Incoming.of(scope, receive, self._body_timeout_s)
        out = Outgoing(send, body, scope["method"] == "HEAD", ids.request, self._tick)
        # A request is a task with a context of its own: nothing is to be taken back at its end.
        structlog.contextvars.bind_contextvars(request_id=ids.request, trace_id=ids.trace, user="")
        try:
            refused = gate.refusal(scope, self._hosts)
            if refused is None:
                refused = await self._admit(scope, path, body, out)
        except Exception as error:
            if out.started:
                note_fault(scope, error, 500)
                self._watched(scope["method"], ids, told, out)
                raise  # half an answer is out: the server breaks the connection, so that nobody takes it for whole
            refused = problems.of_error(error)
            note_fault(scope, error, refused.status)
        finally:
            if out.started:
                self._count(scope["method"], told, out)
        if refused is not None:
            await self._send_problem(refused, path, out)
            self._count(scope["method"], told, out)
        self._watched(scope["method"], ids, told, out)
        if out.status >= 400 or scope["method"] not in SAFE:
            took = round((self._tick() - told.began) * 1000, 1)
            # What went well is for who looks for it: a terminal or a pipe that nobody reads is not filled by it.
            said = _log.info if out.status >= 400 else _log.debug
            with suppress(OSError):  # a log on a full disk fails no request
                said("request", method=scope["method"], path=told.route, status=out.status, ms=took, key=told.key_id)

    def _watched(self, method: str, ids: Ids, told: _Told, out: Outgoing) -> None:
        """Tells those who watch from elsewhere."""
        if not self._watchers:
            return
        took_ns = round((self._tick() - told.began) * 1e9)
        began_ns = round(self._clock.now().timestamp() * 1e9) - took_ns
        asked = method if method in _METHODS else "other", told.route
        self._watchers.tell(span_of(ids, asked, out.status, (began_ns, took_ns), told.user, told.fault))

    def _count(self, method: str, told: _Told, out: Outgoing) -> None:
        """Counts an answer: of what comes in pieces, how long the first one took."""
        method = method if method in _METHODS else "other"
        self._traffic.note(told.route or OTHER, method, out.status, out.began - told.began, kept=told.kept)

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
        if COUNTED not in scope and (refused := self._limits.refusal(principal, peer)):
            return refused
        scope[_TOLD].key_id = principal.key_id
        self._rights.used(principal, now)
        if principal.id:
            structlog.contextvars.bind_contextvars(user=principal.id)
            scope[_TOLD].user = principal.id
        counted = partial(self._limits.count_write, principal)
        holds, bodiless = partial(self._still, scope, principal), scope["method"] == "HEAD"
        stands = Standing(self._clock.now, holds, lambda: self._ending.asked, bodiless=bodiless)
        proves = partial(self._prove, scope, path, peer)
        asked = {**scope, PRINCIPAL: principal, COUNT_WRITE: counted, STANDING: stands, PROVES: proves}
        await self._answer(asked, path, receive, send)
        return None

    def _still(self, scope: Message, principal: Principal) -> bool:
        """Whether who asked is still the same to us, with the same rights."""
        try:
            return self._rights.principal(scope, self._clock.now()) == principal
        except QueryError:
            return False

    async def _prove(self, scope: Message, path: str, peer: str, key: str) -> Principal:
        """Whom a key proves that came in a form. QueryError where it proves nobody, counted and audited as any."""
        try:
            return self._rights.proved(key, self._clock.now())
        except FailedKey as error:
            refused = await self._turn_away(scope, path, peer, error)
            raise QueryError(refused.detail, kind=refused.kind, status=refused.status) from error

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
        asks = scope["method"] in _READING
        data = self._data(scope)
        if asks and (revision := gate.header(scope, AT_LEAST)):
            check_heard(data, path, revision)
        key = key_of(data.principal, path, scope["query_string"], data.coding)
        kept = self._kept(key, data) if asks and not path.startswith(HEALTH) else None
        found = kept or (await self._express.wait(key, path, data) if asks else None)
        if found is not None:
            scope[_TOLD].route, scope[_TOLD].kept = found.route, kept is not None
            await self._send_answer(found, path, scope, data, send)
            return
        caught = await self._ask(scope, path, data, receive, send)
        if caught.streamed:
            return
        if asks and data.seen and caught.start["status"] == 200:
            answer = await self._answers.of_framework(caught, data, scope[_TOLD].route)
            if data.whole and b"no-store" not in dict(answer.headers).get(b"cache-control", b""):
                self._cache.put(key, answer)
            await self._send_answer(answer, path, scope, data, send)
            return
        generic = path.startswith("/v1/") and not path.startswith(_SERVICE)
        if scope["method"] == "OPTIONS" and not generic:
            caught = await self._with_all_methods(caught, path, scope, data)
        if caught.start["status"] == 405 and generic:
            caught = await self._with_its_methods(caught, path, scope, data)
        await self._send_other(caught, path, scope, data, send)

    async def _with_all_methods(self, caught: Caught, path: str, scope: Message, data: Data) -> Caught:
        """The answer to OPTIONS with all that the path takes: the framework tells of one handler, or by 405 of all."""
        other = await self._ask({**scope, "method": _NO_METHOD}, path, data, nothing, caught.send)
        return caught.allowing(other.header(b"allow")) if caught.start["status"] == 204 else caught

    async def _with_its_methods(self, caught: Caught, path: str, scope: Message, data: Data) -> Caught:
        """The 405 with what OPTIONS says: the framework tells of a route that what is collected shares with what people
        write.
        """
        other = await self._ask({**scope, "method": "OPTIONS"}, path, data, nothing, caught.send)
        return caught.allowing(other.header(b"allow")) if other.start["status"] == 204 else caught

    def _data(self, scope: Message) -> Data:
        return Data(
            self._reader,
            self._settings,
            self._clock.now(),
            scope[PRINCIPAL],
            if_none_match=gate.header(scope, b"if-none-match"),
            coding=coding.chosen(gate.header(scope, b"accept-encoding")),
        )

    def _kept(self, key: Key, data: Data) -> Answer | None:
        try:
            answer = self._cache.get(key, self._reader.states())
        except StoreUnavailable:
            return None  # the handler finds out too, and an app's own says it in its own form
        if answer is None or not all(data.may_read(self._reader.collections[name]) for name in answer.states):
            return None
        data.seen.update(answer.states)
        data.stale_by.update(answer.stale_by)
        return answer

    async def _ask(self, scope: Message, path: str, data: Data, receive: Receive, send: Send) -> Caught:
        """The framework's answer to the request; HEAD is asked as GET."""
        caught = Caught(send, data.coding)
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        # A key may hold an encoded slash: below these the path stays as it was sent.
        inner_path = path if path.startswith(_KEYED) else scope["path"]
        # The framework notes in the server's `state` that it began to answer: asked twice, it would not begin again.
        own = dict(scope.get("state") or {})
        inner = {**scope, "method": method, "path": inner_path, "state": own, DATA: data}
        await self._app(inner, receive, caught)
        scope[_TOLD].route = inner.get("path_template") or ""
        return caught

    async def _send_answer(self, answer: Answer, path: str, scope: Message, data: Data, send: Send) -> None:
        if not gate.accepts(gate.header(scope, b"accept"), answer.media_type):
            refused = problems.of_status(406, f"This is {answer.media_type.partition(';')[0]}.")
            await self._send_problem(refused, path, send)
            return
        status, headers, body = answer.said(data.if_none_match, data.coding)
        await send({"type": "http.response.start", "status": status, "headers": [*headers, *self._age(data)]})
        await send({"type": "http.response.body", "body": body})

    async def _send_other(self, caught: Caught, path: str, scope: Message, data: Data, send: Send) -> None:
        """Sends what is not kept: errors, what is not about collections, and a 304 that a handler found itself."""
        status = caught.start["status"]
        headers = [pair for pair in caught.start["headers"] if pair[0] != b"content-length"]
        headers = [(name, with_head(value) if name == b"allow" else value) for name, value in headers]
        if status == 304:
            headers = [pair for pair in headers if pair[0] != b"content-type"]
            headers += [*self._answers.revalidated(data), *self._age(data)]
        if (data.concealed or status in (401, 403)) and scope["method"] not in SAFE:
            await self._deny(scope["method"].lower(), scope, path, data.principal)
        media_type = caught.header(b"content-type")
        # Whoever writes is told before it is done: see `guard`.
        if status == 200 and scope["method"] in SAFE and not gate.accepts(gate.header(scope, b"accept"), media_type):
            refused = problems.of_status(406, f"This is {media_type.partition(';')[0]}.")
            await self._send_problem(refused, path, send)
            return
        body = caught.body
        if status == 200 and scope["method"] in _READING and coding.worth(media_type):
            body, packed = await coding.pack(body, media_type, data.coding)
            headers = varying(coding.named(headers, packed))
        await send_whole(status, headers, body, send)

    async def _send_problem(self, problem: problems.Problem, path: str, send: Send) -> None:
        media_type, body = problem.told(path, self._forms)
        headers = [(name.encode(), value.encode()) for name, value in (("content-type", media_type), *problem.headers)]
        await send_whole(problem.status, headers, body, send)

    def _age(self, data: Data) -> Headers:
        return self._ages.headers(data.seen, data.stale_by, self._reader.states(), data.now)
