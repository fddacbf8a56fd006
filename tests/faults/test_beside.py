"""What is done beside collecting, broken off or held anywhere: filling again, removing what is old, a replay's copy, an
erasure.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from harbour import NOW, Berth
from test_sweep import COLLECTING

from catchment.clock import FakeClock, render_moment
from catchment.failpoints import POINTS
from catchment.principal import Principal
from catchment.serve.app import build
from catchment.settings import load_settings
from catchment.store.check import check
from catchment.store.keys import create
from catchment.store.tables import collections_of
from catchment.store.write import Write
from catchment.store.writes import Writer

sys.path.insert(0, str(Path(__file__).parents[1] / "serve"))

from asgi_client import Client

BOXES = "/v1/quay/boxes"
QUAY = {
    "records": "SELECT _key, _hash, _version, _doc FROM quay_boxes ORDER BY 1",
    "versions": "SELECT _key, _version, _hash, _gone FROM quay_boxes_version ORDER BY 1, 2",
    "exchanges": "SELECT partition, pass, url, digest FROM _exchange WHERE feed = 'quay/boxes' ORDER BY partition, id",
    "bodies": "SELECT DISTINCT digest FROM _body ORDER BY 1",
    "verdicts": "SELECT feed, key, verdict, lease_owner FROM _partition ORDER BY 1, 2",
    "filled": "SELECT feed, source, generation, revision FROM _filled",
}
"""All that is to be equal after a death. Attempts are not: one that was broken off is one more."""


def quay(berth: Berth, points: str = "", hits: str = "") -> int:
    """The exit code of a collection of the quay."""
    return berth.run("collect", "quay:app", points=points, hits=hits).end()


def left(berth: Berth) -> dict[str, list[tuple]]:
    return {what: berth.sql(statement) for what, statement in QUAY.items()}


def wrong(berth: Berth) -> list[str]:
    from quay import app

    found = check(berth.database, collections_of(app))
    return [f"{item.rule} {item.says}: {text}" for item in found for text in item.shown]


@pytest.fixture
def moored(berth) -> Berth:
    """Two tides are collected; by now the first is old, and the ships have other names."""
    assert quay(berth) == 0, berth.output
    berth.later(timedelta(days=1))
    berth.control.set(tide=2)
    assert quay(berth) == 0, berth.output
    berth.later(timedelta(days=3))
    berth.control.set(names="new")
    return berth


def copied(berth: Berth, folder: Path) -> Berth:
    return replace(berth, folder=folder).with_data_of(berth)


@pytest.fixture
def stored(berth, first_tide) -> Berth:
    """Both tides of the harbour are collected."""
    assert berth.after(first_tide).collect() == 0, berth.output
    return berth


ADA = "0b9d6a52-9d0c-4d4e-8f3a-0d6f0a6f8a11"
BOB = "5ab0f1d4-6d0c-4c67-9a51-6a3d8f0f3b22"
WRITTEN = {
    "notes": "SELECT author, ship, stars, _version FROM quay_notes ORDER BY ship, stars",
    "older notes": "SELECT author, stars FROM quay_notes_version ORDER BY stars",
    "pins": "SELECT author, ship FROM quay_pins ORDER BY ship",
    "keys": "SELECT principal FROM _api_key ORDER BY 1",
    "in the audit": f"SELECT count(*) FROM _audit WHERE principal = '{ADA}' OR object LIKE '%{ADA}%'",
}


@pytest.fixture
def written(berth) -> Berth:
    """Ada and Bob have written about ships, and have a key each; Ada has changed her mind once, and taken a pin off."""
    assert quay(berth) == 0, berth.output
    from quay import app

    of = {item.feed.name: item for item in collections_of(app)}
    with closing(Writer(berth.database, list(of.values()), FakeClock(berth.now))) as writer:

        def wrote(who: str, name: str, key: str = "", action: str = "create", **members: int) -> str:
            drafts = of[name].feed.drafts
            make = partial(drafts.patching, members) if key else lambda _: drafts.new(members)
            principal = Principal(who, scopes=frozenset({"write"}), via="key")
            write = Write(collection=of[name], action=action, principal=principal, key=key, make=make)
            return writer.submit(write).result().key

        for who, stars in ((ADA, 1), (BOB, 4)):
            create(berth.database, "of theirs", who, {"write"}, berth.now)
            note, *_ = [wrote(who, "notes", ship=ship, stars=stars) for ship in (1, 2)]
            pin, *_ = [wrote(who, "pins", ship=ship, stars=0) for ship in (1, 2, 3)]
            wrote(who, "notes", note, "change", stars=stars + 1)
            wrote(who, "pins", pin, "delete")
    return berth


def written_left(berth: Berth) -> dict[str, list[tuple]]:
    return {what: berth.sql(statement) for what, statement in WRITTEN.items()}


def named(berth: Berth) -> list[str]:
    """What contradicts an invariant; and files that name Ada, once it is said that she is erased to the end."""
    done = berth.sql("SELECT 1 FROM _erased WHERE collection = 'people' AND done_at IS NOT NULL")
    files = [path for path in (berth.folder / "data").rglob("*") if path.is_file()] if done else []
    return [*wrong(berth), *(f"{path.name} names her" for path in files if ADA.encode() in path.read_bytes())]


def harbour_left(berth: Berth) -> dict[str, list[tuple]]:
    bodies = berth.sql("SELECT DISTINCT digest FROM _body ORDER BY 1")
    return {**berth.state(), "bodies": bodies, "generation": berth.sql(GENERATION)}


@dataclass(frozen=True)
class Deed:
    """What is done beside collecting, and the point at which it is broken off. place: the fixture that it begins in.
    least: hits of an undisturbed one. at_once: all of it is there, or nothing.
    """

    point: str
    place: str
    command: tuple[str, ...]
    least: int
    left: Callable[[Berth], object] = harbour_left
    wrong: Callable[[Berth], list[str]] = Berth.wrong
    unfinished: str = ""  # what `check` says of one that was broken off
    at_once: bool = False


GENERATION = "SELECT generation FROM _collection WHERE name = 'harbour/boxes'"
ONE_SHIP = ("replay", "harbour:app/boxes", "--only", "ship=3")
ERASED = ("erase", "harbour:app/boxes", "1,5", "1,9", "--yes")
NOT_TO_THE_END = "was not erased to the end"

PERSON = ("erase", "quay:app", "--user", ADA, "--yes")
DEEDS = {
    "filling": Deed("rows.filled", "moored", ("collect", "quay:app"), 3, left, wrong),
    "retention": Deed("rows.swept", "moored", ("collect", "quay:app"), 5, left, wrong),
    "a replay": Deed("rows.carried", "stored", ONE_SHIP, 1),
    "an erasure, begun": Deed("erase.taken", "stored", ERASED, 1, at_once=True),
    "an erasure, marked": Deed("erase.marked", "stored", ERASED, 1, unfinished=NOT_TO_THE_END),
    "an erasure, in the archive": Deed("erase.body", "stored", ERASED, 3, unfinished=NOT_TO_THE_END),
    "a person, begun": Deed("erase.taken", "written", PERSON, 2, written_left, named, at_once=True),
    "a person, forgotten": Deed(
        "person.forgotten", "written", PERSON, 1, written_left, named, unfinished=NOT_TO_THE_END, at_once=True
    ),
}


def test_every_point_is_one_of_a_collection_or_of_what_is_done_beside_it():
    beside = {deed.point for deed in DEEDS.values()}
    assert {*COLLECTING, *beside} == set(POINTS)
    assert not set(COLLECTING) & beside


@pytest.mark.parametrize("action", ["kill", "raise"])
@pytest.mark.parametrize("deed", DEEDS.values(), ids=DEEDS)
def test_broken_off_anywhere_what_is_done_beside_collecting_ends_the_same_when_it_is_done_again(
    request, tmp_path_factory, deed, action
):
    """At its first, second and last step."""
    place = request.getfixturevalue(deed.place)
    control = copied(place, tmp_path_factory.mktemp("control"))
    assert control.run(*deed.command, hits="hits").end() == 0, control.output
    hits, before, wanted = control.hits(deed.point), deed.left(place), deed.left(control)
    assert hits >= deed.least
    assert wanted != before
    for hit in sorted({1, min(2, hits), hits}):
        berth = copied(place, tmp_path_factory.mktemp(action))
        fault = f"{deed.point}:{hit}:{action}"
        code = berth.run(*deed.command, points=fault).end()
        assert (code == -signal.SIGKILL) if action == "kill" else code in {1, 3}, berth.output
        assert berth.fired == [fault]
        assert [text for text in deed.wrong(berth) if not deed.unfinished or deed.unfinished not in text] == []
        assert not deed.at_once or deed.left(berth) == (wanted if deed.unfinished else before)
        assert berth.run(*deed.command).end() == 0, berth.output
        assert deed.left(berth) == wanted
        assert deed.wrong(berth) == []


def test_after_old_rows_were_removed_a_moment_before_is_410_over_http(moored):
    """What is left reads as before; the answer names the oldest state that there is."""
    assert quay(moored) == 0, moored.output
    from quay import app

    settings = load_settings(moored.environment, folder=moored.folder, environ={})
    with closing(build([app], settings, FakeClock(moored.now))) as front:
        client = Client(front, "127.0.0.1")
        assert client.get(f"{BOXES}?as_of={render_moment(moored.now)}").status_code == 200
        gone = client.get(f"{BOXES}?as_of={render_moment(NOW + timedelta(hours=1))}")
    assert (gone.status_code, gone.json()["type"]) == (410, "/problems/history-gone")
    (horizon,) = moored.sql("SELECT horizon FROM _collection WHERE name = 'quay/boxes'")[0]
    assert horizon > 0
    assert str(horizon) in gone.json()["detail"]


def test_while_it_copies_readers_read_and_a_collector_writes_and_all_of_it_is_there_after(
    berth, first_tide, undisturbed
):
    """It is held before the switch; the collector writes to what was copied already."""
    gate = berth.folder / "gate"
    os.mkfifo(gate)
    berth.after(first_tide)
    before = berth.boxes(1)
    berth.values["CATCHMENT_FAILPOINTS_GATE"] = str(gate)
    replaying = berth.run(*ONE_SHIP, points="rows.carried:1:hold")
    with gate.open("wb"):  # it reads from here on
        assert berth.fired == ["rows.carried:1:hold"]
        assert berth.boxes(1) == before
        found = berth.here()
        assert {result.verdict for result in found.values()} <= {"complete", "unchanged"}
        assert berth.boxes(1) != before
        assert berth.sql(GENERATION) == [(1,)]
    assert replaying.end() == 0, berth.output
    assert berth.sql(GENERATION) == [(2,)]
    for what in ("records", "versions", "rejects"):
        assert berth.state()[f"{what} of boxes"] == undisturbed[0][f"{what} of boxes"]
    assert berth.wrong() == []
