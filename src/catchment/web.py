"""What an app's own routes may use.

A handler takes `store: Store` and reads inside `with store.open() as now:`. Its answer needs no care of its own: ETag,
304, `X-Collected-At`, `X-Age`, `X-Stale` and caching follow from what was read.

    @get("/api/latest")
    async def latest(store: Store) -> Response[bytes]:
        return respond({"data": await asyncio.to_thread(newest, store)})

    def newest(store: Data) -> list[dict[str, Any]]:
        with store.open() as now:
            return now.rows("bars", sort=["-date"], limit=1)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.openapi.spec import OpenAPIType, Operation, Schema
from litestar.openapi.spec import Parameter as OpenAPIParameter

from .errors import QueryError, StoreUnavailable
from .serve.data import Data, View
from .serve.gate import pairs
from .serve.problems import MEDIA_TYPE, of_status
from .serve.resources import Writing, read_members
from .store.query import AsOf, parse_as_of
from .store.reader import Total

__all__ = [
    "AsOf",
    "Data",
    "QueryError",
    "Request",
    "Response",
    "Store",
    "StoreUnavailable",
    "Total",
    "View",
    "Writes",
    "Writing",
    "described",
    "get",
    "number",
    "parameters",
    "parse_as_of",
    "post",
    "problem",
    "read_members",
    "respond",
]

Ask = Request[Any, Any, Any]
Store = NamedDependency[Data]
"""What a handler's argument `store` is: the `Data` that its request may read."""
Writes = NamedDependency[Writing]
"""What a handler's argument `writes` is: the `Writing` of its request."""


def respond(content: Any, status: int = 200, *, headers: dict[str, str] | None = None) -> Response[bytes]:
    """The content as JSON; bytes are taken to be JSON already."""
    body = content if isinstance(content, bytes) else msgspec.json.encode(content)
    return Response(body, status_code=status, media_type="application/json", headers=headers)


def number(value: Decimal) -> msgspec.Raw:
    """The value as a JSON number, digit for digit; without this a Decimal is text."""
    return msgspec.Raw(format(value, "f").encode())


def described(summary: str, parameters: Mapping[str, str]) -> type[Operation]:
    """What the API's description says of a handler that reads its parameters itself: `operation_class=`."""
    shown = [
        OpenAPIParameter(name, "query", description=words, schema=Schema(type=OpenAPIType.STRING), required=False)
        for name, words in parameters.items()
    ]

    @dataclass
    class Described(Operation):
        def __post_init__(self) -> None:
            self.summary = summary
            self.parameters = [*shown]

    return Described


def problem(status: int, detail: str, *, instance: str = "") -> Response[bytes]:
    """An RFC 9457 problem."""
    return Response(of_status(status, detail).body(instance), status_code=status, media_type=MEDIA_TYPE)


def parameters(request: Ask) -> list[tuple[str, str]]:
    """The query's parameters in their order, repeated ones included. QueryError when they are no UTF-8."""
    return pairs(request.scope["query_string"])
