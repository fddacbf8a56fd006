"""What operators look at beside the records: runs, budgets, rejects, what is not as it was, and who tried what."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypedDict, TypeVar

import msgspec
from litestar import Request, Response, get

from ..clock import parse_moment
from ..errors import QueryError
from ..store.attempts import Pass
from ..store.attempts import Tried as Attempt
from ..store.audit import Asked, Tried
from ..store.desk import Desk, Noted, Reason, Rejected
from ..store.query import DEFAULT_LIMIT, MAX_LIMIT
from ..store.snapshot import Snapshot
from . import gate
from .allowance import Allowance, allowances
from .data import Data
from .front import DATA

__all__ = [
    "HANDLERS",
    "PARAMETERS",
    "Ask",
    "Attempts",
    "Budgets",
    "Drifts",
    "Rejects",
    "Runs",
    "Tries",
    "data_of",
    "given_of",
    "json_answer",
    "look",
    "number_of",
    "page_behind",
    "pairs_of",
]


class Why(TypedDict):
    """How many rejects there are for which reason, and after which the next page begins."""

    reasons: list[Reason]
    next: int | None


class Rejects(TypedDict):
    """A page of rejects."""

    data: list[Rejected]
    meta: Why


class Next(TypedDict):
    """Before which id the next page begins."""

    next: int | None


class Drifts(TypedDict):
    """A page of what is not as it was."""

    data: list[Noted]
    meta: Next


class Tries(TypedDict):
    """A page of the audit."""

    data: list[Tried]
    meta: Next


class Runs(TypedDict):
    """A page of runs that asked for something."""

    data: list[Pass]
    meta: Next


class Attempts(TypedDict):
    """A page of tries at partitions."""

    data: list[Attempt]
    meta: Next


class Budgets(TypedDict):
    """What each upstream allows."""

    data: list[Allowance]


Ask = Request[Any, Any, Any]
T = TypeVar("T")

PARAMETERS: Mapping[str, Mapping[str, str]] = {
    "/v1/_/feeds": {
        "limit": f"How many at most, 1 to {MAX_LIMIT}.",
        "after": "Those behind this one, `app/name`; `meta.next` of the page before.",
    },
    "/v1/_/partitions": {
        "collection": "`app/name`; it has to be named.",
        "limit": f"How many at most, 1 to {MAX_LIMIT}.",
        "after": "Those behind this key; `meta.next` of the page before.",
    },
    "/v1/_/runs": {
        "app": "Its name; all without it.",
        "limit": f"How many at most, 1 to {MAX_LIMIT}.",
        "before": "Those with a lower id; `meta.next` of the page before.",
    },
    "/v1/_/attempts": {
        "run": "The id of a run: of that alone.",
        "collection": "`app/name`; all without it.",
        "limit": f"How many at most, 1 to {MAX_LIMIT}.",
        "before": "Those with a lower id; `meta.next` of the page before.",
    },
    "/v1/_/budgets": {},
    "/v1/_/rejects": {
        "collection": "`app/name`; all without it.",
        "limit": f"How many at most, 1 to {MAX_LIMIT}.",
        "after": "Those with a higher id; `meta.next` of the page before.",
        "id": "This one alone, with all its bytes.",
    },
    "/v1/_/drift": {
        "collection": "`app/name`; all without it.",
        "limit": f"How many at most, 1 to {MAX_LIMIT}.",
        "before": "Those with a lower id; `meta.next` of the page before.",
    },
    "/v1/_/plan": {"collection": "`app/name`; all without it."},
    "/v1/_/orders": {
        "collection": "`app/name`; all without it.",
        "limit": f"How many at most, 1 to {MAX_LIMIT}.",
        "before": "Those with a lower id; `meta.next` of the page before.",
    },
    "/v1/_/audit": {
        "who": "A user's UUID, or a key's id.",
        "what": "An object, or what stands before a slash of it: `providers/reviews`, or the path of what was denied.",
        "action": "`create`, `change`, `delete`, `key-create` …; of what was denied the method, or `authenticate`.",
        "result": "`allowed` or `denied`.",
        "since": "From then on: RFC 3339 with a zone, or a date.",
        "until": "Before then.",
        "limit": f"How many at most, 1 to {MAX_LIMIT}.",
        "before": "Those with a lower id; `meta.next` of the page before.",
    },
}
"""Route -> its parameters, in words: the parser and the description are made of it."""


@get("/v1/_/runs")
async def runs(request: Ask) -> Response[bytes]:
    """Passes over what was due that asked for something, and what came of them; newest first."""
    given, data = pairs_of(request, "/v1/_/runs"), data_of(request)
    apps = sorted({item.app for item in data.visible()})
    if (app := given.get("app")) is not None and app not in apps:
        raise QueryError("app: there is no such app", kind="not-found", status=404)
    limit, before = number_of(given, "limit", DEFAULT_LIMIT, 1, MAX_LIMIT), number_of(given, "before", 0) or None
    asked = apps if app is None else [app]
    found = await look(request, lambda seen: seen.attempts.runs(asked, limit + 1, before=before))
    following = found[limit - 1].id if len(found) > limit else None
    return json_answer({"data": found[:limit], "meta": {"next": following}})


@get("/v1/_/attempts")
async def attempts(request: Ask) -> Response[bytes]:
    """Tries at partitions, of one run or of all, and what each brought; newest first."""
    given, names = given_of(request, "/v1/_/attempts")
    limit, before = number_of(given, "limit", DEFAULT_LIMIT, 1, MAX_LIMIT), number_of(given, "before", 0) or None
    run = number_of(given, "run", 0) if "run" in given else None
    found = await look(request, lambda seen: seen.attempts.tried(names, limit + 1, run=run, before=before))
    following = found[limit - 1].id if len(found) > limit else None
    return json_answer({"data": found[:limit], "meta": {"next": following}})


@get("/v1/_/budgets")
async def budgets(request: Ask) -> Response[bytes]:
    """What each upstream allows, how much of it is left, and until when it is left alone."""
    pairs_of(request, "/v1/_/budgets")
    data = data_of(request)
    return json_answer({"data": await look(request, lambda seen: allowances(seen, data.visible(), data))})


@get("/v1/_/rejects")
async def rejects(request: Ask) -> Response[bytes]:
    """Rows of the last answers that became no records, by their ids; and how many there are for which reason."""
    given, names = given_of(request, "/v1/_/rejects")
    limit, after = number_of(given, "limit", DEFAULT_LIMIT, 1, MAX_LIMIT), number_of(given, "after", 0)

    def page(desk: Desk) -> Any:
        found = desk.rejects(names, after=after, limit=limit + 1)
        return found[:limit], desk.reasons(names), found[limit - 1].id if len(found) > limit else None

    if "id" in given:
        number = number_of(given, "id", 0)
        one = await _ask(request, lambda desk: desk.reject(names, number))
        return json_answer({"data": [one] if one else [], "meta": {"reasons": [], "next": None}})
    data, reasons, following = await _ask(request, page)
    return json_answer({"data": data, "meta": {"reasons": reasons, "next": following}})


@get("/v1/_/drift")
async def drift(request: Ask) -> Response[bytes]:
    """What upstreams changed: fields, their types, how many rows; newest first."""
    given, names = given_of(request, "/v1/_/drift")
    limit = number_of(given, "limit", DEFAULT_LIMIT, 1, MAX_LIMIT)
    before = number_of(given, "before", 0) or None
    found = await _ask(request, lambda desk: desk.drift(names, before=before, limit=limit + 1))
    following = found[limit - 1].id if len(found) > limit else None
    return json_answer({"data": found[:limit], "meta": {"next": following}})


@get("/v1/_/audit")
async def audit(request: Ask) -> Response[bytes]:
    """Who tried what, whether it was allowed, and which versions were there around it; newest first."""
    given = pairs_of(request, "/v1/_/audit")
    limit = number_of(given, "limit", DEFAULT_LIMIT, 1, MAX_LIMIT)
    before = number_of(given, "before", 0) or None
    if given.get("result", "allowed") not in ("allowed", "denied"):
        raise QueryError("result: is allowed or denied", parameter="result")
    texts = {name: given[name] for name in ("who", "what", "action", "result") if name in given}
    asked = Asked(**texts, since=_moment(given, "since"), until=_moment(given, "until"))
    found = await _ask(request, lambda desk: desk.audit(asked, before=before, limit=limit + 1))
    following = found[limit - 1].id if len(found) > limit else None
    return json_answer({"data": found[:limit], "meta": {"next": following}})


async def _ask(request: Ask, question: Callable[[Desk], T]) -> T:
    return await look(request, lambda snapshot: question(snapshot.desk))


async def look(request: Ask, question: Callable[[Snapshot], T]) -> T:
    """The answer to a question about one moment, asked in a thread."""
    reader = data_of(request).reader

    def asked() -> T:
        with reader.snapshot() as snapshot:
            return question(snapshot)

    return await asyncio.to_thread(asked)


def data_of(request: Ask) -> Data:
    """What a request may read."""
    data: Data = request.scope[DATA]  # type: ignore[literal-required]  # a key of our own beside ASGI's
    return data


def pairs_of(request: Ask, route: str) -> dict[str, str]:
    """The parameters. QueryError: 400 for one that there is not, or twice."""
    pairs, known = gate.pairs(request.scope["query_string"]), PARAMETERS[route]
    for number, (name, _) in enumerate(pairs):
        if name not in known:
            said = f"unknown parameter {name[:60]}; there are {', '.join(known) or 'none'}"
            raise QueryError(said, kind="unknown-parameter", parameter=name[:60])
        if name in dict(pairs[:number]):
            raise QueryError(f"{name}: is given twice", parameter=name)
    return dict(pairs)


def given_of(request: Ask, route: str) -> tuple[dict[str, str], list[str]]:
    """The parameters of a list (`PARAMETERS`), and the names of the collections that are meant.

    Raises:
        QueryError: as `pairs_of`; 404 for a collection that there is not.
    """
    data = data_of(request)
    given = pairs_of(request, route)
    if "collection" not in given:
        return given, [item.name for item in data.visible()]
    name = given["collection"]
    return given, [data.collection(name if "/" in name else f"/{name}").name]


def number_of(given: Mapping[str, str], name: str, default: int, least: int = 0, most: int = 2**53) -> int:
    """A parameter's whole number. QueryError: 400 for any other text."""
    if name not in given:
        return default
    text = given[name]
    if not (text.isascii() and text.isdigit() and len(text) < 17 and least <= int(text) <= most):
        raise QueryError(f"{name}: is a whole number from {least} to {most}", parameter=name)
    return int(text)


def page_behind(given: Mapping[str, str], found: Sequence[T], name: Callable[[T], str]) -> tuple[list[T], str | None]:
    """The page that the parameters ask for, of what has names and is in their order; and where the next one begins."""
    limit = number_of(given, "limit", DEFAULT_LIMIT, 1, MAX_LIMIT)
    behind = [item for item in found if "after" not in given or name(item) > given["after"]]
    return behind[:limit], name(behind[limit - 1]) if len(behind) > limit else None


def _moment(given: Mapping[str, str], name: str) -> datetime | None:
    try:
        return parse_moment(given[name]) if name in given else None
    except ValueError as error:
        raise QueryError(f"{name}: is no moment, e.g. 2026-01-31T04:00:00Z", parameter=name) from error


def json_answer(content: Any) -> Response[bytes]:
    """The content as JSON."""
    return Response(msgspec.json.encode(content), media_type="application/json")


HANDLERS = (runs, attempts, budgets, rejects, drift, audit)
