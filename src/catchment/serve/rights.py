"""Who asks: proved by a key, told by a trusted gateway, or known by the address. And what that allows."""

from __future__ import annotations

import asyncio
import ipaddress
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import unquote_plus

import structlog
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from ..errors import QueryError, StoreError, UsageError
from ..principal import ANONYMOUS, LOOPBACK, Action, Principal, is_user, may
from ..settings import Network, Setting, Settings
from ..store import keys, sessions
from ..store.audit import Entry, deny
from ..store.engines import Database
from . import gate, session

__all__ = [
    "COUNT_WRITE",
    "IDENTITY",
    "PRINCIPAL",
    "PROVES",
    "REQUEST_ID",
    "SAFE",
    "FailedKey",
    "KeyRing",
    "Rights",
    "demand",
    "guard",
    "judge_write",
    "peer_of",
]

PRINCIPAL = "catchment.principal"
"""Where the request's `Principal` stands in its scope."""
REQUEST_ID = "catchment.request"
"""Where the request's id stands in its scope."""

COUNT_WRITE = "catchment.count-write"
"""Where in the request's scope stands what counts a write of its principal, and raises when it is one too many."""
PROVES = "catchment.proves"
"""Where in the request's scope stands what gives the principal that a key proves, for whoever signs in by a form."""
SAFE = ("GET", "HEAD", "OPTIONS")
"""The methods that write nothing."""

Scope = Mapping[str, Any]

_TOUCH_AFTER = timedelta(minutes=1)
IDENTITY = gate.SPEAKS_FOR | {b"authorization", b"x-api-key", b"user-id", b"user_id", b"cookie"}
"""The headers by which somebody may be anybody else than the address that they ask from."""
_OPERATING, _WRITTEN = ("/v1/_/", "/metrics"), "application/json"
_PAGES = "/explore/"
"""Below this a session writes too: there each form brings along what another site cannot know."""
_NEEDED = "This needs a valid key."  # the same words whatever is wrong with the key that was given, if one was
_log = structlog.get_logger("catchment.serve")


class FailedKey(QueryError):
    """A key was given and proves nobody. key_id: of the stored key that it names, "" when there is none."""

    def __init__(self, key_id: str) -> None:
        super().__init__(_NEEDED, kind="not-authenticated", status=401)
        self.key_id = key_id


def demand(principal: Principal, action: Action) -> None:
    """Returns if the principal may. QueryError if not: 401 for nobody in particular, 403 for one without the right."""
    if may(principal, action):
        return
    if not principal.id:
        raise QueryError(_NEEDED, kind="not-authenticated", status=401)
    raise QueryError(f"This needs the right to {action}.", kind="forbidden", status=403)


async def guard(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Lets nobody to a route who may not, or could not read its answer: judged by the route, however it was addressed.

    To the operating routes come operators alone. What a write answers is JSON: who takes none is told so before
    anything is done. Only a write counts as one, which is what does not say that it reads: `@post("/x", reads=True)`.
    It waits for nothing, and is a coroutine all the same: a plain function would be run in a thread, for each request.
    """
    scope: Scope = connection.scope
    if scope["method"] not in SAFE:
        judge_write(scope, reads=bool(handler.opt.get("reads")))
    if any(path.startswith(_OPERATING) for path in handler.paths):
        demand(scope[PRINCIPAL], "operate")


def judge_write(scope: Scope, *, reads: bool = False) -> None:
    """Returns if whoever writes can take the answer, and does not write too often; reads: it only looks like writing.

    Raises:
        QueryError: 406.
        TooManyWrites: 429.
    """
    if not gate.accepts(gate.header(scope, b"accept"), _WRITTEN):
        raise QueryError(f"The answer is {_WRITTEN}.", kind="not-acceptable", status=406)
    if not reads:
        scope[COUNT_WRITE]()


# -- addresses -----------------------------------------------------------------------------------------------------


def _gateways(settings: Settings) -> tuple[Network, ...]:
    try:
        names = Setting("CATCHMENT_TRUSTED_GATEWAYS").values(settings)
        return tuple(ipaddress.ip_network(name, strict=False) for name in names)
    except ValueError as error:
        raise UsageError(f"CATCHMENT_TRUSTED_GATEWAYS: {error}", hint="write e.g. 10.0.0.5 or 10.0.0.0/24") from error


@lru_cache(maxsize=4096)
def _within(text: str, networks: tuple[Network, ...]) -> bool:
    if not networks:
        return False
    found = gate.address(text)
    return found is not None and any(found in network for network in networks)


def peer_of(scope: Scope, gateways: tuple[Network, ...]) -> str:
    """By what a client without identity is counted: its address, for IPv6 the network that one client has to itself.

    What a request says of its own origin counts only where a trusted gateway wrote it, at the end.
    """
    client = scope.get("client")
    peer = str(client[0]) if client else ""
    if _within(peer, gateways) and (told := gate.header(scope, b"x-forwarded-for").rpartition(",")[2].strip()):
        peer = told if gate.address(told) else peer
    return _counted_as(peer)


@lru_cache(maxsize=4096)
def _counted_as(peer: str) -> str:
    found = gate.address(peer)
    if isinstance(found, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found) if found else "unknown"


# -- keys ----------------------------------------------------------------------------------------------------------


class KeyRing:
    """Stored keys by id, remembered while the database stands unchanged, and boundedly many.

    state: gives the same object as long as nothing was committed; so a revoked key is gone with the next request.
    """

    def __init__(self, database: Database, state: Callable[[], object], *, max_keys: int = 1024) -> None:
        self._database = database
        self._state = state
        self._seen: object = None
        self._max_keys = max_keys
        self._known: OrderedDict[str, keys.Key | None] = OrderedDict()
        self._sessions: OrderedDict[str, sessions.Session | None] = OrderedDict()
        self._noted: OrderedDict[str, datetime] = OrderedDict()

    def find(self, identity: str) -> keys.Key | None:
        """The key of that id, None when there is none; both are remembered, so that both take the same way."""
        self._look()
        if identity not in self._known:
            self._known[identity] = keys.find(self._database, identity)
            _forget(self._known, self._max_keys)
        return self._known[identity]

    def of_session(self, token: str, now: datetime) -> keys.Key | None:
        """The key that a session stands for; None where there is no such session, or it is over."""
        self._look()
        if token not in self._sessions:
            self._sessions[token] = sessions.find(self._database, token)
            _forget(self._sessions, self._max_keys)
        found = self._sessions[token]
        return self.find(found.key_id) if found and now < found.until else None

    def _look(self) -> None:
        """What is remembered is forgotten when something was committed."""
        state = self._state()
        if state is not self._seen:
            self._known.clear()
            self._sessions.clear()
            self._seen = state

    def is_to_be_noted(self, identity: str, now: datetime) -> bool:
        """Whether a minute has passed since it was last noted that the key is used; from then on it counts as noted."""
        noted = self._noted.get(identity)
        if noted is not None and now - noted < _TOUCH_AFTER:
            return False
        self._noted[identity] = now
        _forget(self._noted, self._max_keys)
        return True

    def note_use(self, identity: str, now: datetime) -> None:
        """Stores that the key is used. Nobody waits for it, so its failing is logged and no more."""
        try:
            keys.touch(self._database, identity, now)
        except StoreError as error:
            _log.warning("last use of a key is not stored", key=identity, error=str(error))

    def __len__(self) -> int:
        return len(self._known)


def _forget(remembered: OrderedDict[str, Any], limit: int) -> None:
    while len(remembered) > limit:
        remembered.popitem(last=False)


def _given_key(scope: Scope) -> str | None:
    """The key that the headers give; "" for something that is none, or for two; None for nothing."""
    given = {_token(name, value) for name, value in scope["headers"] if name in (b"authorization", b"x-api-key")}
    if not given:
        return None
    return given.pop() if len(given) == 1 else ""


def _token(name: bytes, value: bytes) -> str:
    text = value.decode("latin-1").strip()
    if name == b"x-api-key":
        return text
    scheme, _, token = text.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


# -- identity ------------------------------------------------------------------------------------------------------


class Rights:
    """Who asks, for one server process."""

    def __init__(self, settings: Settings, database: Database, state: Callable[[], object]) -> None:
        self.gateways = _gateways(settings)
        self.ring = KeyRing(database, state)
        self._database = database
        # A thread of their own: small writes that wait for a collector's commit keep no reader waiting.
        self._traces = ThreadPoolExecutor(1, "catchment-traces")

    def close(self) -> None:
        """Returns when all that was to be noted is."""
        self._traces.shutdown()

    def principal(self, scope: Scope, now: datetime) -> Principal:
        """Who asks.

        Raises:
            FailedKey: a key was given that proves nobody.
            QueryError: 400 for a key in the query; 422 for a user that is none; 403 where key and gateway differ.
            StoreUnavailable: keys cannot be looked up; then nobody is let in by one.
        """
        query = unquote_plus(scope["query_string"].decode("latin-1"))
        if query and keys.without_keys(query) != query:
            # It is in logs and histories of others by now; answering would teach people to go on.
            raise QueryError("a key belongs into a header: Authorization: Bearer …, or X-API-Key", kind="key-in-query")
        user, key = self._told(scope), _given_key(scope)
        if key is not None:
            proved = self.proved(key, now)
            if user and user != proved.id:
                raise QueryError("key and user-id name different users", kind="forbidden", status=403)
            return proved
        if user:
            return Principal(user, scopes=frozenset({"write"}), via="gateway")
        if signed_in := self._signed_in(scope, now):
            return signed_in
        return ANONYMOUS if gate.speaks_for_others(scope) else self.nobody(scope)

    def nobody(self, scope: Scope) -> Principal:
        """Who asks with none of the headers of `IDENTITY`: this machine, or anybody."""
        # Behind a gateway on this machine anybody may be.
        return LOOPBACK if gate.is_loopback(scope) and not self._by_gateway(scope) else ANONYMOUS

    def _signed_in(self, scope: Scope, now: datetime) -> Principal | None:
        """Whom a session stands for. It reads everywhere, and writes by forms alone: any site may send the cookie's
        owner to any address of ours.
        """
        if not (token := session.token_of(scope)):
            return None
        if scope["method"] not in SAFE and not scope["path"].startswith(_PAGES):
            return None
        found = self.ring.of_session(token, now)
        return found.identity() if found and found.usable(now) else None

    def proved(self, text: str, now: datetime) -> Principal:
        """Whom a key proves. FailedKey for one that proves nobody."""
        identity, secret = keys.split(text)
        stored = self.ring.find(identity)
        principal = keys.proved(stored, secret, now)
        if principal is None:
            raise FailedKey(stored.id if stored else "")
        return principal

    def _by_gateway(self, scope: Scope) -> bool:
        client = scope.get("client")
        return bool(client) and _within(str(client[0]), self.gateways)  # type: ignore[index]  # there is one

    def _told(self, scope: Scope) -> str:
        """The user whom a trusted gateway names; "" for none, or where the header is just a header."""
        if not self._by_gateway(scope):
            return ""
        names = (b"user-id", b"user_id")
        told: set[str] = {value.decode("latin-1").strip().lower() for name, value in scope["headers"] if name in names}
        if not told:
            return ""
        user = told.pop()
        if told or not is_user(user):
            raise QueryError("user-id is not the one UUID of a user", kind="bad-identity", status=422)
        return user

    def used(self, principal: Principal, now: datetime) -> None:
        """Has it noted that a key is used, at most once a minute; nobody waits for that."""
        if principal.key_id and self.ring.is_to_be_noted(principal.key_id, now):
            self._traces.submit(self.ring.note_use, principal.key_id, now)

    async def denied(self, entry: Entry, now: datetime) -> None:
        """Returns when the denial stands in the audit. If it cannot be written that is logged: denied it is anyway."""
        await asyncio.get_running_loop().run_in_executor(self._traces, self._deny, entry, now)

    def _deny(self, entry: Entry, now: datetime) -> None:
        try:
            deny(self._database, entry, now)
        except StoreError as error:
            _log.error(
                "a denial is not in the audit", action=entry.action, request_id=entry.request_id, error=str(error)
            )
