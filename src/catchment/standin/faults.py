"""Ways to answer badly: a table from a fault's name to the bytes that it puts on the wire.

A fault is a pure function from the answer that was due to a `Wire`: pieces of bytes and how the connection ends.
The server only plays wires.
"""

from __future__ import annotations

import gzip
import itertools
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from email.utils import format_datetime
from enum import Enum
from functools import lru_cache
from http import HTTPStatus

__all__ = ["FAULTS", "End", "Fault", "Reply", "Wire", "apply", "http_date", "plain"]

MIB = 1024 * 1024


class End(Enum):
    """What becomes of the connection after the last piece."""

    KEEP = "keep"
    CLOSE = "close"
    RESET = "reset"
    HANG = "hang"


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault's name and what it may be told; each fault reads only what concerns it.

    after: bytes let through first; None for half of the body. pause_s: wait between pieces. retry_after: a header
    value as it stands, or `date:SECONDS` for an HTTP date that far from the stand-in's now. location: of a
    redirect; "" leads to the same target again, `none` leaves the header out.
    """

    name: str
    after: int | None = None
    pause_s: float = 0.01
    status: int = 0
    body: str = ""
    retry_after: str = ""
    location: str = ""
    mib: int = 200
    count: int = 10_000
    find: str = ""
    text: str = ""

    def __post_init__(self) -> None:
        if self.name not in FAULTS:
            raise ValueError(f"unknown fault {self.name}")


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer that is due, before it is framed: a plain body and its headers.

    squeeze: the client takes gzip. bare: answers HEAD, so the body is described and not sent.
    """

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...]
    at: datetime
    target: str = "/"
    squeeze: bool = False
    close: bool = False
    bare: bool = False
    version: str = "HTTP/1.1"

    def with_header(self, name: str, value: str) -> Reply:
        """The reply with this header in place of any of the same name."""
        kept = tuple(pair for pair in self.headers if pair[0].lower() != name.lower())
        return replace(self, headers=(*kept, (name, value)))

    def head(self, *framing: tuple[str, str]) -> bytes:
        """Status line and headers, with `framing` last."""
        dated = any(name.lower() == "date" for name, _ in self.headers)
        date = () if dated else (("Date", http_date(self.at)),)
        lines = [f"{self.version} {self.status} {phrase(self.status)}"]
        lines += [f"{name}: {value}" for name, value in (*date, *self.headers, *framing)]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    @property
    def payload(self) -> bytes:
        """The body as it travels."""
        return squeeze(self.body) if self.squeezed else self.body

    @property
    def squeezed(self) -> bool:
        return self.squeeze and bool(self.body)

    @property
    def coding(self) -> tuple[tuple[str, str], ...]:
        return (("Content-Encoding", "gzip"), ("Vary", "Accept-Encoding")) if self.squeezed else ()

    @property
    def connection(self) -> tuple[str, str]:
        return ("Connection", "close" if self.close else "keep-alive")


@dataclass(frozen=True, slots=True)
class Wire:
    """Bytes to send, piece by piece, and how it ends. pieces may be endless; they are made while they are sent.

    late_s: seconds before the first piece; pause_s: after each.
    """

    pieces: Iterable[bytes] = field(repr=False)
    end: End = End.KEEP
    pause_s: float = 0.0
    late_s: float = 0.0


Spoil = Callable[[Reply, Fault], Wire]


def plain(reply: Reply) -> Wire:
    """The reply as a well-behaved server sends it."""
    payload = reply.payload
    head = framed(reply, len(payload))
    return Wire([head if reply.bare else head + payload], End.CLOSE if reply.close else End.KEEP)


def apply(reply: Reply, fault: Fault | None) -> Wire:
    """What goes on the wire for this reply under this fault."""
    return plain(reply) if fault is None else FAULTS[fault.name](reply, fault)


def framed(reply: Reply, length: int) -> bytes:
    return reply.head(*reply.coding, ("Content-Length", str(length)), reply.connection)


def coded(reply: Reply, coding: str, payload: bytes) -> Wire:
    """A complete, correctly counted answer whose payload is said to be in `coding`."""
    framing = (("Content-Encoding", coding), ("Content-Length", str(len(payload))), reply.connection)
    return Wire([reply.head(*framing) + payload], End.CLOSE if reply.close else End.KEEP)


def squeeze(body: bytes) -> bytes:
    """gzip without a time stamp, so that the same body is always the same bytes."""
    return gzip.compress(body, compresslevel=4, mtime=0)


def phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Odd"


def http_date(moment: datetime) -> str:
    """The moment as HTTP headers write it."""
    return format_datetime(moment, usegmt=True)


def cut(payload: bytes, after: int | None) -> bytes:
    return payload[: len(payload) // 2 if after is None else after]


def hang(reply: Reply, fault: Fault) -> Wire:
    return Wire([], End.HANG)


def drop(reply: Reply, fault: Fault) -> Wire:
    return Wire([], End.CLOSE)


def drip(reply: Reply, fault: Fault) -> Wire:
    payload = reply.payload
    return Wire(itertools.chain([framed(reply, len(payload))], single_bytes(payload)), plain(reply).end, fault.pause_s)


def drip_headers(reply: Reply, fault: Fault) -> Wire:
    """The status line's beginning comes at once, every byte after it alone."""
    whole = plain(reply)
    data = b"".join(whole.pieces)
    return Wire(itertools.chain([data[:12]], single_bytes(data[12:])), whole.end, fault.pause_s)


def single_bytes(data: bytes) -> Iterator[bytes]:
    return (data[index : index + 1] for index in range(len(data)))


def reset(reply: Reply, fault: Fault) -> Wire:
    """`after` counts bytes of the whole answer, headers included."""
    return Wire([cut(b"".join(plain(reply).pieces), fault.after)], End.RESET)


def truncate(reply: Reply, fault: Fault) -> Wire:
    payload = reply.payload
    return Wire([framed(reply, len(payload)) + cut(payload, fault.after)], End.CLOSE)


def too_long(reply: Reply, fault: Fault) -> Wire:
    """Content-Length counts `after` bytes, the whole body follows."""
    payload = reply.payload
    return Wire([framed(reply, len(cut(payload, fault.after))) + payload], End.CLOSE)


def until_close(reply: Reply, fault: Fault) -> Wire:
    return Wire([reply.head(*reply.coding, ("Connection", "close")) + reply.payload], End.CLOSE)


def early_close(reply: Reply, fault: Fault) -> Wire:
    head = reply.head(*reply.coding, ("Connection", "close"))
    return Wire([head + cut(reply.payload, fault.after)], End.CLOSE)


def late(reply: Reply, fault: Fault) -> Wire:
    """The whole answer, `pause_s` seconds later."""
    return replace(plain(reply), late_s=fault.pause_s)


def chunked(reply: Reply, fault: Fault) -> Wire:
    return Wire([*chunks(reply), b"0\r\n\r\n"], plain(reply).end)


def no_last_chunk(reply: Reply, fault: Fault) -> Wire:
    return Wire(chunks(reply), End.CLOSE)


def chunks(reply: Reply) -> list[bytes]:
    payload = reply.payload
    size = max(1, len(payload) // 3)
    parts = [payload[start : start + size] for start in range(0, len(payload), size)]
    head = reply.head(*reply.coding, ("Transfer-Encoding", "chunked"), reply.connection)
    return [head, *(f"{len(part):x}\r\n".encode() + part + b"\r\n" for part in parts)]


def gzip_cut(reply: Reply, fault: Fault) -> Wire:
    """The length is that of what is sent: only the gzip stream itself shows the cut."""
    return coded(reply, "gzip", cut(squeeze(reply.body), fault.after))


def gzip_crc(reply: Reply, fault: Fault) -> Wire:
    whole = squeeze(reply.body)
    return coded(reply, "gzip", whole[:-8] + bytes([whole[-8] ^ 0xFF]) + whole[-7:])


def gzip_false(reply: Reply, fault: Fault) -> Wire:
    return coded(reply, "gzip", reply.body)


def gzip_members(reply: Reply, fault: Fault) -> Wire:
    middle = len(reply.body) // 2
    return coded(reply, "gzip", squeeze(reply.body[:middle]) + squeeze(reply.body[middle:]))


def gzip_bomb(reply: Reply, fault: Fault) -> Wire:
    return coded(reply, "gzip", squeezed_spaces(fault.mib))


@lru_cache(maxsize=4)
def squeezed_spaces(mib: int) -> bytes:
    """gzip of so many MiB of spaces, from one block said again and again: nobody should wait for a bomb."""
    squeezer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = squeezer.compress(b" " * MIB) + squeezer.flush(zlib.Z_FULL_FLUSH)
    check = 0
    for _ in range(mib):
        check = zlib.crc32(b" " * MIB, check)
    head, last = b"\x1f\x8b\x08\0\0\0\0\0\x02\xff", b"\x03\0"
    return head + block * mib + last + struct.pack("<II", check, mib * MIB % 2**32)


def encoding_unknown(reply: Reply, fault: Fault) -> Wire:
    return coded(reply, fault.text or "x-unheard-of", reply.body)


def encoding_double(reply: Reply, fault: Fault) -> Wire:
    return coded(reply, "gzip, gzip", squeeze(squeeze(reply.body)))


def endless(reply: Reply, fault: Fault) -> Wire:
    head = reply.head(("Connection", "close")) + reply.body
    return Wire(itertools.chain([head], itertools.repeat(b" " * 65_536)), End.CLOSE)


def header_bomb(reply: Reply, fault: Fault) -> Wire:
    many = tuple((f"X-Filler-{number}", "x" * 40) for number in range(fault.count))
    return plain(replace(reply, headers=reply.headers + many))


def header_line(reply: Reply, fault: Fault) -> Wire:
    return plain(reply.with_header("X-Filler", "x" * MIB))


def redirect(reply: Reply, fault: Fault) -> Wire:
    moved = replace(reply, status=fault.status or 302, body=fault.body.encode())
    return plain(moved if fault.location == "none" else moved.with_header("Location", fault.location or reply.target))


def status(reply: Reply, fault: Fault) -> Wire:
    """`status` (500 when not said) with `body` as it stands and, when asked for, a Retry-After."""
    moved = replace(reply, status=fault.status or 500, body=fault.body.encode())
    value = retry_after(fault.retry_after, reply.at)
    return plain(moved.with_header("Retry-After", value) if value else moved)


def retry_after(said: str, now: datetime) -> str:
    kind, _, seconds = said.partition(":")
    return http_date(now + timedelta(seconds=float(seconds))) if kind == "date" else said


def html(reply: Reply, fault: Fault) -> Wire:
    page = fault.body or "<!DOCTYPE html><html><head><title>Sorry</title></head><body>Back soon.</body></html>"
    return plain(replace(reply, body=page.encode(), status=200).with_header("Content-Type", "text/html"))


def empty(reply: Reply, fault: Fault) -> Wire:
    return plain(replace(reply, body=b""))


def bom(reply: Reply, fault: Fault) -> Wire:
    return plain(replace(reply, body=b"\xef\xbb\xbf" + reply.body))


def latin_1(reply: Reply, fault: Fault) -> Wire:
    """One byte that is a letter in Latin-1 and no UTF-8 at all, inside the last quoted text."""
    before, quote, after = reply.body.rpartition(b'"')
    return plain(replace(reply, body=before + b"\xe9" + quote + after))


def close(reply: Reply, fault: Fault) -> Wire:
    """A whole answer that promises to keep the connection, which then closes."""
    return Wire(plain(reply).pieces, End.CLOSE)


def swap(reply: Reply, fault: Fault) -> Wire:
    return plain(replace(reply, body=reply.body.replace(fault.find.encode(), fault.text.encode())))


def header(reply: Reply, fault: Fault) -> Wire:
    return plain(reply.with_header(fault.find, fault.text))


def informational(reply: Reply, fault: Fault) -> Wire:
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"
    return Wire(itertools.chain([early], plain(reply).pieces), plain(reply).end)


def http_1_0(reply: Reply, fault: Fault) -> Wire:
    return until_close(replace(reply, version="HTTP/1.0"), fault)


def lower_case(reply: Reply, fault: Fault) -> Wire:
    """Header names in lower case, the first one sent twice."""
    lowered = tuple((name.lower(), value) for name, value in reply.headers)
    return plain(replace(reply, headers=lowered + lowered[:1]))


FAULTS: Mapping[str, Spoil] = {
    "bom": bom,
    "chunked": chunked,
    "close": close,
    "drip": drip,
    "drip-headers": drip_headers,
    "drop": drop,
    "early-close": early_close,
    "empty": empty,
    "encoding-double": encoding_double,
    "encoding-unknown": encoding_unknown,
    "endless": endless,
    "gzip-bomb": gzip_bomb,
    "gzip-crc": gzip_crc,
    "gzip-cut": gzip_cut,
    "gzip-false": gzip_false,
    "gzip-members": gzip_members,
    "hang": hang,
    "header": header,
    "header-bomb": header_bomb,
    "header-line": header_line,
    "html": html,
    "http-1.0": http_1_0,
    "informational": informational,
    "late": late,
    "latin-1": latin_1,
    "long": too_long,
    "lower-case": lower_case,
    "no-last-chunk": no_last_chunk,
    "redirect": redirect,
    "replace": swap,
    "reset": reset,
    "status": status,
    "truncate": truncate,
    "until-close": until_close,
}
"""Every fault by its name: how it spoils the way an answer is sent."""
