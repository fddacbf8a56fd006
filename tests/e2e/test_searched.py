"""The keys and the password of three apps, which their upstreams say back: nowhere in what the apps leave and show."""

from base64 import b64encode
from contextlib import ExitStack
from datetime import timedelta

import pytest
from commands import NOW, Place
from searching import Searched, everywhere, spellings

from catchment.app import load_app
from catchment.clock import FakeClock
from catchment.standin import Options, Running, serve_in_thread

SECRETS = {"stocks": "canary+7f3a/9c=1e%5d", "episodes": "canary+8b1c/2d=7f%5d", "incidents": "canary-of-a-password"}
BASIC = b64encode(f"catchment:{SECRETS['incidents']}".encode()).decode()
VALUES = {
    "ALPHAVANTAGE_API_KEY": SECRETS["stocks"],
    "OMDB_API_KEY": SECRETS["episodes"],
    "INCIDENTS_USER": "catchment",
    "INCIDENTS_PASSWORD": SECRETS["incidents"],
}
BASES = {"stocks": "ALPHAVANTAGE", "episodes": "OMDB", "incidents": "INCIDENTS"}
ECHOED = {"stocks": "We have detected your API key as ***", "episodes": "Your key is ***", "incidents": "no: Basic ***"}
KNOWN = {"stocks": ["IBM"], "episodes": ["tt0944947"], "incidents": ["misuse", '"priority"']}
"""What is no secret, and in everything that an app keeps and shows."""


def echo(upstreams: dict[str, Running]) -> None:
    """Each upstream refuses, and says what it was given."""
    upstreams["stocks"].control.set(key_echo=True, error="quota")
    upstreams["episodes"].control.set(key_echo=True, error="unheard-of")
    said = {"fault": "status", "status": 401, "body": f"no: Basic {BASIC} {SECRETS['incidents']}"}
    upstreams["incidents"].control.faults({"path": "/incidents/probing/", **said})


@pytest.fixture(scope="module")
def searched(engine, tmp_path_factory) -> Searched:
    """What three apps left after a day on which their upstreams said the secrets back, and one that went well."""
    with ExitStack() as stack:
        upstreams, clock = {}, FakeClock(NOW)
        for name in SECRETS:
            service = load_app(name).standin(Options(size="tiny", variant=1, samples=None, clock=clock))
            upstreams[name] = stack.enter_context(serve_in_thread(service, clock=clock))
        upstreams["incidents"].control.set(password=SECRETS["incidents"])
        urls = {f"CATCHMENT_UPSTREAM_{BASES[name]}": running.url for name, running in upstreams.items()}
        place = Place(tmp_path_factory.mktemp("searched"), {**VALUES, **urls})
        echo(upstreams)
        first = place.run("collect", *SECRETS)
        assert first.code == 3, first.text
        for running in upstreams.values():
            running.control.reset()
        upstreams["incidents"].control.set(password=SECRETS["incidents"])
        place.clock.set(NOW + timedelta(days=1))
        second = place.run("collect", *SECRETS)
        assert second.code == 0, second.text
        found = everywhere(place, *SECRETS)
        return Searched({**found.places, "logs/collect": first.text + second.text})


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_is_found_nowhere_though_its_upstream_says_it_back(searched, name):
    """Acceptance 7 of stocks, acceptance 13 of episodes, acceptance 11 of incidents: files, archive, exports, pages,
    metrics, what operators read, logs, and the arguments of processes.
    """
    assert searched.holding([ECHOED[name]])
    assert searched.holding(spellings(SECRETS[name], BASIC)) == set()


AREAS = ("files/", "archive/", "exports/", "pages/explore/", "pages/v1/_/partitions")


@pytest.mark.parametrize("name", SECRETS)
def test_what_is_no_secret_is_found_wherever_it_is_looked_for(searched, name):
    """So a secret would have been."""
    held = searched.holding(KNOWN[name])
    assert {area for area in AREAS if not any(place.startswith(area) for place in held)} == set()
    named = {"pages/", "pages/openapi.json", "pages/metrics", "pages/v1/_/feeds", "pages/v1/_/runs", "logs/status"}
    assert named <= searched.holding([name])
    assert {"pages/v1/_/audit", "logs/serve"} <= searched.holding(["/v1/refused"])
    assert any(place.startswith("processes/") for place in searched.holding(["serve\0stocks\0episodes"]))
