"""A small blocking client for `/_control`, for tests and scripts in another thread or process."""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

from ..errors import UsageError

__all__ = ["Control"]


class Control:
    """Speaks to one running stand-in; every call is one request of its own, so threads may share it."""

    def __init__(self, url: str, timeout_s: float = 60.0) -> None:
        self._where = urlsplit(url)
        self._timeout_s = timeout_s

    def state(self) -> dict[str, Any]:
        """Switches, faults, holds, clock and number of requests as they stand."""
        return self._ask("GET", "")

    def set(self, **switches: object) -> None:
        """Sets these switches, leaves the others. UsageError for an unknown name or wrong value."""
        self.post(switches=switches)

    def faults(self, *rules: dict[str, Any]) -> None:
        """Replaces all fault rules, e.g. `{"path": "/query", "call": 3, "fault": "truncate"}`; none clears them."""
        self.post(faults=list(rules))

    def hold(self, path: str = "", **match: object) -> None:
        """Holds the answers to these requests until `release`. match: call, every, query."""
        self.post(hold=[{"path": path, **match}])

    def release(self) -> None:
        """Sends every held answer, and holds no more."""
        self.post(release=True)

    def reset(self) -> None:
        """Switches, faults, clock, log and limits as at the start."""
        self.post(reset=True)

    def clock(self, moment: str) -> None:
        """Moves the stand-in's clock to this moment (RFC 3339)."""
        self.post(clock=moment)

    def advance(self, seconds: float) -> None:
        self.post(advance=seconds)

    def log(self) -> list[dict[str, Any]]:
        """Every request so far, oldest first."""
        entries: list[dict[str, Any]] = self._ask("GET", "/log")["requests"]
        return entries

    def max_open(self) -> int:
        """The most requests that were open at one time."""
        return int(self._ask("GET", "/log")["max_open"])

    def wait_for(self, requests: int) -> None:
        """Returns once so many requests have been received. TimeoutError when they do not come."""
        self._ask("GET", f"/wait?requests={requests}")

    def post(self, **said: object) -> dict[str, Any]:
        """The state after a `POST /_control` with this body."""
        return self._ask("POST", "", json.dumps(said).encode())

    def _ask(self, method: str, path: str, body: bytes | None = None) -> dict[str, Any]:
        connection = http.client.HTTPConnection(self._where.hostname or "", self._where.port, timeout=self._timeout_s)
        try:
            connection.request(method, f"/_control{path}", body, {"Connection": "close"})
            answer = connection.getresponse()
            said: dict[str, Any] = json.loads(answer.read())
        finally:
            connection.close()
        if answer.status != 200:
            raise UsageError(said["error"])
        return said
