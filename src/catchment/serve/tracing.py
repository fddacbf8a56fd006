"""A request as it is told of: its own id, and those of the trace that it is part of (W3C Trace Context, `traceparent`).
Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..watching import Span, new_id

__all__ = ["Ids", "ids_of", "span_of"]

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_TRACE = re.compile(r"[0-9a-f]{32}")
_PARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}(?:-.*)?")


@dataclass(frozen=True, slots=True)
class Ids:
    """request: the request's own. trace: 32 hexadecimal digits; span: 16, of who asked, "" where nobody said one."""

    request: str
    trace: str
    span: str = ""


def ids_of(request_id: str, traceparent: str) -> Ids:
    """The ids that the headers say where they have the form of some; else new ones. Either stands for both."""
    found = _PARENT.fullmatch(traceparent)
    given = request_id if _ID.fullmatch(request_id) else ""
    new = "" if found or (given and _TRACE.fullmatch(given)) else new_id()
    trace = found[1] if found else new or given
    return Ids(given or trace, trace, found[2] if found else "")


def span_of(
    ids: Ids, asked: tuple[str, str], status: int, ns: tuple[int, int], user: str, fault: BaseException | None
) -> Span:
    """A request that was answered, for those who watch.

    asked: the method, and the template of the path, "" for none. ns: when it began, since 1970, and what it took.
    fault: what nobody expected.
    """
    method, route = asked
    return Span(
        name=f"{method} {route or 'nothing'}",
        role="server",
        trace=ids.trace,
        span=new_id(16),
        parent=ids.span,
        began_ns=ns[0],
        took_ns=ns[1],
        attributes={
            "http.request.method": method,
            "http.route": route,
            "http.response.status_code": status,
            "catchment.request_id": ids.request,
            "enduser.id": user,
        },
        fault=fault,
    )
