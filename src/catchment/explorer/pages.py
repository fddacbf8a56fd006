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
from . import home, records, tables
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
    key, number = canonical_key(request.path_params["key"]), None
    for name, value in gate.pairs(request.scope["query_string"]):
        if name != "version":
            raise QueryError(f"unknown parameter {name[:60]}; there is version", parameter=name)
        number = version_number(value)
    shown = await asyncio.to_thread(records.sheet, data, found, key, number)
    return _page("record.html", request, sheet=shown)


@get("/explore/_/assets/{name:str}")
async def assets(name: FromPath[str]) -> Response[bytes]:
    """A file that pages load. Its address changes with its content, so it is kept for ever."""
    if name not in ASSETS:
        raise NotFoundException
    content, tag = asset(name)
    headers = {"cache-control": "public, max-age=31536000, immutable", "etag": f'"{tag}"'}
    return Response(content, media_type=ASSETS[name], headers=headers)


HANDLERS = (Router("/", route_handlers=[first, collection, record, assets], exception_handlers={Exception: _problem}),)
