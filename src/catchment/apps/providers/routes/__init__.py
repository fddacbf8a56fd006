"""The providers app's own routes: the contract of the service that they replace, in its versions 1.0 and 1.1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from catchment.web import Answer, Response, Route, described, get, respond, versions

from .. import answers, shapes
from .lists import list_by_body, list_by_query, recommend_by_body, recommend_by_query
from .offers import create, read, remove, replace
from .reviews import change_review, moderate, own_review, remove_review, review, reviews
from .steps import Ask, query_of

__all__ = ["handlers"]

VERSIONS = ((1, 0), (1, 1))


@get(
    "/health",
    serves=(),
    operation_class=described(
        "That the service answers", {}, answers={200: Answer("It does", shapes.Health)}, reads=False
    ),
)
async def health(request: Ask) -> Response[bytes]:
    """`ok` while the service answers at all."""
    query_of(request)
    return respond({"status": "ok"})


ROUTES = (
    *(Route(handler) for handler in (create, read, replace, remove, list_by_query, list_by_body)),
    *(Route(handler) for handler in (recommend_by_query, recommend_by_body, review, reviews, own_review)),
    *(Route(handler) for handler in (change_review, remove_review, moderate, health)),
)


def handlers() -> Sequence[Any]:
    """The routes, under every version of the contract; health stands above them too."""
    return [*versions(ROUTES, VERSIONS, problems=answers.failure), health]
