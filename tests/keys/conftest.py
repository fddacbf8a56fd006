import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

# For the modules beside the tests, and for the store and the client that the tests of serving use.
sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(1, str(Path(__file__).parents[1] / "serve"))
sys.path.insert(2, str(Path(__file__).parents[1] / "faults"))  # for the server that forks commands

import databases
from demo_feeds import BARS, NOTES, Note, app
from filled_store import FilledStore, bar, make_tables
from many_people import GATEWAY, NOW, USER, Service, Ticks
from own_routes_app import own

from catchment.clock import FakeClock
from catchment.serve.app import build
from catchment.serve.front import Front
from catchment.settings import Settings
from catchment.store.engines import Database, database_of
from catchment.store.store import prepare


@pytest.fixture
def now():
    return NOW


@pytest.fixture
def database(new_database: Callable[..., str]) -> Database:
    """A fresh database: the ledger's tables, nothing in them."""
    return database_of(new_database("ledger", lambda database: prepare(database, [])))


@pytest.fixture
def store(tmp_path: Path):
    filled = FilledStore(databases.given.url(tmp_path, "bars", make_tables), tmp_path)
    filled.put(BARS, bar("IBM", "2026-01-02"))
    filled.put(NOTES, Note("canary-note", None, None, None, []))
    yield filled
    filled.close()


@pytest.fixture
def service(store: FilledStore):
    clock, ticks = FakeClock(NOW), Ticks()

    def start(settings: dict[str, str]) -> Front:
        values = {**store.values, "CATCHMENT_TRUSTED_GATEWAYS": GATEWAY} | settings
        return build([app, own], Settings().with_values("test", values), clock, tick=ticks)

    made = Service(store.database, clock, ticks, start)
    made.client()
    yield made
    for front in made.fronts:
        front.close()


@pytest.fixture
def people(service: Service) -> dict[str, dict[str, str]]:
    """Everybody of the table of rights: the headers that they send, and from where."""
    keys = {scope: service.key(scope) for scope in ("read", "write", "moderate", "operate", "revoked", "expired")}
    service.revoke(keys["revoked"])
    # Made before its end, looked at after it.
    keys["expired"] = service.key("read", "write", expires_at=NOW - timedelta(seconds=1))
    known = keys["read"].split("_")
    keys["unknown"] = f"ck_{'a' * 8}_{known[2]}"
    keys["wrong secret"] = f"ck_{known[1]}_{keys['write'].split('_')[2]}"
    keys["malformed"] = "ck_nothing"
    with_keys = {name: {"authorization": f"Bearer {key}"} for name, key in keys.items()}
    return with_keys | {
        "this machine": {"peer": "127.0.0.1"},
        "nobody": {},
        "gateway's user": {"peer": GATEWAY, "user-id": USER},
        "gateway without user": {"peer": GATEWAY},
        "self-made user": {"user-id": USER},
        "self-made user inside": {"peer": "127.0.0.1", "user_id": USER},
        "forwarded inside": {"peer": "127.0.0.1", "x-forwarded-for": "127.0.0.1"},
        "other scheme": {"authorization": f"Basic {keys['read']}"},
        "two keys": {"authorization": f"Bearer {keys['read']}", "x-api-key": keys["write"]},
        "empty key": {"x-api-key": ""},
        "same key twice": {"authorization": f"bearer {keys['read']}", "x-api-key": keys["read"]},
    }
