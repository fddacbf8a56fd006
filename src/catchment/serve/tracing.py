"""The ids of a request: its own, and those of the trace that it is part of (W3C Trace Context, `traceparent`). Pure."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

__all__ = ["Ids", "ids_of", "new_id"]

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_TRACE = re.compile(r"[0-9a-f]{32}")
_PARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}(?:-.*)?")


@dataclass(frozen=True, slots=True)
class Ids:
    """request: the request's own. trace: 32 hexadecimal digits; span: 16, of who asked, "" where nobody said one."""

    request: str
    trace: str
    span: str = ""


def new_id() -> str:
    """The id of a request that says none: 32 hexadecimal digits."""
    return f"{random.getrandbits(128):032x}"


def ids_of(request_id: str, traceparent: str) -> Ids:
    """The ids that the headers say where they have the form of some; else new ones. Either stands for both."""
    found = _PARENT.fullmatch(traceparent)
    given = request_id if _ID.fullmatch(request_id) else ""
    new = "" if found or (given and _TRACE.fullmatch(given)) else new_id()
    trace = found[1] if found else new or given
    return Ids(given or trace, trace, found[2] if found else "")
