"""Requests to an ASGI application in this process."""

import asyncio

import httpx


class Client:
    """Requests to an ASGI application, one event loop each."""

    def __init__(self, app, peer: str) -> None:
        self._app, self._peer = app, peer

    def request(self, method: str, url: str, **options) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self._app, client=(self._peer, 5000))
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
                return await client.request(method, url, **options)

        return asyncio.run(send())

    def get(self, url: str, **options) -> httpx.Response:
        return self.request("GET", url, **options)
