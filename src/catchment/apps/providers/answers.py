"""What is answered: providers, reviews, lists of them, and errors, in the words and shapes of the app's contract."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import msgspec

from catchment.web import (
    Fault,
    InvalidRecord,
    NoNumber,
    Principal,
    QueryError,
    Request,
    Response,
    may,
    of_error,
    respond,
)

from .asking import Paging, Wanted
from .ranges import EARLIEST, LATEST, Days, first_free
from .ranking import Prior, Rated, bayesian, mean
from .search import Found
from .shapes import Explained, Rating, ShownProvider, ShownReview

__all__ = [
    "absent",
    "failure",
    "item_tag",
    "listing",
    "match_of",
    "provider_of",
    "review_of",
    "skill_ratings_of",
]

Json = dict[str, Any]
Version = tuple[int, int]

PROBLEM = "application/problem+json"


# -- providers ------------------------------------------------------------------------------------------------------


def provider_of(document: Mapping[str, Any], rated: Rated, prior: Prior) -> ShownProvider:
    """A provider as it is shown."""
    return {
        "id": document["id"],
        "name": document["name"],
        "skills": document["skills"],
        "cost_in_pence": document["cost_in_pence"],
        "availability": document["availability"],
        "review_rating": float(mean(rated)),
        "review_count": rated.count,
        "score": float(bayesian(rated, prior)),
    }


def skill_ratings_of(document: Mapping[str, Any], found: Mapping[str, Rated]) -> dict[str, Rating]:
    """The ratings of the skills that have some, by the skill as it is shown."""
    shown = zip(document["skill_keys"], document["skills"], strict=True)
    return {
        skill: {"review_rating": float(mean(found[key])), "review_count": found[key].count}
        for key, skill in shown
        if key in found
    }


def match_of(found: Found, wanted: Wanted, score: Decimal, prior: Prior, today: date) -> Explained:
    """Why a provider is recommended where it is. score: by which it was judged."""
    share = Decimal(found.matched) / len(wanted.filters.skills)
    free = [Days(item["first"], item["end"]) for item in found.document["free_days"]]
    ahead = Days((today - EARLIEST).days, (LATEST - EARLIEST + timedelta(1)).days)
    asked, need = wanted.filters.availability or (ahead,), wanted.filters.need
    start = first_free(free, asked, need if wanted.filters.availability else wanted.duration)
    return {
        "skills": float(share.quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)),
        "score": float(score),
        "review_count": found.judged.count,
        "headroom_in_pence": wanted.budget - found.document["cost_in_pence"] * wanted.duration,
        "free_from": start,
        "prior_version": prior.version,
    }


def item_tag(version_tag: str, body: Any) -> str:
    """The ETag of a provider: of its version, which `If-Match` compares, and of all that is shown with it."""
    shown = hashlib.sha256(msgspec.json.encode(body)).hexdigest()[:8]
    return f'{version_tag[:-1]}.{shown}"'


# -- reviews --------------------------------------------------------------------------------------------------------


def review_of(document: Mapping[str, Any], principal: Principal) -> ShownReview:
    """A review as this person may see it: a comment is its author's and the moderators' until it is published."""
    visible = (
        document["comment_state"] == "published" or document["user_id"] == principal.id or may(principal, "moderate")
    )
    return {
        "rating": float(Decimal(document["rating"])),
        "user_id": document["user_id"],
        "id": document["id"],
        "skill": document["skill"],
        "comment": document["comment"] if visible else None,
        "comment_state": document["comment_state"] if visible else "none",
        "created_at": document["created_at"],
        "updated_at": document["updated_at"],
    }


# -- lists ----------------------------------------------------------------------------------------------------------


def listing(
    version: Version,
    name: str,
    items: Sequence[Mapping[str, Any]],
    paging: Paging,
    *,
    following: str | None,
    count: int | None,
) -> Json:
    """A page of a list. name: the member that v1_0 has for the items."""
    if version >= (1, 1):
        return {"items": items, "next": following, "count": count}
    pages = {"page": paging.page, "page_size": paging.page_size, "next": following, "count": count}
    return {name: items, "pagination": pages}


# -- errors ---------------------------------------------------------------------------------------------------------


def absent(what: str) -> QueryError:
    """That there is no such thing: `absent("Review")`."""
    return QueryError(f"{what} not found", kind="not-found", status=404)


def failure(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """The problem for an error, with what is to be mended as `errors`, by field."""
    if isinstance(error, NoNumber):
        error = InvalidRecord([Fault("", error.message)])
    told = of_error(error)
    content = msgspec.json.decode(told.body(str(request.scope["path"])))
    content |= {"errors": _fields(error)}
    answer = respond(content, told.status, headers=dict(told.headers))
    answer.media_type = PROBLEM
    return answer


def _fields(error: Exception) -> list[Json]:
    if isinstance(error, InvalidRecord):
        return [{"field": fault.pointer[1:].replace("/", "."), "message": fault.message} for fault in error.faults]
    if isinstance(error, QueryError) and error.parameter:
        return [{"field": error.parameter, "message": error.message}]
    return []
