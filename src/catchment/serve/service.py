"""The description of the routes about the service itself, made of the types that they answer with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..store.query import DEFAULT_LIMIT, MAX_LIMIT
from . import ahead, desk, metrics, orders, status
from .schemas import schema_of
from .words import ANYWHERE, TEXT, WITH_KEY, Json, errors, query

__all__ = ["service_paths"]

_OPERATING = ("/v1/_/", "/metrics")
_LIMIT: Json = {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}
_ID: Json = {"type": "integer", "minimum": 0, "maximum": 2**53}
_RESULT: Json = {"type": "string", "enum": ["allowed", "denied"]}
_SCHEMAS = {"limit": _LIMIT, "after": _ID, "before": _ID, "id": _ID, "result": _RESULT}
_UNREADABLE = 503


@dataclass(frozen=True)
class _Told:
    """A route: its name and words, the type of its answer, and what it is refused with beside what any request is.

    reads: it looks into the database, which may not be there.
    """

    name: str
    words: str
    kind: Any
    refuses: tuple[int, ...] = ()
    parameters: Sequence[Json] = ()
    reads: bool = True
    media_type: str = "application/json"


@dataclass(frozen=True)
class _Taken:
    """What a route takes by POST, of operators: its name and words, the types of its body and its answer."""

    name: str
    words: str
    body: Any
    kind: Any
    refuses: tuple[int, ...]
    example: Json


def _asked(path: str, **schemas: Json) -> list[Json]:
    """The parameters of an operators' list, as its parser knows them. schemas: those that are others here."""
    known = _SCHEMAS | schemas
    return [query(name, words, dict(known.get(name, TEXT))) for name, words in desk.PARAMETERS[path].items()]


_COLLECTION, *_OF_PARTITIONS = _asked("/v1/_/partitions", after=TEXT)
_COLLECTION |= {"required": True}
_ROUTES = {
    "/v1": _Told("index", "The apps and their collections", status.Index, reads=False),
    "/v1/_/feeds": _Told(
        "feeds",
        "What is collected, from where and when",
        status.Feeds,
        (),
        _asked("/v1/_/feeds", after=TEXT),
        reads=False,
    ),
    "/v1/_/partitions": _Told(
        "partitions",
        "The partitions of a collection and their last verdicts",
        status.Partitions,
        (404,),
        [_COLLECTION, *_OF_PARTITIONS],
    ),
    "/v1/_/runs": _Told("runs", "What collecting did lately", desk.Runs, (404,), _asked("/v1/_/runs")),
    "/v1/_/attempts": _Told(
        "attempts",
        "Tries at partitions, and what each brought",
        desk.Attempts,
        (404,),
        _asked("/v1/_/attempts", run=_ID),
    ),
    "/v1/_/budgets": _Told("budgets", "What upstreams allow, and what is left of it", desk.Budgets),
    "/v1/_/rejects": _Told(
        "rejects", "Rows that became no records, and why", desk.Rejects, (404,), _asked("/v1/_/rejects")
    ),
    "/v1/_/drift": _Told("drift", "What upstreams changed", desk.Drifts, (404,), _asked("/v1/_/drift")),
    "/v1/_/audit": _Told("audit", "Who tried to write what", desk.Tries, (), _asked("/v1/_/audit")),
    "/v1/_/plan": _Told(
        "plan", "What is due, what it costs, and when it will be done", ahead.Plans, (404,), _asked("/v1/_/plan")
    ),
    "/v1/_/orders": _Told(
        "orders",
        "What operators asked the collector for, and what came of it",
        orders.Orders,
        (404,),
        _asked("/v1/_/orders"),
    ),
    "/metrics": _Told("metrics", "Vital signs, as Prometheus reads them", str, media_type=metrics.MEDIA_TYPE),
    "/health/live": _Told("live", "Whether the process answers", status.Live, reads=False),
    "/health/ready": _Told("ready", "Whether the data can be read", status.Ready),
    "/health/data": _Told("data_health", "How old each collection is", status.Ages),
}


_TAKEN = {
    "/v1/_/orders": _Taken(
        "order",
        "Has the collector do something: start, collect, retry, pause, resume, replay, readmit",
        orders.Ordering,
        orders.Ordered,
        (404, 409),
        {"collection": "", "verb": "retry"},
    )
}


def service_paths(*, operates: bool, example: str) -> tuple[Json, Json]:
    """The paths, those for operators where the reader is one, and the schemas that they refer to.

    example: a collection that the reader may see, "" where there is none.
    """
    shown = {path: told for path, told in _ROUTES.items() if operates or not path.startswith(_OPERATING)}
    taken = {path: told for path, told in _TAKEN.items() if operates}
    parts: Json = {}
    for told in shown.values():
        parts |= schema_of(told.kind).parts
    for order in taken.values():
        parts |= schema_of(order.kind).parts | schema_of(order.body).parts
    paths = {path: {"get": _operation(path, told, example)} for path, told in shown.items()}
    for path, order in taken.items():
        paths[path] |= {"post": _taking(order, example)}
    return paths, parts


def _taking(order: _Taken, example: str) -> Json:
    said = {
        "schema": schema_of(order.body).told,
        "example": order.example | ({"collection": example} if example else {}),
    }
    answered = {"application/json": {"schema": schema_of(order.kind).told}}
    return {
        "operationId": order.name,
        "tags": ["service"],
        "summary": order.words,
        "security": WITH_KEY,
        "requestBody": {"required": True, "content": {"application/json": said}},
        "responses": {
            "202": {"description": order.words, "content": answered},
            **errors(*ANYWHERE, *order.refuses, 408, 413, 415),
        },
    }


def _operation(path: str, told: _Told, example: str) -> Json:
    content = {told.media_type: {"schema": schema_of(told.kind).told}}
    refused = [status for status in ANYWHERE if told.reads or status != _UNREADABLE]
    return {
        "operationId": told.name,
        "tags": ["service"],
        "summary": told.words,
        "parameters": [item | {"example": example} if item is _COLLECTION else item for item in told.parameters],
        **({"security": WITH_KEY} if path.startswith(_OPERATING) else {}),
        "responses": {"200": {"description": told.words, "content": content}, **errors(*refused, *told.refuses)},
    }
