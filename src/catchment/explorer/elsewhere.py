"""What a table shows, for other tools: its address in the API, files of it, and commands that ask for it. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from ..serve.export import LEFT_OUT
from ..serve.forms import FORMATS
from ..store.tables import Collection
from .links import api_of, with_query

__all__ = ["Elsewhere", "elsewhere"]

_PYTHON = """\
import json
from urllib.request import Request, urlopen

with urlopen(Request({url!r}{headers})) as answer:
    records = json.load(answer)["data"]"""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """One view outside of the page. api: its address. files: names of forms and their addresses.

    keyed: who asks from another machine needs a key.
    """

    api: str
    files: Sequence[tuple[str, str]]
    keyed: bool

    def curl(self, host: str) -> str:
        """A command of a shell that asks for it."""
        key = " -H 'Authorization: Bearer KEY'" if self.keyed else ""
        return f"curl{key} {shlex.quote(f'http://{host}{self.api}')}"

    def python(self, host: str) -> str:
        """Lines of Python that ask for it, with nothing but its own library."""
        headers = ', headers={"Authorization": "Bearer KEY"}' if self.keyed else ""
        return _PYTHON.format(url=f"http://{host}{self.api}", headers=headers)


def elsewhere(collection: Collection, pairs: Sequence[tuple[str, str]]) -> Elsewhere:
    """The view that these parameters ask for. What words were looked for in is no file: that asks what holds now."""
    kept = [pair for pair in pairs if pair[0] not in LEFT_OUT]
    searched = any(name == "q" for name, _ in pairs)
    names = [name for name, form in FORMATS.items() if form.there and not searched]
    files = [(name, with_query(f"/v1/{collection.name}.{name}", kept)) for name in names]
    return Elsewhere(api_of(collection.name, pairs), files, not collection.feed.public)
