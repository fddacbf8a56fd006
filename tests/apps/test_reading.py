"""Every question of docs/reading.md, asked of all five apps."""

import asyncio
import csv
import json
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from collecting import collecting
from marketplace import marketplace

from catchment.grouping import BUCKETS
from catchment.serve.app import build
from catchment.serve.front import Front
from catchment.settings import Settings
from catchment.store.statistics import FUNCTIONS, PARAMETERS

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

    def answer(self, url: str, **headers: str) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.front, client=("127.0.0.1", 5000))
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
                given = {name.replace("_", "-"): value for name, value in headers.items()}
                return await client.get(url, headers=given)

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


@contextmanager
def serving(app: str, folder: Path) -> Iterator[Front]:
    if app == "providers":
        with marketplace(folder) as market:
            for number in range(1, 6):
                market.offer(number, name=f"Mill {number}")
            yield market.front
        return
    with collecting(app, folder, now=NOW, **APPS[app][1]) as collected:
        collected.run()
        front = build([collected.app], Settings().with_values("test", collected.environment), collected.clock)
        try:
            yield front
        finally:
            front.close()


@pytest.fixture(scope="module", params=APPS)
def asked(request, tmp_path_factory):
    with serving(request.param, tmp_path_factory.mktemp(request.param)) as front:
        yield Asked(front, f"/v1/{request.param}/{APPS[request.param][0]}")


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
