"""An API as people with different rights meet it, in this process."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from asgi_client import Client

from catchment.clock import FakeClock
from catchment.serve.front import Front
from catchment.store.engines import Database
from catchment.store.keys import create, revoke

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
USER = "0b9d6a52-9d0c-4d4e-8f3a-0d6f0a6f8a11"
OUTSIDE, GATEWAY = "192.0.2.7", "198.51.100.1"


@dataclass
class Ticks:
    """Seconds that pass when they are told to."""

    seconds: float = 1000.0

    def __call__(self) -> float:
        return self.seconds


@dataclass
class Service:
    """An API over a filled store, with people who have keys. It is asked from any address."""

    database: Database
    clock: FakeClock
    ticks: Ticks
    start: Callable[..., Front]
    fronts: list[Front] = field(default_factory=list)

    def key(self, *scopes: str, principal: str = USER, **options) -> str:
        return create(self.database, "test", principal, set(scopes), self.clock.now(), **options)[0]

    def revoke(self, key: str) -> None:
        revoke(self.database, key.split("_")[1], self.clock.now())

    def settle(self) -> None:
        """Returns when all is written that nobody waited for."""
        self.fronts[0]._rights._traces.submit(lambda: None).result()

    def client(self, peer: str = OUTSIDE, **settings: str) -> Client:
        """A client of a server with these settings; those without any share one server."""
        if settings or not self.fronts:
            self.fronts.append(self.start(settings))
        return Client(self.fronts[-1 if settings else 0], peer)

    def ask(self, url: str, key: str = "", *, peer: str = OUTSIDE, method: str = "GET", **headers: str):
        given = {"authorization": f"Bearer {key}"} if key else {}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client(peer).request(method, url, headers=given)
