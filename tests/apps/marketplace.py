"""The providers app in this process, and the people who use it: over HTTP, with keys or behind a gateway."""

import asyncio
import json
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import httpx

from catchment.app import load_app
from catchment.clock import FakeClock
from catchment.serve.app import build
from catchment.serve.front import Front
from catchment.serve.openapi import describe
from catchment.settings import Settings
from catchment.store.engines.sqlite import File
from catchment.store.keys import create
from catchment.store.tables import collections_of

NOW = datetime(2024, 1, 5, 12, tzinfo=UTC)
GATEWAY, OUTSIDE = "10.9.8.7", "192.0.2.7"
ROOT = "/v1_0"
LIMITLESS = dict.fromkeys(
    ("CATCHMENT_LIMIT_ANONYMOUS", "CATCHMENT_LIMIT_KEY", "CATCHMENT_LIMIT_WRITES"), "off"
) | dict.fromkeys(("PROVIDERS_LIMIT_WRITES", "PROVIDERS_LIMIT_REVIEWS"), "off")
BODY = {
    "name": "SEO Incorporated",
    "skills": ["SEO Optimisation", "Digital Marketing"],
    "cost_in_pence": 25000,
    "availability": [{"from_date": "2022-11-12", "to_date": "2022-12-28"}],
}


def user(number: int) -> str:
    return str(uuid.UUID(int=number))


def span(first: str, last: str = "") -> dict[str, str]:
    return {"from_date": first, "to_date": last or first}


@dataclass
class Marketplace:
    """The service, and who asks it: `who` is a user's number behind the gateway, 0 for nobody."""

    front: Front
    database: Path
    clock: FakeClock
    only: tuple[str, ...] = ()
    keys: dict[tuple[int, tuple[str, ...]], str] = field(default_factory=dict)

    def ask(
        self, method: str, path: str, body: Any = None, who: int = 1, *, peer: str = GATEWAY, **headers: str
    ) -> httpx.Response:
        """The answer to one request. path: below /v1_0 unless it begins with /v1 or is /health; body: JSON or bytes."""
        return asyncio.run(self.asked(method, path, body, who, peer=peer, **headers))

    async def asked(
        self, method: str, path: str, body: Any = None, who: int = 1, *, peer: str = GATEWAY, **headers: str
    ) -> httpx.Response:
        given = {"content-type": "application/json"} if body is not None else {}
        given |= {"user-id": user(who)} if who else {}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        transport = httpx.ASGITransport(self.front, client=(peer, 5000))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            answer = await client.request(method, _url(path), content=content, headers=given)
        assert is_described(method, answer, self.only), (method, answer.url, answer.status_code)
        return answer

    def key(self, number: int, *scopes: str) -> dict[str, str]:
        """The header of a user's key."""
        if (number, scopes) not in self.keys:
            self.keys[number, scopes] = create(File(self.database), "test", user(number), set(scopes), NOW)[0]
        return {"authorization": f"Bearer {self.keys[number, scopes]}"}

    def offer(self, who: int = 1, **members: Any) -> str:
        """The id of a new provider."""
        answer = self.ask("POST", "/service-provider", BODY | members, who)
        assert answer.status_code == 201, answer.text
        return answer.json()["id"]

    def rate(self, provider: str, rating: float, who: int = 2, **members: Any) -> httpx.Response:
        answer = self.ask("POST", f"/service-provider/{provider}/review", {"rating": rating} | members, who)
        assert answer.status_code in (200, 201), answer.text
        return answer

    def provider(self, provider: str) -> dict[str, Any]:
        answer = self.ask("GET", f"/service-provider/{provider}", who=0)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def found(self, path: str = "/service-providers", body: Any = None) -> list[str]:
        """The ids of a list, in its order."""
        answer = self.ask("POST", path, {} if body is None else body, 0)
        assert answer.status_code == 200, answer.text
        content = answer.json()
        return [item["id"] for item in content.get("items", content.get("service_providers"))]

    def recommended(self, root: str = ROOT, **members: Any) -> list[str]:
        job = {"job_budget_in_pence": 10**9, "skills": BODY["skills"]} | members
        return self.found(f"{root}/service-providers/recommend", job)


@cache
def _described(only: tuple[str, ...]) -> list[tuple[re.Pattern[str], dict[str, Any]]]:
    """The paths of the app's contract with what the API's description says of each."""
    app = load_app("providers").serving(only)
    document = describe([app], collections_of(app), version="0")
    return [
        (re.compile(re.sub(r"\{[a-z_]+\}", "[^/]+", path) + "/?"), operations)
        for path, operations in document["paths"].items()
        if path.startswith("/v1_")
    ]


def is_described(method: str, answer: httpx.Response, only: tuple[str, ...]) -> bool:
    """Whether the description says that the route may answer so; what is no route of the contract may as it likes."""
    found = [operations for path, operations in _described(only) if path.fullmatch(answer.url.path)]
    told = found[0].get(method.lower()) if found else None
    return told is None or str(answer.status_code) in told["responses"]


def _url(path: str) -> str:
    return path if path.startswith(("/v1", "/health", "/openapi", "/docs")) else ROOT + path


@contextmanager
def marketplace(folder: Path, only: tuple[str, ...] = (), **settings: str) -> Iterator[Marketplace]:
    """The service over the database in the folder. only: the collections that it serves, `()` for all."""
    clock = FakeClock(NOW)
    values = {"CATCHMENT_DATA": str(folder), "CATCHMENT_TRUSTED_GATEWAYS": f"{GATEWAY}/32"} | LIMITLESS | settings
    front = build([load_app("providers").serving(only)], Settings().with_values("test", values), clock)
    try:
        yield Marketplace(front, folder / "catchment.sqlite", clock, only)
    finally:
        front.close()
