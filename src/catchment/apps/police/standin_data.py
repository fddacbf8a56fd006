"""Stop-and-search records that never were: the same variant gives the same bytes."""

from __future__ import annotations

import random
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from typing import Any
from zoneinfo import ZoneInfo

__all__ = ["CROWD", "LONDON", "OUTCOMES", "Record", "generated", "month_of", "shift"]

LONDON = ZoneInfo("Europe/London")
CROWD = 60

Record = dict[str, Any]


def month_of(moment: datetime) -> str:
    """The calendar month in which this moment falls in the UK."""
    return moment.astimezone(LONDON).strftime("%Y-%m")


def shift(month: str, by: int) -> str:
    """The month `by` months later."""
    count = int(month[:4]) * 12 + int(month[5:]) - 1 + by
    return f"{count // 12:04}-{count % 12 + 1:02}"


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
