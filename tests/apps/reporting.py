"""The incidents app with a stand-in of its own: collected in this process, and asked as a client asks it."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from asgi_client import patient_front, transport
from collecting import Collecting, collecting

from catchment.settings import load_settings

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
POLL = timedelta(minutes=30)
LOGIN = {"INCIDENTS_USER": "catchment", "INCIDENTS_PASSWORD": "stand-in"}
TYPES = ("denial", "intrusion", "executable", "misuse", "unauthorized", "probing", "other")
PRIORITIES = ["low", "medium", "high", "critical"]


@dataclass
class Reporting:
    """What a person at one machine has, with the server on it."""

    collected: Collecting
    server: Any

    def get(self, url: str = "/incidents", **options: Any) -> httpx.Response:
        async def send() -> httpx.Response:
            way = transport(self.server, "127.0.0.1")
            async with httpx.AsyncClient(transport=way, base_url="http://localhost") as client:
                return await client.request(options.pop("method", "GET"), url, **options)

        return asyncio.run(send())

    def report(self, url: str = "/incidents") -> dict[str, Any]:
        """The report's content."""
        answer = self.get(url)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = json.loads(answer.content, parse_float=str)
        return found

    def poll(self, minutes: float = 30) -> Any:
        """One poll, so many minutes later."""
        self.collected.clock.advance(timedelta(minutes=minutes))
        return self.collected.run(retry=False)

    def serve(self, path: str, body: bytes | str | Mapping[str, Any]) -> None:
        """What one path answers from now on, beside what was put before."""
        text = body.decode() if isinstance(body, bytes) else body if isinstance(body, str) else json.dumps(body)
        rules = [rule for rule in self.faults if rule["path"] != path]
        self.faults = [*rules, {"path": path, "fault": "status", "status": 200, "body": text}]
        self.collected.control.faults(*self.faults)

    def __post_init__(self) -> None:
        self.faults: list[dict[str, Any]] = []


def incidents_in(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All incidents of a report, by employee, priority and place."""
    return [item for lists in report.values() for part in lists.values() for item in part["incidents"]]


def results(*rows: Mapping[str, Any]) -> dict[str, Any]:
    """The body of a type's endpoint."""
    return {"results": list(rows)}


@contextmanager
def reporting(folder: Path, *, now: datetime = NOW, **options: Any) -> Iterator[Reporting]:
    """The app with an empty data folder, its stand-in and its server, all on one clock."""
    with collecting("incidents", folder, now=now, **{**LOGIN, **options}) as collected:
        settings = load_settings(collected.environment, folder=folder, environ={})
        server = patient_front([collected.app], settings, collected.clock)
        try:
            yield Reporting(collected, server)
        finally:
            server.close()
