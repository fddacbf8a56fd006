"""Made-up people: the same each time, and written by a real client to the real command."""

import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import uuid
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from urllib.request import urlopen

import msgspec
import pytest
from databases import database_in, values_in
from forkserver import run

from catchment.apps import providers
from catchment.apps.providers.rules import folded
from catchment.apps.providers.standin import SIZES, SKILLS, offers, opinions
from catchment.store.engines import database_of
from catchment.store.keys import create
from catchment.store.rollups import kept, recomputed
from catchment.store.tables import collections_of

COUNTED = re.compile(r"(\d+) x ([A-Z]+) (\d+)")


@pytest.mark.parametrize("size", ["tiny", "small"])
def test_what_is_made_up_is_the_same_each_time_and_has_the_shapes_of_the_real(size):
    extent = SIZES[size]
    listed, said = list(offers(extent)), list(opinions(extent))
    assert (listed, said) == (list(offers(extent)), list(opinions(extent)))
    assert listed != list(offers(extent, variant=2))
    assert (len(listed), len(said)) == (SIZES[size].providers, SIZES[size].reviews)
    assert len({item.user for item in listed}) <= SIZES[size].users
    assert len(set(SKILLS)) == 200
    reviewed = Counter(item.provider for item in said)
    assert sum(place not in reviewed for place in range(len(listed))) >= 0.4 * len(listed)
    assert reviewed.most_common(1)[0][1] > 2 * len(said) / len(listed)
    assert all(listed[item.provider].user != item.user for item in said)
    once = {(item.provider, item.user, item.body["skill"] and folded(item.body["skill"])) for item in said}
    assert len(once) == len(said)
    assert max(len(item.body["name"]) for item in listed) == 200


OFF = dict.fromkeys(("CATCHMENT_LIMIT_ANONYMOUS", "CATCHMENT_LIMIT_KEY", "CATCHMENT_LIMIT_WRITES"), "off")
NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.fixture
def settings():
    return {}


@pytest.fixture
def service(engine, tmp_path, settings):
    """The address of a service that takes this machine for a gateway."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = {**values_in(tmp_path), "CATCHMENT_TRUSTED_GATEWAYS": "127.0.0.0/8"} | settings
    process = subprocess.Popen(
        [sys.executable, "-m", "catchment", "serve", "providers", "--port", str(port)],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"]} | settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout.readline().startswith("serving on http://")
    yield f"http://127.0.0.1:{port}"
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, "Traceback" in out + err) == (0, False)


def standin(*arguments, **settings):
    """What `catchment standin providers` says: its exit code, its lines, its errors."""
    done = run(Path.cwd(), ["standin", "providers", *arguments], {"PATH": os.environ["PATH"]} | settings)
    return done.code, done.out.splitlines(), done.err


def listed(service):
    with urlopen(f"{service}/v1_0/service-providers?count=exact&page_size=100") as answer:  # noqa: S310 (our own)
        return msgspec.json.decode(answer.read())


def test_people_write_over_the_wire_within_the_ordinary_limits(service):
    assert standin("--to", service) == (0, ["5 people wrote 20 offers and 40 reviews"], "")
    content = listed(service)
    assert content["pagination"]["count"] == 20
    assert sum(item["review_count"] for item in content["service_providers"]) == 40


@pytest.mark.parametrize("settings", [OFF], ids=["no limits"])
def test_many_write_change_and_delete_at_once(service, tmp_path):
    """What each is answered follows from what they did; afterwards the sums are what counting gives."""
    code, lines, errors = standin("--to", service, "--variant", "2", "--clients", "4", "--load", "400")
    assert (code, errors) == (0, "")
    told = {(method, int(status)): int(number) for number, method, status in COUNTED.findall(lines[-1])}
    assert lines[-1].startswith("4 clients at once: ")
    assert sum(told.values()) == 400
    assert set(told) == {("POST", 201), ("PATCH", 200), ("DELETE", 200)}
    left = 40 + told["POST", 201] - told["DELETE", 200]
    assert sum(item["review_count"] for item in listed(service)["service_providers"]) == left
    reviews = collections_of(providers.app)[1]
    with closing(database_of(database_in(tmp_path)).open()) as sql:
        for number in range(3):
            assert kept(sql, reviews, number) == recomputed(sql, reviews, number) != {}


@pytest.mark.once  # what is refused there comes to no database
@pytest.mark.parametrize("settings", [OFF], ids=["no limits"])
@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("none", "of 60 requests none was taken: 60 x POST 401"),
        ("malformed", "of 60 requests none was taken: 60 x POST 422"),
        ("both", "of 60 requests none was taken: 60 x POST 422"),
        ("different", "of 60 requests none was taken: 60 x POST 403"),
        ("wrong", "others than their owners tried to change them: 20 x DELETE 404, 20 x POST 403, 20 x PUT 404"),
    ],
)
def test_a_gateway_that_fails_lets_nobody_write(service, tmp_path, mode, said):
    key = create(database_of(database_in(tmp_path)), "test", str(uuid.UUID(int=1)), {"write"}, NOW)[0]
    code, lines, errors = standin("--to", service, "--gateway", mode, CATCHMENT_KEY=key)
    assert (code, lines[-1], errors) == (0, said, "")
    assert listed(service)["pagination"]["count"] == (20 if mode == "wrong" else 0)


@pytest.mark.parametrize("settings", [{"CATCHMENT_TRUSTED_GATEWAYS": "192.0.2.0/24"}], ids=["no gateway"])
def test_people_say_what_was_refused(service):
    code, lines, errors = standin("--to", service)
    assert (code, lines) == (1, [])
    assert "POST /v1_0/service-provider: 401" in errors
    assert "Traceback" not in errors


@pytest.mark.sqlite  # loaded into a file
def test_people_of_any_number_are_loaded_below_the_api(tmp_path):
    """The path of `--size large`: into a new data folder, and never beside what people wrote."""
    folder, extent = tmp_path / "market", SIZES["tiny"]
    database = folder / "catchment.sqlite"
    whole = extent.providers + extent.reviews
    assert standin("--data", str(folder)) == (
        0,
        [f"{whole} of {whole} records are loaded", f"5 people wrote 20 offers and 40 reviews: {database}"],
        "",
    )
    with closing(sqlite3.connect(database)) as sql:
        for table, number in (("providers", extent.providers), ("reviews", extent.reviews)):
            assert sql.execute(f"SELECT count(*) FROM providers_{table}").fetchone() == (number,)
        (reviews,) = (item for item in collections_of(providers.app) if item.feed.name == "reviews")
        for number in range(len(reviews.feed.rollups)):
            assert kept(sql, reviews, number) == recomputed(sql, reviews, number)
        before = list(sql.iterdump())
        code, lines, errors = standin("--data", str(folder))
        assert (code, lines) == (2, [])
        assert "providers/providers holds records" in errors
        assert "load into a new data folder" in errors
        assert list(sql.iterdump()) == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--data", "here", "--to", "http://127.0.0.1:1"], "leave out --to"),
        (["--size", "huge"], "--size huge is unknown"),
        (["--size", "large"], "large: too much to write through the API"),
        (["--gateway", "odd"], "--gateway odd is unknown"),
        (["--gateway", "different"], "CATCHMENT_KEY"),
        (["--to", "ftp://x"], "--to ftp://x is no http:// URL"),
        (["--to", "http://127.0.0.1:1"], "127.0.0.1:1"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(arguments, said):
    code, lines, errors = standin(*arguments)
    assert code in (1, 2)
    assert lines == []
    assert said in errors
    assert "Traceback" not in errors
