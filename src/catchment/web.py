"""What an app's own routes may use.

A handler takes `store: Store` and reads inside `with store.open() as now:`. Its answer needs no care of its own: ETag,
304, `X-Collected-At`, `X-Age`, `X-Stale` and caching follow from what was read.

    @get("/api/latest")
    async def latest(store: Store) -> Response[bytes]:
        return respond({"data": await asyncio.to_thread(newest, store)})

    def newest(store: Data) -> list[dict[str, Any]]:
        with store.open() as now:
            return now.rows("bars", sort=["-date"], limit=1)

What a query may say is one table: it reads the parameters, refuses all others, and is the API's description of them.

    ASKED = {"limit": Parameter("Rows on a page.", 10, kind=Annotated[int, Meta(ge=1, le=100)], default=5)}

    @get("/api/rows", operation_class=described("Rows", ASKED))
    async def rows(request: Request, store: Store) -> Response[bytes]:
        values = read_parameters(parameters(request), ASKED)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import msgspec
from litestar import Request, Response, Router, delete, get, patch, post, put
from litestar.di import NamedDependency, Provide
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from .bodies import PLAIN_NUMBER, Fault, InvalidRecord, in_words, unstorable
from .clock import Clock
from .errors import DeclarationError, QueryError, StoreError, StoreUnavailable
from .principal import Principal, may
from .record import from_decimal_key, to_stored
from .serve.data import Data, View
from .serve.gate import pairs
from .serve.members import NoNumber, read_members
from .serve.parameter import Parameter, judge_parameters, read_parameters
from .serve.problems import MEDIA_TYPE, Problem, of_error, of_status
from .serve.reading import item_tag
from .serve.resources import Writing
from .serve.rights import demand
from .serve.told import Answer, Body, by_version, described, in_version
from .store.bulk import Draft, load
from .store.kept import Kept
from .store.query import AsOf, Query, Term, parse_as_of
from .store.questions import Tables
from .store.seen import Run
from .store.sums import Total
from .store.writes import Done

__all__ = [
    "PLAIN_NUMBER",
    "Answer",
    "AsOf",
    "Body",
    "Clock",
    "Data",
    "Done",
    "Draft",
    "Fault",
    "FromPath",
    "InvalidRecord",
    "Kept",
    "NoNumber",
    "Parameter",
    "Principal",
    "Problem",
    "Query",
    "QueryError",
    "Request",
    "Response",
    "Route",
    "Run",
    "Store",
    "StoreError",
    "StoreUnavailable",
    "Tables",
    "Term",
    "Total",
    "Version",
    "View",
    "Writes",
    "Writing",
    "by_version",
    "delete",
    "demand",
    "described",
    "from_decimal_key",
    "get",
    "in_words",
    "judge_parameters",
    "load",
    "may",
    "number",
    "of_error",
    "parameters",
    "parse_as_of",
    "patch",
    "post",
    "problem",
    "put",
    "read_members",
    "read_parameters",
    "respond",
    "to_stored",
    "unstorable",
    "version_tag",
    "versions",
]

Ask = Request[Any, Any, Any]
Store = NamedDependency[Data]
"""What a handler's argument `store` is: the `Data` that its request may read."""
Writes = NamedDependency[Writing]
"""What a handler's argument `writes` is: the `Writing` of its request."""
Version = NamedDependency[tuple[int, int]]
"""What the argument `version` of a handler in `versions` is: the version of the contract that was asked."""


def respond(content: Any, status: int = 200, *, headers: dict[str, str] | None = None) -> Response[bytes]:
    """The content as JSON; bytes are taken to be JSON already."""
    body = content if isinstance(content, bytes) else msgspec.json.encode(content)
    return Response(body, status_code=status, media_type="application/json", headers=headers)


def number(value: Decimal) -> msgspec.Raw:
    """The value as a JSON number, digit for digit; without this a Decimal is text."""
    return msgspec.Raw(format(value, "f").encode())


def problem(status: int, detail: str, *, instance: str = "") -> Response[bytes]:
    """An RFC 9457 problem."""
    return Response(of_status(status, detail).body(instance), status_code=status, media_type=MEDIA_TYPE)


def parameters(request: Ask) -> list[tuple[str, str]]:
    """The query's parameters in their order, repeated ones included. QueryError when they are no UTF-8."""
    return pairs(request.scope["query_string"])


def version_tag(store: Data, name: str, key: str, *, generation: int, version: int) -> str:
    """The ETag of one version of a record of the app's own, as `If-Match` takes it."""
    return item_tag(store.reader.collections[f"{store.app}/{name}"], key, generation, version)


# -- one contract in several versions ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Route:
    """A handler, and the version of the contract in which it is first given: `Route(search, since=(1, 1))`."""

    handler: HTTPRouteHandler
    since: tuple[int, int] = field(default=(1, 0), kw_only=True)

    @property
    def places(self) -> set[tuple[str, str]]:
        """The methods and paths that it answers."""
        return {(str(method), path) for method in self.handler.http_methods for path in self.handler.paths}


def versions(
    routes: Sequence[Route],
    offered: Sequence[tuple[int, int]],
    *,
    prefix: str = "/v{}_{}",
    problems: Callable[[Request[Any, Any, Any], Exception], Response[bytes]] | None = None,
) -> list[Router]:
    """The routes of a contract, once for each version that is offered.

    A version has the newest route of a place that it knows, so one that declares none falls through to the older
    one. problems: how the contract says errors.
    Raises:
        DeclarationError: two routes of one place begin with the same version.
    """
    handlers = {Exception: problems} if problems else {}
    return [
        Router(
            prefix.format(*version),
            route_handlers=[_said(handler, version) for handler in _newest(routes, version)],
            dependencies={"version": Provide(_always(version), sync_to_thread=False)},
            exception_handlers=handlers,  # type: ignore[arg-type]  # a handler of every error
        )
        for version in offered
    ]


def _newest(routes: Sequence[Route], version: tuple[int, int]) -> list[HTTPRouteHandler]:
    chosen: dict[tuple[str, str], Route] = {}
    for route in sorted((item for item in routes if item.since <= version), key=lambda item: item.since):
        for place in route.places:
            if place in chosen and chosen[place].since == route.since:
                raise DeclarationError(f"route {' '.join(place)}", f"is declared twice since {route.since}")
            chosen[place] = route
    return list({id(route): route.handler for route in chosen.values()}.values())


def _said(handler: HTTPRouteHandler, version: tuple[int, int]) -> HTTPRouteHandler:
    """The handler with what is said of it in this version."""
    told = in_version(handler.operation_class, version)
    if told is handler.operation_class:
        return handler
    mine = copy(handler)
    mine.operation_class = told
    return mine


def _always(version: tuple[int, int]) -> Callable[[], tuple[int, int]]:
    def given() -> tuple[int, int]:
        return version

    return given
