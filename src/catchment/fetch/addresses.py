"""Where a request may go: rules over base URLs, hosts and addresses, without I/O except the system's resolver."""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from ..errors import Refused
from ..settings import Network

__all__ = ["Origin", "Resolver", "SystemResolver", "allowed", "parse_base"]

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# `is_global` alone lets these pass, in some releases of Python or in all: each can carry, or stand for, an address
# that is not public.
_NEVER: tuple[Network, ...] = (
    ipaddress.IPv4Network("192.0.0.0/24"),  # protocol assignments (RFC 6890)
    ipaddress.IPv4Network("192.88.99.0/24"),  # 6to4 relays (RFC 7526)
    ipaddress.IPv6Network("64:ff9b::/96"),  # NAT64 (RFC 6052)
    ipaddress.IPv6Network("2001::/23"),  # protocol assignments, Teredo among them (RFC 2928, 4380)
    ipaddress.IPv6Network("2002::/16"),  # 6to4 (RFC 3056)
    ipaddress.IPv6Network("3fff::/20"),  # documentation (RFC 9637)
)
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")  # all that IANA has given out as public IPv6 (RFC 4291)
_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?:\.(?!-)[a-z0-9_-]{1,63})*", re.ASCII)
_PATH = re.compile(r"[A-Za-z0-9/:@!$&'()*+,;=~\-._%]*", re.ASCII)
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)
_PORTS = {"http": 80, "https": 443}


class Resolver(Protocol):
    """What turns a name into addresses."""

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        """Addresses of `host` as text, best first. OSError when it has none."""
        ...


class SystemResolver:
    """The machine's own resolver."""

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return tuple(dict.fromkeys(str(where[0]) for *_, where in found))


@dataclass(frozen=True)
class Origin:
    """The only place a request may go to: scheme, host and port, with the path that precedes every request's.

    host: lower case, an IPv6 address without brackets.
    """

    scheme: str
    host: str
    port: int
    path: str = ""

    @property
    def plain(self) -> bool:
        return self.scheme == "http"

    @property
    def literal(self) -> Address | None:
        """The host as an address, when it is one."""
        return _address(self.host)

    @property
    def url(self) -> str:
        """The base URL, without a slash at its end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.path}"

    def same_place(self, other: Origin) -> bool:
        return (self.scheme, self.host, self.port) == (other.scheme, other.host, other.port)


def parse_base(base_url: str) -> Origin:
    """The origin that a base URL names. Refused when it is not a plain http(s) URL of one unambiguous host.

    No message quotes the URL: a person may have put a password into it.
    """
    try:
        parts = urlsplit(base_url)
        port = parts.port
    except ValueError:
        raise Refused("the base URL cannot be read", cause="url") from None
    if parts.scheme not in _PORTS:
        raise Refused("the base URL is neither https nor http", cause="scheme")
    if "@" in parts.netloc or parts.query or parts.fragment or not _PATH.fullmatch(parts.path):
        raise Refused("the base URL may hold scheme, host, port and path only", cause="url")
    if any(character.isspace() for character in base_url):
        raise Refused("the base URL holds white space", cause="url")
    host = _checked_host(parts.hostname or "")
    return Origin(parts.scheme, host, _PORTS[parts.scheme] if port is None else port, parts.path.rstrip("/"))


def _checked_host(host: str) -> str:
    """The host, if every resolver reads it alike: a name, or an address in its one canonical spelling.

    `2130706433`, `0x7f.1`, `127.1`, `0177.0.0.1` and full-width digits all reach 127.0.0.1 in some resolver.
    """
    address = _address(host)
    if address is not None and str(address) == host and "%" not in host:
        return host
    if address is not None or _NUMBER.fullmatch(host.rpartition(".")[2]) or not _NAME.fullmatch(host):
        raise Refused("the host is neither a name nor an address in its usual spelling", cause="host")
    return host


def _address(text: str) -> Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def allowed(addresses: Iterable[str], private: Sequence[Network], *, plain: bool) -> tuple[str, ...]:
    """Those of the addresses that may be connected to, in their order. Refused when none is left.

    private: networks that are allowed although not public. plain: over http, where only these are allowed.
    """
    found = [address for text in addresses if (address := _address(text)) is not None]
    kept = tuple(str(address) for address in map(_unmapped, found) if _allows(address, private, plain=plain))
    if kept:
        return kept
    if plain:
        raise Refused(
            "http is for allowed private networks only",
            cause="scheme",
            hint="use https, or name the network in CATCHMENT_ALLOW_PRIVATE",
        )
    raise Refused(
        "the host's address is not public", cause="address", hint="CATCHMENT_ALLOW_PRIVATE names networks to allow"
    )


def _allows(address: Address, private: Sequence[Network], *, plain: bool) -> bool:
    if any(address in network for network in private):
        return True
    return not plain and _is_public(address)


def _unmapped(address: Address) -> Address:
    """The address itself; of an IPv4-mapped IPv6 address the IPv4 address that it means."""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _is_public(address: Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address) and address not in _GLOBAL_UNICAST:
        return False
    return address.is_global and not address.is_multicast and not any(address in network for network in _NEVER)
