"""A stand-in for `https://data.police.uk/api`: generated or recorded stop-and-search months, with all its quirks.

The base URL is the server's plus `/api`. Recorded files are served as they are, months around them are generated.
Left out: `/crimes-*` other than the two lists, and what this app never asks for.
"""

from __future__ import annotations

import csv
import json
import math
import random
import re
import zlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, ClassVar, Literal
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

from catchment.standin import Answer, Bucket, Fault, Options, Request

__all__ = ["BASE", "Police", "Switches", "service"]

BASE = "/api"
LONDON = ZoneInfo("Europe/London")
MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])")

# What `/forces` lists: 44 names, one of which never publishes stops. The transport police are only in the other list.
FORCES = tuple(
    """avon-and-somerset bedfordshire cambridgeshire cheshire city-of-london cleveland cumbria derbyshire
    devon-and-cornwall dorset durham dyfed-powys essex gloucestershire greater-manchester gwent hampshire hertfordshire
    humberside kent lancashire leicestershire lincolnshire merseyside metropolitan norfolk north-wales north-yorkshire
    northamptonshire northern-ireland northumbria nottinghamshire south-wales south-yorkshire staffordshire suffolk
    surrey sussex thames-valley warwickshire west-mercia west-midlands west-yorkshire wiltshire""".split()  # noqa: SIM905 - 44 quoted names would be three times as long
)
FEW = ("avon-and-somerset", "cambridgeshire", "leicestershire")
PUBLISHERS = tuple(sorted({*FORCES, "btp"} - {"northern-ireland"}))
PAUSE_MONTHS = 6
CROWD = 60
MILE_M = 1609.344

Record = dict[str, Any]


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


@dataclass(frozen=True, slots=True)
class Switches:
    """What can be turned while it runs.

    window, late and records are as the size says when -1. `_since`: from the n-th read of a force-month on; 0 never.
    error_every: each n-th request answers error_status; 0 never. outcome_style: how a missing outcome is written.
    """

    lag: int = 2
    window: int = -1
    late: int = -1
    records: int = -1
    paused_force: str = ""
    unpublished: Literal["[]", "404", "500", "502"] = "[]"
    rate_limit: bool = False
    rate_per_second: float = 15
    rate_burst: int = 30
    retry_after: Literal["none", "seconds", "date"] = "none"
    retry_after_s: int = 2
    ignore_date: bool = False
    outcome_style: Literal["empty", "false", "absent"] = "empty"
    escape_slashes: bool = False
    key_order: Literal["2023", "sorted", "reversed"] = "2023"
    wrong_type: bool = False
    single_object: bool = False
    removed_since: int = 0
    removed_count: int = 1
    added_since: int = 0
    changed_since: int = 0
    error_every: int = 0
    error_status: int = 503
    html: bool = False
    truncated: bool = False
    slow: bool = False
    hang: bool = False


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


# Months.


def month_of(moment: datetime) -> str:
    """The calendar month in which this moment falls in the UK."""
    return moment.astimezone(LONDON).strftime("%Y-%m")


def shift(month: str, by: int) -> str:
    """The month `by` months later."""
    count = int(month[:4]) * 12 + int(month[5:]) - 1 + by
    return f"{count // 12:04}-{count % 12 + 1:02}"


# Rendering.


def revised(records: list[Record], read: int, switches: Switches) -> list[Record]:
    """The month as this read of it shows it: something removed, added, changed or broken since."""
    if since(switches.removed_since, read):
        records = without_most_repeated(records, switches.removed_count)
    if since(switches.changed_since, read) and records:
        records = [{**records[0], "object_of_search": "Corrected by the force"}, *records[1:]]
    if since(switches.added_since, read) and records:
        records = [*records, {**records[-1], "operation_name": "Added later"}]
    if switches.wrong_type and records:
        records = [{**records[0], "involved_person": "yes"}, *records[1:]]
    return records


def since(first: int, read: int) -> bool:
    return 0 < first <= read


def without_most_repeated(records: list[Record], count: int) -> list[Record]:
    """All but `count`, taken from the largest groups of equal records first."""
    left = list(records)
    texts = [json.dumps(record, sort_keys=True) for record in records]
    for _ in range(min(count, len(left))):
        place = texts.index(Counter(texts).most_common(1)[0][0])
        del left[place], texts[place]
    return left


def rendered(records: list[Record], switches: Switches) -> bytes:
    """The records as the body says them."""
    styled = [ordered(outcome_styled(record, switches.outcome_style), switches.key_order) for record in records]
    said: object = styled[0] if switches.single_object and styled else styled
    text = json.dumps(said, separators=(",", ":"))
    return (text.replace("/", "\\/") if switches.escape_slashes else text).encode()


def outcome_styled(record: Record, style: str) -> Record:
    if style == "absent":
        record = {name: value for name, value in record.items() if name != "outcome_object"}
    return record if style == "empty" or record["outcome"] else {**record, "outcome": False}


def ordered(record: Record, order: str) -> Record:
    if order == "2023":
        return record
    return {name: record[name] for name in (sorted(record) if order == "sorted" else reversed(list(record)))}


# Places.


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


# Generated records.

OUTCOMES = {
    "A no further action disposal": ("bu-no-further-action", 68.0),
    "Arrest": ("bu-arrest", 16.0),
    "Community resolution": ("bu-community-resolution", 7.0),
    "": ("", 4.0),
    "Khat or Cannabis warning": ("bu-khat-or-cannabis-warning", 2.0),
    "Summons / charged by post": ("bu-summons", 1.5),
    "Caution (simple or conditional)": ("bu-caution", 1.0),
    "Penalty Notice for Disorder": ("bu-penalty-notice", 0.5),
}
DRUGS = "Misuse of Drugs Act 1971 (section 23)"
LAWS: Mapping[str | None, float] = {
    DRUGS: 58,
    "Police and Criminal Evidence Act 1984 (section 1)": 33,
    None: 7,
    "Firearms Act 1968 (section 47)": 1,
    "Criminal Justice and Public Order Act 1994 (section 60)": 1,
}
OBJECTS: Mapping[str | None, float] = {
    "Offensive weapons": 35,
    "Article for use in theft": 30,
    "Stolen goods": 20,
    None: 12,
    "Firearms": 3,
}
TYPES: Mapping[str, float] = {"Person search": 69, "Person and Vehicle search": 29, "Vehicle search": 2}
GENDERS: Mapping[str | None, float] = {"Male": 86, "Female": 11, None: 3}
AGES: Mapping[str | None, float] = {"18-24": 31, "over 34": 24, "25-34": 23, "10-17": 18, None: 4}
ETHNICITIES: Mapping[str | None, float] = {
    "White - English/Welsh/Scottish/Northern Irish/British": 48,
    "Other ethnic group - Not stated": 17,
    "White - Any other White background": 9,
    None: 8,
    "Black/African/Caribbean/Black British - African": 6,
    "Asian/Asian British - Pakistani": 6,
    "Black/African/Caribbean/Black British - Any other Black/African/Caribbean background": 6,
}
SEEN_AS: Mapping[str | None, float] = {"White": 62, None: 16, "Black": 13, "Asian": 7, "Other": 2}
STREETS = ("Shopping Area", "High Street", "Station Road", "Parking Area", "Church Lane", "Nightclub", "")


def pick(rng: random.Random, weighted: Mapping[Any, float]) -> Any:
    return rng.choices(list(weighted), list(weighted.values()))[0]


@lru_cache(maxsize=128)
def generated(variant: int, force: str, month: str, count: int, *, crowd: bool, date_only: bool) -> tuple[Record, ...]:
    """`count` records of a force-month, 5 % of them exact copies; with `crowd`, 60 equal ones among them."""
    rng = random.Random(f"{variant}:{force}:{month}:{count}")
    copies = round(count * 0.05)
    extra = max(copies, CROWD - 1) if crowd else copies
    records = [record_of(rng, force, month, date_only=date_only) for _ in range(count - extra)]
    if records:
        repeated = CROWD - 1 if crowd else 0
        singles = [rng.randrange(1, len(records)) if len(records) > 1 else 0 for _ in range(extra - repeated)]
        records += [records[0]] * repeated + [records[place] for place in singles]
    rng.shuffle(records)
    return tuple(records)


def record_of(rng: random.Random, force: str, month: str, *, date_only: bool) -> Record:
    """One record in the order in which the upstream writes its members."""
    kind, law, outcome = pick(rng, TYPES), pick(rng, LAWS), pick(rng, {name: row[1] for name, row in OUTCOMES.items()})
    vehicle_only = kind == "Vehicle search"
    return {
        "age_range": None if vehicle_only else pick(rng, AGES),
        "outcome": outcome,
        "involved_person": not vehicle_only,
        "self_defined_ethnicity": None if vehicle_only else pick(rng, ETHNICITIES),
        "gender": None if vehicle_only else pick(rng, GENDERS),
        "legislation": law,
        "outcome_linked_to_object_of_search": pick(rng, {None: 50, False: 26, True: 24}),
        "datetime": moment_of(rng, month, date_only=date_only),
        "removal_of_more_than_outer_clothing": pick(rng, {False: 90, None: 6, True: 4}),
        "outcome_object": {"id": OUTCOMES[outcome][0], "name": outcome},
        "location": None if rng.random() < 0.2 else place_of(rng, force),
        "operation": pick(rng, {None: 83, False: 12, True: 5}),
        "officer_defined_ethnicity": None if vehicle_only else pick(rng, SEEN_AS),
        "type": kind,
        "operation_name": None,
        "object_of_search": "Controlled drugs" if law == DRUGS else pick(rng, OBJECTS),
    }


def moment_of(rng: random.Random, month: str, *, date_only: bool) -> str:
    """A moment of the local month, said in UTC: in summer its first hour belongs to the month before."""
    start = datetime.strptime(month, "%Y-%m").replace(tzinfo=LONDON)
    days = (start.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
    if date_only:
        local = start.replace(day=rng.randint(1, days.day))
    elif rng.random() < 0.02:
        local = start.replace(minute=rng.randrange(60))
    else:
        local = start.replace(day=rng.randint(1, days.day), hour=rng.randrange(24), minute=rng.randrange(60))
    if not date_only and rng.random() < 0.005:
        local = local.replace(microsecond=rng.randrange(1, 1_000_000))
    return local.astimezone(UTC).isoformat()


@cache
def centre_of(force: str) -> tuple[float, float]:
    """Where the force is: somewhere in England or Wales, the same in every variant."""
    rng = random.Random(force)
    return rng.uniform(50.8, 54.5), rng.uniform(-3.2, 0.3)


def place_of(rng: random.Random, force: str) -> Record:
    """One of the force's forty map points."""
    point = rng.randrange(40)
    spot = random.Random(f"{force}:{point}")
    lat, lng = centre_of(force)
    return {
        "latitude": f"{lat + spot.gauss(0, 0.03):.6f}",
        "street": {
            "id": 500_000 + zlib.crc32(force.encode()) % 10_000 * 100 + point,
            "name": f"On or near {spot.choice(STREETS)}",
        },
        "longitude": f"{lng + spot.gauss(0, 0.05):.6f}",
    }


# Recorded records.


@dataclass(frozen=True)
class Recorded:
    """What a folder of recorded answers holds. availability: newest first, with the months that only files have."""

    forces: dict[str, str]
    availability: dict[str, list[str]]
    files: Mapping[tuple[str, str], Path]
    single: bytes

    needed: ClassVar = ("reference/forces.json", "reference/crimes-street-dates_*.json", "api/sample_single_stop.json")

    @classmethod
    def load(cls, folder: Path) -> Recorded:
        """The folder's content."""
        files = {force_month(path): path for path in sorted((folder / "csv").glob("*.csv"))}
        files |= {force_month(path): path for path in sorted((folder / "api").glob("stops_*.json"))}
        listed = next(iter(sorted((folder / "reference").glob("crimes-street-dates_*.json"))))
        months: dict[str, set[str]] = {
            row["date"]: set(row["stop-and-search"]) for row in json.loads(listed.read_bytes())
        }
        for force, month in files:
            months.setdefault(month, set()).add(force)
        forces = json.loads((folder / "reference" / "forces.json").read_bytes())
        return cls(
            {row["id"]: row["name"] for row in forces},
            {month: sorted(months[month]) for month in sorted(months, reverse=True)},
            files,
            (folder / "api" / "sample_single_stop.json").read_bytes(),
        )

    def read(self, force: str, month: str) -> list[Record]:
        """The file's records, one for each of its rows, in its order."""
        return list(read_recorded(self.files[force, month]))


def force_month(path: Path) -> tuple[str, str]:
    """Force and month that a recorded file is of, by its name."""
    stem = path.stem.removeprefix("stops_").removesuffix("-stop-and-search")
    return stem[8:], stem[:7]


@lru_cache(maxsize=64)
def read_recorded(path: Path) -> tuple[Record, ...]:
    if path.suffix == ".json":
        return tuple(json.loads(path.read_bytes()))
    with path.open(newline="", encoding="utf-8-sig") as lines:
        return tuple(record_of_row(row) for row in csv.DictReader(lines))


def record_of_row(row: Mapping[str, str]) -> Record:
    """The JSON record of which this CSV row is the other form.

    The CSV leaves out whether a person was involved (the type says it), and the street: its id is derived from the
    map point, which stands for one street, and its name is blank, as the upstream writes it where it knows none.
    """
    outcome = row["Outcome"]
    return {
        "age_range": row["Age range"] or None,
        "outcome": outcome,
        "involved_person": row["Type"].startswith("Person"),
        "self_defined_ethnicity": row["Self-defined ethnicity"] or None,
        "gender": row["Gender"] or None,
        "legislation": row["Legislation"] or None,
        "outcome_linked_to_object_of_search": truth(row["Outcome linked to object of search"]),
        "datetime": row["Date"],
        "removal_of_more_than_outer_clothing": truth(row["Removal of more than just outer clothing"]),
        "outcome_object": {"id": outcome_id(outcome), "name": outcome},
        "location": place_of_row(row["Latitude"], row["Longitude"]),
        "operation": truth(row["Part of a policing operation"]),
        "officer_defined_ethnicity": row["Officer-defined ethnicity"] or None,
        "type": row["Type"] or None,
        "operation_name": row["Policing operation"] or None,
        "object_of_search": row["Object of search"] or None,
    }


def truth(said: str) -> bool | None:
    return {"True": True, "False": False, "": None}[said]


def outcome_id(outcome: str) -> str:
    """The upstream's id of an outcome; of one it has no other word for, made in the same way."""
    if outcome in OUTCOMES:
        return OUTCOMES[outcome][0]
    return "bu-" + re.sub(r"[^a-z]+", "-", outcome.lower()).strip("-")


def place_of_row(latitude: str, longitude: str) -> Record | None:
    if not latitude or not longitude:
        return None
    street = {"id": zlib.crc32(f"{latitude},{longitude}".encode()) % 2_000_000, "name": "On or near "}
    return {"latitude": latitude, "street": street, "longitude": longitude}
