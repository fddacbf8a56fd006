"""Bodies of requests, as the strict JSON that they have to be."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from typing import Any, NoReturn

from litestar import Request

from ..errors import QueryError
from . import gate

__all__ = ["NoNumber", "read_json", "read_members", "receive_members"]

Ask = Request[Any, Any, Any]
Receive = Callable[[], Awaitable[Any]]

_JSON = "application/json"
_LARGEST_POWER, _DEEPEST = 308, 64


class NoNumber(QueryError):
    """A body holds NaN, Infinity or a number beyond bounds. JSON has none of them; other services call it invalid."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The body is no JSON: {reason}.", kind="malformed", status=400)


async def read_members(request: Ask, max_body: int) -> Any:
    """The JSON value of the request's body, read no further than its bound. Numbers with a fraction are Decimals.

    Raises:
        QueryError: 415 for another type, 413 beyond the bound, 400 for what is no strict JSON.
    """
    return await receive_members(request.scope, request.receive, max_body)


async def receive_members(scope: Mapping[str, Any], receive: Receive, max_body: int, *types: str) -> Any:
    """The same before the framework made a request of it. types: that the body may have instead of JSON's own."""
    told, _, more = gate.header(scope, b"content-type").lower().partition(";")
    encoded = gate.header(scope, b"content-encoding") not in ("", "identity")
    if told.strip() not in (types or (_JSON,)) or encoded or not _is_utf8(more):
        message = f"The body is {' or '.join(types or (_JSON,))} in UTF-8, not compressed."
        raise QueryError(message, kind="unsupported-media-type", status=415)
    return read_json(await _body(scope, receive, max_body))


def _is_utf8(parameters: str) -> bool:
    """Whether a media type's parameters name no other encoding than that of all JSON (RFC 8259, 8.1)."""
    pairs = (item.partition("=") for item in parameters.split(";"))
    return all(value.strip(' "') in ("utf-8", "utf8") for name, _, value in pairs if name.strip() == "charset")


async def _body(scope: Mapping[str, Any], receive: Receive, max_body: int) -> bytes:
    length = gate.header(scope, b"content-length")
    if length.isascii() and length.isdigit() and (len(length) > 12 or int(length) > max_body):
        _too_large(max_body)
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise QueryError("The body ended before its end.", kind="malformed", status=400)
        body += message.get("body", b"")
        if len(body) > max_body:
            _too_large(max_body)
        more = message.get("more_body", False)
    return body


def _too_large(max_body: int) -> NoReturn:
    raise QueryError(f"The body is longer than {max_body} bytes.", kind="body-too-large", status=413)


def read_json(body: bytes) -> Any:
    """The value of a JSON text in strict reading (RFC 8259, and each member once).

    Raises:
        QueryError: 400 for anything else, also NaN, Infinity and numbers beyond 1e308.
    """
    try:
        value = _STRICT.decode(body.decode())
    except UnicodeDecodeError as error:
        raise _no_json("it is no UTF-8") from error
    except json.JSONDecodeError as error:
        raise _no_json(f"{error.msg} at character {error.pos}") from error
    except RecursionError as error:
        raise _no_json("it is nested too deeply") from error
    if body.count(b"{") + body.count(b"[") > _DEEPEST:
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


_STRICT = json.JSONDecoder(
    object_pairs_hook=_members, parse_float=_decimal, parse_int=_integer, parse_constant=_no_number
)
