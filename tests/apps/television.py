"""The episodes app as people have it: a stand-in upstream, a collector, and the API over what was collected."""

import asyncio
import json
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
from asgi_client import patient_front, transport
from collecting import Collecting, collecting

from catchment.runs import Summary
from catchment.serve.front import Front
from catchment.settings import Settings
from catchment.store.keys import create

# A Monday, some hours after the weekly slot.
NOW = datetime(2024, 1, 1, 12, tzinfo=UTC)
WEEK = timedelta(days=7)
FIRST = "tt1480055"
LIMITLESS = dict.fromkeys(("CATCHMENT_LIMIT_ANONYMOUS", "CATCHMENT_LIMIT_KEY", "CATCHMENT_LIMIT_WRITES"), "off")


@dataclass
class Television:
    """One machine. collected: its collector."""

    collected: Collecting
    keys: dict[str, str] = field(default_factory=dict)

    @cached_property
    def front(self) -> Front:
        """Its API, made when somebody asks."""
        settings = Settings().with_values("test", {**self.collected.environment, **LIMITLESS})
        return patient_front([self.collected.app], settings, self.collected.clock)

    def collect(self, *, after: timedelta = timedelta(0), **scope: Any) -> Summary:
        """One run, so long after now."""
        self.collected.clock.advance(after)
        return self.collected.run(**scope)

    @property
    def requests(self) -> list[dict[str, Any]]:
        """The queries of every request that the upstream got, oldest first, without the key."""
        log = self.collected.control.log()
        return [{name: text for name, text in entry["query"].items() if name != "apikey"} for entry in log]

    def ask(self, method: str, path: str, body: Any = None, who: str = "", **headers: str) -> httpx.Response:
        """The answer to one request. who: `anna`, `moderator`, … with a key; "" without. body: JSON or bytes."""
        given = {"content-type": "application/json"} if body is not None else {}
        given |= {"authorization": f"Bearer {self.key(who)}"} if who else {}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        content = body if isinstance(body, bytes | None) else json.dumps(body).encode()

        async def send() -> httpx.Response:
            # From elsewhere: on the machine itself more is let be.
            way = transport(self.front, "192.0.2.7")
            async with httpx.AsyncClient(transport=way, base_url="http://localhost") as client:
                return await client.request(method, path, content=content, headers=given)

        return asyncio.run(send())

    def key(self, who: str) -> str:
        if who not in self.keys:
            scopes = {"moderator": {"moderate"}, "reader": {"read"}}.get(who, {"write"})
            self.keys[who] = create(self.collected.database, who, person(who), scopes, self.collected.clock.now())[0]
        return self.keys[who]

    def get(self, path: str) -> Any:
        """The JSON of an answer that is 200."""
        answer = self.ask("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def listed(self, query: str = "") -> list[dict[str, Any]]:
        """Every episode of a list, over all its pages."""
        found: list[dict[str, Any]] = []
        page = 1
        while True:
            content = self.get(f"/episodes?{query}&page={page}&page_size=50".replace("?&", "?"))
            found += content["results"]
            if page >= content["pages"]:
                assert len(found) == content["count"]
                return found
            page += 1

    def say(self, text: str = "Great start", who: str = "anna", episode: str = FIRST) -> dict[str, Any]:
        """A new comment."""
        answer = self.ask("POST", f"/episodes/{episode}/comments", {"text": text}, who)
        assert answer.status_code == 201, answer.text
        return answer.json()


def person(who: str) -> str:
    """The id of somebody of that name."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, who))


@contextmanager
def television(
    folder: Path,
    *,
    size: str = "tiny",
    switches: Mapping[str, object] | None = None,
    samples: Path | None = None,
    now: datetime = NOW,
    **values: str,
) -> Iterator[Television]:
    """The app with nothing collected yet."""
    with collecting("episodes", folder, now=now, size=size, switches=switches, samples=samples, **values) as collected:
        made = Television(collected)
        try:
            yield made
        finally:
            if "front" in vars(made):
                made.front.close()
