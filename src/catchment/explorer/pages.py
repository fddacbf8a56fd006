"""The routes of the pages: each reads as the API does, in a thread, and is answered as HTML; so are its errors."""

from __future__ import annotations

import asyncio
from functools import partial

from litestar import Response, Router, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.response import Redirect

from ..errors import QueryError
from ..serve import gate
from ..serve.collections import version_number
from ..serve.docs import DESCRIBED
from ..serve.reading import canonical_key
from ..store.reader import TOO_SLOW
from . import arriving, charts, choices, counts, filters, home, ordering, records, reference, signing, tables, writing
from .charting import charting as charting_page
from .figures import amount
from .links import charts_of, page_of
from .look import ASSETS, asset, piece
from .remembered import remembered
from .visiting import Ask, asked, named, only, page, problem_page

__all__ = ["HANDLERS"]


@get("/")
async def first(request: Ask) -> Response[bytes]:
    """Every collection, its age, and what needs attention."""
    data = asked(request)
    found = await asyncio.to_thread(home.home, data)
    return page("home.html", request, home=found)


@get("/explore/_/pieces/count/{app:str}/{name:str}")
async def records_of(request: Ask) -> Response[bytes]:
    """How many records one collection has; nothing where that takes too long."""
    data, found = named(request)
    try:
        count = await asyncio.to_thread(remembered(data).count_all, data, found)
    except QueryError as error:
        if error.kind != TOO_SLOW:
            raise
        return Response(b"", status_code=204, media_type="text/html")
    return Response(f"<strong>{amount(count)}</strong>".encode(), media_type="text/html")


@get("/explore/{app:str}/{name:str}")
async def collection(request: Ask) -> Response[bytes] | Redirect:
    """One collection as a table."""
    data, found = named(request)
    pairs = gate.pairs(request.scope["query_string"])
    asked = filters.asked(pairs, data.columns(found))
    if asked != pairs:
        return Redirect(page_of(found.name, asked), status_code=303)
    table = await asyncio.to_thread(tables.table, data, found, asked)
    return page("table.html", request, table=table, host=gate.header(request.scope, b"host"))


@get("/explore/{app:str}/{name:str}/{key:str}")
async def record(request: Ask) -> Response[bytes]:
    """One record: its fields, its versions, the bytes that it came from."""
    data, found = named(request)
    key, number = canonical_key(request.path_params["key"]), version_number(only(request, "version") or "")
    shown = await asyncio.to_thread(records.sheet, data, found, key, number)
    return page("record.html", request, sheet=shown)


@get("/explore/_/charts/{app:str}/{name:str}")
async def charting(request: Ask) -> Response[bytes] | Redirect:
    """A chart of one collection. It is drawn when the page is there, or at once where `_whole` says so."""
    data, found = named(request)
    pairs = gate.pairs(request.scope["query_string"])
    asked = choices.asked(pairs)
    if asked != pairs:
        return Redirect(charts_of(found.name, asked), status_code=303)
    whole = ("_whole", "yes") in pairs
    shown = charting_page(data, found, [pair for pair in pairs if pair[0] != "_whole"])
    chart = await asyncio.to_thread(charts.chart, data, found, shown.choice) if whole else None
    return page("charts.html", request, shown=shown, chart=chart)


@get("/explore/_/pieces/charts/{app:str}/{name:str}")
async def drawn(request: Ask) -> Response[bytes]:
    """The chart alone. What is drawn depends on revisions alone, so it is kept as answers of the API are."""
    data, found = named(request)
    choice = choices.read(gate.pairs(request.scope["query_string"]), data.columns(found))
    try:
        chart = await asyncio.to_thread(charts.chart, data, found, choice)
    except QueryError as error:
        return piece("failed.html", error=error)
    return piece("drawn.html", chart=chart)


@get("/explore/_/counts/{app:str}/{name:str}")
async def counting(request: Ask) -> Response[bytes]:
    """How many records have which value, field by field."""
    data, found = named(request)
    shown = await asyncio.to_thread(counts.counts, data, found, gate.pairs(request.scope["query_string"]))
    return page("counts.html", request, shown=shown)


@get("/explore/_/pieces/counts/{app:str}/{name:str}")
async def counted(request: Ask) -> Response[bytes]:
    """The counts alone, loaded behind a table; kept as answers of the API are."""
    data, found = named(request)
    shown = await asyncio.to_thread(counts.counts, data, found, gate.pairs(request.scope["query_string"]))
    return piece("counted.html", shown=shown)


@get("/explore/_/changes/{app:str}/{name:str}")
async def changes(request: Ask) -> Response[bytes]:
    """What arrived last in one collection, and what arrives."""
    data, found = named(request)
    only(request)
    shown = await asyncio.to_thread(arriving.arriving, data, found)
    return page("changes.html", request, shown=shown)


@get("/docs")
async def api(request: Ask) -> Response[bytes]:
    """All that the API can be asked; with `q`, what has these words."""
    document = request.app.state[DESCRIBED].document(asked(request))
    return page("reference.html", request, found=reference.reference(document, only(request, "q") or ""))


@get("/docs/{operation:str}")
async def api_operation(request: Ask) -> Response[bytes]:
    """One operation, with a form that asks it."""
    data, name = asked(request), request.path_params["operation"]
    pairs = gate.pairs(request.scope["query_string"])
    document, key = request.app.state[DESCRIBED].document(data), partial(records.first_key, data)
    found = await asyncio.to_thread(reference.operation, document, name, pairs, key)
    return page("operation.html", request, found=found, host=gate.header(request.scope, b"host"))


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
        route_handlers=[
            *signing.HANDLERS,
            *ordering.HANDLERS,
            *writing.HANDLERS,
            first,
            records_of,
            collection,
            record,
            charting,
            drawn,
            counting,
            counted,
            changes,
            api,
            api_operation,
            assets,
        ],
        exception_handlers={Exception: problem_page},
    ),
)
