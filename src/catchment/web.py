"""What an app's own routes may use.

A handler takes `data: Data` and reads inside `with data.open() as now:`. Its answer needs no care of its own: ETag,
304, `X-Collected-At`, `X-Age`, `X-Stale` and caching follow from what was read.

    @get("/api/latest", sync_to_thread=True)
    def latest(data: Data) -> Response[bytes]:
        with data.open() as now:
            return respond({"data": now.rows("bars", sort=["-date"], limit=1)})
"""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, Response, get, post
from litestar.params import Parameter

from .errors import QueryError, StoreUnavailable
from .serve.data import Data, View
from .serve.gate import pairs
from .serve.problems import MEDIA_TYPE, of_status
from .store.query import AsOf, parse_as_of
from .store.reader import Total

__all__ = [
    "AsOf",
    "Data",
    "Parameter",
    "QueryError",
    "Request",
    "Response",
    "StoreUnavailable",
    "Total",
    "View",
    "get",
    "parameters",
    "parse_as_of",
    "post",
    "problem",
    "respond",
]

Ask = Request[Any, Any, Any]


def respond(content: Any, status: int = 200, *, headers: dict[str, str] | None = None) -> Response[bytes]:
    """The content as JSON; bytes are taken to be JSON already."""
    body = content if isinstance(content, bytes) else msgspec.json.encode(content)
    return Response(body, status_code=status, media_type="application/json", headers=headers)


def problem(status: int, detail: str, *, instance: str = "") -> Response[bytes]:
    """An RFC 9457 problem."""
    return Response(of_status(status, detail).body(instance), status_code=status, media_type=MEDIA_TYPE)


def parameters(request: Ask) -> list[tuple[str, str]]:
    """The query's parameters in their order, repeated ones included. QueryError when they are no UTF-8."""
    return pairs(request.scope["query_string"])
