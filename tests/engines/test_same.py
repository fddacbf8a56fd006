"""The same history on every engine: the API answers the same bytes."""

import json
import sys
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import Phase, given
from hypothesis import settings as tried
from hypothesis import strategies as st

sys.path.insert(1, str(Path(__file__).parents[1] / "store"))
sys.path.insert(1, str(Path(__file__).parents[1] / "serve"))

from asgi_client import Client
from shop import START, Shop, settings, things

from catchment import App, Counter, Record
from catchment.clock import FakeClock
from catchment.serve.app import build
from catchment.store.check import check
from catchment.store.store import Store, prepare
from catchment.store.tables import collections_of


class Sample(Record):
    id: str
    text: str | None = None
    number: float | None = None
    whole: int | None = None
    price: Decimal | None = None
    flag: bool | None = None
    at: datetime | None = None
    day: date | None = None
    tags: list[str] | None = None


samples = replace(
    things,
    name="samples",
    record=Sample,
    sort=("text",),
    indexes=(("-price", "whole"),),
    counters=(Counter(by=("text", "month(at)"), of=("whole", "price")), Counter(by=("number", "flag", "price"))),
    public=True,
)
app = App("shop", feeds=[samples])

TEXTS = [
    "",
    "a",
    "A",
    "b",
    "ä",
    "Z",
    "z",
    "é",
    "e\u0301",
    "\U0001f600",
    "\uffff",
    "~",
    "a%b",
    "a_b",
    'q"q',
    "it's",
    "\\",
    "\t",
    " a",
]
VALUES = {
    "text": st.sampled_from([*TEXTS, "nul \0 here", "half \ud800"]),
    "number": st.sampled_from([0, -0.0, 0.1, 1e300, 5e-324, -2.5, 1.0, 2**53 + 1]),
    "whole": st.sampled_from([0, 1, -1, 2**31, 2**63 - 1, -(2**63), 2**63, 10**30]),
    "price": st.sampled_from(
        ["0.1", "0.10", "-0.1", "100", "1e2", "99999999999999999999.5", "0", "-0", "1" * 60, "NaN"]
    ),
    "flag": st.booleans(),
    "at": st.sampled_from(
        ["2026-01-01T00:00:00Z", "2026-01-01T01:00:00+01:00", "2026-01-01T00:00:00.000001Z", "1066-10-14T09:00:00Z"]
    ),
    "day": st.sampled_from(["2026-01-01", "0001-01-01", "9999-12-31", "2026-02-30"]),
    "tags": st.lists(st.sampled_from(TEXTS), max_size=3),
}
rows = st.builds(
    lambda key, values: {"id": key, **values},
    st.sampled_from(["a", "B", "b", "ü", "z/z", "a,b", "k" * 300]),
    st.fixed_dictionaries({}, optional={name: st.none() | values for name, values in VALUES.items()}),
)
histories = st.lists(
    st.tuples(st.sampled_from(["one", "two"]), st.lists(rows, max_size=6, unique_by=lambda row: row["id"])), max_size=5
)

ASKED = [
    "", "?sort=text", "?sort=-text", "?sort=price,whole", "?sort=-price,-whole", "?sort=-price,text", "?sort=number,id",
    "?sort=-flag,at", "?sort=day,-flag", "?text__ne=a", "?text__gt=A", "?text__contains=a", "?text__contains=%25",
    "?text__startswith=a", "?text__in=a,%C3%A4", "?text__nin=a,b", "?text__isnull=true",
    "?whole__gte=0&whole__lt=2147483648",
    "?price=0.1", "?price__gt=0", "?number__lte=0.1", "?flag=true", "?flag__ne=false", "?at__gte=2026-01-01T00:00:00Z",
    "?day__lt=2026-01-01", "?tags__has=a", "?tags__isnull=false", "?fields=text,price,tags", "?count=exact", "?as_of=1",
    "?as_of=2&sort=-text", "?as_of=2&tags__has=a&count=exact", "?as_of=2026-01-01T00:02:00Z&sort=price",
    "?text=%00", "?limit=0", "/diff?from=1", "/diff?from=1&to=2", "/diff?from=2026-01-01T00:01:00Z", "/changes?after=0",
    "/stats", "/stats?by=text&of=sum(price),avg(price),sum(whole),avg(whole),count(whole)", "/stats?by=price,flag",
    "/stats?by=text,month(at)&of=sum(price)&sort=-sum(price)",
    "/stats?by=week(day)&of=distinct(text),min(text),max(at)",
    "/stats?by=hour(at)&zone=Asia/Kolkata&of=sum(number),avg(number),max(price),distinct(number)&as_of=2",
    "/stats?by=day(at)&zone=Europe/London", "/stats?by=number&of=min(day),count(tags)&text__ne=a", "/stats?by=tags",
]  # fmt: skip


@contextmanager
def living(url, folder, history):
    """The API over what a collector left that was given these answers."""
    place = settings(folder, CATCHMENT_DATABASE=url)
    with Store(place, [app]) as store:
        here = Shop(store, place)
        store._derived.execute("UPDATE _meta SET value = ? WHERE name = 'cursor-key'", ("ab" * 32,))
        told = []
        for shelf, answer in history:
            raw = [json.dumps(row).encode() for row in [{"id": "read"}, *answer]]
            outcome = here.collect(*raw, shelf=shelf, feed=samples)
            told.append((outcome.verdict, outcome.reason, outcome.counts))
        told += [(row.key, row.reason, row.path, row.raw) for row in store.desk.rejects(["shop/samples"])]
        told += [(item.rule, item.looked, item.shown) for item in check(store.database, collections_of(app))]
        front = build([app], place, FakeClock(START))
        try:
            yield told, Client(front, "127.0.0.1")
        finally:
            front.close()


def ask(client, path):
    return client.get(f"/v1/shop/samples{path}", headers={"x-request-id": "the-same"})


def answers(client):
    """Everything that is asked, and the walk through a list page by page."""
    found = [(path, said(ask(client, path))) for path in ASKED]
    for sort in ("text", "-price", "number", "-day,text"):
        path = f"?sort={sort}&limit=2"
        while path:
            answer = ask(client, path)
            found.append((path, said(answer)))
            following = answer.json().get("meta", {}).get("next")
            path = f"?sort={sort}&limit=2&cursor={following}" if following else ""
    keys = [item["_key"] for item in ask(client, "?limit=100").json()["data"]]
    for key in keys:
        found += [(key, said(ask(client, f"/{key.replace('%', '%25')}{end}"))) for end in ("", "/history")]
    return found


def said(answer):
    own = ("x-request-id", "date")
    return answer.status_code, answer.content, sorted((k, v) for k, v in answer.headers.items() if k not in own)


@tried(max_examples=6, phases=(Phase.explicit, Phase.generate))
@given(history=histories)
def test_the_same_history_gives_the_same_bytes(history, cluster, tmp_path_factory):
    folder = tmp_path_factory.mktemp("same")
    name = cluster.database(cluster.template("same", lambda database: prepare(database, [app])))
    try:
        with (
            living(f"sqlite:///{folder / 'x.sqlite'}", folder, history) as (told, one),
            living(cluster.url(name), folder, history) as (also_told, other),
        ):
            assert told == also_told
            for here, there in zip(answers(one), answers(other), strict=True):
                assert here == there
    finally:
        cluster.drop(name)


@pytest.mark.parametrize("operator", ["", "ne", "gt", "lt"])
def test_every_text_is_compared_as_on_every_engine(cluster, tmp_path, operator):
    """`COLLATE "C"` is the order of UTF-8: what sorts, compares and pages by it."""
    history = [("one", [{"id": str(number), "text": text} for number, text in enumerate(TEXTS)])]
    name = cluster.database(cluster.template("same", lambda database: prepare(database, [app])))
    with (
        living(f"sqlite:///{tmp_path / 'x.sqlite'}", tmp_path, history) as (_, one),
        living(cluster.url(name), tmp_path, history) as (_, other),
    ):
        for text in TEXTS:
            query = {f"text{'__' * bool(operator)}{operator}": text, "sort": "text"}
            paths = [client.get("/v1/shop/samples", params=query) for client in (one, other)]
            assert paths[0].content == paths[1].content
    cluster.drop(name)
