"""The operators' pages, and the forms on them: each gives an order as the API does, and leads back to where it was."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from litestar import Response, get, post

from ..bodies import InvalidRecord, typed
from ..serve import gate
from ..serve.data import Data
from ..serve.desk import number_of
from ..serve.orders import Ordering, desk_of
from ..serve.rights import demand
from . import grid, operations
from .links import OPERATIONS
from .visiting import Ask, asked, form, named, only, page, request_id, see_other

__all__ = ["HANDLERS"]


def _operator(request: Ask) -> Data:
    data = asked(request)
    demand(data.principal, "operate")
    return data


@get("/explore/_/operations")
async def desk(request: Ask) -> Response[bytes]:
    """How complete everything is, what is due, budgets, orders, runs, rejects, drift."""
    data = _operator(request)
    only(request)
    shown = await asyncio.to_thread(operations.desk, data, desk_of(request))
    return page("operations.html", request, forms=True, desk=shown)


@get("/explore/_/operations/{app:str}/{name:str}")
async def completeness(request: Ask) -> Response[bytes]:
    """The partitions of one collection by time, coloured by verdict; with `partition`, more of that one."""
    _operator(request)
    data, found = named(request)
    given = dict(gate.only(gate.pairs(request.scope["query_string"]), ("partition", "until")))
    chosen, until = given.get("partition"), given.get("until", "")
    shown = await asyncio.to_thread(operations.completeness, data, desk_of(request), found, chosen, until)
    return page("completeness.html", request, forms=True, shown=shown, meanings=grid.MEANINGS)


@get("/explore/_/rejects/{app:str}/{name:str}")
async def rejects(request: Ask) -> Response[bytes]:
    """The rows of one collection that became no records; with `reject`, all bytes of that one."""
    _operator(request)
    data, found = named(request)
    given = dict(gate.only(gate.pairs(request.scope["query_string"]), ("after", "reject")))
    after, number = number_of(given, "after", 0), number_of(given, "reject", 0) if "reject" in given else None
    shown = await asyncio.to_thread(operations.rejects, data, desk_of(request), found, after, number)
    return page("rejects.html", request, forms=True, shown=shown)


@get("/explore/_/runs/{number:str}")
async def run(request: Ask) -> Response[bytes]:
    """One run, attempt by attempt."""
    data = _operator(request)
    given = only(request, "before")
    number, before = number_of(request.path_params, "number", 0), number_of({"before": given or "0"}, "before", 0)
    shown = await asyncio.to_thread(operations.run, data, number, before or None)
    return page("run.html", request, shown=shown, first=not before)


@post("/explore/_/orders", status_code=200)
async def order(request: Ask) -> Response[bytes]:
    """Notes what a button asks for, and leads back to its page."""
    data = _operator(request)
    given = dict(await form(request))
    back = given.pop("back", OPERATIONS)
    await desk_of(request).give(data, _ordering(given), request_id(request))
    return see_other(f"{back if back.startswith('/explore/_/') and back.isprintable() else OPERATIONS}#orders")


def _ordering(given: Mapping[str, str]) -> Ordering:
    """The order that a form's fields say."""
    members: dict[str, Any] = {name: value for name, value in given.items() if value}
    if "reject" in members:
        members["reject"] = number_of(members, "reject", 0)
    found, faults = typed(members, Ordering, "")
    if faults:
        raise InvalidRecord(faults)
    wanted: Ordering = found
    return wanted


HANDLERS = (desk, completeness, rejects, run, order)
