"""A stand-in for the incident endpoints: seven types and an identity map, generated or recorded, behind Basic auth."""

from __future__ import annotations

import json
from base64 import b64encode
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal
from urllib.parse import urlsplit

from catchment.standin import Answer, Fault, Options, Request

from .standin_data import SIZES, TYPES, Recorded, Row, identities, moved, random_week, sliding_week

__all__ = ["PASSWORD", "USER", "Incidents", "Switches", "service"]

USER, PASSWORD = "catchment", "stand-in"
MAP = "/identities/"
PATHS = {f"/incidents/{kind}/": kind for kind in TYPES}
HTML = (("Content-Type", "text/html"),)
JSON = (("Content-Type", "application/json"),)

Kind = Literal["all", "denial", "intrusion", "executable", "misuse", "unauthorized", "probing", "other"]


@dataclass(frozen=True, slots=True)
class Switches:
    """What can be turned while it runs.

    mode: `random` gives a new week at every poll, as the upstream does; `stable` a week that slides. concern: of
    which type the rest is about. status: answered instead, at the `call`-th request of that type or (0) at all.
    late_s: real seconds before each answer; parallel_s: such seconds for each request that is open at that time.
    map_edition: another number, another map. map_missing: per cent of the IPs that are not in the map, for
    `map_missing_polls` polls (0: until turned back). map_moved: so many IPs belong to the next one's employee.
    redirect: the status with which a path without its last slash is redirected; redirect_to: a base URL to which
    everything is.
    """

    mode: Literal["random", "stable"] = "random"
    concern: Kind = "all"
    status: int = 0
    call: int = 0
    body: Literal["good", "html", "truncated", "empty-list", "no-results"] = "good"
    late_s: float = 0.0
    parallel_s: float = 0.0
    map_edition: int = 0
    map_missing: int = 0
    map_missing_polls: int = 0
    map_moved: int = 0
    map_body: Literal["good", "list", "html", "truncated", "text-ids", "empty"] = "good"
    redirect: Literal[301, 302, 307, 308] = 301
    redirect_to: str = ""
    password: str = PASSWORD
    equal: bool = False
    unordered: bool = False
    known_source: bool = False
    priority: str = ""
    timestamp: Literal["number", "text", "ms", "nan"] = "number"

    def __post_init__(self) -> None:
        if not 0 <= self.map_missing <= 100:
            raise ValueError("map_missing is a percentage")
        if self.redirect_to and not urlsplit(self.redirect_to).hostname:
            raise ValueError("redirect_to is a base URL, http://HOST:PORT")


def service(options: Options) -> Incidents:
    """The incidents stand-in of this size and variant."""
    return Incidents(options)


class Incidents:
    """The upstream as talk. Its state: how often each path was answered, and what was missing in the map."""

    name = "incidents"

    def __init__(self, options: Options) -> None:
        self._extent = SIZES[options.size]
        self._variant = options.variant
        folder = options.recorded("incidents", "identities_*.json", *(f"poll_*/{kind}*.json" for kind in TYPES))
        self._recorded = Recorded.load(folder) if folder else None
        self._calls: Counter[str] = Counter()
        self._poor_maps = 0

    def switches(self) -> Switches:
        return Switches()

    def reset(self) -> None:
        self._calls.clear()
        self._poor_maps = 0

    def answer(self, request: Request, switches: Switches) -> Answer:
        answer = self._answer(request, switches)
        late = switches.late_s + switches.parallel_s * request.open
        return replace(answer, fault=answer.fault or Fault("late", pause_s=late)) if late else answer

    def _answer(self, request: Request, switches: Switches) -> Answer:
        if switches.redirect_to:
            place = f"{switches.redirect_to.rstrip('/')}{request.target}"
            return Answer(switches.redirect, headers=(("Location", place),))
        if f"{request.path}/" in (MAP, *PATHS):
            return Answer(switches.redirect, headers=(("Location", f"{request.path}/"),))
        if request.headers.get("authorization", "") != f"Basic {token(switches.password)}":
            return Answer(401, b"<h1>Unauthorized</h1>", (("WWW-Authenticate", "Basic"), *HTML))
        if request.path == MAP:
            return self._map(switches)
        if request.path not in PATHS:
            return Answer(404, b"<h1>Not Found</h1>", HTML)
        kind = PATHS[request.path]
        self._calls[kind] += 1
        told = switches if switches.concern in ("all", kind) else Switches(switches.mode)
        if told.status and told.call in (0, self._calls[kind]):
            return Answer(told.status, b"<h1>Sorry</h1>", HTML)
        return self._incidents(kind, request, told, switches.map_edition)

    # -- the map -----------------------------------------------------------------------------------------------------

    def _known(self, edition: int) -> Mapping[str, int]:
        return (
            self._recorded.identities if self._recorded else identities(self._variant, edition, self._extent.identities)
        )

    def _map(self, switches: Switches) -> Answer:
        self._calls["map"] += 1
        pairs = moved(self._known(switches.map_edition), switches.map_moved)
        self._poor_maps = self._poor_maps + 1 if switches.map_missing else 0
        if switches.map_missing and self._poor_maps <= (switches.map_missing_polls or self._poor_maps):
            # Every n-th place of a hundred, so that all parts of the map are hit alike.
            pairs = {ip: who for place, (ip, who) in enumerate(pairs.items()) if place % 100 >= switches.map_missing}
        if self._recorded and pairs == self._recorded.identities and switches.map_body == "good":
            return Answer(200, self._recorded.bodies[MAP], JSON)
        return map_as(switches.map_body, pairs)

    # -- incidents ---------------------------------------------------------------------------------------------------

    def _incidents(self, kind: str, request: Request, switches: Switches, edition: int) -> Answer:
        if switches.body == "html":
            return Answer(200, b"<html><body>Back soon.</body></html>", HTML)
        if switches.body == "no-results":
            return Answer.json({"incidents": []})
        if self._recorded and switches == Switches(switches.mode):
            return Answer(200, self._recorded.bodies[request.path], JSON)
        rows = [] if switches.body == "empty-list" else self._rows(kind, request, switches, edition)
        text = body_of(spoiled(rows, switches, self._known(edition)), switches)
        return Answer(200, text[: len(text) // 2] if switches.body == "truncated" else text, JSON)

    def _rows(self, kind: str, request: Request, switches: Switches, edition: int) -> list[Row]:
        if self._recorded:
            return self._recorded.rows(kind)
        known, count = self._known(edition), self._extent.incidents
        if switches.mode == "stable":
            return sliding_week(str(self._variant), kind, count, request.at, known)
        return random_week(f"{self._variant}:{self._calls[kind]}", kind, count, request.at, known)


def token(password: str) -> str:
    return b64encode(f"{USER}:{password}".encode()).decode()


def map_as(body: str, pairs: Mapping[str, int]) -> Answer:
    """The map, or what comes in its place."""
    if body == "html":
        return Answer(200, b"<html><body>Back soon.</body></html>", HTML)
    told: Any = {"list": list(pairs.items()), "text-ids": {ip: str(who) for ip, who in pairs.items()}, "empty": {}}
    whole = json.dumps(told.get(body, pairs), separators=(",", ":")).encode()
    return Answer(200, whole[: len(whole) // 2] if body == "truncated" else whole, JSON)


def spoiled(rows: list[Row], switches: Switches, known: Mapping[str, int]) -> list[Row]:
    """The rows with what the switches do to them: to the first one, or to their order."""
    rows = [dict(row) for row in rows]
    if rows and switches.priority:
        rows[0]["priority"] = switches.priority
    if rows and switches.timestamp != "number":
        moment = rows[0]["timestamp"]
        rows[0]["timestamp"] = {"text": str(moment), "ms": moment * 1000, "nan": float("nan")}[switches.timestamp]
    if switches.known_source:
        ips = list(known)
        rows = [row | {"source_ip": ips[place % len(ips)]} if "source_ip" in row else row
                for place, row in enumerate(rows)]  # fmt: skip
    if switches.equal:
        rows = rows[:1] + rows
    return sorted(rows, key=lambda row: str(row["timestamp"])[::-1]) if switches.unordered else rows


def body_of(rows: list[Row], switches: Switches) -> bytes:
    """The rows as the upstream writes them."""
    return json.dumps({"results": rows}, separators=(",", ":"), allow_nan=switches.timestamp == "nan").encode()
