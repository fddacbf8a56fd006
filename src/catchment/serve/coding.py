"""Answers in fewer bytes: which coding a client takes, the bytes in it, and the tags that name both.

A coded answer has a tag of its own, since its bytes are others: `"abc"` in gzip is `"abc-gzip"`. All of them mean the
same version, so `If-Match` takes each.
"""

from __future__ import annotations

import asyncio
import re
import zlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol

import zstandard

__all__ = [
    "CODINGS",
    "Packer",
    "chosen",
    "coded",
    "known_tag",
    "named",
    "pack",
    "pack_at_once",
    "packed",
    "packer",
    "plain",
    "worth",
]

CODINGS = ("zstd", "gzip")
"""What answers are coded in, the best first: of what a client takes alike, the first is taken."""
SMALLEST = 1024
"""Bytes below which coding saves no packet."""
_AT_ONCE = 128 * 2**10
"""Bytes up to which coding takes no longer than a thread would."""

_LONGEST = 300
"""Of an Accept-Encoding header that is heeded: what clients send is remembered, and must not fill the memory."""
_ZSTD_LEVEL, _GZIP_LEVEL = 3, 5
_GZIP = 16 + zlib.MAX_WBITS
_CODED = re.compile(rf'-(?:{"|".join(CODINGS)})(?=")')
_TEXTS = ("text/", "application/json", "application/problem+json", "application/x-ndjson", "image/svg+xml")
_EVENTS = "text/event-stream"


def chosen(accepted: str) -> str:
    """The coding for an Accept-Encoding header (RFC 9110, 12.5.3); "" for none."""
    return _chosen(accepted) if len(accepted) <= _LONGEST else ""


@lru_cache(maxsize=1024)
def _chosen(accepted: str) -> str:
    weights = dict(map(_weight, accepted.lower().split(",")))
    offered = [(weights.get(name, weights.get("*", 0.0)), name) for name in CODINGS]
    weight, name = max(offered, key=lambda offer: offer[0])
    return name if weight > 0 else ""


def _weight(part: str) -> tuple[str, float]:
    name, _, parameter = (piece.strip() for piece in part.partition(";"))
    if not parameter.startswith("q="):
        return name, 1.0
    try:
        return name, float(parameter[2:])
    except ValueError:
        return name, 0.0


@lru_cache(maxsize=256)
def worth(media_type: str) -> bool:
    """Whether answers of a type become smaller. Events are sent one by one, each as soon as it is there."""
    return media_type.startswith(_TEXTS) and not media_type.startswith(_EVENTS)


async def pack(body: bytes, media_type: str, coding: str) -> tuple[bytes, str]:
    """The body as it is sent, and its coding: that one where it is worth it."""
    if not coding or len(body) < SMALLEST or not worth(media_type):
        return body, ""
    if len(body) > _AT_ONCE:
        return await asyncio.to_thread(packed, body, coding), coding
    return packed(body, coding), coding


def pack_at_once(body: bytes, coding: str) -> tuple[bytes, str]:
    """The same of JSON without waiting for a thread: what is too long for that is sent as it is."""
    if not coding or not SMALLEST <= len(body) <= _AT_ONCE:
        return body, ""
    return packed(body, coding), coding


def packed(body: bytes, coding: str) -> bytes:
    """The whole body in that coding; the same bytes each time."""
    if coding == "zstd":
        return zstandard.ZstdCompressor(_ZSTD_LEVEL).compress(body)
    made = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP)
    return made.compress(body) + made.flush()


class Packer(Protocol):
    """Codes an answer that comes in pieces."""

    def compress(self, piece: bytes, /) -> bytes: ...
    def flush(self) -> bytes: ...


def packer(coding: str) -> Packer:
    """What codes one answer, in memory that does not grow with it."""
    if coding == "zstd":
        return zstandard.ZstdCompressor(_ZSTD_LEVEL).compressobj()
    return zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP)


# -- tags ----------------------------------------------------------------------------------------------------------


def coded(etag: str, coding: str) -> str:
    """The tag of the answer in that coding."""
    return f'{etag[:-1]}-{coding}"' if coding else etag


def plain(tags: str) -> str:
    """A list of tags, each without its coding."""
    return _CODED.sub("", tags)


def named(headers: Sequence[tuple[bytes, bytes]], coding: str) -> list[tuple[bytes, bytes]]:
    """The headers of an answer in that coding: its name, and its tag in the place of the plain one."""
    if not coding:
        return list(headers)
    told = [(name, coded(value.decode(), coding).encode() if name == b"etag" else value) for name, value in headers]
    return [*told, (b"content-encoding", coding.encode())]


def known_tag(if_none_match: str, etag: str, coding: str) -> str:
    """The tag by which a client has the answer already (RFC 9110, 13.1.2: compared weakly); "" where it has it not.

    In a coding that it does not take now it has it not: what it kept is not for this request.
    """
    if not if_none_match:
        return ""
    if if_none_match == etag:  # as most who come again have it
        return etag
    known = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    if known == ["*"]:
        return etag
    return next((tag for tag in (coded(etag, coding), etag) if tag in known), "")
