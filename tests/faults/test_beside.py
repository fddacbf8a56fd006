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
from pathlib import Path

import pytest
from harbour import NOW, Berth
from test_sweep import COLLECTING

from catchment.clock import FakeClock, render_moment
from catchment.failpoints import POINTS
from catchment.serve.app import build
from catchment.settings import load_settings
from catchment.store.check import check
from catchment.store.engines.sqlite import File
from catchment.store.tables import collections_of

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

    found = check(File(berth.folder / "data" / "catchment.sqlite"), collections_of(app))
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


def harbour_left(berth: Berth) -> dict[str, list[tuple]]:
    bodies = berth.sql("SELECT DISTINCT digest FROM _body ORDER BY 1")
    return {**berth.state(), "bodies": bodies, "generation": berth.sql(GENERATION)}


@dataclass(frozen=True)
class Deed:
    """What is done beside collecting. place: the fixture that it begins in. least: hits of an undisturbed one."""

    place: str
    command: tuple[str, ...]
    least: int
    left: Callable[[Berth], object] = harbour_left
    wrong: Callable[[Berth], list[str]] = Berth.wrong
    unfinished: str = ""  # what `check` says of one that was broken off


GENERATION = "SELECT generation FROM _collection WHERE name = 'harbour/boxes'"
ONE_SHIP = ("replay", "harbour:app/boxes", "--only", "ship=3")
ERASED = ("erase", "harbour:app/boxes", "1,5", "1,9", "--yes")
NOT_TO_THE_END = "was not erased to the end"

DEEDS = {
    "rows.filled": Deed("moored", ("collect", "quay:app"), 3, left, wrong),
    "rows.swept": Deed("moored", ("collect", "quay:app"), 5, left, wrong),
    "rows.carried": Deed("stored", ONE_SHIP, 1),
    "erase.marked": Deed("stored", ERASED, 1, unfinished=NOT_TO_THE_END),
    "erase.body": Deed("stored", ERASED, 3, unfinished=NOT_TO_THE_END),
}


def test_every_point_is_one_of_a_collection_or_of_what_is_done_beside_it():
    assert {*COLLECTING, *DEEDS} == set(POINTS)
    assert not set(COLLECTING) & DEEDS.keys()


@pytest.mark.parametrize("action", ["kill", "raise"])
@pytest.mark.parametrize("point", DEEDS)
def test_broken_off_anywhere_what_is_done_beside_collecting_ends_the_same_when_it_is_done_again(
    request, tmp_path_factory, point, action
):
    """At its first, second and last step."""
    deed = DEEDS[point]
    place = request.getfixturevalue(deed.place)
    control = copied(place, tmp_path_factory.mktemp("control"))
    assert control.run(*deed.command, hits="hits").end() == 0, control.output
    hits, wanted = control.hits(point), deed.left(control)
    assert hits >= deed.least
    assert wanted != deed.left(place)
    for hit in sorted({1, min(2, hits), hits}):
        berth = copied(place, tmp_path_factory.mktemp(action))
        fault = f"{point}:{hit}:{action}"
        code = berth.run(*deed.command, points=fault).end()
        assert (code == -signal.SIGKILL) if action == "kill" else code in {1, 3}, berth.output
        assert berth.fired == [fault]
        assert [text for text in deed.wrong(berth) if not deed.unfinished or deed.unfinished not in text] == []
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
