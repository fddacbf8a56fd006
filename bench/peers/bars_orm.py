"""Statistics as the introductions of FastAPI and SQLAlchemy write a service.

`/stats` gives the database's own sums and averages of floating numbers; `/exact` adds decimals: SQLite has none, so
they are texts that are added up here.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from typing import Annotated, Any

import pydantic
import sqlalchemy as sa
from fastapi import Depends, FastAPI, Query
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column


class Base(DeclarativeBase):
    pass


class Bar(Base):
    __tablename__ = "bars"
    __table_args__ = (sa.Index("bars_by_symbol", "symbol", "date"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    symbol: Mapped[str]
    date: Mapped[date]
    open: Mapped[float]
    high: Mapped[float]
    low: Mapped[float]
    close: Mapped[float]
    close_exact: Mapped[str]
    volume: Mapped[int] = mapped_column(sa.BigInteger)


class Asked(pydantic.BaseModel):
    """What is asked of which bars."""

    by: str
    symbol: str | None = None
    since: date | None = None
    until: date | None = None
    limit: int = 100

    def chosen(self, asked: Any) -> Any:
        asked = asked if self.symbol is None else asked.where(Bar.symbol == self.symbol)
        return asked if self.since is None else asked.where(Bar.date >= self.since, Bar.date < self.until)


class Told(pydantic.BaseModel):
    """One group."""

    symbol: str | None = None
    month: str | None = None
    avg_close: float | Decimal | None
    sum_volume: int | None
    count: int


def service(url: str, bars: Sequence[tuple[str, date, Decimal, Decimal, Decimal, Decimal, int]]) -> FastAPI:
    """It keeps these bars in a table of a database: symbol, date, open, high, low, close, volume."""
    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1))
    month = (
        sa.func.to_char(Bar.date, "YYYY-MM")
        if engine.dialect.name == "postgresql"
        else sa.func.strftime("%Y-%m", Bar.date)
    )
    groups: dict[str, Any] = {"symbol": Bar.symbol, "month": month}

    def session() -> Iterator[Session]:
        with Session(engine) as opened:
            yield opened

    Base.metadata.create_all(engine)
    names = ("symbol", "date", "open", "high", "low", "close", "volume")
    with Session(engine) as opened:
        rows = [
            dict(zip(names, (bar[0], bar[1], *map(float, bar[2:6]), bar[6]), strict=True))
            | {"close_exact": str(bar[5])}
            for bar in bars
        ]
        opened.execute(sa.insert(Bar), rows)
        opened.commit()
    made = FastAPI()

    @made.get("/stats", response_model=list[Told])
    def stats(sql: Annotated[Session, Depends(session)], asked: Annotated[Asked, Query()]) -> Sequence[Any]:
        told = (sa.func.avg(Bar.close), sa.func.sum(Bar.volume), sa.func.count())
        names = ("avg_close", "sum_volume", "count")
        columns = (part.label(name) for part, name in zip(told, names, strict=True))
        group = groups[asked.by].label(asked.by)
        chosen = asked.chosen(sa.select(group, *columns))
        return sql.execute(chosen.group_by(group).order_by(group).limit(asked.limit)).mappings().all()

    @made.get("/exact", response_model=list[Told])
    def exact(sql: Annotated[Session, Depends(session)], asked: Annotated[Asked, Query()]) -> Sequence[Any]:
        sums = defaultdict[str, list[Any]](lambda: [Decimal(0), 0, 0])
        for value, close, volume in sql.execute(asked.chosen(sa.select(groups[asked.by], Bar.close_exact, Bar.volume))):
            group = sums[value]
            group[0], group[1], group[2] = group[0] + Decimal(close), group[1] + volume, group[2] + 1
        found = sorted(sums.items())[: asked.limit]
        return [
            {asked.by: value, "avg_close": total / count, "sum_volume": volume, "count": count}
            for value, (total, volume, count) in found
        ]

    return made
