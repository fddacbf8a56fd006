"""Lists of providers: those that match, and those that are recommended for a job."""

from __future__ import annotations

import asyncio
from decimal import Decimal

from catchment.web import Data, Response, Store, Version, View, get, post, respond

from .. import answers, asking, judging, search, shapes, walking
from ..asking import Filters, Paging, Wanted
from ..desk import Desk
from ..ranges import day_number
from ..ranking import bayesian, decayed, wilson
from .steps import CAPPED, Ask, Json, body_of, body_or_nothing, query_of
from .told import JOB, SEARCH, paged
from .walk import Walk

__all__ = ["list_by_body", "list_by_query", "recommend_by_body", "recommend_by_query"]

_LIST = (*asking.PARAMETERS["list"], *asking.PAGING)
_JOB = (*asking.PARAMETERS["recommend"], *asking.PAGING)
_MEMBER = "service_providers"
DEADLINE_S = 3.0
"""How long a list may be looked for. Most take a tenth; who asks for several common skills asks for more."""


@get("/service-providers", operation_class=paged("Providers by name", _LIST, _MEMBER, shapes.ShownProvider))
async def list_by_query(request: Ask, store: Store, version: Version) -> Response[bytes]:
    """The providers that match, in the order of their names."""
    values = query_of(request, *asking.LIST, *asking.PAGING)
    return await _listed(request, store, version, values, values)


@post(
    "/service-providers",
    reads=True,
    status_code=200,
    operation_class=paged("Providers by name", tuple(asking.PAGING), _MEMBER, shapes.ShownProvider, body=SEARCH),
)
async def list_by_body(request: Ask, store: Store, version: Version) -> Response[bytes]:
    """The providers that match, in the order of their names."""
    pages = query_of(request, *asking.PAGING)
    values = asking.read_body(await body_or_nothing(request), asking.LIST)
    return await _listed(request, store, version, values, pages)


async def _listed(request: Ask, store: Data, version: tuple[int, int], values: Json, pages: Json) -> Response[bytes]:
    filters, paging = asking.filters(values, version), asking.paging(pages)
    return await asyncio.to_thread(_list, store, Desk.of(request, store), version, filters, paging)


def _list(store: Data, desk: Desk, version: tuple[int, int], filters: Filters, paging: Paging) -> Response[bytes]:
    with store.open(DEADLINE_S) as now:
        walk = Walk.of(now, store, desk, paging, f"list {version} {filters!r}")
        found, following = walk.page(filters)
        items = [answers.provider_of(item.document, item.rated, walk.prior) for item in found]
        count = _count(now, filters, paging)
    return respond(answers.listing(version, _MEMBER, items, paging, following=following, count=count))


def _count(now: View, filters: Filters, paging: Paging) -> int | None:
    if paging.count == "none":
        return None
    return walking.count(now, filters, CAPPED if paging.count == "capped" else None)


@get("/service-providers/recommend", operation_class=paged("Providers for a job", _JOB, _MEMBER, shapes.Recommended))
async def recommend_by_query(request: Ask, store: Store, version: Version) -> Response[bytes]:
    """The providers that can do the job, the best first."""
    values = query_of(request, *asking.RECOMMEND, *asking.PAGING)
    return await _recommended(request, store, version, values, values)


@post(
    "/service-providers/recommend",
    reads=True,
    status_code=200,
    operation_class=paged("Providers for a job", tuple(asking.PAGING), _MEMBER, shapes.Recommended, body=JOB),
)
async def recommend_by_body(request: Ask, store: Store, version: Version) -> Response[bytes]:
    """The providers that can do the job, the best first."""
    pages = query_of(request, *asking.PAGING)
    values = asking.read_body(await body_of(request), asking.RECOMMEND)
    return await _recommended(request, store, version, values, pages)


async def _recommended(
    request: Ask, store: Data, version: tuple[int, int], values: Json, pages: Json
) -> Response[bytes]:
    wanted, paging = asking.wanted(values, version), asking.paging(pages)
    return await asyncio.to_thread(_recommend, store, Desk.of(request, store), version, wanted, paging)


def _recommend(store: Data, desk: Desk, version: tuple[int, int], wanted: Wanted, paging: Paging) -> Response[bytes]:
    with store.open(DEADLINE_S) as now:
        walk = Walk.of(now, store, desk, paging, f"recommend {version} {wanted!r}")
        found, following = walk.page(wanted.filters, wanted.rank, wanted.score)
        items = [_recommendation(item, wanted, walk) for item in found]
        count = _count(now, wanted.filters, paging)
    content = answers.listing(version, _MEMBER, items, paging, following=following, count=count)
    # What depends on the day is not kept until somebody writes.
    changing = wanted.explain or wanted.score == "decayed"
    return respond(content, headers={"cache-control": "no-store"} if changing else None)


def _recommendation(item: search.Found, wanted: Wanted, walk: Walk) -> shapes.ShownProvider:
    score = _score(item, wanted, walk)
    shown = answers.provider_of(item.document, item.rated, walk.prior)
    shown["score"] = float(score)
    if not wanted.explain:
        return shown
    explained: shapes.Recommended = {**shown, "match": answers.match_of(item, wanted, score, walk.prior, walk.today)}
    return explained


def _score(item: search.Found, wanted: Wanted, walk: Walk) -> Decimal:
    """The score of the kind that is wanted, by the reviews that count for this job."""
    if wanted.score == "decayed":
        skills = wanted.filters.skills if item.by_skills.count else ()
        return decayed(
            judging.by_day(walk.view, item.document["id"], skills, walk.pinned), walk.prior, day_number(walk.today)
        )
    return wilson(item.judged) if wanted.score == "wilson" else bayesian(item.judged, walk.prior)
