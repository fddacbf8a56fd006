"""What OPTIONS and 405 say of every path of every app that ships is what the description says."""

import re

import pytest
from asgi_client import Client

from catchment.app import SHIPPED, load_app
from catchment.serve.app import build
from catchment.settings import Settings

pytestmark = pytest.mark.once  # both engines are asked by catchment.testing.promises

KEY = "00000000-0000-0000-0000-000000000001"


@pytest.mark.parametrize("name", SHIPPED)
def test_options_and_405_say_what_the_description_says(tmp_path, clock, name):
    settings = Settings().with_values("test", {"CATCHMENT_DATA": str(tmp_path)})
    front = build([load_app(name)], settings, clock)
    client, checked = Client(front, "127.0.0.1"), 0
    try:
        for path, operations in client.get("/openapi.json").json()["paths"].items():
            told = (
                {method.upper() for method in operations} | {"OPTIONS"} | ({"HEAD"} if "get" in operations else set())
            )
            url = re.sub(r"\{[a-z_]+\}", KEY, path)
            for method in ("OPTIONS", "TRACE"):
                answer = client.request(method, url)
                assert answer.status_code == (204 if method == "OPTIONS" else 405), (method, path)
                assert set(answer.headers["allow"].split(", ")) == told, (method, path)
            checked += 1
    finally:
        front.close()
    assert checked > 10
