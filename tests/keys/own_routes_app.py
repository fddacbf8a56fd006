"""An app whose own routes ask who asks."""

from catchment.app import App
from catchment.principal import Principal
from catchment.serve.rights import PRINCIPAL, demand


def routes():
    from catchment.web import Request, Response, Store, get, post, respond

    def caller(request: Request) -> Principal:
        return request.scope[PRINCIPAL]

    @post("/own/things", status_code=201)
    async def make(request: Request) -> Response[bytes]:
        demand(caller(request), "write")
        return respond({"owner": caller(request).id}, 201)

    @get("/own/mine")
    async def mine(request: Request, store: Store) -> Response[bytes]:
        with store.open() as moment:
            return respond({"caller": caller(request).id, "bars": moment.count("demo/bars")})

    @get("/own/shared")
    async def shared(store: Store) -> Response[bytes]:
        with store.open() as moment:
            return respond({"bars": moment.count("demo/bars")}, headers={"cache-control": "public, max-age=60"})

    @get("/own/broken")
    async def broken() -> Response[bytes]:
        raise RuntimeError("canary-error")

    return [make, mine, shared, broken]


own = App("own", feeds=[], routes=routes)
