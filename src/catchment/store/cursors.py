"""Texts that hold something and that nobody but this store can make: where a walk through a list goes on."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from ..errors import QueryError
from ..record import Stored

__all__ = ["Position", "Walk", "open_cursor", "seal", "seal_cursor", "unseal"]

_SIGNED = 16


def seal(content: Any, purpose: bytes, key: bytes) -> str:
    """A text that holds the content. purpose: what it is good for, and for nothing else."""
    payload = msgspec.msgpack.encode(content)
    return _written(_signature(payload, purpose, key) + payload)


def unseal(text: str, purpose: bytes, key: bytes) -> Any:
    """The content that was sealed for that purpose. QueryError: 400 for any other text."""
    try:
        whole = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise _no_cursor() from error
    # Several texts decode to the same bytes: only the one that we wrote is ours.
    if _written(whole) != text or not hmac.compare_digest(whole[:_SIGNED], _signature(whole[_SIGNED:], purpose, key)):
        raise _no_cursor()
    return msgspec.msgpack.decode(whole[_SIGNED:])


def _written(whole: bytes) -> str:
    return base64.urlsafe_b64encode(whole).rstrip(b"=").decode()


def _signature(payload: bytes, purpose: bytes, key: bytes) -> bytes:
    return hmac.digest(key, len(purpose).to_bytes(8) + purpose + payload, "sha256")[:_SIGNED]


def _no_cursor() -> QueryError:
    message = "cursor: not one of this list with these filters and this order"
    return QueryError(message, kind="bad-cursor", parameter="cursor")


# -- of what is answered in pages -----------------------------------------------------------------------------------


class Walk(Protocol):
    """A question that is answered in pages. walk: what all of them have in common. cursor: as it came, "" at first."""

    @property
    def walk(self) -> bytes: ...
    @property
    def cursor(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Position:
    """The last record of a page: its values in the walk's order, and its key."""

    values: tuple[Stored, ...]
    key: str


def _purpose(query: Walk, collection: str) -> bytes:
    return collection.encode() + b"\0" + hashlib.sha256(query.walk).digest()


def seal_cursor(position: Position, query: Walk, collection: str, *, generation: int, revision: int, key: bytes) -> str:
    """A text that continues this walk of this collection, and that nobody else can make."""
    content = [generation, revision, position.values, position.key]
    return seal(content, _purpose(query, collection), key)


def open_cursor(query: Walk, collection: str, *, generation: int, horizon: int, key: bytes) -> Position | None:
    """Where the query's cursor stands; None without one.

    Raises:
        QueryError: 400 for a cursor that we did not make for this walk, 410 for one from another generation or
            from before the horizon.
    """
    if not query.cursor:
        return None
    made_in, revision, values, last = unseal(query.cursor, _purpose(query, collection), key)
    if made_in != generation or revision < horizon:
        raise QueryError(
            f"the cursor is too old: the oldest usable revision is {horizon}, of generation {generation}",
            kind="history-gone",
            status=410,
            parameter="cursor",
        )
    return Position(tuple(values), last)
