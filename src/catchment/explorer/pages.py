"""The routes of the pages: each reads as the API does, in a thread, and is answered as HTML; so are its errors."""

from __future__ import annotations

import asyncio
from typing import Any

from litestar import Request, Response, Router, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.response import Redirect

from ..errors import QueryError
from ..principal import may
from ..serve import gate, problems
from ..serve.collections import canonical_key, version_number
from ..serve.data import Data
from ..serve.front import DATA
from ..serve.rights import demand
from . import grid, home, operations, records, tables
from .look import ASSETS, asset, render

__all__ = ["HANDLERS"]

Ask = Request[Any, Any, Any]

_counts = home.Counts()


def _asked(request: Ask) -> Data:
    data: Data = request.scope[DATA]  # type: ignore[literal-required]  # a key of our own beside ASGI's
    return data


def _page(template: str, request: Ask, **values: Any) -> Response[bytes]:
    data = _asked(request)
    return render(template, now=data.now, operates=may(data.principal, "operate"), **values)


def _problem(request: Ask, error: Exception) -> Response[bytes]:
    """Why there is no page, as one."""
    problem = problems.of_error(error)
    hint = getattr(error, "hint", "")
    data = _asked(request)
    return render(
        "problem.html",
        problem.status,
        headers=dict(problem.headers),
        now=data.now,
        operates=may(data.principal, "operate"),
        problem=problem,
        hint=hint,
    )


@get("/")
async def first(request: Ask) -> Response[bytes]:
    """Every collection, its age, and what needs attention."""
    found = await asyncio.to_thread(home.home, _asked(request), _counts)
    return _page("home.html", request, home=found)


@get("/explore/{app:str}/{name:str}")
async def collection(request: Ask) -> Response[bytes] | Redirect:
    """One collection as a table."""
    data = _asked(request)
    found = data.collection(f"{request.path_params['app']}/{request.path_params['name']}")
    pairs = gate.pairs(request.scope["query_string"])
    asked = tables.asked(pairs, data.columns(found))
    if asked != pairs:
        return Redirect(tables.page_of(found.name, asked), status_code=303)
    table = await asyncio.to_thread(tables.table, data, found, asked)
    return _page("table.html", request, table=table, host=gate.header(request.scope, b"host"))


@get("/explore/{app:str}/{name:str}/{key:str}")
async def record(request: Ask) -> Response[bytes]:
    """One record: its fields, its versions, the bytes that it came from."""
    data = _asked(request)
    found = data.collection(f"{request.path_params['app']}/{request.path_params['name']}")
    key, number = canonical_key(request.path_params["key"]), version_number(_only(request, "version") or "")
    shown = await asyncio.to_thread(records.sheet, data, found, key, number)
    return _page("record.html", request, sheet=shown)


@get("/explore/_/operations")
async def desk(request: Ask) -> Response[bytes]:
    """How complete everything is, budgets, runs, rejects, drift."""
    data = _operator(request)
    shown = await asyncio.to_thread(operations.desk, data)
    return _page("operations.html", request, desk=shown)


@get("/explore/_/operations/{app:str}/{name:str}")
async def completeness(request: Ask) -> Response[bytes]:
    """The partitions of one collection by time, coloured by verdict; with `partition`, more of that one."""
    data = _operator(request)
    found = data.collection(f"{request.path_params['app']}/{request.path_params['name']}")
    chosen = _only(request, "partition")
    shown = await asyncio.to_thread(operations.completeness, data, found, chosen)
    return _page("completeness.html", request, shown=shown, meanings=grid.MEANINGS)


def _operator(request: Ask) -> Data:
    data = _asked(request)
    demand(data.principal, "operate")
    return data


def _only(request: Ask, wanted: str) -> str | None:
    """The one parameter that there may be; None without it."""
    given = None
    for name, value in gate.pairs(request.scope["query_string"]):
        if name != wanted or given is not None:
            raise QueryError(f"unknown parameter {name[:60]}; there is one {wanted}", parameter=name)
        given = value
    return given


@get("/explore/_/assets/{name:str}")
async def assets(name: FromPath[str]) -> Response[bytes]:
    """A file that pages load. Its address changes with its content, so it is kept for ever."""
    if name not in ASSETS:
        raise NotFoundException
    content, tag = asset(name)
    headers = {"cache-control": "public, max-age=31536000, immutable", "etag": f'"{tag}"'}
    return Response(content, media_type=ASSETS[name], headers=headers)


HANDLERS = (
    Router(
        "/",
        route_handlers=[first, collection, record, desk, completeness, assets],
        exception_handlers={Exception: _problem},
    ),
)
