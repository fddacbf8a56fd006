"""One request and its whole answer, or an error of the `FetchError` tree: nothing in between.

What common clients do not do, this one does: one deadline over everything, caps that hold while streaming, proof that
the body is whole, checked and pinned addresses, and no secret in any error or stored answer.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace, TracebackType
from typing import Self
from urllib.parse import parse_qsl, unquote, urljoin, urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.http_exceptions import LineTooLong
from yarl import URL

from ..auth import Auth, Reveal
from ..clock import Clock
from ..errors import DeadlineExceeded, FetchError, Incomplete, Refused, TooLarge, Unreachable
from ..exchange import Answer, Request
from ..failpoints import failpoint
from ..settings import Network
from .addresses import Origin, Resolver, SystemResolver, allowed, parse_base
from .body import read_body
from .limits import Limits
from .redact import redact

__all__ = ["Client"]

_KEPT = frozenset(
    {"age", "cache-control", "content-length", "content-type", "date", "etag", "last-modified", "link", "retry-after"}
)
_KEPT_PREFIX = "x-ratelimit-"
# These frame the message or steer the connection: only the client sets them.
_OWN = frozenset({"accept-encoding", "connection", "content-length", "cookie", "expect", "host", "transfer-encoding"})
_OWN |= {"proxy-authorization", "te", "trailer", "upgrade"}
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110, section 5.6.2
_REPEATABLE = frozenset({"GET", "HEAD"})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_FIRST_FINAL = 200
_MOST_HEADERS = 256
# What OpenSSL says when the peer does not speak TLS or hangs up: that may pass, a bad certificate stays bad.
_PASSING_TLS = frozenset(
    {"HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE", "UNEXPECTED_EOF_WHILE_READING"}
    | {"WRONG_VERSION_NUMBER"}
)


@dataclass
class _Progress:
    """How far one sending has come: whose connection it uses, and the time its headers may take."""

    timer: asyncio.Timeout
    header_s: float
    reused: bool = False

    async def send(self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        """The response; asked for a second time only where a kept connection turned out to be closed.

        A new connection that breaks is an error: the upstream may have counted that request. The library would send
        it again by itself, but only after errors of its own kinds, which do not leave this function.
        """
        try:
            return await handler(request)
        except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
            if not self.reused or request.method not in _REPEATABLE:
                raise _no_head(error) from None
        except aiohttp.ClientError as error:
            raise _no_head(error) from None
        try:
            return await handler(request)
        except aiohttp.ClientError as error:
            raise _no_head(error) from None


@dataclass(frozen=True)
class _Sending:
    """One request with all that is needed to send it; its repr shows no secret."""

    origin: Origin
    request: Request = field(repr=False)
    limits: Limits
    secrets: tuple[str, ...] = field(repr=False)

    @property
    def url(self) -> URL:
        return URL(f"{self.origin.url}{self.request.target}", encoded=True)

    @property
    def headers(self) -> list[tuple[str, str]]:
        return [*self.request.headers, ("Accept-Encoding", "gzip")]


class Client:
    """An async context manager that sends requests over one pool of connections.

    allow_private: networks that upstreams may live in although they are not public; http is for these only.
    ca_file: the only certificate authorities to trust, as PEM; by default the system's. Verification has no switch.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        allow_private: Sequence[Network] = (),
        resolver: Resolver | None = None,
        ca_file: Path | None = None,
        limits: Limits | None = None,
    ) -> None:
        self._clock = clock
        self._private = tuple(allow_private)
        self._pinned = _Pinned(resolver or SystemResolver(), self._private)
        self._ca_file = ca_file
        self._limits = limits or Limits()
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            # Without the cache each connection asks once, and goes to just the addresses that were checked.
            # How many connections there may be is the budget's business, not the pool's.
            connector=aiohttp.TCPConnector(resolver=self._pinned, use_dns_cache=False, limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
            headers={"User-Agent": "catchment"},
            auto_decompress=False,
            trust_env=False,
            trace_configs=[_tracing()],
        )
        return self

    @cached_property
    def _trust(self) -> ssl.SSLContext:
        """Whom a TLS connection is believed. Read when one is first made: that takes as long as many an answer."""
        tls = ssl.create_default_context(cafile=self._ca_file)
        tls.minimum_version = ssl.TLSVersion.TLSv1_2
        return tls

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def send(
        self, base_url: str, request: Request, *, auth: Auth, reveal: Reveal, limits: Limits | None = None
    ) -> Answer:
        """The whole answer, decoded from its encodings, with the secrets that were sent masked in it.

        An error status is an answer too. Nothing raised, logged or returned holds a secret.

        Raises:
            Refused: not sent, or redirected. Unreachable, DeadlineExceeded, Incomplete, TooLarge: as they say.
            MissingSecret: a secret's reference holds nothing.
        """
        try:
            return await self._follow(base_url, request, auth, reveal, limits or self._limits)
        except FetchError as error:
            failure = error
        # Raised anew and outside of `except`, with nothing chained: the foreign errors below, and the variables in
        # their frames, hold the URL with its key.
        failure.__cause__ = failure.__context__ = None
        raise failure.with_traceback(None)

    async def _follow(self, base_url: str, request: Request, auth: Auth, reveal: Reveal, limits: Limits) -> Answer:
        """The answer, after at most `limits.redirects` redirects within the origin."""
        origin = parse_base(base_url)
        try:
            async with asyncio.timeout(limits.deadline_s):
                for _ in range(limits.redirects + 1):
                    sending = _sending(origin, request, auth, reveal, limits)
                    found = await self._exchange(sending)
                    if isinstance(found, Answer):
                        return found
                    origin, request = _redirected(sending, request, found, auth, reveal)
        except TimeoutError:
            raise DeadlineExceeded(f"no whole answer within {limits.deadline_s:g} s") from None
        raise Refused("the answer is a redirect", cause="redirect")

    async def _exchange(self, sending: _Sending) -> Answer | str:
        """The answer to one sending; of a redirect the place it names, its body unread."""
        response = await self._head(sending)
        try:
            failpoint("response.headers")
            if response.status < _FIRST_FINAL:
                raise Incomplete("the answer switches to another protocol", cause="protocol", retry=False)
            if response.status in _REDIRECTS:
                return response.headers.get("Location", "")
            body, wire = await read_body(response, sending.limits, sending.secrets)
            failpoint("body.complete")
            return Answer(
                response.status,
                body,
                self._clock.now(),
                _kept(response.headers, sending.secrets),
                wire,
            )
        finally:
            # Only a body read to its end leaves a connection that can be used again.
            (response.release if response.content.at_eof() else response.close)()

    async def _head(self, sending: _Sending) -> aiohttp.ClientResponse:
        """The response as soon as its headers are complete."""
        if self._session is None:
            raise RuntimeError("use the client as `async with Client(...)`")
        origin, limits = sending.origin, sending.limits
        self._check(origin)
        try:
            async with asyncio.timeout(None) as timer:
                progress = _Progress(timer, limits.header_s)
                response = await self._session.request(
                    sending.request.method,
                    sending.url,
                    headers=sending.headers,
                    ssl=True if origin.plain else self._trust,
                    allow_redirects=False,
                    timeout=aiohttp.ClientTimeout(total=None, connect=limits.connect_s),
                    max_line_size=limits.header_bytes,
                    max_field_size=limits.header_bytes,
                    max_headers=_MOST_HEADERS,
                    trace_request_ctx=progress,
                    middlewares=(progress.send,),
                )
        except TimeoutError:
            raise DeadlineExceeded(f"no headers within {limits.header_s:g} s") from None
        except ValueError:
            raise Refused("the request cannot be written as HTTP", cause="request") from None
        if sum(len(name) + len(value) for name, value in response.raw_headers) > limits.header_bytes:
            response.close()
            raise TooLarge(f"the headers pass {limits.header_bytes} bytes", cause="headers")
        return response

    def _check(self, origin: Origin) -> None:
        """Returns when the origin's address, if it is written out, is allowed; names are checked when resolved."""
        if origin.literal is not None:
            allowed((origin.host,), self._private, plain=origin.plain)
        elif origin.plain:
            self._pinned.plain.add((origin.host, origin.port))


class _Pinned(AbstractResolver):
    """Gives the connector checked addresses only, so that what was checked is what is connected to.

    plain: (host, port) pairs that are spoken to without TLS, and so must be in an allowed private network.
    """

    def __init__(self, resolver: Resolver, private: Sequence[Network]) -> None:
        self._resolver = resolver
        self._private = private
        self.plain: set[tuple[str, int]] = set()

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port)
        if not found:
            raise OSError("the name has no address")
        checked = allowed(found, self._private, plain=(host, port) in self.plain)
        return [
            ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=0)
            for address in checked
        ]

    async def close(self) -> None:
        """Nothing is held."""


def _sending(origin: Origin, request: Request, auth: Auth, reveal: Reveal, limits: Limits) -> _Sending:
    """The signed request, checked for what could break out of its place in the message."""
    if not request.path.startswith("/"):
        raise Refused("a request's path begins with /", cause="request")
    signed = auth.sign(request, reveal)
    if not all(_TOKEN.fullmatch(name) for name in (signed.method, *(name for name, _ in signed.headers))):
        raise Refused("a method's or header's name holds what may not be in it", cause="request")
    for name, value in signed.headers:
        if name.lower() in _OWN:
            raise Refused(f"the header {name} is not for a request to set", cause="request")
        if any(ord(character) < ord(" ") and character != "\t" for character in name + value):
            raise Refused("a header holds a control character", cause="request")
    return _Sending(origin, signed, limits, auth.secrets(reveal))


def _redirected(
    sending: _Sending, request: Request, location: str, auth: Auth, reveal: Reveal
) -> tuple[Origin, Request]:
    """Where a redirect leads, unsigned: an echoed proof is dropped, it is added anew at sending."""
    refused = Refused("the answer is a redirect", cause="redirect")
    if not location or not sending.limits.redirects or request.method not in _REPEATABLE:
        raise refused
    try:
        parts = urlsplit(urljoin(str(sending.url), location))
        target = parse_base(f"{parts.scheme}://{parts.netloc}")
    except (ValueError, Refused):
        raise refused from None
    # Elsewhere the key must not go; and an encoded slash would not come through decoding and encoding again.
    if not target.same_place(sending.origin) or "%2f" in parts.path.lower():
        raise refused
    proof = {name for name, _ in auth.sign(replace(request, query=()), reveal).query}
    query = tuple(pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] not in proof)
    return target, replace(request, path=unquote(parts.path) or "/", query=query)


def _tracing() -> aiohttp.TraceConfig:
    """Hooks that tell a `_Progress` which connection is used and when its headers begin to be awaited."""

    async def opened(_session: object, context: SimpleNamespace, _params: object) -> None:
        context.trace_request_ctx.reused = False

    async def reused(_session: object, context: SimpleNamespace, _params: object) -> None:
        context.trace_request_ctx.reused = True

    async def sent(_session: object, context: SimpleNamespace, _params: object) -> None:
        progress: _Progress = context.trace_request_ctx
        progress.timer.reschedule(asyncio.get_running_loop().time() + progress.header_s)

    tracing = aiohttp.TraceConfig()
    tracing.on_connection_create_end.append(opened)
    tracing.on_connection_reuseconn.append(reused)
    tracing.on_request_headers_sent.append(sent)
    return tracing


def _no_head(error: aiohttp.ClientError) -> FetchError:
    """What it means that no headers came. Only classes and codes are looked at: the texts hold the URL."""
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return DeadlineExceeded("no connection within the time for it")
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return Unreachable("the host's name was not resolved", cause="name")
    if isinstance(error, aiohttp.ClientSSLError):
        return Unreachable("no trusted connection (TLS)", cause="tls", retry=_passing_tls(error))
    if isinstance(error, aiohttp.ClientConnectorError):
        return Unreachable("no connection to the host", cause="connect")
    if isinstance(error, aiohttp.ClientResponseError):
        if any(isinstance(cause, LineTooLong) for cause in _causes(error)):
            return TooLarge("a header is too long", cause="headers")
        return Incomplete("the answer is not HTTP, or has too many headers", cause="protocol")
    return Unreachable("the connection was closed before the answer", cause="closed")


def _passing_tls(error: aiohttp.ClientSSLError) -> bool:
    """Whether the peer was not ready for TLS (worth another try), as opposed to not trusted."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return False
    below = error.os_error
    return isinstance(below, ssl.SSLError) and below.reason in _PASSING_TLS


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _kept(headers: Mapping[str, str], secrets: tuple[str, ...]) -> dict[str, str]:
    """The headers worth keeping, names in lower case; of a repeated one the first, but all links."""
    kept: dict[str, str] = {}
    for name, value in headers.items():
        lower = name.lower()
        if lower == "link" and lower in kept:
            kept[lower] += f", {redact(value, secrets)}"
        elif lower in _KEPT or lower.startswith(_KEPT_PREFIX):
            kept.setdefault(lower, redact(value, secrets))
    return kept
