"""Pages know a browser by a cookie that says nothing: it stands for a session, and for what its forms bring along."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Any

from ..store.sessions import LASTS
from . import gate

__all__ = ["COOKIE", "forgotten", "form_token", "is_form_of", "kept", "token_of"]

COOKIE = "catchment_session"
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
_ALWAYS = "Path=/; HttpOnly; SameSite=Strict"

Scope = Mapping[str, Any]


def token_of(scope: Scope) -> str:
    """What the browser has of ours; "" for nothing, for two, and for what cannot be."""
    pairs = (pair.strip().partition("=") for pair in gate.header(scope, b"cookie").replace(",", ";").split(";"))
    found = [value for name, _, value in pairs if name == COOKIE]
    return found[0] if len(found) == 1 and _TOKEN.fullmatch(found[0]) else ""


def form_token(token: str) -> str:
    """What each form of that browser brings along: another site can neither read it nor make it."""
    return hmac.new(token.encode(), b"form", hashlib.sha256).hexdigest()


def is_form_of(scope: Scope, given: str) -> bool:
    """Whether a form was made for the browser that sends it."""
    token = token_of(scope)
    return bool(token) and hmac.compare_digest(form_token(token).encode(), given.encode(errors="replace"))


def kept(scope: Scope, token: str) -> str:
    """The header that has the browser keep the token, over TLS alone where it came over that."""
    return _cookie(scope, token, int(LASTS.total_seconds()))


def forgotten(scope: Scope) -> str:
    """The header that has it forget."""
    return _cookie(scope, "", 0)


def _cookie(scope: Scope, value: str, max_age: int) -> str:
    # Whoever claims TLS that there is none of only keeps his own cookie from being sent.
    tls = scope.get("scheme") == "https" or gate.header(scope, b"x-forwarded-proto").strip().lower() == "https"
    return f"{COOKIE}={value}; Max-Age={max_age}; {_ALWAYS}{'; Secure' if tls else ''}"
