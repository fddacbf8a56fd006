"""Somebody at a page: what he may read, the page that he gets, and the forms that he sends back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from litestar import Request, Response

from ..errors import QueryError
from ..principal import may
from ..serve import gate, problems, session
from ..serve.data import Data
from ..serve.front import DATA
from ..serve.rights import REQUEST_ID
from ..store.sessions import new_token
from ..store.tables import Collection
from .look import render

__all__ = ["Ask", "Visitor", "asked", "form", "named", "only", "page", "problem_page", "request_id", "see_other"]

Ask = Request[Any, Any, Any]

_FORM = "application/x-www-form-urlencoded"
_MOST_FIELDS = 1000
_LONGEST_WAY = 1500
"""Characters of an address that a page leads back to."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who looks. name: of the key that he signed in with. token: what his forms bring along; "" on a page without any.
    here: where he is, to come back to.
    """

    signed_in: bool
    name: str
    token: str
    here: str


def asked(request: Ask) -> Data:
    """What the request may read."""
    data: Data = request.scope[DATA]  # type: ignore[literal-required]  # a key of our own beside ASGI's
    return data


def request_id(request: Ask) -> str:
    """The request's id."""
    found: str = request.scope[REQUEST_ID]  # type: ignore[literal-required]
    return found


def named(request: Ask) -> tuple[Data, Collection]:
    """What the request may read, and the collection that its path names."""
    data = asked(request)
    return data, data.collection(f"{request.path_params['app']}/{request.path_params['name']}")


def only(request: Ask, wanted: str = "") -> str | None:
    """The one parameter that there may be, if any; None without it."""
    given = None
    for name, value in gate.pairs(request.scope["query_string"]):
        if name != wanted or given is not None:
            others = f"there is one {wanted}" if wanted else "there is none"
            raise QueryError(f"unknown parameter {name[:60]}; {others}", parameter=name)
        given = value
    return given


# -- pages ---------------------------------------------------------------------------------------------------------


def page(template: str, request: Ask, status: int = 200, *, forms: bool = False, **values: Any) -> Response[bytes]:
    """The page for whoever asked. forms: it has some, so that its browser is to be known again."""
    data, token, headers = asked(request), session.token_of(request.scope), dict(values.pop("headers", {}))
    if forms and not token:
        token = new_token()
        headers["set-cookie"] = session.kept(request.scope, token)
    rights = {"operates": may(data.principal, "operate"), "writes": may(data.principal, "write")}
    visitor = _visitor(request, data, token)
    return render(template, status, headers=headers, now=data.now, **rights, visitor=visitor, **values)


def _visitor(request: Ask, data: Data, token: str) -> Visitor:
    query = request.scope["query_string"].decode("latin-1")
    here = f"{gate.raw_path(request.scope)}?{query}" if query else gate.raw_path(request.scope)
    signed_in = data.principal.via == "key" and bool(token)
    here = here if request.scope["method"] == "GET" and len(here) < _LONGEST_WAY else "/"
    return Visitor(signed_in, data.principal.name, session.form_token(token) if token else "", here)


def problem_page(request: Ask, error: Exception) -> Response[bytes]:
    """Why there is no page, as one."""
    problem = problems.of_error(error)
    hint = getattr(error, "hint", "")
    return page("problem.html", request, problem.status, headers=dict(problem.headers), problem=problem, hint=hint)


def see_other(href: str, cookie: str = "") -> Response[bytes]:
    """Leads on after a form, so that loading again sends nothing twice. href: of ours."""
    headers = {"location": href, "cache-control": "no-store"} | ({"set-cookie": cookie} if cookie else {})
    return Response(b"", status_code=303, headers=headers, media_type="text/html")


# -- forms ---------------------------------------------------------------------------------------------------------


async def form(request: Ask) -> list[tuple[str, str]]:
    """What a form of one of our pages brings, in its order and without what proves that it is one.

    Raises:
        QueryError: 403 for one that was made for another browser, or by another site; 400, 415 for what is no form.
    """
    told = gate.header(request.scope, b"content-type").partition(";")[0].strip().lower()
    if told != _FORM:
        raise QueryError(f"A form is {_FORM}.", kind="unsupported-media-type", status=415)
    try:
        text = (await request.body()).decode("ascii")
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS)
    except ValueError as error:
        raise QueryError("This is no form of UTF-8.", kind="malformed") from error
    tokens = [value for name, value in pairs if name == "_token"]
    if len(tokens) != 1 or not session.is_form_of(request.scope, tokens[0]):
        message = "This form is not of this browser, or too old: go back, load its page again, and send it once more."
        raise QueryError(message, kind="forbidden", status=403)
    return [(name, value.replace("\r\n", "\n")) for name, value in pairs if name != "_token"]
