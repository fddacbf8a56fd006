"""Hostile text into every input of every route that the description names; nothing of it may do harm.

Every input meets every text once in `--requests 0`; else a sample of these meetings, drawn by the seed.

    ./run fuzz corpora [--requests 20000] [--seed N]
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import tempfile
import time
import unicodedata
import uuid
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from http.client import HTTPConnection, RemoteDisconnected
from pathlib import Path
from typing import Any
from urllib.parse import quote

from hunted.corpora import ALL, TEXTS
from hunted.filled import NOW, fill
from hunted.service import Service
from hunted.texts import app as texts

from catchment.apps import police, providers, stocks
from catchment.store.engines.sqlite import File
from catchment.store.keys import create
from catchment.store.store import prepare

APPS = [stocks.app, police.app, providers.app, texts]
TARGET = "stocks police providers hunted.texts:app"
LEAK = re.compile(
    r"Traceback|site-packages|\.py\"|sqlite3|OperationalError|IntegrityError|SELECT .{1,60}? FROM [\"_a-z]"
    r"|no such (column|table)|near \\?\".*\": syntax|unrecognized token|database is locked|sqlalchemy",
    re.IGNORECASE,
)
BLANKS = "".join(sign for sign in map(chr, range(sys.maxunicode)) if unicodedata.category(sign) == "Zs")
OURS = ("user-agent", "accept", "x-request-id", "if-none-match", "if-match", "idempotency-key", "content-type")
YEAR = {"from_date": "2026-01-01", "to_date": "2026-12-31"}
OFFER = {"name": "Mill", "skills": ["milling"], "cost_in_pence": 100, "availability": [YEAR]}
JOB = {"job_budget_in_pence": 1000, "skills": ["milling"]}
DAYS = {"symbol": "IBM", "start_date": "2026-01-01", "end_date": "2026-01-31"}
NEEDED = {  # what a route does not answer without
    "/v1/_/partitions": {"collection": "stocks/bars"},
    "/api/statistics": DAYS,
    "/api/v1/statistics": DAYS,
    **{
        f"/{version}/service-providers/recommend": {"job_budget_in_pence": "1000", "skills": "a"}
        for version in ("v1_0", "v1_1")
    },
}


TO_COME = b"/problems/revision-not-there"
"""Somebody asked by `X-Revision-At-Least` for what may be committed yet: 503, as the description says."""


@dataclass(frozen=True)
class Input:
    """One place of one operation that takes text."""

    method: str
    path: str
    kind: str  # query, path, header, body, or name: of a query parameter
    name: str
    answers: frozenset[str]

    @property
    def corpora(self) -> list[str]:
        fitting = {"body": ["halves", "long"], "header": ["header"]}.get(self.kind, ["path"])
        return [*TEXTS, *fitting]


@dataclass(frozen=True)
class Sent:
    """A request as it is sent, and the text that is in it."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes | None
    text: str


def inputs(document: dict[str, Any]) -> list[Input]:
    found = []
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            answers = frozenset(operation["responses"])
            named = [(item["in"], item["name"]) for item in operation.get("parameters", [])]
            named += [("name", "a name that nobody knows"), *(("header", name) for name in OURS)]
            named += [("body", name) for name in members(operation, document)]
            found += [Input(method.upper(), path, kind, name, answers) for kind, name in dict.fromkeys(named)]
    return found


def members(operation: dict[str, Any], document: dict[str, Any]) -> list[str]:
    """The members of the operation's body."""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if content is None:
        return []
    name = content["schema"].get("$ref", "").rpartition("/")[2]
    return list(document["components"]["schemas"][name]["properties"] if name else content["example"])


class World:
    """The service, its caller, and a record of everything that can be addressed."""

    def __init__(self, service: Service, key: str, listed: str) -> None:
        self._connection = HTTPConnection("127.0.0.1", service.port, timeout=30)
        self._key = key
        self.keys: dict[str, str] = {"listed": listed}
        for name in ("stocks/bars", "police/forces", "police/availability", "police/stops"):
            self.keys[name] = self._json("GET", f"/v1/{name}")["data"][0]["_key"]
        for name in ("providers/providers", "providers/reviews", "texts/texts"):
            self.renew(name)

    def renew(self, name: str) -> None:
        """Another record where one was deleted."""
        self.keys[name] = self._json("POST", f"/v1/{name}", self.whole(name))["data"]["_key"]

    def whole(self, name: str) -> dict[str, Any]:
        """An ordinary body for a new record."""
        review = {"provider": self.keys.get("listed"), "skill": None, "rating": 4, "comment": "words"}
        return {"providers/providers": OFFER, "providers/reviews": review, "texts/texts": {"text": "words"}}[name]

    def _json(self, method: str, url: str, body: object = None) -> dict[str, Any]:
        content = None if body is None else json.dumps(body).encode()
        status, _, answer = self.send(Sent(method, url, {}, content, ""))
        assert status in (200, 201), answer
        found: dict[str, Any] = json.loads(answer)
        return found

    def send(self, sent: Sent) -> tuple[int, dict[str, str], bytes]:
        """The answer: status, headers, body."""
        reused = self._connection.sock is not None
        try:
            return self._sent(sent)
        except (BrokenPipeError, ConnectionResetError, RemoteDisconnected):
            # A server may close a connection that waits; one that has just been opened it has to answer.
            if not reused:
                raise
            return self._sent(sent)

    def _sent(self, sent: Sent) -> tuple[int, dict[str, str], bytes]:
        headers = {"authorization": f"Bearer {self._key}"} | sent.headers
        if sent.body is not None:
            headers.setdefault("content-type", "application/json")
        try:
            self._connection.putrequest(sent.method, sent.url, skip_accept_encoding=True)
            for name, value in headers.items():
                self._connection.putheader(name, value.encode("utf-8"))
            if sent.body is not None:
                self._connection.putheader("content-length", str(len(sent.body)))
            self._connection.endheaders(sent.body)
            answer = self._connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        except Exception:
            self._connection.close()
            raise

    def close(self) -> None:
        self._connection.close()


def request(world: World, place: Input, corpus: str, text: str) -> Sent:
    """An ordinary request of the operation with the text in that one place."""
    written = text if corpus == "path" else quote(text, safe="", errors="replace")
    collection = "/".join(place.path.split("/")[2:4])
    provider, review = (
        world.keys["listed" if "/review" in place.path else "providers/providers"],
        world.keys["providers/reviews"],
    )
    parts = {"key": world.keys.get(collection, "x"), "provider": provider, "review_id": review}
    needed = NEEDED.get(place.path, {"from": "0"} if place.path.endswith("/diff") else {})
    query = {name: quote(value) for name, value in needed.items()} if place.method == "GET" else {}
    headers = {"if-match": "*"} if place.method in ("PUT", "PATCH", "DELETE") else {}
    body = body_of(world, place, collection)
    if place.kind == "path":
        parts[place.name] = written.replace("?", "%3F")
    elif place.kind == "query":
        query[place.name] = written.replace("&", "%26")
    elif place.kind == "name":
        query[written] = "1"
    elif place.kind == "header":
        headers[place.name] = re.sub(r"[\r\n\0]", " ", text)  # the client itself sends no such thing
    elif body is not None:
        body[place.name] = text
    url = place.path.format(**parts)
    url += "?" + "&".join(f"{name}={value}" for name, value in query.items()) if query else ""
    return Sent(
        place.method, re.sub(r"[\x00-\x20\x7f-\U0010ffff]", "_", url), headers, written_body(body, place, corpus), text
    )


def body_of(world: World, place: Input, collection: str) -> dict[str, Any] | None:
    if place.method not in ("POST", "PUT", "PATCH"):
        return None
    if collection in world.keys:
        whole = world.whole(collection)
        return dict(list(whole.items())[:1]) if place.method == "PATCH" and place.kind == "body" else dict(whole)
    last = place.path.rpartition("/")[2]
    bodies = {"review": {"rating": 4}, "moderation": {"decision": "publish"}, "recommend": JOB, "service-providers": {}}
    return dict(bodies.get(last, OFFER))


def written_body(body: dict[str, Any] | None, place: Input, corpus: str) -> bytes | None:
    """The body as JSON; a number also as it is, be it JSON or not."""
    if body is None:
        return None
    if place.kind == "body" and corpus == "number" and len(str(body[place.name])) % 2:
        mark = "b1e5"
        return json.dumps(body | {place.name: mark}).replace(f'"{mark}"', str(body[place.name])).encode()
    return json.dumps(body).encode()


# -- what an answer must be -----------------------------------------------------------------------------------------


def wrong(
    place: Input, sent: Sent, written: Collection[str], status: int, headers: dict[str, str], body: bytes
) -> list[str]:
    """What is wrong with an answer. written: texts that it may say again, because people wrote them."""
    found = []
    if status >= 500 and TO_COME not in body:
        found.append("5xx")
    documented = place.answers | {
        "400",
        "401",
        "404",
        "405",
        "414",
        "431",
    }  # the last: of any address, whatever it names
    if str(status) not in documented and "default" not in documented:
        found.append("undocumented")
    if leaks({sent.text, *written}, body.decode(errors="replace")):
        found.append("leak")
    if "x-injected" in headers or (body and headers.get("x-content-type-options") != "nosniff"):
        found.append("header")
    if headers.get("content-type", "").startswith("text/html") and not sent.url.startswith("/docs"):
        found.append("markup")
    return found


def leaks(texts: Collection[str], body: str) -> bool:
    """Whether an answer says something of our inside that is in none of the texts that people sent."""
    if not LEAK.search(body):
        return False
    for form in sorted((form for text in texts for form in forms(text)), key=len, reverse=True):
        body = body.replace(form, "") if form else body
    echoed = [form.lower() for text in texts for form in forms(text)]  # an echo may be cut short
    return any(not any(one.group().lower() in form for form in echoed) for one in LEAK.finditer(body))


def forms(text: str) -> set[str]:
    """The text as an answer may say it: as it is, as Python shows it, and each of these inside of JSON."""
    ways = {text, repr(text)[1:-1]}
    return ways | {json.dumps(way, ensure_ascii=narrow)[1:-1] for way in ways for narrow in (True, False)}


def changed(world: World, place: Input, sent: Sent, status: int, body: bytes) -> list[str]:
    """Whether a text that was taken is another one when it is read."""
    if place.kind != "body" or status not in (200, 201) or place.name not in ("text", "note", "name", "comment"):
        return []
    if place.path.endswith("/service-providers"):  # it is asked by POST, and writes nothing
        return []
    answer = json.loads(body)
    told = answer.get("data", answer)
    if place.path.startswith("/v1/"):
        name = "/".join(place.path.split("/")[2:4])
        read = world._json("GET", f"/v1/{name}/{quote(told['_key'], safe='')}")["data"]
        if read != told:
            return ["changed"]
    wanted = json.loads(sent.body or b"{}")[place.name]
    mended = place.name in ("name", "comment")  # the providers' normal form
    return [] if plain(told[place.name], mended=mended) == plain(wanted, mended=mended) else ["changed"]


def plain(text: object, *, mended: bool) -> object:
    if not mended or not isinstance(text, str):
        return text
    return unicodedata.normalize("NFC", text.replace("\r\n", "\n")).strip(f"\n{BLANKS}")


def meetings(document: dict[str, Any], options: argparse.Namespace) -> tuple[int, list[tuple[Input, str, str]]]:
    """How many there are of an input and a text, and those that are tried."""
    places = inputs(document)
    every = [(place, corpus, text) for place in places for corpus in place.corpora for text in ALL[corpus]]
    chance = random.Random(options.seed)
    return len(every), chance.sample(every, min(options.requests or len(every), len(every)))


def hunt(world: World, options: argparse.Namespace) -> tuple[Counter[str], list[str], int]:
    every, tried = meetings(world._json("GET", "/openapi.json"), options)
    found: Counter[str] = Counter()
    said, written = [], set()
    for place, corpus, text in tried:
        sent = request(world, place, corpus, text)
        if place.kind == "body" and LEAK.search(text):
            written.add(text)
        try:
            status, headers, body = world.send(sent)
            faults = wrong(place, sent, written, status, headers, body) + changed(world, place, sent, status, body)
        except Exception as error:  # noqa: BLE001 (no answer is a finding like any other)
            status, faults = 0, [f"no answer: {type(error).__name__}"]
        found[f"{status // 100}xx"] += 1
        found[f"into {place.kind}"] += 1
        said += [
            f"{fault}: {status} {place.method} {place.path} {place.kind} {place.name}: {text[:80]!a}"
            for fault in faults
        ]
        if place.method == "DELETE" and status in (200, 204):
            restore(world, place)
    return found, said, every


def restore(world: World, place: Input) -> None:
    name = "/".join(place.path.split("/")[2:4])
    if name in world.keys:
        world.renew(name)
    else:
        world.renew("providers/reviews" if "/review" in place.path else "providers/providers")


def begin(folder: Path) -> tuple[Service, World]:
    database = folder / "catchment.sqlite"
    prepare(File(database), APPS)
    fill(folder, APPS)
    scopes = {"read", "write", "moderate", "operate"}
    lister, caller = (create(File(database), "hunt", str(uuid.UUID(int=n)), scopes, NOW)[0] for n in (1, 2))
    service = Service(database, TARGET)
    connection = HTTPConnection("127.0.0.1", service.port)
    headers = {"authorization": f"Bearer {lister}", "content-type": "application/json"}
    connection.request("POST", "/v1/providers/providers", json.dumps(OFFER), headers)
    listed = json.loads(connection.getresponse().read())["data"]["_key"]
    connection.close()
    return service, World(service, caller, listed)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    options = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="catchment-fuzz-") as folder:
        service, world = begin(Path(folder))
        try:
            found, said, every = hunt(world, options)
        except BaseException:
            service.kill()
            raise
        world.close()
        if service.stop() != 0:
            said.append("the server did not end by itself")
    asked = sum(count for name, count in found.items() if name.endswith("xx"))
    print(f"{asked:,} of {every:,} meetings of input and text, seed {options.seed}, {time.monotonic() - began:.1f} s")
    print("  texts    " + "  ".join(f"{name} {len(items)}" for name, items in ALL.items()))
    print("  " + "  ".join(f"{name} {found[name]}" for name in sorted(found)))
    print(f"  findings {len(said)}")
    for text in said[:40]:
        print(f"  {text}")
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())
