"""Made-up people who write through the API like anybody: behind a gateway, one after the other or many at once."""

from __future__ import annotations

import json
import random
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from catchment import CatchmentError
from catchment.standin import Crowd

from .standin import SIZES, Offer, Opinion, filling, offers, opinions, user

__all__ = ["write"]

Json = dict[str, Any]
T = TypeVar("T")
Told = Counter[tuple[str, int]]

OFFER = "/v1_0/service-provider"
WRITTEN = ("tiny", "small", "medium")
"""The sizes that are written through the API."""
STEPS = 60
"""So often it is said how far a load is."""
EACH = 10
"""Writes by one person under load: less than anybody may review in an hour."""
LONGEST_WAIT_S = 5
"""How long a client waits when it is told that it was too fast."""
NOT_KNOWN = ("none", "malformed", "both", "different")


def write(crowd: Crowd) -> Iterator[str]:
    """Has these people write, and says what they wrote and what they were answered, or how far their load is.

    Raises:
        CatchmentError: something was refused that should not have been, or taken that should have been refused.
    """
    if crowd.database is not None:
        yield from _load_below(crowd, crowd.database)
        return
    if crowd.size not in WRITTEN:
        hint = f"choose {', '.join(WRITTEN)}, or have it loaded below the API into a new folder: --data FOLDER"
        raise CatchmentError(f"{crowd.size}: too much to write through the API", hint=hint)
    extent = SIZES[crowd.size]
    listed, said = list(offers(extent, crowd.variant)), list(opinions(extent, crowd.variant))
    made, told = _all(crowd, listed, _list)
    ids = [answer.get("id", str(uuid.UUID(int=0))) for answer in made]
    about = [(opinion, ids[opinion.provider]) for opinion in said]
    told += _all(crowd, about, _review)[1]
    if crowd.gateway in NOT_KNOWN:
        yield f"of {sum(told.values())} requests none was taken: {_counted(told)}"
        return
    yield f"{extent.users} people wrote {extent.providers} offers and {extent.reviews} reviews"
    if crowd.gateway == "wrong":
        others = _all(crowd, list(zip(listed, ids, strict=True)), _meddle)[1]
        yield f"others than their owners tried to change them: {_counted(others)}"
    if crowd.load:
        shares = [_Share(number, crowd.load // EACH // crowd.clients, tuple(ids)) for number in range(crowd.clients)]
        loaded = _all(crowd, shares, _load)[1]
        yield f"{crowd.clients} clients at once: {_counted(loaded)}"


def _load_below(crowd: Crowd, database: Path) -> Iterator[str]:
    """Loads what these people would write, and says how far it is."""
    extent = SIZES[crowd.size]
    whole = extent.providers + extent.reviews
    step = max(whole // STEPS, 1000)
    for number in filling(database, extent, crowd.clock, crowd.variant):
        if number % step == 0 or number == whole:
            yield f"{number:,} of {whole:,} records are loaded"
    yield f"{extent.users} people wrote {extent.providers} offers and {extent.reviews} reviews: {database}"


def _counted(told: Told) -> str:
    return ", ".join(f"{number} x {method} {status}" for (method, status), number in sorted(told.items()))


# -- clients --------------------------------------------------------------------------------------------------------


@dataclass
class _Client:
    """One connection, and the statuses that came over it."""

    crowd: Crowd
    told: Told = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.connection = HTTPConnection(urlsplit(self.crowd.address).netloc, timeout=30)

    def ask(self, method: str, path: str, who: str, body: Json | None = None, *, expected: Sequence[int]) -> Json:
        """The answer's content. Raises CatchmentError for another status than expected."""
        status, content, wait_s = self._once(method, path, who, body)
        while status == 429 and 0 < wait_s <= LONGEST_WAIT_S:
            time.sleep(wait_s)
            status, content, wait_s = self._once(method, path, who, body)
        self.told[method, status] += 1
        if status not in expected:
            reason = content.get("error", content.get("detail", ""))
            raise CatchmentError(
                f"{method} {path}: {status} {reason}",
                hint="more than 20 reviews an hour by one person: PROVIDERS_LIMIT_REVIEWS=off" if status == 429 else "",
            )
        return content

    def _once(self, method: str, path: str, who: str, body: Json | None) -> tuple[int, Json, int]:
        headers = _identity(self.crowd, who) | ({} if body is None else {"content-type": "application/json"})
        content = None if body is None else json.dumps(body).encode()
        try:
            self.connection.request(method, path, content, headers)
            answer = self.connection.getresponse()
        except OSError as error:
            hint = "start it with catchment serve providers, or name it by --to"
            raise CatchmentError(f"{self.crowd.address} does not answer: {error}", hint=hint) from error
        return answer.status, json.loads(answer.read()), int(answer.headers.get("retry-after", "0"))


def _identity(crowd: Crowd, who: str) -> dict[str, str]:
    """The headers by which the gateway says who asks, or fails to."""
    known = {"user-id": who}
    return {
        "none": {},
        "malformed": {"user-id": who[:-1]},
        "both": known | {"user_id": user(-1, crowd.variant)},
        "different": known | {"authorization": f"Bearer {crowd.key}"},
    }.get(crowd.gateway, known)


_REFUSED = {"none": (401,), "malformed": (422,), "both": (422,), "different": (403,)}


def _all(crowd: Crowd, items: Sequence[T], act: Callable[[_Client, T], Json]) -> tuple[list[Json], Told]:
    """What came of every item, in their order, and how often which status: shared among the clients."""
    clients = [_Client(crowd) for _ in range(crowd.clients)]

    def share(number: int) -> list[Json]:
        return [act(clients[number], item) for item in items[number :: crowd.clients]]

    try:
        with ThreadPoolExecutor(crowd.clients) as threads:
            shares = list(threads.map(share, range(crowd.clients)))
    finally:
        for client in clients:
            client.connection.close()
    found = [shares[place % crowd.clients][place // crowd.clients] for place in range(len(items))]
    return found, sum((client.told for client in clients), Counter())


# -- what they do ---------------------------------------------------------------------------------------------------


def _list(client: _Client, offer: Offer) -> Json:
    return client.ask("POST", OFFER, offer.user, offer.body, expected=_REFUSED.get(client.crowd.gateway, (201,)))


def _review(client: _Client, about: tuple[Opinion, str]) -> Json:
    opinion, provider = about
    expected = _REFUSED.get(client.crowd.gateway, (200, 201))
    return client.ask("POST", f"{OFFER}/{provider}/review", opinion.user, opinion.body, expected=expected)


def _meddle(client: _Client, offered: tuple[Offer, str]) -> Json:
    """Somebody else tries to change and to delete it; its owner tries to praise it."""
    offer, provider = offered
    other = user(-1, client.crowd.variant)
    client.ask("PUT", f"{OFFER}/{provider}", other, offer.body, expected=(404,))
    client.ask("DELETE", f"{OFFER}/{provider}", other, expected=(404,))
    return client.ask("POST", f"{OFFER}/{provider}/review", offer.user, {"rating": 5}, expected=(403,))


@dataclass(frozen=True)
class _Share:
    """What one client does under load: as many people, each with ten writes."""

    number: int
    people: int
    providers: tuple[str, ...]


def _load(client: _Client, share: _Share) -> Json:
    """Reviews created, changed and deleted; every person knows what there is of theirs, and so what is answered."""
    chance = random.Random(f"load {client.crowd.variant} {share.number}")
    for _ in range(share.people):
        who, held = str(uuid.UUID(int=chance.getrandbits(128), version=4)), set[str]()
        for _ in range(EACH):
            provider = chance.choice(sorted(held) or share.providers) if chance.random() < 0.6 else None
            _act(client, chance, who, provider or chance.choice(share.providers), held)
    return {}


def _act(client: _Client, chance: random.Random, who: str, provider: str, held: set[str]) -> None:
    place, rating = f"{OFFER}/{provider}/review", {"rating": chance.randrange(501) / 100}
    if provider not in held:
        client.ask("POST", place, who, rating, expected=(201,))
        held.add(provider)
    elif chance.random() < 0.6:
        client.ask("PATCH", place, who, rating, expected=(200,))
    else:
        client.ask("DELETE", place, who, expected=(200,))
        held.discard(provider)
