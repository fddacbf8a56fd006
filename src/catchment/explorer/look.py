"""How a page is made: templates that escape whatever they are given, and the headers that let it load nothing else."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from litestar import Response

from . import figures

__all__ = ["ASSETS", "asset", "piece", "read_templates", "render"]

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none';"
    " form-action 'self'; frame-ancestors 'none'"
)
ASSETS = {
    "style.css": "text/css",
    "icon.svg": "image/svg+xml",
    "explorer.js": "text/javascript",
    "htmx.min.js": "text/javascript",
}
"""The files that pages load, and their types."""


@cache
def asset(name: str) -> tuple[bytes, str]:
    """A file's bytes, and the tag by which its address changes when it does."""
    content = files("catchment.explorer").joinpath("assets", name).read_bytes()
    return content, hashlib.sha256(content).hexdigest()[:12]


@cache
def _templates() -> Environment:
    made = Environment(
        loader=PackageLoader("catchment.explorer"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {name: getattr(figures, name) for name in figures.__all__}
    made.globals["asset"] = lambda name: f"/explore/_/assets/{name}?v={asset(name)[1]}"
    return made


def read_templates() -> None:
    """Returns when all of them are read: each is, once, else when it is first used."""
    for name in _templates().list_templates():
        _templates().get_template(name)


def render(
    template: str, status: int = 200, *, headers: dict[str, str] | None = None, **values: Any
) -> Response[bytes]:
    """The page. It says how old things are, which no revision tells: nobody keeps it."""
    found = piece(template, status, **values)
    found.headers.update({**(headers or {}), "cache-control": "no-store"})
    return found


def piece(template: str, status: int = 200, **values: Any) -> Response[bytes]:
    """A part of a page that is loaded behind it."""
    body = _templates().get_template(template).render(**values).encode()
    return Response(body, status_code=status, media_type="text/html", headers={"content-security-policy": CSP})
