"""A stand-in for `https://data.police.uk/api`: generated or recorded stop-and-search months, with all its quirks.

The base URL is the server's plus `/api`. Recorded files are served as they are, months around them are generated.
Left out: `/crimes-*` other than the two lists, and what this app never asks for.
"""

from __future__ import annotations

import math
import random
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import parse_qsl

from catchment.standin import Answer, Bucket, Fault, Options, Request

from .records import KNOWN_FORCES
from .standin_data import CROWD, Record, generated, month_of, shift
from .standin_recorded import Recorded
from .standin_says import Switches, rendered, revised

__all__ = ["BASE", "Police", "Switches", "service"]

BASE = "/api"
MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])")

FEW = ("avon-and-somerset", "cambridgeshire", "leicestershire")
FORCES = tuple(force for force in KNOWN_FORCES if force != "btp")
"""What `/forces` lists; the transport police are only in the list of months."""
PUBLISHERS = tuple(force for force in KNOWN_FORCES if force != "northern-ireland")
PAUSE_MONTHS = 6
MILE_M = 1609.344


@dataclass(frozen=True, slots=True)
class World:
    """How much a size holds. late: forces that have not published the newest month."""

    forces: tuple[str, ...]
    publishers: tuple[str, ...]
    months: int
    records: int
    late: int
    largest: int


SIZES: Mapping[str, World] = {
    "tiny": World(FEW, FEW, 3, 20, 0, 20),
    "small": World(FEW, FEW, 36, 300, 1, 300),
    "medium": World(FORCES, PUBLISHERS, 36, 400, 14, 400),
    "large": World(FORCES, PUBLISHERS, 36, 400, 14, 20_000),
}


def service(options: Options) -> Police:
    """The police stand-in of this size and variant."""
    return Police(options)


class Police:
    """The upstream as talk. Its state: what each force-month has been read, and the bucket of calls."""

    name = "police"

    def __init__(self, options: Options) -> None:
        self._world = SIZES[options.size]
        self._size = options.size
        self._variant = options.variant
        folder = options.recorded("police", *Recorded.needed)
        self._recorded = Recorded.load(folder) if folder else None
        # The one big month and the one crowd of equal records stay where they are when the clock moves on; no
        # publisher is late by so much.
        self._odd_month = shift(month_of(options.clock.now()), -5)
        self._bucket = Bucket()
        self._reads: Counter[tuple[str, str]] = Counter()

    def switches(self) -> Switches:
        return Switches(rate_limit=self._size != "tiny")

    def reset(self) -> None:
        self._bucket.clear()
        self._reads.clear()

    def answer(self, request: Request, switches: Switches) -> Answer:
        if len(f"{request.method} {request.target} HTTP/1.1") > 4094:
            return Answer(400, b"<html><body><h1>400 Bad Request</h1></body></html>", HTML)
        return self._limited(request, switches) or misbehaving(request, switches) or self._routed(request, switches)

    def _limited(self, request: Request, switches: Switches) -> Answer | None:
        if not switches.rate_limit or self._bucket.pour(
            "", request.at, per_second=switches.rate_per_second, burst=switches.rate_burst
        ):
            return None
        said = {"none": "", "seconds": f"{switches.retry_after_s}", "date": f"date:{switches.retry_after_s}"}
        fault = Fault("status", status=429, retry_after=said[switches.retry_after])
        return Answer(429, fault=fault)

    def _routed(self, request: Request, switches: Switches) -> Answer:
        path = request.path.removeprefix(BASE) if request.path.startswith(f"{BASE}/") else ""
        route = ROUTES.get(path)
        if route is not None:
            answer = route(self, asked(request), switches)
        elif path.startswith("/forces/"):
            answer = self._force(path.removeprefix("/forces/"))
        else:
            answer = NOT_FOUND
        return spoiled(answer, switches)

    def availability(self, now: datetime, switches: Switches) -> dict[str, list[str]]:
        """Published months, newest first, each with the forces that published it."""
        if self._recorded is not None:
            today = month_of(now)
            return {month: forces for month, forces in self._recorded.availability.items() if month <= today}
        newest = shift(month_of(now), -switches.lag)
        count = self._world.months if switches.window < 0 else switches.window
        return {shift(newest, -age): self._publishers(age, switches) for age in range(count)}

    def _publishers(self, age: int, switches: Switches) -> list[str]:
        """The forces that have published the month `age` months before the newest."""
        late = self._world.late if switches.late < 0 else switches.late
        order = random.Random(f"{self._variant}:late").sample(self._world.publishers, len(self._world.publishers))
        missing = {force for place, force in enumerate(order[:late]) if age < 1 + place % 3}
        if age < PAUSE_MONTHS:
            missing.add(switches.paused_force)
        return [force for force in self._world.publishers if force not in missing]

    def _known(self, force: str, listed: Mapping[str, list[str]]) -> bool:
        """Whether the upstream has ever heard of this force."""
        return (
            force in self._world.publishers or force in self._forces() or any(force in some for some in listed.values())
        )

    def records(self, force: str, month: str, switches: Switches) -> list[Record]:
        """The month as it was first published, recorded or generated."""
        if self._recorded is not None and (force, month) in self._recorded.files:
            return self._recorded.read(force, month)
        count = self._world.records if switches.records < 0 else switches.records
        odd = month == self._odd_month
        if odd and force == "metropolitan" and switches.records < 0:
            count = self._world.largest
        crowd = odd and force == self._world.publishers[0] and count >= 5 * CROWD
        date_only = self._world.publishers.index(force) % 10 == 2 if force in self._world.publishers else False
        return list(generated(self._variant, force, month, count, crowd=crowd, date_only=date_only))

    def stops_force(self, request: Request, switches: Switches) -> Answer:
        """`/stops-force`: the month's records, or what the upstream says when it has none."""
        force = request.query.get("force", "")
        if not force:
            return BAD_REQUEST
        listed = self.availability(request.at, switches)
        month = self._month(request, listed, switches)
        if month == "":
            return NOTHING
        if listed and month < min(listed):
            return Answer(502)
        if not self._known(force, listed):
            return EMPTY
        if force not in listed.get(month, ()):
            return EMPTY if switches.unpublished == "[]" else Answer(int(switches.unpublished))
        return self._stops(force, month, switches)

    def _stops(self, force: str, month: str, switches: Switches) -> Answer:
        self._reads[force, month] += 1
        if switches.single_object and self._recorded is not None:
            return Answer(200, self._recorded.single, JSON)
        records = revised(self.records(force, month, switches), self._reads[force, month], switches)
        return Answer(200, rendered(records, switches), JSON)

    def _month(self, request: Request, listed: Mapping[str, object], switches: Switches) -> str:
        """The month that is meant: the newest when none is said, "" when what is said is no month."""
        said = request.query.get("date", "")
        if not said or switches.ignore_date:
            return max(listed, default="")
        return said if MONTH.fullmatch(said) else ""

    def _published(self, request: Request, switches: Switches) -> tuple[str, list[str]] | None:
        """Month and publishers for the routes that answer 404 outside the window; None is that 404."""
        listed = self.availability(request.at, switches)
        month = self._month(request, listed, switches)
        return (month, listed[month]) if month in listed else None

    def stops_no_location(self, request: Request, switches: Switches) -> Answer:
        published = self._published(request, switches)
        force = request.query.get("force", "")
        if not force or published is None:
            return NOTHING if force else BAD_REQUEST
        records = self.records(force, published[0], switches) if force in published[1] else []
        return Answer(200, rendered([one for one in records if one["location"] is None], switches), JSON)

    def stops_street(self, request: Request, switches: Switches) -> Answer:
        if "json" in request.headers.get("content-type", ""):
            return BAD_REQUEST
        poly = request.query.get("poly", "")
        corners = (
            points(poly.split(":")) if poly else points([f"{request.query.get('lat')},{request.query.get('lng')}"])
        )
        if corners is None:
            return BAD_REQUEST
        if len(corners) == 2:
            return Answer(502)
        return self._placed(request, switches, lambda record: near(record, corners))

    def stops_at_location(self, request: Request, switches: Switches) -> Answer:
        said = request.query.get("location_id", "")
        if not said.isdigit():
            return BAD_REQUEST
        return self._placed(request, switches, lambda record: record["location"]["street"]["id"] == int(said))

    def _placed(self, request: Request, switches: Switches, wanted: Callable[[Record], bool]) -> Answer:
        published = self._published(request, switches)
        if published is None:
            return NOTHING
        month, forces = published
        records = [one for force in forces for one in self.records(force, month, switches) if one["location"]]
        return Answer(200, rendered(list(filter(wanted, records)), switches), JSON)

    def _forces(self) -> dict[str, str]:
        """Name of each force that `/forces` lists."""
        if self._recorded is not None:
            return self._recorded.forces
        return {force: f"{force.replace('-', ' ').title()} Police" for force in self._world.forces}

    def forces(self, request: Request, switches: Switches) -> Answer:
        return Answer.json([{"id": force, "name": name} for force, name in self._forces().items()])

    def _force(self, force: str) -> Answer:
        if force not in self._forces():
            return NOT_FOUND
        detail = {"description": None, "url": f"https://www.{force}.example/", "telephone": "101"}
        return Answer.json({**detail, "engagement_methods": [], "id": force, "name": self._forces()[force]})

    def street_dates(self, request: Request, switches: Switches) -> Answer:
        listed = self.availability(request.at, switches)
        return Answer.json([{"date": month, "stop-and-search": forces} for month, forces in listed.items()])

    def last_updated(self, request: Request, switches: Switches) -> Answer:
        newest = max(self.availability(request.at, switches), default="")
        return Answer.json({"date": f"{newest}-01"}) if newest else NOTHING


Route = Callable[[Police, Request, Switches], Answer]
ROUTES: Mapping[str, Route] = {
    "/stops-force": Police.stops_force,
    "/stops-no-location": Police.stops_no_location,
    "/stops-street": Police.stops_street,
    "/stops-at-location": Police.stops_at_location,
    "/forces": Police.forces,
    "/crimes-street-dates": Police.street_dates,
    "/crime-last-updated": Police.last_updated,
}
JSON = (("Content-Type", "application/json"),)
HTML = (("Content-Type", "text/html"),)
EMPTY = Answer(200, b"[]", JSON)
NOTHING = Answer(404, b"", HTML)
NOT_FOUND = Answer(404, b"Not Found", (("Content-Type", "text/plain"),))
BAD_REQUEST = Answer(400, b"Bad Request", (("Content-Type", "text/plain"),))


def misbehaving(request: Request, switches: Switches) -> Answer | None:
    """The answer of a switch that hides the data altogether, None when none is on."""
    if switches.error_every and request.number % switches.error_every == 0:
        return Answer(switches.error_status, b"", HTML)
    if switches.hang:
        return Answer(fault=Fault("hang"))
    return Answer(fault=Fault("html")) if switches.html else None


def spoiled(answer: Answer, switches: Switches) -> Answer:
    """The answer, cut or slowed where a switch says so."""
    fault = Fault("truncate") if switches.truncated else Fault("drip") if switches.slow else None
    return Answer(answer.status, answer.body, answer.headers, fault) if fault else answer


def asked(request: Request) -> Request:
    """The request with the parameters of a form body in its query: this upstream takes either."""
    if request.method != "POST":
        return request
    form = dict(parse_qsl(request.body.decode("latin-1")))
    return Request(
        request.method, request.path, {**request.query, **form}, request.headers, request.body, request.at,
        request.number, request.target,
    )  # fmt: skip


def points(said: list[str]) -> list[tuple[float, float]] | None:
    """Latitude and longitude of each `lat,lng`; None when one is missing or no number."""
    try:
        pairs = [tuple(map(float, corner.split(","))) for corner in said]
        return [(lat, lng) for lat, lng in pairs]
    except ValueError:
        return None


def near(record: Record, corners: list[tuple[float, float]]) -> bool:
    """Whether the record lies within a mile of the one point, or inside the corners."""
    lat, lng = float(record["location"]["latitude"]), float(record["location"]["longitude"])
    if len(corners) > 1:
        return inside(lat, lng, corners)
    north, east = corners[0]
    dy, dx = (lat - north) * 111_195, (lng - east) * 111_195 * math.cos(math.radians(lat))
    return math.hypot(dx, dy) <= MILE_M


def inside(lat: float, lng: float, corners: list[tuple[float, float]]) -> bool:
    """Whether a ray from the point crosses the outline an odd number of times."""
    crossings = 0
    for (lat_a, lng_a), (lat_b, lng_b) in zip(corners, [*corners[1:], corners[0]], strict=True):
        if (lat_a > lat) != (lat_b > lat) and lng < (lng_b - lng_a) * (lat - lat_a) / (lat_b - lat_a) + lng_a:
            crossings += 1
    return crossings % 2 == 1
