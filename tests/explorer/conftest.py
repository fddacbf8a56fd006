"""Pages as somebody's browser gets them, over what the tiny app of the store's tests has collected."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "store"))
sys.path.insert(0, str(Path(__file__).parents[1] / "serve"))

from asgi_client import Client
from shop import START, Shop, app, settings

from catchment import explorer
from catchment.clock import FakeClock
from catchment.serve.app import build
from catchment.store.store import Store

BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@dataclass
class Page(HTMLParser):
    """An answer as a browser takes it. tags: names and attributes; words: what is to be read, in its order."""

    answer: httpx.Response
    tags: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    words: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.answer.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.words += [data.strip()] * bool(data.strip())

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def all(self, tag: str, kind: str = "") -> list[dict[str, str]]:
        return [attrs for name, attrs in self.tags if name == tag and kind in ("", attrs.get("class"))]

    def rows(self) -> list[str]:
        """The addresses of the records in a table."""
        return [attrs["href"] for attrs in self.all("a", "open")]

    def next(self) -> str | None:
        return next((attrs["href"] for attrs in self.all("a") if attrs.get("rel") == "next"), None)


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Shop]:
    store = Store(settings(tmp_path / "data"), [app])
    yield Shop(store, START)
    store.close()


@pytest.fixture
def visit(here: Shop) -> Iterator[Callable[..., Page]]:
    """A function from an address to its page. peer: from where it is visited; this machine's own operates."""
    clock = FakeClock(START)
    front = build([app], settings(here.store.database.path.parent), clock, pages=explorer.handlers)

    def visit(url: str, peer: str = "127.0.0.1", *, follow: bool = True) -> Page:
        clock.advance(here.now - clock.now())
        answer = Client(front, peer).get(url, headers=BROWSER)
        if follow and answer.has_redirect_location:
            answer = Client(front, peer).get(answer.headers["location"], headers=BROWSER)
        return Page(answer)

    yield visit
    front.close()
