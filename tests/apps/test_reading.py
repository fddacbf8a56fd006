"""Every question of docs/reading.md, asked of all five apps on both engines."""

import asyncio
import csv
import functools
import itertools
import json
import pkgutil
import re
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from asgi_client import patient_front
from collecting import collecting
from databases import ENGINES
from marketplace import marketplace

from catchment import apps
from catchment.app import load_app
from catchment.clock import FakeClock
from catchment.grouping import BUCKETS
from catchment.serve.front import Front
from catchment.settings import Settings
from catchment.store.engines import database_of, move
from catchment.store.statistics import FUNCTIONS, PARAMETERS

pytestmark = pytest.mark.sqlite  # on both by itself, one beside the other

DOCS = Path(__file__).parents[2] / "docs" / "reading.md"
NOW = datetime(2024, 3, 11, 12, tzinfo=UTC)
APPS = {  # app: its collection, settings
    "stocks": ("bars", {"STOCK_SYMBOLS": "IBM"}),
    "police": ("stops", {}),
    "incidents": ("incidents", {"INCIDENTS_USER": "catchment", "INCIDENTS_PASSWORD": "stand-in"}),
    "episodes": ("episodes", {}),
    "providers": ("providers", {}),
}


@dataclass
class Asked:
    """One collection of a served app."""

    front: Front
    root: str
    app: str
    engine: str

    def answer(self, url: str, *, method: str = "GET", **headers: str) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.front, client=("127.0.0.1", 5000))
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
                given = {name.replace("_", "-"): value for name, value in headers.items()}
                return await client.request(method, url, headers=given)

        return asyncio.run(send())

    def get(self, below: str = "") -> Any:
        answer = self.answer(self.root + below)
        assert answer.status_code == 200, answer.text
        return answer.json()

    @property
    def first(self) -> dict[str, Any]:
        return self.get("?limit=1")["data"][0]

    @property
    def field(self) -> str:
        """A field of text or of whole numbers that the first record has, and other records may have too."""
        return next(
            name for name, value in self.first.items() if name != "_key" and value and type(value) in (str, int)
        )


def filled(app: str, folder: Path) -> Path:
    """The file of an app that has something in every question's answer."""
    if app == "providers":
        with marketplace(folder) as market:
            for number in range(1, 6):
                market.offer(number, name=f"Mill {number}")
            return folder / "catchment.sqlite"
    with collecting(app, folder, now=NOW, **APPS[app][1]) as collected:
        collected.run()
        return collected.folder / "catchment.sqlite"


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """A function that gives the file of an app."""
    return functools.cache(lambda app: filled(app, tmp_path_factory.mktemp(app)))


@pytest.fixture(scope="module", params=itertools.product(APPS, ENGINES), ids="-".join)
def asked(request, file):
    app, engine = request.param
    url = f"sqlite:///{file(app)}"
    if engine == "postgresql":
        cluster = request.getfixturevalue("cluster")
        url, there = cluster.url(cluster.database()), url
        move(database_of(there), database_of(url))
    settings = Settings().with_values("test", {"CATCHMENT_DATABASE": url, **APPS[app][1]})
    front = patient_front([load_app(app)], settings, FakeClock(NOW))
    yield Asked(front, f"/v1/{app}/{APPS[app][0]}", app, engine)
    front.close()


def a_list(asked):
    content = asked.get("?limit=3")
    assert len(content["data"]) == 3
    assert content["meta"]["revision"] >= 1


def a_filter(asked):
    value = asked.first[asked.field]
    found = asked.get(f"?{asked.field}={value}")
    assert {item[asked.field] for item in found["data"]} == {value}
    others = asked.get(f"?{asked.field}__ne={value}&count=exact")["meta"]["count"]
    assert found["meta"]["count"] + others == asked.get("?count=exact")["meta"]["count"]


def an_order(asked):
    values = [item[asked.field] for item in asked.get(f"?sort=-{asked.field}&limit=1000")["data"]]
    told = [value for value in values if value is not None]
    assert told == sorted(told, reverse=True)
    assert values == told + [None] * (len(values) - len(told))


def pages(asked):
    whole = [item["_key"] for item in asked.get("?limit=7")["data"]]
    seen, url = [], f"{asked.root}?limit=2"
    while url and len(seen) < len(whole):
        answer = asked.answer(url)
        seen += [item["_key"] for item in answer.json()["data"]]
        url = answer.headers.get("link", "").partition(">")[0].removeprefix("<")
    assert seen[: len(whole)] == whole


def a_count(asked):
    exact = asked.get("?count=exact&limit=1000")
    assert exact["meta"]["count"] >= len(exact["data"]) > 0
    assert asked.get("?count=none")["meta"]["count"] is None


def fields(asked):
    assert {name for item in asked.get(f"?fields={asked.field}")["data"] for name in item} == {"_key", asked.field}


def an_item(asked):
    assert asked.get(f"/{asked.first['_key']}")["data"] == asked.first


def a_history(asked):
    newest = asked.get(f"/{asked.first['_key']}/history")["data"][0]
    assert newest["record"]["_key"] == asked.first["_key"]
    assert (newest["until"], newest["gone"]) == (None, False)


def a_source(asked):
    answer = asked.answer(f"{asked.root}/{asked.first['_key']}/source")
    if asked.root == "/v1/providers/providers":  # what people write comes from no exchange
        assert answer.status_code == 404
    else:
        found = answer.json()["data"]
        assert len(asked.answer(found["body"]).content) == found["size"]


def a_time(asked):
    revision = asked.get()["meta"]["revision"]
    assert asked.get(f"?as_of={revision}")["data"] == asked.get()["data"]
    assert asked.get("?as_of=0")["data"] == asked.get("?as_of=2001-01-01")["data"] == []
    item = f"/{asked.first['_key']}"
    assert asked.get(f"{item}?as_of={revision}") == asked.get(item)
    assert asked.answer(f"{asked.root}{item}?as_of=0").status_code == 404


def a_difference(asked):
    found = asked.get("/diff?from=0&limit=1000")["data"]
    assert {item["change"] for item in found} == {"new"}
    assert len(found) == min(asked.get("?count=exact")["meta"]["count"], 1000)


def statistics(asked):
    """Counted anew from the list: by a field, by the stretches of a date or moment, and of then."""
    whole = asked.get("?limit=1000")["data"]
    exact = asked.get("?count=exact")["meta"]["count"]
    told = asked.get(f"/stats?by={asked.field}&of=count(),distinct({asked.field})&limit=10000")["data"]
    assert sum(group["count()"] for group in told) == exact
    if exact == len(whole):
        values = Counter(item[asked.field] for item in whole)
        assert {group[asked.field]: group["count()"] for group in told} == values
    moments = [name for name, text in asked.first.items() if re.match(r"\d{4}-\d\d-\d\d", str(text))]
    for name in moments[:1]:
        months = asked.get(f"/stats?by=month({name})")["data"]
        assert sum(group["count()"] for group in months) == exact
        assert all(group[f"month({name})"].endswith("-01") for group in months if group[f"month({name})"])
    revision = asked.get()["meta"]["revision"]
    assert asked.get(f"/stats?by={asked.field}&as_of={revision}") == asked.get(f"/stats?by={asked.field}")
    assert asked.get("/stats?as_of=0")["data"] == [{"count()": 0}]


def words(asked):
    name = next((name for name in ("title", "name") if name in asked.first), "")
    if asked.root.startswith(("/v1/episodes", "/v1/providers")):
        word = asked.first[name].split()[0]
        assert asked.first["_key"] in {item["_key"] for item in asked.get(f"?q={word}&limit=1000")["data"]}
    else:
        assert asked.answer(f"{asked.root}?q=a").json()["type"] == "/problems/unknown-parameter"


def changes(asked):
    told = [json.loads(line) for line in asked.answer(f"{asked.root}/changes?after=0&limit=1000").text.splitlines()]
    assert {item["kind"] for item in told} == {"new"}
    assert len(told) == min(asked.get("?count=exact")["meta"]["count"], 1000)


def an_export(asked):
    """The records of the list, each once; in its order where one is asked for."""
    lines = asked.answer(f"{asked.root}.ndjson?sort=-{asked.field}").text.splitlines()
    assert [json.loads(line) for line in lines[:1000]] == asked.get(f"?sort=-{asked.field}&limit=1000")["data"]
    table = csv.DictReader(asked.answer(asked.root + ".csv").text.splitlines())
    assert {row["_key"] for row in table} == {json.loads(line)["_key"] for line in lines}


def a_tag(asked):
    """What was answered is known again, in whatever coding it came; a HEAD says the same of it."""
    url = f"{asked.root}?limit=100"
    plain = asked.answer(url, accept_encoding="identity")
    for coding in ("identity", "gzip", "zstd"):
        answer = asked.answer(url, accept_encoding=coding)
        assert answer.json() == plain.json()
        assert answer.headers.get("content-encoding", "identity") == (
            coding if len(plain.content) >= 1024 else "identity"
        )
        again = asked.answer(url, accept_encoding=coding, if_none_match=answer.headers["etag"])
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", answer.headers["etag"])
    head = asked.answer(url, method="HEAD", accept_encoding="identity")
    assert (head.content, head.headers["etag"]) == (b"", plain.headers["etag"])
    assert int(head.headers["content-length"]) == len(plain.content)


def an_age(asked):
    """Each answer says how old it is, and a 304 too; what people write has no age."""
    for below in ("", f"/{asked.first['_key']}", "/stats", "/diff?from=0"):
        answer = asked.answer(asked.root + below)
        again = asked.answer(asked.root + below, if_none_match=answer.headers["etag"])
        for told in (answer.headers, again.headers):
            assert told["x-stale"] in ("true", "false")
            assert int(told["x-missing-partitions"]) >= 0
            assert ("x-age" in told) is (asked.app != "providers")


ROWS = {
    "list": a_list,
    "filter": a_filter,
    "order": an_order,
    "page": pages,
    "count": a_count,
    "fields": fields,
    "item": an_item,
    "history": a_history,
    "source": a_source,
    "then": a_time,
    "difference": a_difference,
    "statistics": statistics,
    "words": words,
    "changes": changes,
    "export": an_export,
    "again": a_tag,
    "age": an_age,
}


@pytest.mark.parametrize("row", ROWS)
def test_every_app_answers_every_question(asked, row):
    ROWS[row](asked)


def test_an_answer_is_known_by_its_tag_and_what_cannot_be_asked_is_told(asked):
    first = asked.answer(asked.root)
    assert asked.answer(asked.root, if_none_match=first.headers["etag"]).status_code == 304
    wrong = asked.answer(f"{asked.root}?{asked.field}s=1")
    assert (wrong.status_code, wrong.headers["content-type"]) == (400, "application/problem+json")
    assert asked.field in wrong.json()["detail"]


def test_the_page_shows_what_is_answered(asked):
    """Each request that is shown with its answer."""
    shown = re.findall(r"^    GET (/v1/(\w+)/.*)\n    (.*)$", DOCS.read_text(), re.MULTILINE)
    assert shown
    for url, app, answer in shown:
        if asked.root.startswith(f"/v1/{app}/"):
            assert json.loads(answer) == asked.answer(url).json(), asked.answer(url).text


def test_the_page_names_everything_that_statistics_take():
    page = DOCS.read_text()
    assert not [bucket for bucket in BUCKETS if f"| `{bucket.name}(field)` |" not in page]
    assert not [item for item in FUNCTIONS if f"`{item.name}(field)`" not in page]
    assert not [name for name in PARAMETERS if f"`{name}" not in page]


def test_every_example_of_the_page_is_answered(asked):
    rows = re.findall(r"^\| (\w+) \|.*\| `(/v1/(\w+)/[^`]*)` \|$", DOCS.read_text(), re.MULTILINE)
    assert [name for name, _, _ in rows] == list(ROWS)
    own = [url for _, url, app in rows if asked.root.startswith(f"/v1/{app}/")]
    for url in own:
        answer = asked.answer(url.replace("{date}", str(asked.first.get("date"))))
        assert answer.status_code == 200, (url, answer.text)
        assert (
            json.loads(answer.text)["data"] if answer.headers["content-type"] == "application/json" else answer.text
        ), url


@pytest.mark.storeless
def test_no_app_is_left_out():
    assert set(APPS) == {module.name for module in pkgutil.iter_modules(apps.__path__) if module.ispkg}
