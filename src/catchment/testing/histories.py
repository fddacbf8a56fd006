"""Random histories of the tiny app of `life`: what is collected, written by people, erased and replayed, as values."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from ..errors import CatchmentError
from .life import RESOURCES, ROOT, Life
from .values import HOSTILE, IDS, POOL

__all__ = ["Deed", "drawn_history"]


@dataclass(frozen=True)
class Deed:
    """Something that is done to a life: a name of `DEEDS`, and what it is done with."""

    what: str
    values: Mapping[str, object] = field(default_factory=dict)

    def do(self, life: Life) -> None:
        """Does it. What the program refuses is told, as it is told to whoever does it."""
        try:
            _DEEDS[self.what](life, **self.values)
        except CatchmentError as error:
            life.told.append((self.what, type(error).__name__, str(error)))


_REFUSED = 0.08
"""How often something is said that nobody may say."""


def drawn_history(drawn: random.Random, length: int) -> list[Deed]:
    """So many deeds, one after the other, behind some with which there is something to change."""
    begin = [_collected(drawn), *(_drawn_write(drawn, "POST", name) for name in ("offers", "offers", "reviews"))]
    return begin + [_drawn(drawn) for _ in range(length)]


def _drawn(drawn: random.Random) -> Deed:
    match drawn.choices(list(_OFTEN), list(_OFTEN.values()))[0]:
        case "collect":
            return _collected(drawn)
        case "write":
            method = drawn.choices(("POST", "PUT", "PATCH", "DELETE"), (5, 2, 4, 1))[0]
            return _drawn_write(drawn, method, drawn.choices(RESOURCES, (3, 2, 1))[0])
        case "order":
            verb = drawn.choice(("start", "retry", "pause", "resume", "replay", "collect", "nothing"))
            return Deed("order", {"verb": verb})
        case "erase":
            return Deed("erase", {"resource": drawn.choice(RESOURCES), "place": drawn.randrange(9)})
        case "erase person":
            return Deed("erase person", {"who": drawn.randint(1, 3)})
        case "replay":
            return Deed("replay")
        case _:
            return Deed("wait", {"minutes": drawn.choice((1, 10, 60, 26 * 60))})


_OFTEN = {"collect": 6, "write": 14, "order": 1, "erase": 1, "erase person": 0.4, "replay": 1, "wait": 1}


def _collected(drawn: random.Random) -> Deed:
    rows = [_row(drawn) for _ in range(drawn.choice((0, 1, 3, 6, 9)))]
    return Deed("collect", {"shelf": drawn.choice(("one", "one", "two")), "rows": rows})


def _row(drawn: random.Random) -> bytes:
    """A row of an upstream, as it says it: names twice, too."""
    said = {"id": drawn.choice(IDS), **_some(drawn, 0.5)}
    text = json.dumps(said)
    return (text[:-1] + ',"id":"twice"}' if drawn.random() < 0.02 else text).encode()


def _some(drawn: random.Random, likely: float) -> dict[str, object]:
    """What is said of some of the fields; seldom something that is refused."""
    found = {name: drawn.choice((None, *values)) for name, values in POOL.items() if drawn.random() < likely}
    if drawn.random() < _REFUSED:
        name = drawn.choice(list(HOSTILE))
        found[name] = drawn.choice(HOSTILE[name])
    return found


def _drawn_write(drawn: random.Random, method: str, resource: str) -> Deed:
    return Deed(
        "write",
        {
            "method": method,
            "resource": resource,
            "who": drawn.choices((1, 2, 3), (6, 2, 1))[0],
            "place": drawn.randrange(9),
            "body": None if method == "DELETE" else _body(drawn, resource, whole=method == "POST"),
            "meant": drawn.choices(("", "now", '"of another time"', "*"), (6, 6, 1, 1))[0],
            "once": drawn.choice(("", "", "", "", "first", "second")),
        },
    )


def _body(drawn: random.Random, resource: str, *, whole: bool) -> dict[str, object]:
    about: Mapping[str, dict[str, object]] = {
        "reviews": {"offer": drawn.randrange(9)},
        "notes": {"sample": drawn.choice(IDS[:4])},
    }
    found = dict(about.get(resource, {})) if whole else {}
    if resource == "offers":
        return found | _some(drawn, 0.4)
    own = {"reviews": ("text",), "notes": ("text", "whole")}[resource]
    found |= {name: value for name, value in _some(drawn, 0.6).items() if name in own}
    return found | ({"stars": drawn.choice((0, 1, "4.50", "0.01", 5, "1e2", None))} if resource == "reviews" else {})


# -- done ----------------------------------------------------------------------------------------------------------


def _collect(life: Life, shelf: str, rows: list[bytes]) -> None:
    life.collect(*rows, shelf=shelf)


def _write(life: Life, method: str, resource: str, who: int, place: int, body: object, meant: str, once: str) -> None:
    path = resource if method == "POST" else f"{resource}/{_key(life, resource, place)}"
    if isinstance(body, dict) and isinstance(body.get("offer"), int):
        body = {**body, "offer": _key(life, "offers", body["offer"])}
    if meant == "now":
        meant = "" if method == "POST" else life.ask(f"{ROOT}/{path}").header("etag")
    headers = {"if_match": meant, "idempotency_key": once}
    life.write(method, path, body, who, **{name: value for name, value in headers.items() if value})


def _key(life: Life, resource: str, place: int) -> str:
    """Of something that people made, which may be gone."""
    made = life.made[resource]
    return made[place % len(made)] if made else "nowhere"


def _order(life: Life, verb: str) -> None:
    said = json.dumps({"collection": "samples/samples", "verb": verb}).encode()
    life.told.append((life.ask("/v1/_/orders", {"content-type": "application/json"}, method="POST", body=said),))


def _erase(life: Life, resource: str, place: int) -> None:
    life.erase(resource, _key(life, resource, place))


def _erase_person(life: Life, who: int) -> None:
    life.erase_person(who)


def _replay(life: Life) -> None:
    life.replay()


def _wait(life: Life, minutes: int) -> None:
    life.later(timedelta(minutes=minutes))


_DEEDS: Mapping[str, Callable[..., None]] = {
    "collect": _collect,
    "write": _write,
    "order": _order,
    "erase": _erase,
    "erase person": _erase_person,
    "replay": _replay,
    "wait": _wait,
}
