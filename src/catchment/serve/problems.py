"""Errors as RFC 9457 problems: what went wrong, in words that hold no path, no SQL and no secret."""

from __future__ import annotations

import traceback
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import msgspec
import structlog
from litestar.exceptions import HTTPException

from ..bodies import Fault, InvalidRecord
from ..errors import QueryError, StoreUnavailable, TooManyWrites

__all__ = ["MEDIA_TYPE", "Forms", "Problem", "of_error", "of_status"]

MEDIA_TYPE = "application/problem+json"
Forms = Mapping[str, Callable[[str], Any]]
"""Path of an app's own route -> how its contract says why it does not answer: from the reason to the content."""

_KINDS = {
    400: "bad-request",
    401: "not-authenticated",
    403: "forbidden",
    404: "not-found",
    405: "method-not-allowed",
    406: "not-acceptable",
    408: "request-timeout",
    409: "conflict",
    410: "history-gone",
    412: "changed-meanwhile",
    413: "body-too-large",
    414: "url-too-long",
    415: "unsupported-media-type",
    422: "invalid",
    428: "if-match-needed",
    429: "too-many-requests",
    431: "headers-too-large",
    500: "internal",
    503: "unavailable",
}

_WITH: dict[int, tuple[tuple[str, str], ...]] = {
    401: (("www-authenticate", "Bearer"),),
    503: (("retry-after", "5"),),
}

_log = structlog.get_logger("catchment.serve")


@dataclass(frozen=True, slots=True)
class Problem:
    """One error answer. parameter: the query parameter to mend, "" when it is none. faults: of what was written."""

    status: int
    kind: str
    detail: str
    parameter: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    faults: tuple[Fault, ...] = ()

    @property
    def all_headers(self) -> list[tuple[bytes, bytes]]:
        """The answer's headers, with its type."""
        pairs = (("content-type", MEDIA_TYPE), *self.headers)
        return [(name.encode(), value.encode()) for name, value in pairs]

    def told(self, path: str, forms: Forms) -> tuple[str, bytes]:
        """Its media type and content there: a problem, where that route's contract has no other form."""
        if form := forms.get(path.rstrip("/")):
            return "application/json", msgspec.json.encode(form(self.detail))
        return MEDIA_TYPE, self.body(path)

    def body(self, instance: str) -> bytes:
        """The problem as JSON."""
        errors = [{"pointer": fault.pointer, "detail": fault.message} for fault in self.faults]
        if self.parameter:
            errors.append({"parameter": self.parameter, "detail": self.detail})
        content: dict[str, Any] = {
            "type": f"/problems/{self.kind}",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "error": self.detail,  # under this name clients of older contracts look for it, whoever refuses
            "instance": instance,
            "errors": errors,
            # From where the log lines of this request have it too.
            "trace_id": structlog.contextvars.get_contextvars().get("request_id", ""),
        }
        return msgspec.json.encode(content)


def of_status(status: int, detail: str, **headers: str) -> Problem:
    """The ordinary problem of a status; `Retry_After="1"` adds a header."""
    pairs = tuple((name.replace("_", "-").lower(), value) for name, value in headers.items())
    return Problem(status, _KINDS.get(status, "error"), detail, headers=pairs)


def of_error(error: Exception) -> Problem:
    """What to answer for an error; one that nobody expected is logged whole and answered by its number alone."""
    if isinstance(error, TooManyWrites):
        policy = {"RateLimit_Policy": error.policy} if error.policy else {}
        return of_status(429, error.message, Retry_After=str(error.wait_s), **policy)
    if isinstance(error, QueryError):
        faults = error.faults if isinstance(error, InvalidRecord) else ()
        return Problem(error.status, error.kind, error.message, error.parameter, _WITH.get(error.status, ()), faults)
    if isinstance(error, StoreUnavailable):
        return Problem(503, "database-unavailable", str(error), headers=(("retry-after", "5"),))
    if isinstance(error, HTTPException) and error.status_code < 500:
        detail = error.detail if error.status_code in (400, 413, 415, 422) else HTTPStatus(error.status_code).phrase
        headers = tuple(
            (name.lower(), value) for name, value in (error.headers or {}).items() if name != "content-type"
        )
        return Problem(error.status_code, _KINDS.get(error.status_code, "error"), detail, headers=headers)
    incident = uuid.uuid4().hex[:12]
    # As text: a renderer that shows local variables would show settings, and so secrets.
    _log.error("unexpected error", incident=incident, traceback="".join(traceback.format_exception(error)))
    return of_status(500, f"Something went wrong here; it is noted as incident {incident}.")
