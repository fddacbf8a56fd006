"""The services beside which `serve.py` puts the product: Datasette, an ORM behind a model, and constant bytes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import pydantic
import sqlalchemy as sa
from fastapi import Depends, FastAPI, HTTPException, Response
from sqlalchemy.orm import DeclarativeBase, Session, mapped_column

TEXTS = ("part", "status", "customer", "email", "city", "country", "street", "note", "product", "colour", "carrier")
NUMBERS = ("price", "discount", "weight")
TYPES: dict[str, Any] = {
    "id": int,
    **dict.fromkeys((*TEXTS, "tracking"), str),
    "quantity": int,
    **dict.fromkeys(NUMBERS, float),
    "created": str,
    "paid": bool,
    "gift": bool,
    "rating": int | None,
}
"""The fields of an order, as they are stored; `created` is the text of a moment."""


class Base(DeclarativeBase):
    pass


def _mapped(kind: Any, *, first: bool) -> Any:
    column = {int: sa.BigInteger, str: sa.Text, float: sa.Double, bool: sa.Integer}.get(kind, sa.BigInteger)
    return mapped_column(column, primary_key=first)


Order = type(
    "Order",
    (Base,),
    {"__tablename__": "orders", **{name: _mapped(kind, first=name == "id") for name, kind in TYPES.items()}},
)
Shown = pydantic.create_model(
    "Shown",
    __config__=pydantic.ConfigDict(from_attributes=True),
    **{name: (kind, ...) for name, kind in TYPES.items()},  # type: ignore[call-overload]  # names and types are data
)


def orm(url: str) -> FastAPI:
    """As the introductions of FastAPI and SQLAlchemy write one: a session a request, `response_model`."""
    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))

    def session() -> Iterator[Session]:
        with Session(engine) as opened:
            yield opened

    made = FastAPI()

    @made.get("/orders", response_model=list[Shown])
    def listed(sql: Annotated[Session, Depends(session)], after: int = 0, limit: int = 50) -> Any:
        return sql.scalars(sa.select(Order).where(Order.id > after).order_by(Order.id).limit(limit)).all()

    @made.get("/orders/{identity}", response_model=Shown)
    def one(sql: Annotated[Session, Depends(session)], identity: int) -> Any:
        if (found := sql.get(Order, identity)) is None:
            raise HTTPException(404)
        return found

    return made


def datasette(path: Path) -> Any:
    from datasette.app import Datasette

    return Datasette([str(path)], settings={"suggest_facets": False, "max_csv_mb": 0}).app()


def starlette_constant(bodies: dict[str, bytes]) -> Any:
    from starlette.applications import Starlette
    from starlette.responses import Response as Plain
    from starlette.routing import Route

    def route(path: str, body: bytes) -> Route:
        async def answer(_: Any) -> Plain:
            return Plain(body, media_type="application/json")

        return Route(path, answer)

    return Starlette(routes=[route(path, body) for path, body in bodies.items()])


def fastapi_constant(bodies: dict[str, bytes]) -> FastAPI:
    made = FastAPI()

    def add(path: str, body: bytes) -> None:
        @made.get(path)
        async def answer() -> Response:
            return Response(body, media_type="application/json")

    for path, body in bodies.items():
        add(path, body)
    return made
