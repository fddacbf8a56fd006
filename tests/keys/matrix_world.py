"""The matrix of rights, asked: who asks, where and with what, and what is wrong with the answers."""

import asyncio
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

import httpx
from asgi_client import transport
from databases import database_in, given, values_in
from many_people import GATEWAY, NOW, OUTSIDE
from matrix_policy import ABSENT, BAD, OPTIONS, PEOPLE, Row, operations
from matrix_records import EPISODE, GATEWAYS, JUDGE, OTHER, OWNER, PROVIDER, REST, collect, write
from matrix_rows import kept
from people import PLACE, user

from catchment import explorer
from catchment.app import App
from catchment.clock import FakeClock
from catchment.serve.app import build
from catchment.settings import Settings
from catchment.store.engines import Connection, Database, database_of
from catchment.store.keys import create, revoke

Policy = Mapping[str, Mapping[str, Row]]

SAFE = ("GET", "HEAD", "OPTIONS")
METHODS = (*SAFE, "POST", "PUT", "PATCH", "DELETE")
FURTHER = 60
"""Of so many further cells one is asked on PostgreSQL, where each denial takes a connection of its own."""
JOB = {"job_budget_in_pence": 1000, "skills": ["milling"]}
DAYS = "?symbol=IBM&start_date=2026-01-01&end_date=2026-01-31"
JOB_ASKED = "?job_budget_in_pence=1000&skills=milling"
NEEDED = {  # what a route does not answer without
    "/v1/_/partitions": "?collection={first}",
    "/api/statistics": DAYS,
    "/v1_1/service-providers/recommend": JOB_ASKED,
    "/v1_0/service-providers/recommend": JOB_ASKED,
    "/api/v1/statistics": DAYS,
}


class Cell(NamedTuple):
    """Who asks, with which method, and of which route."""

    who: str
    path: str
    method: str

    def __str__(self) -> str:
        return f"{self.method} {self.path} by {self.who}"


def cells_of(policy: Policy) -> list[Cell]:
    """Each route, asked with each method by everybody.

    One caller after the other: a key is remembered until something is committed, and each denial of a bad one is.
    """
    return [Cell(who, path, method) for who, path, method in product(PEOPLE, policy, METHODS)]


def cells_on(engine: str, policy: Policy) -> list[Cell]:
    """All of them on SQLite. On a server those that may write, and of the others some."""
    return [cell for cell in cells_of(policy) if writes(policy, cell) or asked_on(engine, str(cell))]


def asked_on(engine: str, cell: str) -> bool:
    """Whether that is asked there which only reads, or is denied: on SQLite everything, on a server by its name."""
    return engine == "sqlite" or crc32(cell.encode()) % FURTHER == 1


def writes(policy: Policy, cell: Cell) -> bool:
    """Whether it is done what is asked, with a method that changes something."""
    return cell.method not in SAFE and expected(policy, cell) < 300


def identities(database: Database) -> dict[str, tuple[str, dict[str, str]]]:
    """Everybody: from where they ask, and with which headers."""

    def key(number: int, *scopes: str, **options) -> str:
        return create(database, "test", user(number), set(scopes), NOW, **options)[0]

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
    revoke(database, keys["revoked"].split("_")[1], NOW)
    with_keys = {who: (OUTSIDE, {"authorization": f"Bearer {text}"}) for who, text in keys.items()}
    return with_keys | {
        "outside": (OUTSIDE, {}),
        "loopback": ("127.0.0.1", {}),
        "gateway": (GATEWAY, {"user-id": user(GATEWAYS)}),
    }


@dataclass
class World:
    """The service over a database with a record of everything.

    first: the name of a collection that everybody may read. ways: to the service, from each place.
    """

    front: object
    sql: Connection
    policy: Policy
    first: str
    people: dict[str, tuple[str, dict[str, str]]]
    keys: dict[str, str]
    ways: dict[str, httpx.ASGITransport] = field(default_factory=dict)

    async def ask(self, who: str, method: str, url: str, body: object = None, **given: str) -> httpx.Response:
        peer, headers = self.people[who]
        way = self.ways.setdefault(peer, transport(self.front, peer))
        sent = {"accept": "*/*"} | headers | {"if-match": "*", "content-type": "application/json"} | given
        content = None if body is None else json.dumps(body).encode()
        # Without a client, which nothing here asks anything of and which takes its time to make.
        request = httpx.Request(method, f"http://localhost{url}", content=content, headers=sent)
        answer = await way.handle_async_request(request)
        answer.request = request
        await answer.aread()
        return answer

    async def settle(self) -> None:
        """What a first request leaves behind is there, once for all: a key's first use, the providers' mean."""
        for who in PEOPLE:
            await self.ask(who, "GET", "/v1")
        await self.ask("outside", "GET", "/v1_0/service-providers")
        self.front._rights._traces.submit(lambda: None).result()


@contextmanager
def served(folder: Path, apps: tuple[App, ...], policy: Policy) -> Iterator[World]:
    """These apps, with their pages, over a record of everything."""
    settings = values_in(folder, apps)
    database = database_of(database_in(folder, apps))
    collect(folder, settings, apps)
    keys = write(database, apps)
    people = identities(database)
    limits = dict.fromkeys((f"CATCHMENT_LIMIT_{n}" for n in ("ANONYMOUS", "KEY", "WRITES", "FAILED_KEYS")), "off")
    limits |= dict.fromkeys(("PROVIDERS_LIMIT_WRITES", "PROVIDERS_LIMIT_REVIEWS"), "off")
    values = limits | settings | {"CATCHMENT_TRUSTED_GATEWAYS": GATEWAY}
    front = build(apps, Settings().with_values("test", values), FakeClock(NOW), pages=explorer.handlers)
    with closing(database.open()) as sql:
        try:
            first = next(app.collection(feed) for app in apps for feed in app.feeds if feed.public)
            yield World(front, sql, policy, first, people, keys)
        finally:
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
        "review": keys.get("market/reviews"),
        "place": keys.get("listed market/places"),
        "provider": keys.get(f"{reviewed}providers/providers"),
        "review_id": keys.get("providers/reviews"),
        "episode": EPISODE,
        "comment": keys.get("episodes/comments"),
    }
    needed = NEEDED.get(path, "?from=0" * path.endswith("/diff")).format(first=world.first)
    return path.format(**found) + needed * (method in ("GET", "HEAD"))


def body_of(world: World, method: str, path: str) -> object:
    """What an owner would send, with something new in it."""
    if method not in ("POST", "PUT", "PATCH"):
        return None
    if path == "/v1/_/orders":
        return {"collection": world.first, "verb": "retry"}
    if path.startswith("/v1_"):
        return contract_body(method, path)
    if path.endswith(("/comments", "/comments/{key}", "/comments/{comment}")):
        whole = method == "POST" and "{episode}" not in path
        return {"text": "changed"} | ({"episode": EPISODE} if whole else {})
    place, provider = (world.keys.get(f"listed {name}") for name in ("market/places", "providers/providers"))
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


def expected(policy: Policy, cell: Cell) -> int:
    rows = policy[cell.path]
    if cell.method == "OPTIONS":
        return rows.get("options", OPTIONS)[cell.who]
    return rows.get("get" if cell.method == "HEAD" else cell.method.lower(), ABSENT)[cell.who]


NOT_KNOWN = {"type": "/problems/not-authenticated", "title": "Unauthorized", "status": 401, "errors": []}


async def every_cell(world: World, cells: Iterable[Cell]) -> list[str]:
    """What is wrong with which cell. What one of them writes is there for no other one."""
    await world.settle()
    wrong, refused = list[str](), dict[str, Cell]()
    with kept(world.sql) as rows:
        for number, cell in enumerate(cells):
            url, body = target(world, cell.method, cell.path), body_of(world, cell.method, cell.path)
            # Whoever says that he takes JSON writes as whoever says nothing. What is read may be something else.
            takes = {"accept": "application/json"} if number % 2 and cell.method not in SAFE else {}
            answer = await world.ask(cell.who, cell.method, url, body, **takes)
            wrong += [f"{cell}: {answer.status_code}, {said}" for said in wrong_with(world.policy, cell, answer)]
            if answer.status_code == 401 and cell.method != "HEAD":
                refused.setdefault(refusal(answer), cell)
            changed = rows.changed()
            wrote = cell.method not in SAFE and answer.is_success and "/service-providers" not in cell.path
            if changed is not wrote:
                wrong.append(f"{cell}: {answer.status_code}, the database {'has' if changed else 'has not'} changed")
            if changed:
                rows.restore()
    if len(refused) != 1:
        wrong.append(f"401 says different things: {refused}")
    return wrong


def wrong_with(policy: Policy, cell: Cell, answer: httpx.Response) -> Iterator[str]:
    if answer.status_code != (due := expected(policy, cell)):
        yield f"not {due}: {answer.text[:100]}"
    shown = "canary" in answer.text
    if answer.is_client_error and shown:
        yield "the denial shows what it denies"
    # What waits for a moderator is read by him and its author alone.
    readers = ("owner", "owner without write", "moderator", "moderator who writes")
    if shown and "provider" in cell.path and cell.method in ("GET", "HEAD") and cell.who not in readers:
        yield "shows a comment that nobody has published"


def refusal(answer: httpx.Response) -> str:
    """What somebody unknown is told, without what differs each time."""
    said = {name: text for name, text in answer.json().items() if name not in ("trace_id", "instance", "error")}
    if "info" in said:  # in the form of that route's contract
        said = NOT_KNOWN | {"detail": said["info"]["error"]}
    return json.dumps([said, answer.headers["www-authenticate"]], sort_keys=True)


async def every_refused_type(world: World, routes: list[tuple[str, str]]) -> list[str]:
    """What is wrong where somebody writes who takes no JSON: he is told so, and nothing is done."""
    await world.settle()
    wrong = []
    with kept(world.sql) as rows:
        for (path, method), who in product(routes, PEOPLE):
            if not asked_on(given.engine, f"{method} {path} by {who}"):
                continue
            url, body = target(world, method, path), body_of(world, method, path)
            answer = await world.ask(who, method, url, body, accept="text/xml")
            due = 401 if world.policy[path][method.lower()][who] == 401 and who in BAD else 406
            if answer.status_code != due:
                wrong.append(f"{method} {path} by {who}: {answer.status_code}, not {due}: {answer.text[:100]}")
        if rows.changed():
            wrong.append("the database has changed")
    return wrong


async def every_page(world: World, pages: Mapping[str, tuple[Row, ...]], collections: Mapping[str, str]) -> list[str]:
    """What is wrong with the pages. collections: of which they are asked, in the order of the rows, with a record."""
    wrong = []
    (run,) = world.sql.execute("SELECT max(id) FROM _run WHERE app = ?", (world.first.partition("/")[0],)).fetchone()
    for path, rows in pages.items():
        for row, (name, key) in zip(rows, collections.items(), strict=False):
            app, _, feed = name.partition("/")
            url = (
                path.replace("{app:str}/{name:str}", f"{app}/{feed}")
                .replace("{key:str}", key)
                .replace("{number:str}", str(run))
            )
            url = url.replace("{name:str}", "style.css").replace("{operation:str}", "index")
            for who in (name for name in PEOPLE if asked_on(given.engine, f"GET {url} by {name}")):
                answer = await world.ask(who, "GET", url)
                if answer.status_code != row[who]:
                    wrong.append(f"GET {url} by {who}: {answer.status_code}, not {row[who]}: {answer.text[:100]}")
                if answer.is_client_error and key in answer.text.replace(url, ""):
                    wrong.append(f"GET {url} by {who}: the denial shows what it denies")
    return wrong


def check_every_cell(world: World) -> None:
    """The description has the routes of the policy and no others, and every cell asked is answered as it says."""
    document = asyncio.run(world.ask("loopback", "GET", "/openapi.json")).json()
    routes = {(path, method) for path, methods in document["paths"].items() for method in methods}
    assert routes == operations(world.policy)
    wrong = asyncio.run(every_cell(world, cells_on(given.engine, world.policy)))
    assert not wrong, "\n".join(wrong)


def check_refused_types(world: World) -> int:
    """How many routes write; each of them refuses whoever takes no JSON."""
    routes = [(path, name.upper()) for path, name in sorted(operations(world.policy)) if name != "get"]
    wrong = asyncio.run(every_refused_type(world, routes))
    assert not wrong, "\n".join(wrong)
    return len(routes)
