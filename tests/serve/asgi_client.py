"""Requests to an ASGI application in this process."""

import asyncio
from collections.abc import Sequence

import httpx

from catchment.app import App
from catchment.clock import Clock
from catchment.serve.app import build
from catchment.serve.front import Front
from catchment.settings import Settings


def patient_front(apps: Sequence[App], settings: Settings, clock: Clock) -> Front:
    """A service that waits for its database: a server counts the clock, and other tests work beside it."""
    return build(apps, settings, clock, deadline_s=60)


def transport(app, peer: str) -> httpx.ASGITransport:
    """The way to the application, which finds in a request what a server puts there: `state` too, shared by copies."""

    async def served(scope, receive, send) -> None:
        await app({**scope, "state": {}}, receive, send)

    return httpx.ASGITransport(served, client=(peer, 5000))


class Client:
    """Requests to an ASGI application, one event loop each."""

    def __init__(self, app, peer: str) -> None:
        self._app, self._peer = app, peer

    def request(self, method: str, url: str, **options) -> httpx.Response:
        async def send() -> httpx.Response:
            way = transport(self._app, self._peer)
            async with httpx.AsyncClient(transport=way, base_url="http://localhost") as client:
                return await client.request(method, url, **options)

        return asyncio.run(send())

    def raw(self, method: str, url: str, **options) -> tuple[httpx.Response, bytes]:
        """The answer, and its body as it came: not decoded."""

        async def send() -> tuple[httpx.Response, bytes]:
            way = transport(self._app, self._peer)
            async with (
                httpx.AsyncClient(transport=way, base_url="http://localhost") as client,
                client.stream(method, url, **options) as answer,
            ):
                return answer, b"".join([piece async for piece in answer.aiter_raw()])

        return asyncio.run(send())

    def get(self, url: str, **options) -> httpx.Response:
        return self.request("GET", url, **options)
