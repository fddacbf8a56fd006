"""The matrix of rights: every route of the served description, every method, every kind of caller; each cell asserted.

The routes come from the description, what is expected from the one table in `matrix_policy`: a route without a row
fails, and a row without a route.
"""

import asyncio
import json
import sqlite3
import sys
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from itertools import product
from pathlib import Path

import httpx
import pytest

sys.path.append(str(Path(__file__).parents[1] / "resources"))

import market
from asgi_client import transport
from many_people import GATEWAY, NOW, OUTSIDE
from matrix_policy import ABSENT, BAD, OPTIONS, PEOPLE, POLICY
from people import PLACE, somebody, user

from catchment.apps import police, providers, stocks
from catchment.clock import FakeClock
from catchment.derive import derive
from catchment.exchange import Answer, Request
from catchment.partitions import Partition
from catchment.plan import State
from catchment.serve.app import build
from catchment.settings import Settings, load_settings
from catchment.store.archive import Place
from catchment.store.engines.sqlite import File
from catchment.store.keys import create, revoke
from catchment.store.lease import Outcome
from catchment.store.store import Store
from catchment.store.tables import collections_of
from catchment.store.writes import Write, Writer

APPS = [stocks.app, police.app, providers.app, market.app]
WRITTEN = {item.name: item for app in APPS for item in collections_of(app) if item.written}
YEAR = {"from_date": "2026-01-01", "to_date": "2026-12-31"}
PROVIDER = {"name": "Mill", "skills": ["milling"], "cost_in_pence": 100, "availability": [YEAR]}
OFFERS = {"market/places": PLACE, "providers/providers": PROVIDER}
JOB = {"job_budget_in_pence": 1000, "skills": ["milling"]}
METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")
DAYS = "?symbol=IBM&start_date=2026-01-01&end_date=2026-01-31"
JOB_ASKED = "?job_budget_in_pence=1000&skills=milling"
NEEDED = {  # what a route does not answer without
    "/v1/_/partitions": "?collection=stocks/bars",
    "/api/statistics": DAYS,
    "/v1_1/service-providers/recommend": JOB_ASKED,
    "/v1_0/service-providers/recommend": JOB_ASKED,
    "/api/v1/statistics": DAYS,
}
OWNER, OTHER, LISTER, REST, GATEWAYS, JUDGE = range(1, 7)
SAID_NOTHING = (  # members that every record of the upstream has
    *("location", "operation", "operation_name", "gender", "age_range", "self_defined_ethnicity"),
    *("officer_defined_ethnicity", "legislation", "object_of_search", "outcome_linked_to_object_of_search"),
    "removal_of_more_than_outer_clothing",
)
SEEN = {"datetime": "2024-03-01T10:00:00+00:00", "type": "Person search", "involved_person": True, "outcome": "Arrest"}
STOP = dict.fromkeys(SAID_NOTHING) | SEEN
COLLECTED = {  # collection: the partition, and what its upstream answered
    "stocks/bars": ({"symbol": "IBM"}, None),
    "stocks/splits": (
        {"symbol": "IBM"},
        {"symbol": "IBM", "data": [{"effective_date": "2026-01-02", "split_factor": "2.0"}]},
    ),
    "stocks/dividends": (
        {"symbol": "IBM"},
        {"symbol": "IBM", "data": [{"ex_dividend_date": "2026-01-02", "amount": "0.5"}]},
    ),
    "police/forces": ({}, [{"id": "btp", "name": "Transport"}]),
    "police/availability": ({}, [{"date": "2024-03", "stop-and-search": ["btp"]}]),
    "police/stops": ({"force": "btp", "month": "2024-03"}, [STOP]),
    "market/bars": (
        {},
        [{"symbol": name, "date": "2026-01-02", "close": "1.5"} for name in ("IBM", "AAPL")],
    ),
}
SERIES = {"1. open": "1.5", "2. high": "2", "3. low": "1", "4. close": "1.5", "5. volume": "10"}
DAILY = {"Meta Data": {"2. Symbol": "IBM"}, "Time Series (Daily)": {"2026-01-02": SERIES}}


def collect(folder: Path) -> None:
    """A record in every collected collection, with the exchange that it came from."""
    with Store(load_settings({"CATCHMENT_DATA": str(folder)}, folder=folder), APPS) as store:
        for collection in (item for app in APPS for item in collections_of(app) if not item.written):
            values, content = COLLECTED[collection.name]
            partition = Partition(tuple(values.items()))
            lease = store.ledger.claim(1, collection.name, State(partition), NOW)
            assert lease is not None
            place = Place(collection.name, partition.key, lease.number, lease.attempt)
            answer = Answer(200, json.dumps(content or DAILY).encode(), NOW)
            page = store.archive.put(place, Request("/x"), "https://upstream.example/x", answer)
            outcome = Outcome("failed", digest=page.digest)
            derive(collection.feed, lease, [page], store.records(collection), outcome, NOW)


def write(database: Path) -> dict[str, str]:
    """A record of the owner's in every written collection, by its name; what is reviewed is another's."""
    writer = Writer(File(database), [item for app in APPS for item in collections_of(app)], FakeClock(NOW))

    def put(name: str, members: dict[str, object], who: int) -> str:
        collection = WRITTEN[name]
        draft = collection.feed.draft(members)
        done = writer.submit(
            Write(collection=collection, action="create", principal=somebody(who), make=lambda _: draft)
        )
        return done.result().key

    try:
        keys = {f"listed {name}": put(name, OFFERS[name], LISTER) for name in OFFERS}
        keys |= {name: put(name, OFFERS[name], OWNER) for name in OFFERS}
        review = {"skill": None, "rating": 4, "comment": "canary"}
        keys["market/reviews"] = put("market/reviews", review | {"place": keys["listed market/places"]}, OWNER)
        about = {"provider": keys["listed providers/providers"]}
        keys["providers/reviews"] = put("providers/reviews", review | about, OWNER)
        note = {"symbol": "IBM", "date": "2026-01-02", "text": "canary"}
        return keys | {"market/notes": put("market/notes", note, OWNER)}
    finally:
        writer.close()


def identities(database: Path) -> dict[str, tuple[str, dict[str, str]]]:
    """Everybody: from where they ask, and with which headers."""

    def key(number: int, *scopes: str, **options) -> str:
        return create(File(database), "test", user(number), set(scopes), NOW, **options)[0]

    keys = {
        "reader": key(REST, "read"),
        "owner": key(OWNER, "write"),
        "other": key(OTHER, "write"),
        "moderator": key(REST, "moderate"),
        "moderator who writes": key(JUDGE, "write", "moderate"),
        "operator": key(REST, "operate"),
        "owner without write": key(OWNER, "read"),
        "revoked": key(OWNER, "read", "write", "moderate", "operate"),
        "expired": key(OWNER, "read", "write", "moderate", "operate", expires_at=NOW - timedelta(seconds=1)),
        "malformed": "ck_nothing",
    }
    revoke(File(database), keys["revoked"].split("_")[1], NOW)
    with_keys = {who: (OUTSIDE, {"authorization": f"Bearer {text}"}) for who, text in keys.items()}
    return with_keys | {
        "outside": (OUTSIDE, {}),
        "loopback": ("127.0.0.1", {}),
        "gateway": (GATEWAY, {"user-id": user(GATEWAYS)}),
    }


@dataclass
class World:
    """The service over a database with a record of everything, and the database as it was at first."""

    front: object
    sql: sqlite3.Connection
    pristine: sqlite3.Connection
    people: dict[str, tuple[str, dict[str, str]]]
    keys: dict[str, str]

    async def ask(self, who: str, method: str, url: str, body: object = None, **given: str) -> httpx.Response:
        peer, headers = self.people[who]
        way = transport(self.front, peer)
        async with httpx.AsyncClient(transport=way, base_url="http://localhost") as client:
            sent = headers | {"if-match": "*", "content-type": "application/json"} | given
            content = None if body is None else json.dumps(body).encode()
            return await client.request(method, url, content=content, headers=sent)

    def contents(self) -> list[object]:
        """Every row of every table, but for the audit: there a denial is to be noted."""
        names = self.sql.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name != '_audit'").fetchall()
        return [(name, self.sql.execute(f'SELECT * FROM "{name}"').fetchall()) for (name,) in names]

    def restore(self) -> None:
        self.pristine.backup(self.sql)


@pytest.fixture
def world(tmp_path):
    database = tmp_path / "catchment.sqlite"
    collect(tmp_path)
    keys = write(database)
    people = identities(database)
    limits = dict.fromkeys((f"CATCHMENT_LIMIT_{n}" for n in ("ANONYMOUS", "KEY", "WRITES", "FAILED_KEYS")), "off")
    limits |= dict.fromkeys(("PROVIDERS_LIMIT_WRITES", "PROVIDERS_LIMIT_REVIEWS"), "off")
    values = limits | {"CATCHMENT_DATA": str(tmp_path), "CATCHMENT_TRUSTED_GATEWAYS": GATEWAY}
    front = build(APPS, Settings().with_values("test", values), FakeClock(NOW))
    with closing(sqlite3.connect(database)) as sql, closing(sqlite3.connect(":memory:")) as pristine:
        yield World(front, sql, pristine, people, keys)
        front.close()


def target(world: World, method: str, path: str) -> str:
    """An address that the template stands for, of something that is there and is the owner's where it has one."""
    keys, name = world.keys, "/".join(path.split("/")[2:4])
    if "{key}" in path and name not in keys:
        table = name.replace("/", "_")
        keys[name] = world.sql.execute(f"SELECT _key FROM {table} ORDER BY _key").fetchone()[0]
    reviewed = "listed " if "/review" in path else ""
    found = {
        "key": keys.get(name),
        "review": keys["market/reviews"],
        "place": keys["listed market/places"],
        "provider": keys[f"{reviewed}providers/providers"],
        "review_id": keys["providers/reviews"],
    }
    return path.format(**found) + (
        NEEDED.get(path, "?from=0" * path.endswith("/diff")) if method in ("GET", "HEAD") else ""
    )


def body_of(world: World, method: str, path: str) -> object:
    """What an owner would send, with something new in it."""
    if method not in ("POST", "PUT", "PATCH"):
        return None
    place, provider = (world.keys[f"listed {name}"] for name in OFFERS)
    if path.startswith("/v1_"):
        return contract_body(method, path)
    review = {"skill": None if method == "PUT" else "milling", "rating": 3}
    full = {
        "places": PLACE | {"name": "Changed"},
        "providers": PROVIDER | {"name": "Changed"},
        "reviews": review | ({"place": place} if "market" in path else {"provider": provider}),
        "notes": {"symbol": "AAPL", "date": "2026-01-02", "text": "down"},
    }
    if method == "POST":
        return full.get(path.rpartition("/")[2], {})
    name = path.split("/")[3] if path.count("/") > 2 else ""
    if method == "PATCH" or name == "notes":
        patch = {"reviews": {"rating": 1}, "notes": {"text": "changed"}}
        return patch.get(name, {"name": "Changed"})
    return {text: value for text, value in full.get(name, {}).items() if text not in ("place", "provider")}


def contract_body(method: str, path: str) -> object:
    """The same for the routes of the providers' contract."""
    if path.endswith("/review"):
        return {"rating": 1} if method == "PATCH" else {"rating": 1, "skill": "milling"}
    bodies = {"moderation": {"decision": "publish"}, "recommend": JOB, "service-providers": {}}
    return bodies.get(path.rpartition("/")[2], PROVIDER | {"name": "Changed"})


def expected(path: str, method: str, who: str) -> int:
    rows = POLICY[path]
    if method == "OPTIONS":
        return rows.get("options", OPTIONS)[who]
    return rows.get("get" if method == "HEAD" else method.lower(), ABSENT)[who]


NOT_KNOWN = {"type": "/problems/not-authenticated", "title": "Unauthorized", "status": 401, "errors": []}


async def every_cell(world: World, paths: list[str]) -> tuple[int, list[str]]:
    """How many cells were asked, and what is wrong with which."""
    for who in PEOPLE:  # the first use of a key is noted
        await world.ask(who, "GET", "/v1")
    await world.ask("outside", "GET", "/v1_0/service-providers")  # the general mean is counted and kept
    world.front._rights._traces.submit(lambda: None).result()
    world.sql.backup(world.pristine)
    before, wrong, refused, cells = world.contents(), [], {}, 0
    for path, method, who in product(paths, METHODS, PEOPLE):
        url, body = target(world, method, path), body_of(world, method, path)
        # Whoever says that he takes JSON writes as whoever says nothing. What is read may be something else.
        takes = {"accept": "application/json"} if cells % 2 and method not in ("GET", "HEAD", "OPTIONS") else {}
        answer = await world.ask(who, method, url, body, **takes)
        cells += 1
        cell = f"{method} {path} by {who}"
        if answer.status_code != expected(path, method, who):
            wrong.append(f"{cell}: {answer.status_code}, not {expected(path, method, who)}: {answer.text[:100]}")
        if answer.status_code == 401 and method != "HEAD":
            said = {name: text for name, text in answer.json().items() if name not in ("trace_id", "instance", "error")}
            if "info" in said:  # in the form of that route's contract
                said = NOT_KNOWN | {"detail": said["info"]["error"]}
            refused.setdefault(json.dumps([said, answer.headers["www-authenticate"]], sort_keys=True), cell)
        if answer.is_client_error and "canary" in answer.text:
            wrong.append(f"{cell}: the denial shows what it denies")
        # What waits for a moderator is read by him and its author alone.
        readers = ("owner", "owner without write", "moderator", "moderator who writes")
        held = "provider" in path and method in ("GET", "HEAD") and who not in readers
        if held and "canary" in answer.text:
            wrong.append(f"{cell}: shows a comment that nobody has published")
        changed = world.contents() != before
        wrote = method not in ("GET", "HEAD", "OPTIONS") and answer.is_success and "/service-providers" not in path
        if changed is not wrote:
            wrong.append(f"{cell}: {answer.status_code}, and the database {'has' if changed else 'has not'} changed")
        if changed:
            world.restore()
    if len(refused) != 1:
        wrong.append(f"401 says different things: {refused}")
    return cells, wrong


def test_every_cell_is_as_the_policy_says(world):
    document = asyncio.run(world.ask("loopback", "GET", "/openapi.json")).json()
    routes = {(path, method) for path, operations in document["paths"].items() for method in operations}
    assert routes == {(path, method) for path, rows in POLICY.items() for method in rows if method != "options"}
    cells, wrong = asyncio.run(every_cell(world, list(document["paths"])))
    print(f"{cells} cells: {len(POLICY)} routes, {len(METHODS)} methods, {len(PEOPLE)} kinds of callers")
    assert cells == len(POLICY) * len(METHODS) * len(PEOPLE)
    assert not wrong, "\n".join(wrong)


async def every_refused_type(world: World, routes: list[tuple[str, str]]) -> list[str]:
    """What is wrong where somebody writes who takes no JSON: he is told so, and nothing is done."""
    before, wrong = world.contents(), []
    for (path, method), who in product(routes, PEOPLE):
        url, body = target(world, method, path), body_of(world, method, path)
        answer = await world.ask(who, method, url, body, accept="text/xml")
        due = 401 if POLICY[path][method.lower()][who] == 401 and who in BAD else 406
        if answer.status_code != due:
            wrong.append(f"{method} {path} by {who}: {answer.status_code}, not {due}: {answer.text[:100]}")
    if world.contents() != before:
        wrong.append("the database has changed")
    return wrong


def test_who_takes_no_json_writes_nothing(world):
    """Of every writing route, whoever asks: with `Accept: text/xml`. The matrix asks with JSON, and with nothing."""
    routes = [(path, name.upper()) for path, rows in POLICY.items() for name in rows if name not in ("get", "options")]
    assert len(routes) > 30

    async def both() -> list[str]:
        for who in PEOPLE:  # the first use of a key is noted
            await world.ask(who, "GET", "/v1")
        world.front._rights._traces.submit(lambda: None).result()
        return await every_refused_type(world, routes)

    wrong = asyncio.run(both())
    assert not wrong, "\n".join(wrong)
