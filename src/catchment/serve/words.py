"""The words that the API's description is written in: parts that several operations say alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..record import Kind
from .told import PROBLEM_ANSWER

__all__ = [
    "AGE_HEADERS",
    "ANYWHERE",
    "KEYS",
    "MOMENT",
    "PROBLEM",
    "PROBLEM_RESPONSE",
    "SCHEMAS",
    "TEXT",
    "WITH_KEY",
    "WRITING",
    "Json",
    "envelope",
    "errors",
    "key_parameter",
    "meta_of",
    "object_of",
    "query",
]

Json = dict[str, Any]

KEYS: Json = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "A key: `ck_…`. The machine itself reads without one; nothing is written without one.",
    },
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "The same key, in another header."},
    "gateway": {
        "type": "apiKey",
        "in": "header",
        "name": "user-id",
        "description": "The user's UUID, where a gateway that CATCHMENT_TRUSTED_GATEWAYS names says it; also `user_id`."
        " From anybody else it is no identity. Such a user writes; other rights need a key.",
    },
}
WITH_KEY: list[Json] = [{"bearer": []}, {"key": []}]
WRITING: list[Json] = [*WITH_KEY, {"gateway": []}]
ANYWHERE = (400, 401, 403, 406, 414, 422, 429, 431, 503)
"""What any request may be refused with: for its form, for who asks, or because the data cannot be read."""
TEXT: Json = {"type": "string"}
MOMENT: Json = {"type": ["string", "null"], "format": "date-time"}

SCHEMAS: Mapping[Kind, Json] = {
    "text": {"type": "string", "maxLength": 4096},
    "integer": {"type": "integer", "format": "int64", "minimum": -(2**63), "maximum": 2**63 - 1},
    "number": {"type": "number"},
    "decimal": {"type": "string", "format": "decimal", "pattern": r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?$"},
    "boolean": {"type": "boolean"},
    "date": {"type": "string", "format": "date"},
    "datetime": {"type": "string", "description": "RFC 3339 with a zone, or a date"},
    "json": {},
}
AGE_HEADERS: Json = {
    "ETag": {
        "description": "Strong; for `If-None-Match`. In a coding it ends in its name: `-gzip`, `-zstd`.",
        "schema": TEXT,
    },
    "X-Request-Id": {"description": "Yours, if 1 to 64 letters, digits, `-`, `_`; else a new one.", "schema": TEXT},
    "X-Collected-At": {"description": "When the oldest partition was last collected.", "schema": TEXT},
    "X-Age": {"description": "Seconds since then.", "schema": {"type": "integer", "minimum": 0}},
    "X-Stale": {"description": "Whether a whole round of the schedule was missed.", "schema": {"type": "boolean"}},
    "X-Missing-Partitions": {"description": "Partitions never collected.", "schema": {"type": "integer", "minimum": 0}},
}


def query(name: str, words: str, schema: Json, example: Any = None) -> Json:
    """A parameter of the query, which may be left out."""
    shown = {} if example is None else {"example": example}
    return {"name": name, "in": "query", "required": False, "description": words, "schema": schema, **shown}


def object_of(**properties: Json) -> Json:
    """The schema of an object that has all these members."""
    return {"type": "object", "required": list(properties), "properties": properties}


def meta_of(**more: Json) -> Json:
    """The schema of what is told beside the data: of which revision it is, and more."""
    return object_of(revision={"type": "integer"}, changed_at=MOMENT, **more)


def envelope(data: Json, meta: Json) -> Json:
    """The schema of an answer: the data, and what is told beside them."""
    return object_of(data=data, meta=meta)


def key_parameter() -> Json:
    """The parameter of a path that names a record."""
    words = "The record's `_key`: its key fields, each percent-encoded, joined by commas."
    return {"name": "key", "in": "path", "required": True, "description": words, "schema": TEXT}


def errors(*statuses: int) -> Json:
    """The answers with these statuses: each a problem."""
    return {str(status): {"$ref": PROBLEM_ANSWER} for status in sorted(statuses)}


_FAULT: Json = {
    "type": "object",
    "anyOf": [{"required": ["detail"]}, {"required": ["field", "message"]}],
    "properties": {
        "detail": TEXT,
        "parameter": {"type": "string", "description": "Of the query."},
        "pointer": {"type": "string", "description": "Into the body (RFC 6901)."},
        "field": {"type": "string", "description": "The member or parameter, in an app's own contract."},
        "message": {"type": "string", "description": "What is wrong with it."},
    },
}
PROBLEM = {
    "description": "RFC 9457",
    **object_of(
        type=TEXT,
        title=TEXT,
        status={"type": "integer"},
        detail=TEXT,
        error={"type": "string", "description": "`detail`, or the reason in the words of an app's own contract."},
        instance=TEXT,
        errors={"type": "array", "items": _FAULT},
        trace_id={"type": "string", "description": "The request's id."},
    ),
}
PROBLEM_RESPONSE = {
    "description": "What is wrong",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
