"""The words that the API's description is written in: parts that several operations say alike."""

from __future__ import annotations

from typing import Any

from .told import PROBLEM_ANSWER

__all__ = [
    "ANYWHERE",
    "KEYS",
    "MOMENT",
    "PROBLEM",
    "PROBLEM_RESPONSE",
    "TEXT",
    "WITH_KEY",
    "WRITING",
    "Json",
    "errors",
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


def query(name: str, words: str, schema: Json, example: Any = None) -> Json:
    """A parameter of the query, which may be left out."""
    shown = {} if example is None else {"example": example}
    return {"name": name, "in": "query", "required": False, "description": words, "schema": schema, **shown}


def object_of(**properties: Json) -> Json:
    """The schema of an object that has all these members."""
    return {"type": "object", "required": list(properties), "properties": properties}


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
