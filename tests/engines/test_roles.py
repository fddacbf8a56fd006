"""The roles that the compose file's server begins with: who collects owns all, who analyses reads what apps keep."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(1, str(Path(__file__).parents[1] / "store"))

from shop import START, Shop, app, settings

from catchment.store.engines import database_of
from catchment.store.store import Store, prepare
from catchment.testing import Cluster

ROLES = Path(__file__).parents[2] / "examples" / "postgresql" / "roles.sql"
VIEWED = replace(app, views={"cheap": "SELECT id FROM shop_things WHERE value < 2"})

PASSWORDS = {"COLLECTOR_PASSWORD": "one of these", "ANALYST_PASSWORD": "it's another"}

Ask = Callable[[str, str], str]


@pytest.fixture
def ask(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[Ask]:
    """Has psql ask, as a role of the server; what it says."""
    if not shutil.which("psql"):
        pytest.skip("no psql on this machine")

    def said(role: str, statement: str, name: str = "catchment") -> str:
        command = ["psql", "-XAt", "-h", str(cluster.folder), "-U", role, "-d", name, "-c", statement]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        return (done.stdout + done.stderr).strip()

    passwords = getattr(request, "param", PASSWORDS)
    made = subprocess.run(
        ["psql", "-X", "-h", cluster.folder, "-U", "catchment", "-d", "postgres", "-f", ROLES],
        env={"PATH": os.environ["PATH"], **passwords},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert made.returncode == 0, made.stderr
    yield said
    cluster.drop("catchment")
    for role in ("analyst", "collector"):
        said("catchment", f"DROP ROLE {role}", name="postgres")


def test_an_analyst_reads_collections_and_views_and_nothing_else(cluster, ask, tmp_path):
    """Also those of a later generation, and of an app that comes later."""
    url = cluster.url("catchment").replace("//catchment@", "//collector@")
    prepare(database_of(url), [VIEWED])
    with Store(settings(tmp_path / "data", CATCHMENT_DATABASE=url), [VIEWED]) as store:
        shop = Shop(store, settings(tmp_path / "data"), START)
        shop.collect(("a", 1), ("b", 2))
        assert ask("analyst", "SELECT id, value FROM shop_things ORDER BY id") == "a|1\nb|2"
        assert ask("analyst", "SELECT id FROM cheap") == "a"
        kept = [name for name in shop.tables if name.startswith("_")]
        assert {"_api_key", "_session", "_body", "_audit"} <= set(kept)
        for name in kept:
            assert ask("analyst", f'SELECT * FROM "{name}"') == f"ERROR:  permission denied for table {name}"
        for write in ("DELETE FROM shop_things", "CREATE TABLE mine (id int)", "DROP TABLE shop_things"):
            assert ask("analyst", write).startswith("ERROR:  ")
            freed = f"SET default_transaction_read_only = off; {write}"
            assert ask("analyst", freed).splitlines()[-1].startswith("ERROR:  ")
        store._derived.rename([("shop_things", "shop_old"), ("shop_old", "shop_things")])
        assert ask("analyst", "SELECT id FROM cheap") == "a"


@pytest.mark.parametrize(
    ("ask", "known"), [(PASSWORDS, "t"), ({}, "f"), (dict.fromkeys(PASSWORDS, ""), "f")], indirect=["ask"]
)
def test_a_password_that_is_not_set_lets_nobody_in(ask, known):
    asked = (
        "SELECT rolname, rolpassword IS NOT NULL FROM pg_authid WHERE rolname IN ('analyst', 'collector') ORDER BY 1"
    )
    assert ask("catchment", asked) == f"analyst|{known}\ncollector|{known}"
