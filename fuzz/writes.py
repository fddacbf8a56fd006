"""Eight people write at random while the server is killed again and again; afterwards everything must add up.

Half of them send an Idempotency-Key and, when no answer came, the same request again: it must have had one effect. The
others look what became of theirs. So every person knows what must be stored, to the version.

    ./run fuzz writes [--operations 10000] [--clients 8] [--kills 5] [--seed N]
"""

from __future__ import annotations

import argparse
import random
import sqlite3
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import HTTPException
from pathlib import Path

import msgspec
from hunted.service import Caller, Service

from catchment.apps.providers import app
from catchment.record import to_stored
from catchment.store.engines.sqlite import File
from catchment.store.keys import create
from catchment.store.rollups import kept, recomputed
from catchment.store.store import prepare
from catchment.store.tables import collections_of

TARGET = "providers"
PROVIDERS, REVIEWS = "/v1/providers/providers", "/v1/providers/reviews"
SKILLS = ["cooking", "baking", "milling"]
YEAR = {"from_date": "2026-01-01", "to_date": "2026-12-31"}
OFFER = {"skills": SKILLS, "cost_in_pence": 1, "availability": [YEAR]}
COLLECTIONS = {item.feed.name: item for item in collections_of(app)}
FAILED = (OSError, HTTPException)
TRIES = 20

Slot = tuple[str, str | None]


@dataclass
class Known:
    """What a person knows of a record of theirs."""

    id: str
    version: int
    members: dict[str, str]


class Course:
    """What all share: how much is to be done, when the server dies, and what was found wrong."""

    def __init__(self, service: Service, operations: int, kills: list[int]) -> None:
        self.service = service
        self.found: Counter[str] = Counter()
        self.said: list[str] = []
        self.reviews: list[str] = []
        self._left = operations
        self._kills = kills
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Whether there is another operation to do; it is the caller's then."""
        with self._lock:
            self._left -= 1
            self.found["operations"] += self._left >= 0
            return self._left >= 0

    def wrong(self, kind: str, text: str) -> None:
        with self._lock:
            self.found[kind] += 1
            self.said.append(f"{kind}: {text}")

    def count(self, kind: str) -> None:
        """Counts an answer; the one that was chosen for it kills the server and starts it again."""
        with self._lock:
            self.found[kind] += 1
            due = kind == "acknowledged" and self._kills and self.found[kind] >= self._kills[0]
            if due:
                self._kills.pop(0)
        if due:
            self.service.kill()
            with self._lock:
                self.found["kills"] += 1
            self.service.start()


@dataclass
class Person:
    """One client, which writes one thing after the other and keeps account. eyes: a moderator's, who sees comments."""

    course: Course
    caller: Caller
    eyes: Caller
    user: str
    chance: random.Random
    resends: bool
    provider: Known
    providers: list[str] = field(default_factory=list)
    held: dict[Slot, Known] = field(default_factory=dict)
    gone: list[Known] = field(default_factory=list)
    serial: int = 0

    def work(self) -> None:
        acts = {self.write: 50, self.edit: 25, self.delete: 12, self.reprice: 5, self.be_refused: 8}
        try:
            while self.course.take():
                self.chance.choices(list(acts), list(acts.values()))[0]()
        except Exception as error:  # noqa: BLE001 (a hunter that dies must not look like a clean hunt)
            self.course.wrong("torn", f"{type(error).__name__}: {error}")

    # -- what is done ------------------------------------------------------------------------------------------

    def write(self) -> None:
        """A review where there may be one of this person's already: then it takes its place."""
        slot = self.chance.choice(self.providers), self.chance.choice([None, *SKILLS])
        before, members = self.held.get(slot), self._members()
        provider, skill = slot
        body = members | {"provider": provider, "skill": skill}
        answer = self._send("POST", REVIEWS, body, before, members)
        if answer is not None:
            self.held[slot] = answer
            self.course.reviews.append(answer.id)

    def edit(self) -> None:
        if not self.held:
            return self.write()
        slot = self.chance.choice(list(self.held))
        before, members = self.held[slot], self._members()
        answer = self._send("PATCH", f"{REVIEWS}/{before.id}", members, before, members)
        self.held[slot] = answer or before
        return None

    def reprice(self) -> None:
        """The person's own offer at another cost, so that it never is what it was."""
        self.serial += 1
        members = {"cost_in_pence": self.serial * 1000 + self.chance.randrange(1000)}
        answer = self._send("PATCH", f"{PROVIDERS}/{self.provider.id}", members, self.provider, members)
        self.provider = answer or self.provider

    def delete(self) -> None:
        if not self.held:
            return self.write()
        slot = self.chance.choice(list(self.held))
        before = self.held[slot]
        answer = self._send("DELETE", f"{REVIEWS}/{before.id}", None, before, {})
        if answer is not None:
            self.gone.append(self.held.pop(slot))
        return None

    def be_refused(self) -> None:
        """Something that must have no effect at all."""
        foreign = [key for key in self.course.reviews[-50:] if key not in {item.id for item in self.held.values()}]
        own = {"provider": self.provider.id, "skill": None, "rating": 3}
        tries = [("POST", REVIEWS, own, {403})]
        tries += [("POST", REVIEWS, own | {"provider": self.providers[0], "rating": 6}, {422})]
        tries += [("DELETE", f"{REVIEWS}/{key}", None, {403, 404}) for key in foreign[-1:]]
        tries += [("PATCH", f"{REVIEWS}/{item.id}", {"rating": 1}, {412}) for item in list(self.held.values())[:1]]
        method, url, body, expected = self.chance.choice(tries)
        headers = {"if_match": '"of another time"'} if expected == {412} else {}
        status = self._heard(method, url, body, **headers)[0]
        if status not in expected:
            self.course.wrong("torn", f"{method} {url} answers {status}, not {expected}")
        self.course.count("refused")

    def _members(self) -> dict[str, str]:
        self.serial += 1
        rating = f"{self.chance.randrange(501) / 100:.2f}".rstrip("0").rstrip(".")
        return {"rating": rating, "comment": f"{self.user[-2:]} says {self.serial}"}

    # -- how it is sent ----------------------------------------------------------------------------------------

    def _heard(self, method: str, url: str, body: object, **headers: str) -> tuple[int, dict]:
        """An answer, asked for again whenever the server was killed meanwhile."""
        for _ in range(TRIES):
            self.course.service.up.wait()
            with suppress(*FAILED):
                return (self.eyes if method == "GET" else self.caller).ask(method, url, body, **headers)
        raise RuntimeError(f"{method} {url} is never answered")

    def _send(self, method: str, url: str, body: object, before: Known | None, members: dict[str, str]) -> Known | None:
        """What is stored after this write; None if nobody heard of it and it is not."""
        if self.resends:
            status, answer = self._heard(method, url, body, idempotency_key=str(uuid.UUID(int=self._bits())))
        else:
            self.course.service.up.wait()
            try:
                status, answer = self.caller.ask(method, url, body)
            except FAILED:
                return self._become(method, url, before, members)
        expected = 204 if method == "DELETE" else 201 if before is None else 200
        if status != expected:
            self.course.wrong("lost", f"{method} {url} answers {status}, not {expected}: {answer.get('detail')}")
            return None
        self.course.count("acknowledged")
        return self._checked(answer, before, members) if answer else Known("", 0, {})

    def _bits(self) -> int:
        return self.chance.getrandbits(128)

    def _checked(self, answer: dict, before: Known | None, members: dict[str, str]) -> Known:
        """What the answer says, which must be what was sent, as the next version."""
        data, version = answer["data"], answer["meta"]["version"]
        expected = before.version + 1 if before else 1
        if {name: data[name] for name in members} != members:
            self.course.wrong("torn", f"{data['id']}: {data} is not {members}")
        if version != expected:
            self.course.wrong("doubled" if version > expected else "lost", f"{data['id']}: {version}, not {expected}")
        return Known(data["id"], version, members)

    def _become(self, method: str, url: str, before: Known | None, members: dict[str, str]) -> Known | None:
        """What a write came to of which nobody heard: all of it is there, or nothing."""
        self.course.count("unheard")
        if before is None:
            found = self._heard("GET", f"{url}?comment={members['comment'].replace(' ', '%20')}", None)[1]["data"]
            return Known(found[0]["id"], 1, members) if found else None
        place = url if method != "POST" else f"{url}/{before.id}"
        status, answer = self._heard("GET", place, None)
        if status == 404:
            return Known("", 0, {}) if method == "DELETE" else None
        if method == "DELETE" or answer["meta"]["version"] == before.version:
            return None
        return self._checked(answer, before, members)


# -- what must be true afterwards -----------------------------------------------------------------------------------


def check(course: Course, people: list[Person], database: Path) -> None:
    """Compares what is stored with what the people know, and the store with itself."""
    with closing(sqlite3.connect(database)) as sql:
        if sql.execute("PRAGMA integrity_check").fetchone() != ("ok",):
            course.wrong("torn", "the database is not sound")
        for name in COLLECTIONS:
            check_sums(course, sql, name)
            check_versions(course, sql, name)
        for person in people:
            check_person(course, sql, person)
        effects = sum(item.version for person in people for item in (person.provider, *person.held.values()))
        effects += sum(item.version + 1 for person in people for item in person.gone)
        (revisions,) = sql.execute("SELECT sum(revision) FROM _collection").fetchone()
        if revisions != effects:
            kind = "doubled" if revisions > effects else "lost"
            course.wrong(kind, f"{revisions} changes stand, {effects} were made")


def check_sums(course: Course, sql: sqlite3.Connection, name: str) -> None:
    collection = COLLECTIONS[name]
    for number in range(len(collection.feed.rollups)):
        if kept(sql, collection, number) != recomputed(sql, collection, number):
            course.wrong("torn", f"roll-up {number} of {name} is not what counting gives")
    documents = sql.execute(f'SELECT _key, _doc FROM "{collection.table}" ORDER BY _key').fetchall()
    for element in collection.feed.elements:
        rows = sql.execute(f'SELECT * FROM "{collection.table}__{element}" ORDER BY _key, _place').fetchall()
        if rows != [row for key, doc in documents for row in elements_of(name, element, key, doc)]:
            course.wrong("torn", f"the elements of {name}.{element} are not those of its records")


def elements_of(name: str, element: str, key: str, doc: str) -> list[tuple[object, ...]]:
    """The rows that a record's list makes."""
    feed = COLLECTIONS[name].feed
    content = msgspec.json.decode(doc)
    del content["_key"]
    items = getattr(msgspec.convert(content, feed.record), element)
    return [
        (key, place, *(to_stored(c.kind, getattr(item, c.name, item)) for c in feed.elements[element]))
        for place, item in enumerate(items)
    ]


def check_versions(course: Course, sql: sqlite3.Connection, name: str) -> None:
    """Versions are 1 to n without a gap, and so are revisions; every write stands in the audit once."""
    table = COLLECTIONS[name].table
    found: dict[str, list[int]] = {}
    for key, version in sql.execute(
        f"SELECT _key, _version FROM {table} UNION ALL SELECT _key, _version FROM {table}_version ORDER BY 1, 2"
    ):
        found.setdefault(key, []).append(version)
    for key, numbers in found.items():
        if numbers != list(range(1, len(numbers) + 1)):
            course.wrong("torn", f"{name}/{key} has the versions {numbers}")
    collection = COLLECTIONS[name].name
    (revision,) = sql.execute("SELECT revision FROM _collection WHERE name = ?", (collection,)).fetchone()
    commits = sql.execute("SELECT revision FROM _commit WHERE collection = ? ORDER BY 1", (collection,)).fetchall()
    if [number for (number,) in commits] != list(range(1, revision + 1)):
        course.wrong("torn", f"the revisions of {name} have a gap")
    query = "SELECT count(*) FROM _audit WHERE result = 'allowed' AND object LIKE ?"
    (audited,) = sql.execute(query, (f"{collection}/%",)).fetchone()
    if audited != revision:
        course.wrong("torn", f"{audited} entries of the audit for {revision} changes of {name}")


def check_person(course: Course, sql: sqlite3.Connection, person: Person) -> None:
    query = f"SELECT _key, _version, _doc FROM {COLLECTIONS['reviews'].table} WHERE user_id = ?"
    stored = {key: (version, msgspec.json.decode(doc)) for key, version, doc in sql.execute(query, (person.user,))}
    for item in person.held.values():
        version, doc = stored.pop(item.id, (0, {}))
        if version != item.version or any(doc[name] != value for name, value in item.members.items()):
            course.wrong("doubled" if version > item.version else "lost", f"{item} is stored as {version}: {doc}")
    for key in stored:
        course.wrong("doubled", f"nobody knows of {key}")
    gone = f"SELECT _version FROM {COLLECTIONS['reviews'].versions} WHERE _key = ? AND _gone = 1"
    for item in person.gone:
        if sql.execute(gone, (item.id,)).fetchone() != (item.version,):
            course.wrong("lost", f"the deletion of {item} is not stored")


# -- the hunt -------------------------------------------------------------------------------------------------------


def enlist(course: Course, database: Path, clients: int, seed: int) -> list[Person]:
    people = []
    for number in range(clients):
        user = str(uuid.UUID(int=number + 1))
        keys = [create(File(database), "hunt", user, {scope}, datetime.now(UTC))[0] for scope in ("write", "moderate")]
        caller, eyes = (Caller(course.service.port, key) for key in keys)
        offer = {"name": f"Offer {number}", "skills": SKILLS, "cost_in_pence": 1}
        offer |= (
            {"availability": [{"from_date": "2026-01-01", "to_date": "2026-12-31"}]} if TARGET == "providers" else {}
        )
        status, answer = caller.ask("POST", PROVIDERS, offer)
        assert status == 201, answer
        provider = Known(answer["data"]["id"], 1, {})
        chance = random.Random(f"{seed} {number}")
        people.append(Person(course, caller, eyes, user, chance, resends=number % 2 == 0, provider=provider))
    for person in people:
        person.providers = [other.provider.id for other in people if other is not person]
    return people


def hunt(database: Path, options: argparse.Namespace) -> Course:
    """The course of one hunt, with all that was found."""
    chance = random.Random(options.seed)
    most = options.operations * 3 // 4  # surely reached, whatever is refused
    prepare(File(database), [app])
    service = Service(database, TARGET)
    course = Course(service, options.operations, sorted(chance.sample(range(1, most + 1), options.kills)))
    people = enlist(course, database, options.clients, options.seed)
    threads = [threading.Thread(target=person.work) for person in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for person in people:
        person.caller.close()
        person.eyes.close()
    if service.stop() != 0:
        course.wrong("torn", "the server did not end by itself")
    check(course, people, database)
    return course


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--operations", type=int, default=10_000)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    options = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="catchment-fuzz-") as folder:
        course = hunt(Path(folder) / "catchment.sqlite", options)
    if course.found["kills"] != options.kills:
        course.wrong("torn", f"the server was killed {course.found['kills']} times, not {options.kills}")
    print(f"{options.clients} clients, seed {options.seed}, {time.monotonic() - began:.1f} s")
    for kind in ("operations", "acknowledged", "unheard", "refused", "kills", "lost", "doubled", "torn"):
        print(f"  {kind:<14}{course.found[kind]:>8}")
    for text in course.said[:20]:
        print(f"  {text}")
    return 1 if course.said else 0


if __name__ == "__main__":
    sys.exit(main())
