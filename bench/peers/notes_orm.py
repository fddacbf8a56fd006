"""The service of `writes.py` as the introductions of FastAPI and SQLAlchemy write one: an ORM's session a request."""

import sqlite3
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any

import pydantic
import sqlalchemy as sa
from fastapi import Depends, FastAPI, Header
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column


class Base(DeclarativeBase):
    pass


class Note(Base):
    __tablename__ = "notes"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    owner: Mapped[uuid.UUID]
    title: Mapped[str]
    text: Mapped[str]
    stars: Mapped[int]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class Draft(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", strict=True)

    title: str = pydantic.Field(min_length=1, max_length=2000)
    text: str = pydantic.Field(min_length=1, max_length=2000)
    stars: int = pydantic.Field(ge=0, le=5)


class Shown(Draft):
    model_config = pydantic.ConfigDict(from_attributes=True)

    id: uuid.UUID
    owner: uuid.UUID
    created_at: datetime
    updated_at: datetime


def service(folder: str) -> FastAPI:
    """It keeps its notes in a file in the folder, with the durability that the product has."""
    engine = sa.create_engine(f"sqlite:///{folder}/notes.sqlite", connect_args={"timeout": 30})

    @sa.event.listens_for(engine, "connect")
    def make_durable(connection: sqlite3.Connection, _: Any) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")

    def session() -> Iterator[Session]:
        with Session(engine) as opened:
            yield opened

    Base.metadata.create_all(engine)
    made = FastAPI()

    @made.post("/v1/bench/notes", status_code=201, response_model=Shown)
    def create(
        draft: Draft, sql: Annotated[Session, Depends(session)], user_id: Annotated[uuid.UUID, Header()]
    ) -> Note:
        now = datetime.now(UTC)
        note = Note(**draft.model_dump(), owner=user_id, created_at=now, updated_at=now)
        sql.add(note)
        sql.commit()
        sql.refresh(note)
        return note

    return made
