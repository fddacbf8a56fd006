"""The policy: for every route and method of the served description, what each kind of caller is answered.

A row says the status that stands for "you may" and names those who get another one. What no row has is denied.
"""

from collections.abc import Mapping

GOOD = (
    *("outside", "loopback", "reader", "owner", "other", "moderator", "operator", "gateway"),
    *("owner without write", "moderator who writes"),
)
BAD = ("revoked", "expired", "malformed")
PEOPLE = (*GOOD, *BAD)

Row = Mapping[str, int]


def row(status: int, **others: int) -> dict[str, int]:
    """What everybody is answered; whose key proves nobody is shut out everywhere."""
    named = {name.replace("_", " "): status for name, status in others.items()}
    return dict.fromkeys(GOOD, status) | named | dict.fromkeys(BAD, 401)


ANYONE = row(200)
READER = row(404, outside=401, loopback=200, reader=200, owner_without_write=200)
OPERATOR = row(403, outside=401, loopback=200, operator=200)
ORDERING = row(403, outside=401, loopback=202, operator=202)
MODERATOR = row(403, outside=401, loopback=401, moderator=200, moderator_who_writes=200)

_MAY_NOT = {"outside": 401, "loopback": 401}
WRITER = row(403, **_MAY_NOT, owner=201, other=201, gateway=201, moderator_who_writes=201)
OWNER = row(403, **_MAY_NOT, owner=200)
OWNER_OR_MODERATOR = row(403, **_MAY_NOT, owner=204, moderator=204, moderator_who_writes=204)
# Whose it is not is told that there is no such record.
CONCEALED = row(403, **_MAY_NOT, owner=200, other=404, gateway=404, moderator_who_writes=404)
CONCEALED_DELETE = row(403, **_MAY_NOT, owner=204, other=404, gateway=404, moderator_who_writes=404)
# Who may not even read the collection is told that there is none, unless he may write what he does not read.
HIDDEN_WRITER = row(
    403, **_MAY_NOT, owner=201, other=201, gateway=201, moderator=404, operator=404, moderator_who_writes=201
)
HIDDEN_OWNER = row(403, **_MAY_NOT, owner=200, moderator=404, operator=404)
HIDDEN_DELETE = row(403, **_MAY_NOT, owner=204, moderator=404, operator=404)

ABSENT = row(405)
"""Of every method that a route does not have."""
HIDDEN_ABSENT = row(404, outside=401, loopback=405, reader=405, owner_without_write=405)
"""Of what nobody may do to a collection: that it is only read is said to those who read it."""
OPTIONS = row(204)
"""Of every route but the operating ones, which say what they can do to operators alone."""
OPERATOR_OPTIONS = row(403, outside=401, loopback=204, operator=204)

# The providers' contract: what is not the caller's own is not found, and a moderator writes nothing but judgements.
OWN_ONE = row(403, **_MAY_NOT, owner=200, other=404, gateway=404, moderator_who_writes=404)

READ = {"get": ANYONE}
READ_WITH_RIGHT = {"get": READER}


def collected(name: str, rows: Mapping[str, Row] = READ) -> dict[str, Mapping[str, Row]]:
    """The routes of a feed; of a public one where nothing else is said."""
    below = (
        "",
        ".csv",
        ".ndjson",
        ".parquet",
        "/changes",
        "/diff",
        "/stats",
        "/{key}",
        "/{key}/history",
        "/{key}/source",
        "/{key}/source/body",
    )
    return {f"/v1/{name}{path}": rows for path in below}


def hidden(name: str) -> dict[str, Mapping[str, Row]]:
    """The routes of a feed that takes the right to read."""
    at, refused = f"/v1/{name}", dict.fromkeys(("put", "patch", "delete"), HIDDEN_ABSENT)
    return collected(name, READ_WITH_RIGHT) | {
        at: READ_WITH_RIGHT | {"post": HIDDEN_ABSENT},
        f"{at}/{{key}}": READ_WITH_RIGHT | refused,
    }


def operations(policy: Mapping[str, Mapping[str, Row]]) -> set[tuple[str, str]]:
    """The routes and methods that are described: those with which somebody gets something."""
    found = ((path, name, row) for path, rows in policy.items() for name, row in rows.items() if name != "options")
    return {(path, name) for path, name, row in found if min(row.values()) < 400}


def contract(version: str) -> dict[str, Mapping[str, Row]]:
    """The routes of one version of the providers' contract."""
    one = f"/{version}/service-provider"
    return {
        one: {"post": WRITER},
        f"{one}/{{provider}}": READ | {"put": OWN_ONE, "delete": OWN_ONE},
        f"{one}/{{provider}}/review": {"post": WRITER, "get": OWN_ONE, "patch": OWN_ONE, "delete": OWN_ONE},
        f"{one}/{{provider}}/reviews": READ,
        f"/{version}/service-providers": READ | {"post": ANYONE},
        f"/{version}/service-providers/recommend": READ | {"post": ANYONE},
        f"/{version}/reviews/{{review_id}}/moderation": {"post": MODERATOR},
        f"/{version}/health": READ,
    }


SHARED: dict[str, Mapping[str, Row]] = {
    "/v1": READ,
    "/v1/_/feeds": {"get": OPERATOR, "options": OPERATOR_OPTIONS},
    "/v1/_/partitions": {"get": OPERATOR, "options": OPERATOR_OPTIONS},
    "/v1/_/runs": {"get": OPERATOR, "options": OPERATOR_OPTIONS},
    "/v1/_/attempts": {"get": OPERATOR, "options": OPERATOR_OPTIONS},
    "/v1/_/budgets": {"get": OPERATOR, "options": OPERATOR_OPTIONS},
    "/v1/_/plan": {"get": OPERATOR, "options": OPERATOR_OPTIONS},
    "/v1/_/orders": {"get": OPERATOR, "post": ORDERING, "options": OPERATOR_OPTIONS},
    "/metrics": {"get": OPERATOR, "options": OPERATOR_OPTIONS},
    "/v1/_/rejects": {"get": OPERATOR, "options": OPERATOR_OPTIONS},
    "/v1/_/drift": {"get": OPERATOR, "options": OPERATOR_OPTIONS},
    "/v1/_/audit": {"get": OPERATOR, "options": OPERATOR_OPTIONS},
    "/health/live": READ,
    "/health/ready": READ,
    "/health/data": READ,
}
"""What is served beside any app."""

REVIEWED: dict[str, Mapping[str, Row]] = SHARED | {
    **collected("stocks/bars"),
    **collected("stocks/splits"),
    **collected("stocks/dividends"),
    "/api": READ,
    "/api/v1": READ,
    "/api/financial_data": READ,
    "/api/v1/financial_data": READ,
    "/api/coverage": READ,
    "/api/v1/coverage": READ,
    "/api/statistics": READ,
    "/api/v1/statistics": READ,
    **collected("police/forces"),
    **collected("police/availability"),
    **collected("police/stops"),
    "/police/v1/breakdown": READ,
    "/police/v1/coverage": READ,
    **collected("market/bars"),
    "/v1/market/places": READ | {"post": WRITER},
    "/v1/market/places/{key}": READ | {"put": CONCEALED, "patch": CONCEALED, "delete": CONCEALED_DELETE},
    "/v1/market/places/diff": READ,
    "/v1/market/places/stats": READ,
    "/v1/market/places/{key}/history": READ,
    "/v1/market/places/changes": READ,
    "/v1/market/places.csv": READ,
    "/v1/market/places.ndjson": READ,
    "/v1/market/places.parquet": READ,
    "/v1/market/reviews": READ | {"post": WRITER},
    "/v1/market/reviews/{key}": READ | {"put": OWNER, "patch": OWNER, "delete": OWNER_OR_MODERATOR},
    "/v1/market/reviews/diff": READ,
    "/v1/market/reviews/stats": READ,
    "/v1/market/reviews/{key}/history": READ,
    "/v1/market/reviews/changes": READ,
    "/v1/market/reviews.csv": READ,
    "/v1/market/reviews.ndjson": READ,
    "/v1/market/reviews.parquet": READ,
    "/v1/market/notes": READ_WITH_RIGHT | {"post": HIDDEN_WRITER},
    "/v1/market/notes/{key}": READ_WITH_RIGHT | {"put": HIDDEN_OWNER, "patch": HIDDEN_OWNER, "delete": HIDDEN_DELETE},
    "/v1/market/notes/diff": READ_WITH_RIGHT,
    "/v1/market/notes/stats": READ_WITH_RIGHT,
    "/v1/market/notes/{key}/history": READ_WITH_RIGHT,
    "/v1/market/notes/changes": READ_WITH_RIGHT,
    "/v1/market/notes.csv": READ_WITH_RIGHT,
    "/v1/market/notes.ndjson": READ_WITH_RIGHT,
    "/v1/market/notes.parquet": READ_WITH_RIGHT,
    "/v1/providers/providers": READ | {"post": WRITER},
    "/v1/providers/providers/{key}": READ | {"put": CONCEALED, "patch": CONCEALED, "delete": CONCEALED_DELETE},
    "/v1/providers/providers/diff": READ,
    "/v1/providers/providers/stats": READ,
    "/v1/providers/providers/{key}/history": READ,
    "/v1/providers/providers/changes": READ,
    "/v1/providers/providers.csv": READ,
    "/v1/providers/providers.ndjson": READ,
    "/v1/providers/providers.parquet": READ,
    "/v1/providers/reviews": READ | {"post": WRITER},
    "/v1/providers/reviews/{key}": READ | {"put": OWNER, "patch": OWNER, "delete": OWNER_OR_MODERATOR},
    "/v1/providers/reviews/diff": READ,
    "/v1/providers/reviews/stats": READ,
    "/v1/providers/reviews/{key}/history": READ,
    "/v1/providers/reviews/changes": READ,
    "/v1/providers/reviews.csv": READ,
    "/v1/providers/reviews.ndjson": READ,
    "/v1/providers/reviews.parquet": READ,
    **contract("v1_0"),
    **contract("v1_1"),
    "/health": READ,
    "/moderation/{review}": {"post": MODERATOR},
    "/score/{place}": READ,
}
"""Of stocks, police, providers and the market."""

COMMENTED: dict[str, Mapping[str, Row]] = SHARED | {
    **hidden("incidents/identities"),
    **hidden("incidents/incidents"),
    "/incidents": READ_WITH_RIGHT,
    "/incidents/unattributed": READ_WITH_RIGHT,
    "/incidents/status": READ_WITH_RIGHT,
    **collected("episodes/series"),
    **collected("episodes/seasons"),
    **collected("episodes/episodes"),
    **collected("episodes/search"),
    "/v1/episodes/comments": READ | {"post": WRITER},
    "/v1/episodes/comments/{key}": READ | {"put": OWNER, "patch": OWNER, "delete": OWNER_OR_MODERATOR},
    "/v1/episodes/comments/diff": READ,
    "/v1/episodes/comments/stats": READ,
    "/v1/episodes/comments/{key}/history": READ,
    "/v1/episodes/comments/changes": READ,
    "/v1/episodes/comments.csv": READ,
    "/v1/episodes/comments.ndjson": READ,
    "/v1/episodes/comments.parquet": READ,
    "/episodes": READ,
    "/episodes/{episode}": READ,
    "/episodes/{episode}/ratings": READ,
    "/episodes/{episode}/comments": READ | {"post": WRITER},
    "/comments": READ | {"post": WRITER},
    "/comments/{comment}": READ | {"put": OWNER, "patch": OWNER, "delete": OWNER_OR_MODERATOR},
}
"""Of incidents and episodes."""

PAGES: dict[str, tuple[Row, ...]] = {
    "/openapi.json": (ANYONE,),
    "/docs": (ANYONE,),
    "/docs/{operation:str}": (ANYONE,),
    "/": (ANYONE,),
    "/explore/{app:str}/{name:str}": (ANYONE, READER),
    "/explore/{app:str}/{name:str}/{key:str}": (ANYONE, READER),
    "/explore/_/charts/{app:str}/{name:str}": (ANYONE, READER),
    "/explore/_/counts/{app:str}/{name:str}": (ANYONE, READER),
    "/explore/_/changes/{app:str}/{name:str}": (ANYONE, READER),
    "/explore/_/pieces/count/{app:str}/{name:str}": (ANYONE, READER),
    "/explore/_/pieces/charts/{app:str}/{name:str}": (ANYONE, READER),
    "/explore/_/pieces/counts/{app:str}/{name:str}": (ANYONE, READER),
    "/explore/_/operations": (OPERATOR,),
    "/explore/_/operations/{app:str}/{name:str}": (OPERATOR, OPERATOR | {"operator": 404}),
    "/explore/_/assets/{name:str}": (ANYONE,),
    "/explore/_/rejects/{app:str}/{name:str}": (OPERATOR, OPERATOR | {"operator": 404}),
    "/explore/_/runs/{number:str}": (OPERATOR,),
    "/explore/_/orders": (ABSENT,),
    "/explore/_/write/{app:str}/{name:str}": (row(404),),
    "/explore/_/write/{app:str}/{name:str}/{key:str}": (row(404),),
    "/explore/_/sign-in": (ANYONE,),
    "/explore/_/sign-out": (ABSENT,),
}
"""What the description does not have, read with GET: of a public collection, and of one that takes a right to read."""
