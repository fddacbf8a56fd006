"""Made-up people: the same each time, and written by a real client to the real command."""

import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from urllib.request import urlopen

import msgspec
import pytest

from catchment import CatchmentError
from catchment.apps.providers.rules import folded
from catchment.apps.providers.standin import SIZES, SKILLS, offers, opinions, people


@pytest.mark.parametrize("size", SIZES)
def test_what_is_made_up_is_the_same_each_time_and_has_the_shapes_of_the_real(size):
    listed = offers(size)
    said = opinions(listed, size)
    assert (listed, said) == (offers(size), opinions(offers(size), size))
    assert listed != offers(size, variant=2)
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


@pytest.fixture
def gateways():
    return "127.0.0.0/8"


@pytest.fixture
def service(tmp_path, gateways):
    """The address of a service that takes these networks for gateways."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = {"CATCHMENT_DATA": str(tmp_path), "CATCHMENT_TRUSTED_GATEWAYS": gateways}
    process = subprocess.Popen(
        [sys.executable, "-m", "catchment", "serve", "providers", "--port", str(port)],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1"} | settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout.readline().startswith("serving on http://")
    yield f"http://127.0.0.1:{port}"
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=15)
    assert (process.returncode, "Traceback" in out + err) == (0, False)


def test_people_write_over_the_wire_within_the_ordinary_limits(service):
    assert people(service) == SIZES["tiny"]
    with urlopen(f"{service}/v1_0/service-providers?count=exact&page_size=100") as answer:  # noqa: S310 (our own)
        content = msgspec.json.decode(answer.read())
    assert content["pagination"]["count"] == 20
    assert sum(item["review_count"] for item in content["service_providers"]) == 40


@pytest.mark.parametrize("gateways", ["192.0.2.0/24"])
def test_people_say_what_was_refused(service):
    with pytest.raises(CatchmentError, match="POST /v1_0/service-provider: 401"):
        people(service)
