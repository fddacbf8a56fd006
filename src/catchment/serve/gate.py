"""What is refused before anything else looks at a request, and what a request is taken for."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, quote, unquote_plus

from ..errors import QueryError
from ..settings import Setting, Settings
from . import coding
from .problems import Problem, of_status

__all__ = [
    "HEADERS",
    "MAX_HEADERS",
    "MAX_URL",
    "SPEAKS_FOR",
    "accepts",
    "address",
    "allowed_hosts",
    "gathered",
    "is_loopback",
    "names_us",
    "only",
    "pairs",
    "prefers_html",
    "raw_path",
    "refusal",
    "speaks_for_others",
    "timeout_s",
]

MAX_URL, MAX_HEADERS = 16 * 2**10, 64 * 2**10
MAX_PARAMETERS = 200
HEADERS = "catchment.headers"
"""Where a request's `gathered` headers stand in its scope."""
_SECONDS = re.compile(r"[0-9]{1,6}(\.[0-9]{1,3})?")
SPEAKS_FOR = frozenset({b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-real-ip", b"via"})
_SHORT = 300
"""So long may a text be that is remembered with what it means: what clients send must not fill the memory."""
_BODILESS = ("GET", "HEAD", "OPTIONS")

Scope = Mapping[str, Any]


def allowed_hosts(settings: Settings) -> frozenset[str]:
    """The names under which this server answers: the loopback's, the one it listens on, and CATCHMENT_ALLOWED_HOSTS."""
    extra = Setting("CATCHMENT_ALLOWED_HOSTS").values(settings)
    own = f"[{settings.host}]" if ":" in settings.host else settings.host
    return frozenset(name.lower() for name in ("localhost", "127.0.0.1", "[::1]", own, *extra))


def timeout_s(settings: Settings, what: str) -> float:
    """The seconds that a client has for its headers (`HEADER`) or its body (`BODY`).

    UsageError for what is no such number.
    """
    return float(Setting(f"CATCHMENT_{what}_TIMEOUT", form=_seconds).text(settings))


def _seconds(text: str) -> str:
    if not _SECONDS.fullmatch(text) or not float(text):
        raise ValueError("is no number of seconds above 0")
    return text


def raw_path(scope: Scope) -> str:
    """The path as it was sent, still percent-encoded."""
    raw = scope.get("raw_path") or b""
    return raw.split(b"?")[0].decode("latin-1") if raw else quote(str(scope["path"]))


def header(scope: Scope, name: bytes) -> str:
    """The header's values joined by commas; "" when absent."""
    known: Mapping[bytes, str] | None = scope.get(HEADERS)
    return (gathered(scope) if known is None else known).get(name, "")


def gathered(scope: Scope) -> Mapping[bytes, str]:
    """All headers, each with its values joined by commas. A scope that has them under `HEADERS` is not searched."""
    found: dict[bytes, str] = {}
    for name, value in scope["headers"]:
        text = value.decode("latin-1")
        found[name] = f"{found[name]}, {text}" if name in found else text
    if tags := found.get(b"if-match"):
        found[b"if-match"] = coding.plain(tags)  # whatever it came in, it is the version that is meant
    return found


def refusal(scope: Scope, hosts: frozenset[str]) -> Problem | None:
    """Why the request is not answered at all; None when it is."""
    if len(raw_path(scope)) + len(scope["query_string"]) > MAX_URL:
        return of_status(414, f"The URL is longer than {MAX_URL} bytes.")
    if sum(len(name) + len(value) + 4 for name, value in scope["headers"]) > MAX_HEADERS:
        return of_status(431, f"The headers are longer than {MAX_HEADERS} bytes.", Connection="close")
    if header(scope, b"transfer-encoding") and (scope["method"] in _BODILESS or header(scope, b"content-length")):
        # Two lengths for one body, or a body where none belongs: what one server skips the next takes for a request.
        return of_status(400, "A body of two lengths, or where none belongs.", Connection="close")
    if not names_us(header(scope, b"host"), hosts):
        return of_status(400, "The Host header names no host of ours.", Connection="close")
    return None


def names_us(host: str, hosts: frozenset[str]) -> bool:
    """Whether a Host header is one of these names, with any port."""
    return len(host) <= _SHORT and _names_us(host, hosts)


@lru_cache(maxsize=1024)
def _names_us(host: str, hosts: frozenset[str]) -> bool:
    host = host.lower()
    return (host if host.endswith("]") else host.rpartition(":")[0] or host) in hosts


@lru_cache(maxsize=4096)
def address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address that the text is, None for none; one of IPv4 in the clothes of IPv6 is undressed."""
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


def is_loopback(scope: Scope) -> bool:
    """Whether the other side is this machine."""
    client = scope.get("client")
    return bool(client) and _is_loopback(str(client[0]))  # type: ignore[index]  # there is one


@lru_cache(maxsize=4096)
def _is_loopback(peer: str) -> bool:
    found = address(peer)
    return found is not None and found.is_loopback


def speaks_for_others(scope: Scope) -> bool:
    """Whether the other side is a gateway, and who asks is behind it."""
    return any(name in SPEAKS_FOR for name, _ in scope["headers"])


def pairs(query: bytes) -> list[tuple[str, str]]:
    """The query's parameters, decoded, in their order. QueryError when they are no UTF-8, or too many."""
    try:
        return parse_qsl(query.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MAX_PARAMETERS)
    except ValueError as error:  # UnicodeError is one
        raise _unreadable(query) from error


def only(pairs: list[tuple[str, str]], allowed: Sequence[str]) -> list[tuple[str, str]]:
    """The parameters. QueryError where there is another one than these."""
    for name, _ in pairs:
        if name not in allowed:
            message = f"unknown parameter {name[:60]}; there are {', '.join(allowed)}"
            raise QueryError(message, kind="unknown-parameter", parameter=name)
    return pairs


def _unreadable(query: bytes) -> QueryError:
    """Why a query cannot be read, with the first parameter that cannot."""
    parts = query.split(b"&", MAX_PARAMETERS)
    if len(parts) > MAX_PARAMETERS:
        return QueryError(f"there are more than {MAX_PARAMETERS} parameters")
    for part in parts:
        try:
            parse_qsl(part.decode("ascii"), keep_blank_values=True, errors="strict")
        except ValueError:
            name = unquote_plus(part.partition(b"=")[0].decode(errors="replace"), errors="replace")[:60]
            return QueryError(f"{name}: is not UTF-8, percent-encoded", parameter=name)
    return QueryError("the query string is not UTF-8, percent-encoded")


def accepts(accept: str, media_type: str) -> bool:
    """Whether an Accept header takes this type; an absent one takes all."""
    return (_accepts if len(accept) <= _SHORT else _accepts.__wrapped__)(accept, media_type)


@lru_cache(maxsize=1024)
def _accepts(accept: str, media_type: str) -> bool:
    wanted = media_type.partition(";")[0].strip()
    ranges = {wanted, f"{wanted.partition('/')[0]}/*", "*/*"}
    if wanted.endswith("+json"):
        ranges.add("application/json")
    weights = [_weight(part) for part in accept.lower().split(",") if part.strip()]
    return not weights or any(name in ranges and weight > 0 for name, weight in weights)


def prefers_html(accept: str) -> bool:
    """Whether an Accept header would rather have a page than data (RFC 9110, 12.5.1: the closest range counts)."""
    weights = dict(_weight(part) for part in accept.lower().split(",") if part.strip())

    def weight(*ranges: str) -> float:
        return next((weights[name] for name in ranges if name in weights), 0.0)

    return weight("text/html", "text/*", "*/*") > weight("application/json", "application/*", "*/*")


def _weight(part: str) -> tuple[str, float]:
    name, *parameters = (piece.strip() for piece in part.split(";"))
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return name, float(parameter[2:])
            except ValueError:
                return name, 0.0
    return name, 1.0
