"""People who write, over HTTP and right at the writer."""

import json
import uuid
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
from asgi_client import Client
from market import app

from catchment.clock import FakeClock, SystemClock
from catchment.principal import Principal
from catchment.serve.front import Front
from catchment.store.engines import Database
from catchment.store.keys import create
from catchment.store.tables import OWN, collections_of
from catchment.store.writes import Write, Writer

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
OUTSIDE = "192.0.2.7"
PLACES, REVIEWS, NOTES = "/v1/market/places", "/v1/market/reviews", "/v1/market/notes"
COLLECTIONS = {item.feed.name: item for item in collections_of(app)}
PLACE = {"name": "Mill", "skills": ["milling", "baking"], "cost": 25000}


def user(number: int) -> str:
    return str(uuid.UUID(int=number))


def somebody(number: int, *scopes: str) -> Principal:
    return Principal(user(number), scopes=frozenset(scopes or ("write",)), via="key")


def writer_of_all(database: Database, **options: Any) -> Writer:
    return Writer(database, list(COLLECTIONS.values()), options.pop("clock", SystemClock()), **options)


def creation(name: str, members: dict[str, Any], number: int = 1, **options: Any) -> Write:
    draft = COLLECTIONS[name].feed.drafts.new(members)
    return Write(
        collection=COLLECTIONS[name], action="create", principal=somebody(number), make=lambda _: draft, **options
    )


def patching(name: str, key: str, members: dict[str, Any], number: int = 1, **options: Any) -> Write:
    resource = COLLECTIONS[name].feed
    return Write(
        collection=COLLECTIONS[name],
        action="change",
        principal=somebody(number),
        key=key,
        make=lambda before: resource.drafts.patching(members, before),
        **options,
    )


def deletion(name: str, key: str, number: int = 1, **options: Any) -> Write:
    return Write(collection=COLLECTIONS[name], action="delete", principal=somebody(number), key=key, **options)


def collect_bar(database: Database, symbol: str = "IBM", day: str = "2026-01-02") -> None:
    """A bar as a collector would leave it."""
    key = f"{symbol},{day}"
    own = (key, "", b"", b"", 1, "2026-01-03T00:00:00.000000Z", 1, 0, 0)
    doc = json.dumps({"_key": key, "symbol": symbol, "date": day, "close": "1.5"})
    with closing(database.open()) as sql:
        names = ", ".join((*OWN, "symbol", "date", "close", "_doc"))
        marks = ", ".join("?" * (len(OWN) + 4))
        sql.execute(f"INSERT INTO market_bars ({names}) VALUES ({marks})", (*own, symbol, day, "p500115", doc))


@dataclass
class Market:
    """The service in this process, and its people: `write` by default."""

    front: Front
    database: Database
    clock: FakeClock
    keys: dict[tuple[int, tuple[str, ...]], str] = field(default_factory=dict)

    def key(self, number: int, *scopes: str) -> str:
        if (number, scopes) not in self.keys:
            self.keys[number, scopes] = create(self.database, "test", user(number), set(scopes), NOW)[0]
        return self.keys[number, scopes]

    def ask(
        self,
        method: str,
        url: str,
        body: Any = None,
        who: int = 1,
        scopes: tuple[str, ...] = ("write",),
        **headers: str,
    ) -> httpx.Response:
        """The answer to one request. body: JSON, or bytes as they are; who: 0 for nobody in particular."""
        given = {"content-type": "application/json"} if body is not None else {}
        given |= {"authorization": f"Bearer {self.key(who, *scopes)}"} if who else {}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        return Client(self.front, OUTSIDE).request(method, url, content=content, headers=given)

    def place(self, who: int = 1, **members: Any) -> httpx.Response:
        answer = self.ask("POST", PLACES, PLACE | members, who)
        assert answer.status_code == 201, answer.text
        return answer
