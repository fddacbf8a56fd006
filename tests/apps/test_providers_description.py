"""The description of the providers' contract, generic routes and all: nothing is left open, and all of it happens."""

import asyncio
import itertools
import re
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from marketplace import BODY, Marketplace, marketplace, user

from catchment.store.engines import Taken, mapped

REVIEWS = "/v1/providers/reviews"
JOB = {"job_budget_in_pence": 10**9, "skills": BODY["skills"]}
JOB_ASKED = "job_budget_in_pence=1000000000&skills=SEO+Optimisation"
NEW = itertools.count(1000)
ORDERS = "/v1/_/orders"
NOT_HERE = {("post", REVIEWS, 404)} | {("post", ORDERS, status) for status in (202, 404, 409)}
"""What a declared rule may answer, and that of these reviews does not; what comes of an order to collect, where nothing
is collected.
"""
NOT_INSTALLED = 501
"""What is answered by an installation without what Parquet is written with."""


@pytest.fixture(scope="module")
def market(engine, tmp_path_factory):
    with marketplace(tmp_path_factory.mktemp("market"), CATCHMENT_LIMIT_FAILED_KEYS="off") as made:
        yield made


@pytest.fixture(scope="module")
def document(market):
    return market.ask("GET", "/openapi.json", who=0, peer="127.0.0.1").json()


def operations(document):
    return [
        (method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def objects(value, place=""):
    """Every schema of an object, with where it stands."""
    if isinstance(value, dict):
        if value.get("type") == "object":
            yield place, value
        for name, item in value.items():
            yield from objects(item, f"{place}/{name}")
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from objects(item, f"{place}/{number}")


def test_no_object_is_left_open(document):
    open_ones = [
        place
        for place, schema in objects(document)
        if "properties" not in schema and "additionalProperties" not in schema
    ]
    assert open_ones == []
    contents = [
        answer["content"]["application/json"]
        for _, _, operation in operations(document)
        for answer in operation["responses"].values()
        if "application/json" in answer.get("content", {})
    ]
    assert len(contents) > 40
    assert all(content["schema"] for content in contents)


def test_every_write_says_who_may_and_what_it_takes(document):
    checked = 0
    for method, path, operation in operations(document):
        if method == "get" or path.endswith(("/service-providers", "/recommend")) or path == ORDERS:
            continue
        names = {item["name"]: item for item in operation["parameters"]}
        schemes = {name for scheme in operation["security"] for name in scheme}
        judges = path.endswith("/moderation")
        assert schemes == {"bearer", "key"} | (set() if judges else {"gateway"}), path
        assert "Idempotency-Key" in names
        assert judges or "user-id" in names
        if "{" in path and (path.startswith("/v1/") or method != "post"):
            assert names["If-Match"]["required"] is path.startswith("/v1_1"), path
        if method != "delete":
            assert operation["requestBody"]["required"] is True
        checked += 1
    assert checked == 2 * 7 + 2 * 4


def test_a_query_is_described_as_it_is_read(document):
    listed = document["paths"]["/v1_1/service-providers/recommend"]["get"]["parameters"]
    schemas = {item["name"]: item["schema"] for item in listed}
    assert schemas["expected_job_duration_in_days"] == {"type": "integer", "minimum": 1, "maximum": 3660}
    assert schemas["minimum_review_rating"] == {"type": "number", "minimum": 0, "maximum": 5}
    assert schemas["rank"] == {"enum": ["best", "price"]}
    assert schemas["available_from"]["items"] == {"type": "string", "format": "date"}
    assert {item["name"] for item in listed if item["required"]} == {"job_budget_in_pence", "skills"}


# -- every status happens -------------------------------------------------------------------------------------------

BODIES = {  # what is sent to a path with this end; the whole of it where it has several bodies
    "moderation": {"decision": "publish"},
    "recommend": JOB,
    "service-providers": {"skills": BODY["skills"]},
    "review": {"rating": 3},
    "service-provider": BODY,
    "{provider}": BODY,
}
QUERIES = {"recommend": JOB_ASKED, "partitions": "collection=providers/reviews", "diff": "from=0"}


def body_of(method, path, provider):
    """A body that the route takes."""
    if method in ("get", "delete"):
        return None
    if not path.startswith("/v1/"):
        return BODIES[path.rpartition("/")[2]]
    if path.startswith(REVIEWS):
        return {"rating": 3} | ({"provider": provider} if method == "post" else {})
    return {"name": "Other"} if method == "patch" else BODY


async def unended():
    """A body that does not come to its end."""
    yield b"{"
    await asyncio.Event().wait()


@dataclass
class Routes:
    """The routes, something that is there for each of them, and services where other things happen.

    limited: where a key that proves nobody was tried too often. away: whose database is gone. hasty: which waits for
    no body. forgetful: which keeps nothing from before its revision 5. changed: where what is stored,
    `declared_otherwise`, fits no declaration now.
    silent: a review without a comment.
    """

    market: Marketplace
    limited: Marketplace
    away: Marketplace
    hasty: Marketplace
    forgetful: Marketplace
    changed: Marketplace
    declared_otherwise: tuple[str, str]
    provider: str
    commented: str
    silent: str

    def ask(self, method, path, *, of=None, ids=None, query="", **headers):
        """The answer to a request that the route takes, changed in one thing. ids: of a provider and a review."""
        provider, review = ids or (self.provider, self.commented)
        url = path.format(provider=provider, review_id=review, key=review if path.startswith(REVIEWS) else provider)
        asked = "&".join(filter(None, (QUERIES.get(path.rpartition("/")[2]) if method == "get" else "", query)))
        given = {"if_match": "*", "who": 2 if "review" in path else 1} | self.rights(path) | headers
        given = {name: value for name, value in given.items() if value is not None}
        body = given.pop("body", body_of(method, path, provider))
        return (of or self.market).ask(method.upper(), f"{url}?{asked}" if asked else url, body, **given)

    def rights(self, path):
        if path.endswith("moderation"):
            return {"who": 0} | self.market.key(9, "moderate")
        operators = path.startswith(("/v1/_/", "/metrics"))
        return {"who": 0} | self.market.key(8, "operate") if operators else {}

    def lost(self, method, path):
        if path == "/metrics":  # there is one, but for operators alone
            return self.market.ask(method, path, **{"who": 0} | self.market.key(9, "read"))
        if path == "/v1/_/runs":
            return self.market.ask(method, f"{path}?app=nothing", **self.rights(path))
        if path.startswith("/v1/_/"):
            return self.market.ask(method, f"{path}?collection=providers/nothing", **self.rights(path))
        return self.ask(method, path, ids=(user(404), user(404)))

    def clash(self, method, path):
        if path.endswith("/moderation"):
            return self.ask(method, path, ids=("", self.silent))
        return self.ask(method, path, of=self.changed, ids=self.declared_otherwise)

    def unended(self, method, path):
        scope = {"/moderation": "moderate", "/orders": "operate"}.get(path[path.rindex("/") :])
        rights = {"who": 0} | self.hasty.key(9, scope) if scope else {}
        return self.ask(method, path, of=self.hasty, body=unended, **rights)

    def fresh(self):
        provider = self.market.offer()
        return provider, self.market.rate(provider, 4, comment="x").json()["id"]


PAST = {"/diff": "", "anges": "after=1"}
"""How a route is asked for what is no longer kept, where it is not by `as_of`; by the end of its path."""
NO_KEY = {"who": 0, "authorization": "Bearer ck_nothing"}
REFUSED = {  # status: how any route comes to it
    400: lambda routes, *route: routes.ask(*route, query="nothing=1"),
    401: lambda routes, *route: routes.ask(*route, **NO_KEY),
    403: lambda routes, *route: routes.ask(*route, **{"who": 3} | routes.market.key(4, "write")),
    404: lambda routes, *route: routes.lost(*route),
    406: lambda routes, *route: routes.ask(*route, accept="image/png"),
    408: lambda routes, *route: routes.unended(*route),
    409: lambda routes, *route: routes.clash(*route),
    410: lambda routes, *route: routes.ask(*route, query=PAST.get(route[1][-5:], "as_of=1"), of=routes.forgetful),
    412: lambda routes, *route: routes.ask(*route, if_match='"other"'),
    413: lambda routes, *route: routes.ask(*route, content_length=str(2**31)),
    414: lambda routes, *route: routes.ask(*route, query="x" * 2**14),
    415: lambda routes, *route: routes.ask(*route, content_type="text/plain"),
    422: lambda routes, *route: routes.ask(*route, who=0, authorization=None, user_id="x"),
    428: lambda routes, *route: routes.ask(*route, if_match=None),
    429: lambda routes, *route: routes.ask(*route, of=routes.limited, **NO_KEY),
    431: lambda routes, *route: routes.ask(*route, x_long="x" * 2**16),
    503: lambda routes, *route: routes.ask(*route, of=routes.away),
}


def answered(routes, method, path, status):
    """The answer of the route with this status, made to happen."""
    if status in REFUSED:
        return REFUSED[status](routes, method, path)
    if status == 304:
        return routes.ask(method, path, if_none_match=routes.ask(method, path).headers["etag"])
    if status == 201:  # somebody's first one
        return routes.ask(method, path, **{"who": next(NEW), "if_match": None} if "review" in path else {})
    return routes.ask(method, path, ids=routes.fresh() if method != "get" else None)


@pytest.fixture
def routes(market, tmp_path):
    with ExitStack() as stack:
        limited, away, hasty, forgetful, changed = (
            stack.enter_context(marketplace(tmp_path / name, **settings))
            for name, settings in (
                ("limited", {"CATCHMENT_LIMIT_FAILED_KEYS": "1/hour,1"}),
                ("away", {}),
                ("hasty", {"CATCHMENT_BODY_TIMEOUT": "0.001"}),
                ("old", {}),
                ("changed", {}),
            )
        )
        limited.ask("GET", "/health", None, **NO_KEY)
        away.database.path.rename(away.database.path.with_name("elsewhere"))
        with closing(forgetful.database.open()) as sql:
            sql.execute("UPDATE _collection SET revision = 8, horizon = 5")
        fitting = changed.offer()
        otherwise = fitting, changed.rate(fitting, 4).json()["id"]
        with closing(changed.database.open()) as sql:
            for table in ("providers_providers", "providers_reviews"):
                sql.execute(f"UPDATE {table} SET _doc = json_set(_doc, '$.created_at', 1)")
        provider = market.offer()
        reviews = [market.rate(provider, 4, who, comment=text).json()["id"] for who, text in ((2, "x"), (5, None))]
        yield Routes(market, limited, away, hasty, forgetful, changed, otherwise, provider, *reviews)


@pytest.mark.sqlite  # one of whose files is away
def test_every_status_that_is_described_happens(routes, document):
    tried, wrong = 0, []
    for method, path, operation in operations(document):
        for status in sorted(map(int, operation["responses"])):
            if (method, path, status) in NOT_HERE or status == NOT_INSTALLED:
                continue
            answer = answered(routes, method, path, status)
            tried += 1
            if answer.status_code != status:
                wrong.append(f"{method} {path}: {answer.status_code}, not {status}: {answer.text[:120]}")
    assert not wrong, "\n".join(wrong)
    assert tried > 400


# -- the cases of the contract --------------------------------------------------------------------------------------


def test_every_acceptance_case_is_named_by_a_test():
    """By `Acceptance` and its number, or two joined by `and`: in a docstring of this app's tests, or of the hunt's."""
    folder = Path(__file__).parent
    files = [*folder.glob("test_providers_*.py"), folder.parent / "repository" / "test_fuzz.py"]
    said = re.findall(r'"""[^"]*?[Aa]cceptance (\d+)(?: and (\d+))?', "".join(file.read_text() for file in files))
    assert {int(number) for pair in said for number in pair if number} == set(range(1, 23))


@pytest.mark.parametrize("charset", ["utf-16", "iso-8859-1", "utf-16le"])
def test_json_is_utf8(market, charset):
    """What says that it is something else is not guessed at."""
    for path in ("/service-provider", "/v1/providers/providers"):
        answer = market.ask("POST", path, BODY, content_type=f"application/json; charset={charset}")
        assert answer.status_code == 415
        assert market.ask("POST", path, BODY, content_type='application/json; charset="UTF-8"').status_code == 201


def test_a_skill_that_is_asked_for_is_no_longer_than_one_that_is_stored(market):
    assert market.ask("GET", f"/service-providers?skills={'x' * 100}", who=0).status_code == 200
    assert market.ask("GET", f"/service-providers?skills={'x' * 101}", who=0).status_code == 422
    assert market.ask("POST", "/service-providers", {"skills": ["x" * 101]}, 0).status_code == 422
    provider = market.offer()
    assert market.ask("GET", f"/service-provider/{provider}/reviews?skill={'x' * 101}", who=0).status_code == 422


def test_health_takes_no_parameters(market):
    for path in ("/v1_0/health", "/v1_1/health", "/health", "/health/live", "/v1"):
        assert market.ask("GET", path, who=0).status_code == 200
        assert market.ask("GET", f"{path}?x=1", who=0).status_code == 400


def test_the_database_itself_has_one_review_of_a_user_provider_and_skill(market):
    provider = market.offer()
    market.rate(provider, 4)
    with closing(market.database.open()) as sql:
        names = [name for name in sql.columns("providers_reviews") if name != "_id"]
        shown = ", ".join("'other'" if name in ("_key", "id") else f'"{name}"' for name in names)
        into = ", ".join(f'"{name}"' for name in names)
        copied = f"INSERT INTO providers_reviews ({into}) SELECT {shown} FROM providers_reviews WHERE provider = ?"
        with pytest.raises(Taken), mapped():
            sql.execute(copied, (provider,))
