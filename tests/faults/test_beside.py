"""What is done beside collecting, killed or held anywhere: filling again, removing what is old, and a replay's copy."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from harbour import NOW, Berth

from catchment.clock import FakeClock, render_moment
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
    arguments = ["collect", "quay:app"]
    return berth.forks.start(berth.folder, arguments, berth.environment, points=points, hits=hits).end()


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


@pytest.mark.parametrize(("point", "least"), [("rows.filled", 3), ("rows.swept", 5)])
def test_killed_while_it_fills_again_or_removes_old_rows_the_next_run_goes_on(moored, tmp_path_factory, point, least):
    """At its first, second and last step."""
    control = copied(moored, tmp_path_factory.mktemp("control"))
    assert quay(control, hits="hits") == 0, control.output
    hits = control.hits(point)
    assert hits >= least
    wanted = left(control)
    assert wanted["filled"]
    for hit in sorted({1, 2, hits}):
        berth = copied(moored, tmp_path_factory.mktemp("killed"))
        fault = f"{point}:{hit}:kill"
        assert quay(berth, points=fault) == -signal.SIGKILL
        assert berth.fired == [fault]
        assert wrong(berth) == []
        assert quay(berth) == 0, berth.output
        assert left(berth) == wanted
        assert wrong(berth) == []


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


def replayed(berth: Berth, points: str = "", **values: str):
    """A replay of one ship's boxes; those of the others are copied."""
    arguments = ["replay", "harbour:app/boxes", "--only", "ship=3"]
    return berth.forks.start(berth.folder, arguments, {**berth.environment, **values}, points=points)


GENERATION = "SELECT generation FROM _collection WHERE name = 'harbour/boxes'"


def test_killed_when_it_has_copied_a_replay_leaves_the_present_generation(berth, first_tide, undisturbed):
    berth.after(first_tide)
    assert berth.collect() == 0
    fault = "rows.carried:1:kill"
    assert replayed(berth, fault).end() == -signal.SIGKILL
    assert berth.fired == [fault]
    assert berth.sql(GENERATION) == [(1,)]
    assert berth.state() == undisturbed[0]
    assert replayed(berth).end() == 0, berth.output
    assert berth.sql(GENERATION) == [(2,)]
    assert berth.wrong() == []
    for what in ("records", "versions", "rejects"):
        assert berth.state()[f"{what} of boxes"] == undisturbed[0][f"{what} of boxes"]


def test_while_it_copies_readers_read_and_a_collector_writes_and_all_of_it_is_there_after(
    berth, first_tide, undisturbed
):
    """It is held before the switch; the collector writes to what was copied already."""
    gate = berth.folder / "gate"
    os.mkfifo(gate)
    berth.after(first_tide)
    before = berth.boxes(1)
    replaying = replayed(berth, "rows.carried:1:hold", CATCHMENT_FAILPOINTS_GATE=str(gate))
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
