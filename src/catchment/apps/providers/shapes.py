"""The types of bodies and answers: the handlers make them, and the API's description is made of them."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, NotRequired, TypedDict, TypeVar

import msgspec

from .ranges import DateRange

__all__ = [
    "Decision",
    "Explained",
    "Health",
    "Id",
    "Nothing",
    "OneProvider",
    "Rating",
    "Recommended",
    "ShownProvider",
    "ShownReview",
    "Stars",
    "page_of",
]

T = TypeVar("T")
Version = tuple[int, int]

Id = Annotated[str, msgspec.Meta(extra_json_schema={"format": "uuid"})]
Stars = Annotated[Decimal, msgspec.Meta(extra_json_schema={"minimum": 0, "maximum": 5})]
_Mean = Annotated[float, msgspec.Meta(ge=0, le=5)]
_Count = Annotated[int, msgspec.Meta(ge=0)]


class Rating(TypedDict):
    """The mean of the reviews, 0.0 where there are none."""

    review_rating: _Mean
    review_count: _Count


class ShownProvider(Rating):
    """A provider with its rating."""

    id: Id
    name: str
    skills: list[str]
    cost_in_pence: int
    availability: list[DateRange]
    score: _Mean


class OneProvider(ShownProvider):
    """A provider with the ratings of its skills, by the skill as it is shown."""

    skill_ratings: dict[str, Rating]


class Explained(TypedDict):
    """Why a provider is recommended where it is."""

    skills: float
    score: _Mean
    review_count: _Count
    headroom_in_pence: int
    free_from: date | None
    prior_version: int


class Recommended(ShownProvider):
    """A provider that can do the job; `match` where it was asked why."""

    match: NotRequired[Explained]


class ShownReview(TypedDict):
    """A review; user_id is null where its author was erased. A comment that is not published is its author's and the
    moderators'.
    """

    rating: _Mean
    user_id: Id | None
    id: Id
    skill: str | None
    comment: str | None
    comment_state: Literal["none", "held", "published", "refused"]
    created_at: datetime
    updated_at: datetime


class Pagination(TypedDict):
    """Which page this is; `next` is the cursor of the one after it."""

    page: int
    page_size: int
    next: str | None
    count: int | None


class Page(TypedDict, Generic[T]):
    """A page of a list."""

    items: list[T]
    next: str | None
    count: int | None


class Decision(TypedDict):
    """What a moderator decides about a comment."""

    decision: Literal["publish", "refuse"]


class Nothing(TypedDict):
    """An empty object."""


class Health(TypedDict):
    """That the service answers."""

    status: Literal["ok"]


def page_of(version: Version, name: str, item: Any) -> Any:
    """The type of a page of items. name: the member that v1_0 has for them."""
    if version >= (1, 1):
        return Page[item]
    return TypedDict(f"{item.__name__}Page", {name: list[item], "pagination": Pagination})  # type: ignore[operator]
