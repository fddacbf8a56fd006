"""Reviews as a service of their own: on the same database, with the same rules."""

import pytest
from marketplace import BODY, marketplace, user

from catchment.app import load_app
from catchment.errors import UsageError


@pytest.fixture(scope="module")
def both(engine, tmp_path_factory):
    """All of the app, and beside it the reviews alone; each test has a provider of its own."""
    folder = tmp_path_factory.mktemp("both")
    with marketplace(folder) as whole, marketplace(folder, ("reviews",)) as alone:
        yield whole, alone


def test_reviews_alone_are_written_and_read(both):
    whole, alone = both
    provider = whole.offer()
    place = f"/service-provider/{provider}"
    assert alone.ask("POST", f"{place}/review", {"rating": 4}, 1).status_code == 403
    review = alone.rate(provider, 4).json()["id"]
    assert alone.ask("GET", f"{place}/review", who=2).json()["id"] == review
    assert alone.ask("GET", f"/v1/providers/reviews/{review}").json()["data"]["user_id"] == user(2)
    assert alone.ask("PATCH", f"/v1_1{place}/review", {"rating": 5}, 2, if_match="*").status_code == 200
    assert whole.provider(provider)["review_rating"] == 5.0
    assert [item["rating"] for item in alone.ask("GET", f"{place}/reviews").json()["reviews"]] == [5.0]
    assert alone.ask("DELETE", f"{place}/review", who=2).status_code == 200
    assert alone.ask("GET", "/health").status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/providers/providers"),
        ("GET", "/v1/providers/providers/{provider}"),
        ("GET", "/v1/providers/providers/{provider}/history"),
        ("POST", "/v1/providers/providers"),
        ("DELETE", "/v1/providers/providers/{provider}"),
        ("GET", "/service-provider/{provider}"),
        ("PUT", "/service-provider/{provider}"),
        ("POST", "/service-provider"),
        ("GET", "/service-providers"),
        ("POST", "/service-providers/recommend"),
    ],
)
def test_what_is_not_served_is_not_there(both, method, path):
    whole, alone = both
    path = path.format(provider=whole.offer())
    body = BODY if method in ("POST", "PUT") else None
    assert alone.ask(method, path, body).status_code == 404
    assert whole.ask(method, path, body).status_code != 404


def test_the_description_is_of_what_is_served(both):
    _, alone = both
    paths = alone.ask("GET", "/openapi.json").json()["paths"]
    assert "/v1_0/service-provider/{provider}/review" in paths
    assert "/v1/providers/reviews" in paths
    assert not [path for path in paths if path.startswith(("/v1/providers/providers", "/v1_0/service-providers"))]


def test_a_collection_that_there_is_not_is_said():
    with pytest.raises(UsageError, match="--only review: providers has no such collection") as told:
        load_app("providers").serving(["review"])
    assert "providers, reviews" in told.value.hint
