"""A Python client that a generator makes of the description works as it is.

The generator wants other versions of what we use, so it is a program of its own: `openapi-python-client` on the PATH.
"""

import asyncio
import importlib
import shutil
import subprocess
import sys

import httpx
import pytest
from asgi_client import transport
from demo_feeds import BARS
from filled_store import bar

pytestmark = pytest.mark.once  # it is the description, not the database
GENERATOR = shutil.which("openapi-python-client")


@pytest.mark.skipif(GENERATOR is None, reason="openapi-python-client is no program on the PATH")
def test_a_generated_client_reads_lists_items_and_problems(store, asgi, client, tmp_path, monkeypatch):
    for day in ("2026-01-02", "2026-01-05"):
        store.put(BARS, bar("IBM", day))
    (tmp_path / "openapi.json").write_bytes(client.get("/openapi.json").content)
    options = ("--path", "openapi.json", "--output-path", "bars_client", "--meta", "none")
    made = subprocess.run([GENERATOR, "generate", *options], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "will not be generated" not in made.stdout + made.stderr
    monkeypatch.syspath_prepend(tmp_path)
    asked = importlib.import_module("bars_client").Client(base_url="http://localhost")

    def ask(operation, *arguments, **named):
        async def send():
            async with httpx.AsyncClient(transport=transport(asgi, "127.0.0.1"), base_url="http://localhost") as way:
                asked.set_async_httpx_client(way)
                return await operation.asyncio_detailed(*arguments, client=asked, **named)

        return asyncio.run(send())

    listing, item = (importlib.import_module(f"bars_client.api.demo.demo_bars_{name}") for name in ("list", "get"))
    page = ask(listing, symbol="IBM", limit=1)
    assert (page.status_code, page.parsed.data[0].close, page.parsed.meta.count) == (200, "134", 2)
    following = ask(listing, symbol="IBM", limit=1, cursor=page.parsed.meta.next_).parsed
    assert [record.field_key for record in following.data] == ["IBM,2026-01-05"]
    assert ask(item, "IBM,2026-01-02").parsed.data.open_ == "133.25"
    assert ask(item, "IBM,2027-01-02").parsed.type_ == "/problems/not-found"
    for name in [name for name in sys.modules if name.startswith("bars_client")]:
        del sys.modules[name]
