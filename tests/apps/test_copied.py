"""What people wrote goes to another engine and back with what belongs to it: keys, the audit, words, counts."""

import itertools
from contextlib import closing

import pytest
from marketplace import BODY, marketplace, user

from catchment.app import load_app
from catchment.errors import StoreError
from catchment.store.check import check
from catchment.store.engines import database_of, move, transaction
from catchment.store.tables import collections_of

ASKED = [
    "/service-providers",
    "/service-provider/{}",
    "/service-provider/{}/reviews",
    "/v1/providers/providers?q=lantern",
    "/v1/providers/providers?sort=-cost_in_pence&limit=1",
    "/v1/providers/providers/{}/history",
    "/v1/providers/reviews/changes",
]
pytestmark = pytest.mark.sqlite  # on both, one beside the other


def told(market, provider):
    """What is answered to whom a key lets, without the time that an answer is made at."""
    asked = [market.ask("GET", path.format(provider), x_request_id="same") for path in ASKED]
    return [(answer.status_code, answer.content, answer.headers.get("etag")) for answer in asked]


def contradictions(database):
    return [text for rule in check(database, collections_of(load_app("providers"))) for text in rule.shown]


@pytest.fixture
def urls(cluster, tmp_path):
    """Where the store is, where it goes, and where it comes back to."""
    name = cluster.database()
    yield [f"sqlite:///{tmp_path}/catchment.sqlite", cluster.url(name), f"sqlite:///{tmp_path}/back.sqlite"]
    cluster.drop(name)


def test_what_people_wrote_is_copied_with_all_that_belongs_to_it(urls, tmp_path):
    with marketplace(tmp_path) as market:
        provider = market.offer(name="The Lantern", cost_in_pence=100)
        gone = market.offer(2)
        market.rate(provider, 4, who=3)
        assert market.ask("PUT", f"/service-provider/{provider}", BODY | {"name": "Lantern & Co"}).status_code == 200
        assert market.ask("DELETE", f"/service-provider/{gone}", who=2).status_code in (200, 204)
        headers = market.key(1, "read", "write")
        before = told(market, provider)
    assert [status for status, *_ in before] == [200] * len(ASKED)
    for source, into in itertools.pairwise(urls):
        move(database_of(source), database_of(into))
        assert contradictions(database_of(into)) == []
        with marketplace(tmp_path, CATCHMENT_DATABASE=into) as market:
            assert told(market, provider) == before
            assert market.ask("POST", "/service-provider", BODY, 0, **headers).status_code == 201
            assert contradictions(database_of(into)) == []
            before = told(market, provider)
        with closing(database_of(into).open()) as sql:
            assert sql.execute("SELECT count(*) FROM _audit WHERE principal = ?", (user(1),)).fetchone() >= (3,)
            with pytest.raises(StoreError, match="append-only"), transaction(sql, durable=True):
                sql.execute("DELETE FROM _audit")
