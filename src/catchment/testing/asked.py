"""One request to an ASGI application in this process, without a client: what was said to it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

__all__ = ["Said", "answered"]

_OTHER_EACH_TIME = (b"date",)


@dataclass(frozen=True, slots=True)
class Said:
    """An answer. headers: in the order of their names, without what is another one each time."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    def header(self, name: str) -> str:
        """What it says under a name; "" for nothing."""
        return dict(self.headers).get(name, "")


async def answered(
    application: Any, method: str, path: str, headers: Mapping[str, str], body: bytes, peer: str
) -> Said:
    """What the application says to one request. peer: the address that it comes from."""
    place, _, query = path.partition("?")
    start: dict[str, Any] = {}
    content, sent, complete = bytearray(), asyncio.Event(), asyncio.Event()

    async def receive() -> dict[str, Any]:
        if sent.is_set():
            await complete.wait()  # who asks stays until the answer is there
            return {"type": "http.disconnect"}
        sent.set()
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            start.update(message)
        content.extend(message.get("body", b""))
        if message["type"] == "http.response.body" and not message.get("more_body"):
            complete.set()

    given = {"host": "localhost", **headers} | ({"content-length": str(len(body))} if body else {})
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(place),
        "raw_path": place.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in given.items()],
        "state": {},
        "client": (peer, 5000),
        "server": ("localhost", 80),
    }
    await application(scope, receive, send)
    said = [(name.decode(), value.decode()) for name, value in start["headers"] if name not in _OTHER_EACH_TIME]
    return Said(start["status"], tuple(sorted(said)), bytes(content))
