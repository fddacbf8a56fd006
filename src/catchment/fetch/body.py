"""The body of an answer, proved whole and within its caps, or an error: what ends too soon is never half an answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable

import aiohttp
import msgspec
from aiohttp.http_exceptions import HttpProcessingError

from ..cut import closes
from ..errors import Incomplete, TooLarge
from ..spool import Content, Gather, Spool
from .inflate import Caps, Inflater, encoding_of
from .limits import Limits
from .redact import Masking

__all__ = ["read_body"]

_BODILESS = frozenset({204, 304})
_FIRST_ERROR = 400


async def read_body(response: aiohttp.ClientResponse, limits: Limits, secrets: Iterable[str]) -> tuple[Content, int]:
    """The decoded body, proved whole and with the secrets masked, and its bytes on the wire."""
    if response.status in _BODILESS or response.method == "HEAD":
        return b"", 0
    announced, framed = _framing(response)
    if announced is not None and announced > limits.wire_bytes:
        raise TooLarge(f"the body passes {limits.wire_bytes} bytes", cause="wire-bytes")
    inflater = Inflater(
        encoding_of(response.headers.getall("Content-Encoding", [])), Caps(limits.decoded_bytes, limits.ratio)
    )
    masking, whole = Masking(secrets), Gather()
    async for piece in _pieces(response, inflater, limits.wire_bytes):
        _keep(masking.next(piece), whole)
    _keep(masking.last(), whole)
    body = whole.content()
    if inflater.wire or not framed:  # some servers label even a body of no bytes as gzip
        inflater.close()
    proved = framed or inflater.ended or limits.open_ended or response.status >= _FIRST_ERROR
    if not proved and not _is_closed_json(body, response.content_type):
        raise Incomplete("the body ended with the connection and does not prove its end")
    return body, inflater.wire


def _keep(piece: bytes, whole: Gather) -> None:
    try:
        whole.add(piece)
    except OSError as error:  # asked again it would not fit either
        said = f"no room for a large body in the folder for temporary files ({error.strerror or type(error).__name__})"
        raise Incomplete(said, cause="temporary files", retry=False, hint="make room, or set TMPDIR") from None


def _framing(response: aiohttp.ClientResponse) -> tuple[int | None, bool]:
    """The announced length, if any, and whether the message says where it ends (else the connection's end does)."""
    transfer = ",".join(response.headers.getall("Transfer-Encoding", [])).strip().lower()
    if transfer == "chunked":
        return None, True
    if transfer:
        raise Incomplete("the transfer encoding was not asked for", cause="encoding", retry=False)
    announced = response.headers.get("Content-Length", "")
    return (int(announced), True) if announced.isascii() and announced.isdigit() else (None, False)


def _end_with_connection(response: aiohttp.ClientResponse) -> None:
    """Makes the body's reader fail when the connection is gone before the body's end.

    The library closes the connection when chunks break the protocol, and then leaves the reader waiting (seen with
    3.14: until the deadline).
    """
    content = response.content
    protocol = response.connection.protocol if response.connection else None

    def end(closed: asyncio.Future[None] | None) -> None:
        if closed is not None and not closed.cancelled():
            closed.exception()  # looked at, so that it is not reported as forgotten
        if not content.is_eof() and content.exception() is None:
            content.set_exception(aiohttp.ClientPayloadError())

    if protocol is not None and protocol.closed is not None:
        protocol.closed.add_done_callback(end)
    else:
        end(None)


async def _pieces(response: aiohttp.ClientResponse, inflater: Inflater, most: int) -> AsyncIterator[bytes]:
    _end_with_connection(response)
    try:
        async for data in response.content.iter_any():
            if inflater.wire + len(data) > most:
                raise TooLarge(f"the body passes {most} bytes", cause="wire-bytes")
            yield inflater.feed(data)
    except (aiohttp.ClientError, HttpProcessingError, ConnectionError):
        raise Incomplete("the connection ended before the body") from None


def _is_closed_json(body: Content, content_type: str) -> bool:
    """Whether the body is one JSON object or array that closes. Line formats look closed after each line: never."""
    if content_type not in ("application/json", "text/json") and not content_type.endswith("+json"):
        return False
    if isinstance(body, Spool):
        return closes(body.blocks())
    if body.lstrip()[:1] not in (b"{", b"["):
        return False
    try:
        msgspec.json.decode(body, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True
