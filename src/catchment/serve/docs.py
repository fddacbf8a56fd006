"""The API's description as a page to read: made here, without a script, without anything from elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from html import escape
from typing import Any

import msgspec
from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.response import Redirect

from ..principal import Principal, may
from ..store.tables import Collection
from .data import Data
from .front import DATA

__all__ = ["handlers", "page", "to_docs"]

Json = Mapping[str, Any]
Ask = Request[Any, Any, Any]

# No script at all, and styles from our own file alone.
CSP = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

STYLE = """\
:root { color-scheme: light dark; --line: #8884; --soft: #8882; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--line); }
code { font: 0.9em ui-monospace, monospace; overflow-wrap: anywhere; }
details { border: 1px solid var(--line); border-radius: 6px; margin: 0.6rem 0; padding: 0.5rem 0.8rem; }
summary { cursor: pointer; } summary code { font-weight: 600; }
table { border-collapse: collapse; width: 100%; margin: 0.6rem 0; }
th, td { text-align: left; vertical-align: top; padding: 0.25rem 0.6rem 0.25rem 0; border-top: 1px solid var(--line); }
td:first-child { white-space: nowrap; }
.method { background: var(--soft); border-radius: 4px; padding: 0 0.4rem; margin-right: 0.5rem; }
@media (max-width: 40rem) { td:first-child { white-space: normal; } }
"""


def handlers(describe: Callable[[list[Collection], Principal], Json]) -> list[HTTPRouteHandler]:
    """The routes of the description: as JSON, as a page, and the page's style sheet."""
    made: dict[tuple[bool, bool, tuple[str, ...]], tuple[bytes, bytes]] = {}

    def both(request: Ask) -> tuple[bytes, bytes]:
        """JSON and page for what this reader may see; made once for each such set."""
        data: Data = request.scope[DATA]  # type: ignore[literal-required]  # a key of our own beside ASGI's
        visible = data.visible()
        rights = may(data.principal, "operate"), may(data.principal, "moderate")
        seen = *rights, tuple(item.name for item in visible)
        if seen not in made:
            document = describe(visible, data.principal)
            made[seen] = msgspec.json.encode(document), page(document).encode()
        return made[seen]

    @get("/openapi.json")
    async def openapi(request: Ask) -> Response[bytes]:
        return Response(both(request)[0], media_type="application/json")

    @get("/docs")
    async def docs(request: Ask) -> Response[bytes]:
        headers = {"content-security-policy": CSP}
        return Response(both(request)[1], media_type="text/html", headers=headers)

    @get("/docs.css")
    async def style() -> Response[bytes]:
        return Response(STYLE.encode(), media_type="text/css")

    return [openapi, docs, style]


@get("/")
async def to_docs() -> Redirect:
    """Where there are no other pages, the description."""
    return Redirect("/docs")


def page(document: Json) -> str:
    """The document as one HTML page."""
    return "".join(_page(document))


def _page(document: Json) -> Iterator[str]:
    info = document["info"]
    yield '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f'<title>{escape(info["title"])}</title><link rel="stylesheet" href="/docs.css"></head><body>'
    yield f"<h1>{escape(info['title'])}</h1><p>{escape(info['description'])} "
    yield '<a href="/openapi.json">OpenAPI 3.1</a></p>'
    for tag in document["tags"]:
        yield f"<h2>{escape(tag['name'])}</h2>"
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                if tag["name"] in operation.get("tags", ()):
                    yield from _operation(path, method, operation)
    yield "</body></html>"


def _operation(path: str, method: str, operation: Json) -> Iterator[str]:
    yield f'<details id="{escape(operation["operationId"])}"><summary>'
    yield f'<span class="method">{escape(method.upper())}</span>'
    yield f"<code>{escape(path)}</code> {escape(operation.get('summary') or '')}</summary>"
    yield from _text(operation.get("description"))
    if parameters := operation.get("parameters"):
        yield "<table><thead><tr><th>Parameter</th><th>What it means</th><th>Example</th></tr></thead><tbody>"
        for parameter in parameters:
            yield from _parameter(parameter)
        yield "</tbody></table>"
    yield "<table><thead><tr><th>Status</th><th>Answer</th></tr></thead><tbody>"
    for status, answer in operation["responses"].items():
        words = answer.get("description") or "A problem (RFC 9457)"
        yield f"<tr><td>{escape(status)}</td><td>{escape(words)}</td></tr>"
    yield "</tbody></table></details>"


def _parameter(parameter: Json) -> Iterator[str]:
    example = parameter.get("example", "")
    shown = ",".join(map(str, example)) if isinstance(example, list) else str(example)
    shown = shown.lower() if isinstance(example, bool) else shown
    yield f"<tr><td><code>{escape(parameter['name'])}</code></td>"
    yield f"<td>{escape(parameter.get('description') or '')}</td><td><code>{escape(shown)}</code></td></tr>"


def _text(words: str | None) -> Iterator[str]:
    if words:
        yield f"<p>{escape(words)}</p>"
