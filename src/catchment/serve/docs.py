"""The API's description: as JSON, and as a value for the pages that show it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from litestar import Request, Response, get
from litestar.response import Redirect

from ..principal import Principal, may
from ..store.tables import Collection
from .data import Data
from .front import DATA

__all__ = ["DESCRIBED", "Described", "openapi", "to_description"]

DESCRIBED = "described"
"""Under which name handlers find the description."""

Json = Mapping[str, Any]
Ask = Request[Any, Any, Any]


class Described:
    """The description for each set of collections and rights that somebody may have, made once for each."""

    def __init__(self, describe: Callable[[list[Collection], Principal], Json]) -> None:
        self._describe = describe
        self._made: dict[tuple[bool, bool, tuple[str, ...]], tuple[Json, bytes]] = {}

    def document(self, data: Data) -> Json:
        """What this reader may know of the API."""
        return self._of(data)[0]

    def encoded(self, data: Data) -> bytes:
        """The same as JSON."""
        return self._of(data)[1]

    def _of(self, data: Data) -> tuple[Json, bytes]:
        visible = data.visible()
        seen = may(data.principal, "operate"), may(data.principal, "moderate"), tuple(item.name for item in visible)
        if seen not in self._made:
            document = self._describe(visible, data.principal)
            self._made[seen] = document, msgspec.json.encode(document)
        return self._made[seen]


@get("/openapi.json")
async def openapi(request: Ask) -> Response[bytes]:
    """The description as JSON."""
    data: Data = request.scope[DATA]  # type: ignore[literal-required]  # a key of our own beside ASGI's
    return Response(request.app.state[DESCRIBED].encoded(data), media_type="application/json")


@get("/")
async def to_description() -> Redirect:
    """Where there are no pages, the description."""
    return Redirect("/openapi.json")
