"""Answers that go on for long: what they ask meanwhile, and the pieces that they are sent in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from litestar import Request, Response
from litestar.response import Stream

__all__ = ["STANDING", "Standing", "standing", "streamed"]

STANDING = "catchment.standing"
"""Where a request's `Standing` stands in its scope."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What a long answer asks while it goes on. now: the moment. holds: whether who asked may still have what was
    asked for; a key may have been revoked. ending: whether this process was asked to end. bodiless: the client takes no
    body.
    """

    now: Callable[[], datetime]
    holds: Callable[[], bool]
    ending: Callable[[], bool]
    bodiless: bool = False


def standing(request: Request[Any, Any, Any]) -> Standing:
    """What stands of a request."""
    found: Standing = request.scope[STANDING]  # type: ignore[literal-required]  # a key of our own beside ASGI's
    return found


def streamed(
    request: Request[Any, Any, Any], pieces: AsyncIterator[bytes], media_type: str, headers: Mapping[str, str]
) -> Response[Any]:
    """An answer in pieces: the next one is made when the client has taken the last, none when it has left."""
    if standing(request).bodiless:
        return Response(b"", media_type=media_type, headers=dict(headers))
    return Stream(pieces, media_type=media_type, headers=dict(headers))
