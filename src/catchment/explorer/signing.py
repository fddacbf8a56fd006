"""Signing in to the pages with a key, and out again. The key stands in one form, and in nothing that comes back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from litestar import Response, get, post

from ..errors import QueryError
from ..principal import Principal
from ..serve import session
from ..serve.rights import PROVES
from ..store import sessions
from ..store.engines import database_of
from .links import HOME
from .visiting import Ask, asked, form, only, page, request_id, see_other

__all__ = ["HANDLERS"]


@get("/explore/_/sign-in")
async def sign_in(request: Ask) -> Response[bytes]:
    """The form that takes a key. to: the page to come back to."""
    return page("signing.html", request, forms=True, to=_way_back(only(request, "to")), problem=None)


@post("/explore/_/sign-in", status_code=200)
async def signed_in(request: Ask) -> Response[bytes]:
    """A session for whom the key proves, and the page that he came from; or the form again, with what is wrong."""
    given = dict(await form(request))
    to = _way_back(given.get("to"))
    prove: Callable[[str], Awaitable[Principal]] = request.scope[PROVES]  # type: ignore[literal-required]
    try:
        who = await prove(given.get("key", "").strip())
    except QueryError as error:
        return page("signing.html", request, error.status, forms=True, to=to, problem=error)
    data = asked(request)
    database = database_of(data.settings.database)
    token = await asyncio.to_thread(sessions.begin, database, who, request_id(request), data.now)
    return see_other(to, session.kept(request.scope, token))


@post("/explore/_/sign-out", status_code=200)
async def signed_out(request: Ask) -> Response[bytes]:
    """Nobody is signed in by this browser any more."""
    await form(request)
    data, token = asked(request), session.token_of(request.scope)
    database = database_of(data.settings.database)
    await asyncio.to_thread(sessions.end, database, token, data.principal, request_id(request), data.now)
    return see_other(HOME, session.forgotten(request.scope))


def _way_back(to: str | None) -> str:
    """Where to go: a page of ours and nothing else."""
    return to if to and to.startswith(("/explore/", "/docs")) and "\\" not in to and to.isprintable() else HOME


HANDLERS = (sign_in, signed_in, signed_out)
