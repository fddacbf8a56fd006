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
from asgi_client import patient_front, transport
from databases import database_in, values_in
from jsonschema import Draft202012Validator

from catchment.app import load_app
from catchment.clock import FakeClock
from catchment.principal import Principal
from catchment.serve.front import Front
from catchment.serve.openapi import describe
from catchment.settings import Settings
from catchment.store.engines import Database, database_of
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


_EVERY_RIGHT = Principal("00000000-0000-0000-0000-000000000001", scopes=frozenset({"read", "moderate", "operate"}))


def user(number: int) -> str:
    return str(uuid.UUID(int=number))


def span(first: str, last: str = "") -> dict[str, str]:
    return {"from_date": first, "to_date": last or first}


@dataclass
class Marketplace:
    """The service, and who asks it: `who` is a user's number behind the gateway, 0 for nobody."""

    front: Front
    database: Database
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
        content = body() if callable(body) else body if isinstance(body, bytes | None) else json.dumps(body).encode()
        way = transport(self.front, peer)
        async with httpx.AsyncClient(transport=way, base_url="http://localhost") as client:
            answer = await client.request(method, _url(path), content=content, headers=given)
        sent = None if callable(body) else content
        assert not (wrong := undescribed(answer, sent, self.only)), (method, path, answer.status_code, wrong)
        return answer

    def key(self, number: int, *scopes: str) -> dict[str, str]:
        """The header of a user's key."""
        if (number, scopes) not in self.keys:
            self.keys[number, scopes] = create(self.database, "test", user(number), set(scopes), NOW)[0]
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


def _closed(schema: Any) -> Any:
    """The schema, in which an object has the members that it says and no others: what is not said is not shown."""
    if isinstance(schema, list):
        return [_closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {"additionalProperties": False} if isinstance(schema.get("properties"), dict) else {}
    return closed | {name: _closed(item) for name, item in schema.items()}


@cache
def _document(only: tuple[str, ...]) -> dict[str, Any]:
    app = load_app("providers").serving(only)
    served = [item for item in collections_of(app) if not only or item.feed.name in only]
    return describe([app], served, version="0", reader=_EVERY_RIGHT)


@cache
def _paths(only: tuple[str, ...]) -> list[tuple[re.Pattern[str], dict[str, Any]]]:
    """What the description says of each path; the more exact ones first."""
    paths = sorted(_document(only)["paths"].items(), key=lambda pair: pair[0].count("{"))
    return [(re.compile(re.sub(r"\{[a-z_]+\}", "[^/]+", path) + "/?"), operations) for path, operations in paths]


@cache
def _validator(only: tuple[str, ...], schema: str) -> Draft202012Validator:
    components = _closed(_document(only)["components"])
    return Draft202012Validator(_closed(json.loads(schema)) | {"components": components})


def _faults(content: dict[str, Any], body: bytes, only: tuple[str, ...]) -> list[str]:
    """What in the body is not as the description has it."""
    if not any(name.endswith("json") for name in content):
        return []
    lines = content.get("application/x-ndjson")
    media = lines or next(item for name, item in content.items() if name != "application/merge-patch+json")
    validator = _validator(only, json.dumps(media["schema"], sort_keys=True))
    values = map(json.loads, body.splitlines() if lines else [body])
    return [f"{error.json_path}: {error.message}" for value in values for error in validator.iter_errors(value)]


def undescribed(answer: httpx.Response, body: bytes | None, only: tuple[str, ...] = ()) -> list[str]:
    """What of an answer, or of a body that was taken, is not as the API's description says."""
    method, path = answer.request.method.lower(), answer.url.path
    found = next((item for pattern, item in _paths(only) if pattern.fullmatch(path)), {})
    operation = found.get("get" if method == "head" else method)
    if operation is None:
        return []
    told = operation["responses"].get(str(answer.status_code))
    if told is None:
        return ["the status is not described"]
    wrong = []
    if answer.is_success and answer.content:
        wrong += _faults(told["content"], answer.content, only)
        wrong += [f"no {name}" for name in told.get("headers", {}) if name.lower() not in {*answer.headers, "link"}]
    if answer.is_success and body and "requestBody" in operation:
        wrong += _faults(operation["requestBody"]["content"], body, only)
    return wrong


def _url(path: str) -> str:
    return path if path.startswith(("/v1", "/health", "/metrics", "/openapi", "/docs")) else ROOT + path


@contextmanager
def marketplace(folder: Path, only: tuple[str, ...] = (), **settings: str) -> Iterator[Marketplace]:
    """The service over the database in the folder. only: the collections that it serves, `()` for all."""
    clock = FakeClock(NOW)
    app = load_app("providers")
    values = values_in(folder, [app]) | {"CATCHMENT_TRUSTED_GATEWAYS": f"{GATEWAY}/32"} | LIMITLESS | settings
    front = patient_front([app.serving(only) if only else app], Settings().with_values("test", values), clock)
    try:
        yield Marketplace(front, database_of(database_in(folder)), clock, only)
    finally:
        front.close()
