"""Pages as somebody's browser gets them, over what the tiny app of the store's tests has collected."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "store"))
sys.path.insert(0, str(Path(__file__).parents[1] / "serve"))

from asgi_client import Client
from databases import values_in
from shop import START, Shop, app, settings

from catchment import explorer
from catchment.clock import FakeClock
from catchment.serve.app import build
from catchment.store.keys import create
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
    place = settings(tmp_path, **values_in(tmp_path / "data", [app]))
    store = Store(place, [app])
    yield Shop(store, place, START)
    store.close()


@dataclass
class Person:
    """Somebody with a browser without scripts: it keeps cookies, and sends the forms of the page that it shows."""

    front: Any
    peer: str
    cookies: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    page: Page | None = None

    def get(self, url: str) -> Page:
        return self._ask("GET", url)

    def send(self, url: str, *, token: str | None = None, **fields: str | list[str]) -> Page:
        """A form of the present page, and where it leads. token: another one than it has."""
        told = self.token if token is None else token
        return self._ask("POST", url, data={"_token": told, **fields})

    @property
    def token(self) -> str:
        assert self.page is not None
        return next(attrs["value"] for attrs in self.page.all("input") if attrs.get("name") == "_token")

    def sign_in(self, key: str) -> Page:
        self.get("/explore/_/sign-in")
        return self.send("/explore/_/sign-in", key=key)

    def _ask(self, method: str, url: str, **body: Any) -> Page:
        kept = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        headers = {**BROWSER, **self.headers} | ({"cookie": kept} if kept else {})
        answer = Client(self.front, self.peer).request(method, url, headers=headers, **body)
        for given in answer.headers.get_list("set-cookie"):
            name, _, value = given.partition(";")[0].partition("=")
            self.cookies = {**self.cookies, name: value} if value else {}
        if answer.has_redirect_location:
            return self.get(answer.headers["location"])
        self.page = Page(answer)
        return self.page


@pytest.fixture
def front(here: Shop) -> Iterator[Any]:
    """The pages of the tiny app."""
    clock = FakeClock(START)
    found = build([app], here.place, clock, pages=explorer.handlers)
    found.clock = clock
    yield found
    found.close()


@pytest.fixture
def person_at() -> type[Person]:
    """From a front and a peer to somebody at a browser of his own."""
    return Person


@pytest.fixture
def person(front: Any) -> Callable[..., Person]:
    """A function that gives somebody at a browser of his own, from outside this machine where nothing else is said."""
    return lambda peer="192.0.2.7", **headers: Person(front, peer, headers=headers)


@pytest.fixture
def key(here: Shop) -> Callable[..., str]:
    """A function from rights to a new key that has them."""

    def key(*scopes: str, **options: Any) -> str:
        return create(here.store.database, "Ada's key", str(uuid.UUID(int=7)), set(scopes), here.now, **options)[0]

    return key


@pytest.fixture
def visit(here: Shop, front: Any) -> Callable[..., Page]:
    """A function from an address to its page. peer: from where it is visited; this machine's own operates."""
    clock = front.clock

    def visit(url: str, peer: str = "127.0.0.1", *, follow: bool = True) -> Page:
        clock.advance(here.now - clock.now())
        answer = Client(front, peer).get(url, headers=BROWSER)
        if follow and answer.has_redirect_location:
            answer = Client(front, peer).get(answer.headers["location"], headers=BROWSER)
        return Page(answer)

    return visit
