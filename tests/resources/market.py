"""Resources as a person would declare them: places that people list, reviews of places, notes about collected bars."""

import unicodedata
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Literal

import msgspec

from catchment import App, Counter, Feed, Get, Link, Record, Refusal, Resource, Rollup, Upstream
from catchment.resource import REPLACE

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class Bar(Record):
    """One trading day of one symbol."""

    symbol: str
    date: date
    close: Decimal


class Span(msgspec.Struct, frozen=True):
    """Days, both included."""

    from_date: date
    to_date: date


class Place(Record):
    """A place that somebody lists."""

    id: str
    owner: str
    created_at: datetime
    updated_at: datetime
    name: Name
    skills: Annotated[list[Name], msgspec.Meta(min_length=1, max_length=50)]
    cost: Annotated[int, msgspec.Meta(ge=1, le=100_000_000)]
    open: list[Span] = msgspec.field(default_factory=list)
    note: str | None = None


class Review(Record):
    """What somebody thinks of a place."""

    id: str
    owner: str | None
    place: str
    skill: str | None
    rating: Decimal
    comment: str | None = None
    comment_state: Literal["none", "held", "published"] = "none"


class Note(Record):
    """A remark about a day's bar."""

    id: str
    owner: str
    symbol: str
    date: date
    text: Name
    created_at: datetime


def check_place(place: Place) -> list[tuple[str, str]]:
    return [("open", "ends before it begins")] if any(span.to_date < span.from_date for span in place.open) else []


def normal_place(place: Place, before: Place | None) -> Place:
    return msgspec.structs.replace(place, name=unicodedata.normalize("NFC", place.name))


def normal_review(review: Review, before: Review | None) -> Review:
    if before is not None and before.comment == review.comment:
        return review
    return msgspec.structs.replace(review, comment_state="held" if review.comment else "none")


def check_review(review: Review) -> list[tuple[str, str]]:
    faults = [] if 0 <= review.rating <= 5 else [("rating", "is 0 to 5")]
    return faults + ([("rating", "has more than 2 decimals")] if review.rating * 100 % 1 else [])


def refuse_review(review, principal, view):
    place = view.get("places", review.place)
    if place is not None and place.owner == principal.id:
        return Refusal(403, "This place is your own.")
    if place is not None and review.skill is not None and review.skill not in place.skills:
        return Refusal(422, "The place has no such skill.")
    if view.find("reviews", place=review.place, comment="fault of the rule"):
        raise RuntimeError("canary: a rule with a fault")
    return None


somewhere = Upstream("somewhere", "https://api.example.org")
bars = Feed("bars", Bar, somewhere, request=Get("/bars"), key=("symbol", "date"), public=True)
places = Resource(
    "places",
    Place,
    owner="owner",
    check=check_place,
    normal=normal_place,
    lists=("skills", "open"),
    rollups=(Rollup(of="cost", by=("note",)),),
    counters=(Counter(by=("note",), of=("cost",)), Counter(by=("month(created_at)",))),
    sort=("name",),
    conceal=True,
    public=True,
)
reviews = Resource(
    "reviews",
    Review,
    about=Link(places, "place"),
    owner="owner",
    one_per_owner=("place", "skill"),
    again=REPLACE,
    outlives=True,
    read_only=("comment_state",),
    normal=normal_review,
    check=check_review,
    refuse=refuse_review,
    moderates=("delete",),
    counters=(Counter(by=("place", "skill"), of=("rating",)),),
    rollups=(
        Rollup(of="rating", by=("place",), carries=("cost",), orders=(("cost", "-_mean", "place"),)),
        Rollup(of="rating", by=("place", "skill"), carries=("cost",), orders=(("skill", "_count", "-_whole"),)),
        Rollup(),
    ),
    max_body=4096,
    public=True,
)
notes = Resource(
    "notes", Note, about=Link(bars, "symbol", "date"), owner="owner", one_per_owner=("symbol", "date"), if_match=True
)


def routes():
    from catchment.serve.rights import demand
    from catchment.web import Request, Response, Store, Writes, get, post, respond

    @post("/moderation/{review:str}")
    async def publish(request: Request, store: Store, writes: Writes) -> Response[bytes]:
        demand(store.principal, "moderate")
        done = await writes.set("reviews", request.path_params["review"], comment_state="published")
        return respond({"version": done.version})

    @get("/score/{place:str}")
    async def score(request: Request, store: Store) -> Response[bytes]:
        place = request.path_params["place"]
        with store.open() as moment:
            total = moment.rollup("reviews", 0, place)
            listed = moment.rows("reviews", [("place", "eq", place)])
        return respond({"count": total.count, "sum": str(total.sum), "listed": len(listed)})

    return [publish, score]


app = App("market", feeds=[bars], resources=[places, reviews, notes], routes=routes)
