"""What the stand-in's upstream knows: who has which IP, and what happened in the last seven days."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

__all__ = ["SIZES", "TYPES", "Extent", "Recorded", "identities", "moved", "random_week", "sliding_week"]

TYPES = ("denial", "intrusion", "executable", "misuse", "unauthorized", "probing", "other")
PRIORITIES = ("low", "medium", "high", "critical")
WEEK_S = 7 * 24 * 3600
TICKS = 10**7
"""A second has so many steps: the upstream writes up to seven decimals."""
LOWEST_ID, HIGHEST_ID = 97, 999_908

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Extent:
    """How much a size holds: incidents of each type, and pairs of the identity map."""

    incidents: int
    identities: int


SIZES: Mapping[str, Extent] = {
    "tiny": Extent(10, 50),
    "small": Extent(300, 5_000),
    "medium": Extent(3_000, 20_000),
    "large": Extent(15_000, 100_000),
}


@lru_cache(maxsize=8)
def identities(variant: int, edition: int, pairs: int) -> Mapping[str, int]:
    """IP -> employee, one to one. edition: another one shares no IP, as the upstream's own did."""
    chance = random.Random(f"map:{variant}:{edition}")
    employees = sorted(random.Random(f"people:{variant}").sample(range(LOWEST_ID, HIGHEST_ID + 1), pairs))
    # Hosts of another edition have another remainder, so that no IP comes again.
    hosts = chance.sample(range(1, 2**24 // 16), pairs)
    places = [host * 16 + edition % 16 for host in hosts]
    ips = [f"17.{place >> 16}.{place >> 8 & 255}.{place & 255}" for place in places]
    return dict(zip(ips, employees, strict=True))


def moved(pairs: Mapping[str, int], count: int) -> Mapping[str, int]:
    """The map in which the first IPs have each the employee of the next one."""
    ips = list(pairs)[:count]
    return {**pairs, **{ip: pairs[other] for ip, other in zip(ips, ips[1:] + ips[:1], strict=True)}}


def random_week(seed: str, kind: str, count: int, now: datetime, known: Mapping[str, int]) -> list[Row]:
    """A week of its own: no incident of it is in a week of another seed."""
    chance = random.Random(f"week:{seed}:{kind}")
    people = _People(known)
    end = _ticks(now)
    moments = sorted(end - chance.randrange(WEEK_S * TICKS) for _ in range(count))
    return [_incident(chance, kind, moment, people) for moment in moments]


def sliding_week(seed: str, kind: str, count: int, now: datetime, known: Mapping[str, int]) -> list[Row]:
    """The incidents of the seven days before this minute: the next minute has new ones, and the oldest fall out."""
    step = WEEK_S * TICKS // count
    end = _ticks(now) // (60 * TICKS) * 60 * TICKS
    people = _People(known)
    found = []
    for place in range(end // step - count - 1, end // step + 1):
        chance = random.Random(f"slide:{seed}:{kind}:{place}")
        moment = place * step + chance.randrange(step)
        if end - WEEK_S * TICKS < moment <= end:
            found.append(_incident(chance, kind, moment, people))
    return found


def _ticks(moment: datetime) -> int:
    return int(moment.timestamp()) * TICKS + moment.microsecond * (TICKS // 10**6)


class _People:
    """The employees and their IPs, to draw from."""

    def __init__(self, known: Mapping[str, int]) -> None:
        self._ips: Sequence[str] = list(known)
        self._ids: Sequence[int] = list(known.values())
        self._known = known

    def ip(self, chance: random.Random) -> str:
        return self._ips[chance.randrange(len(self._ips))]

    def employee(self, chance: random.Random) -> int:
        return self._ids[chance.randrange(len(self._ids))]

    def stranger(self, chance: random.Random) -> str:
        """An address outside of the map."""
        first = chance.randrange(18, 254)
        return f"{first}.{chance.randrange(256)}.{chance.randrange(256)}.{chance.randrange(1, 255)}"


def _incident(chance: random.Random, kind: str, moment: int, people: _People) -> Row:
    """One incident; its members stand in the upstream's order."""
    row: Row = {"priority": chance.choice(PRIORITIES)}
    if kind == "denial":
        row["reported_by"] = people.employee(chance)
    elif kind == "intrusion":
        row["internal_ip"] = people.ip(chance)
    elif kind == "executable":
        row["machine_ip"] = people.ip(chance)
    elif kind == "probing":
        row["ip"] = people.ip(chance)
    elif kind == "other":
        row["identifier"] = _identifier(chance, people)
    else:
        row["employee_id"] = people.employee(chance)
    row["timestamp"] = moment / TICKS  # a double keeps up to seven decimals of it, as the upstream's does
    if kind in ("denial", "intrusion"):
        row["source_ip"] = people.stranger(chance)
    return row


def _identifier(chance: random.Random, people: _People) -> int | str:
    drawn = chance.random()
    if drawn < 0.5:
        return people.employee(chance)
    return people.ip(chance) if drawn < 0.99 else str(people.employee(chance))


@dataclass(frozen=True)
class Recorded:
    """A recorded poll: the bodies as they came, by path."""

    bodies: Mapping[str, bytes]

    @classmethod
    def load(cls, folder: Path) -> Recorded:
        """The first poll and the identity map in a folder."""
        poll = min(folder.glob("poll_*"))
        bodies = {"/identities/": min(folder.glob("identities_*.json")).read_bytes()}
        for kind in TYPES:
            bodies[f"/incidents/{kind}/"] = min(poll.glob(f"{kind}*.json")).read_bytes()
        return cls(bodies)

    def rows(self, kind: str) -> list[Row]:
        """The incidents of one type."""
        found: list[Row] = json.loads(self.bodies[f"/incidents/{kind}/"])["results"]
        return found

    @property
    def identities(self) -> Mapping[str, int]:
        found: dict[str, int] = json.loads(self.bodies["/identities/"])
        return found
