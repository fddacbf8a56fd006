"""The reviews of one provider, as they are stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import sqlalchemy as sa

from catchment.web import View

from .judging import Expression

__all__ = ["Said", "columns", "count_reviews", "review_by", "reviews_of"]


@dataclass(frozen=True, slots=True)
class Said:
    """A review as it is stored, and its place among those of its provider."""

    document: dict[str, Any]
    place: tuple[str, str]


def columns(table: sa.Table, names: Sequence[str]) -> sa.Select[Any]:
    """A question for some columns of a table."""
    return sa.select(*(table.c[name] for name in names))


def _of(table: sa.Table, provider: str, skill: str | None) -> list[Expression]:
    return [table.c["provider"] == provider, *([] if skill is None else [table.c["skill_key"] == skill])]


def reviews_of(
    view: View, provider: str, skill: str | None, *, limit: int, offset: int = 0, after: Sequence[str] = ()
) -> list[Said]:
    """The provider's reviews, newest first, then by id. skill: folded, None for all. after: a `place`."""
    table = view.tables("reviews").current
    at, key = table.c["updated_at"], table.c["_key"]
    question = columns(table, ("_doc", "updated_at", "_key")).where(*_of(table, provider, skill))
    if after:
        question = question.where(sa.or_(at < after[0], sa.and_(at == after[0], key > after[1])))
    rows = view.select(question.order_by(at.desc(), key).limit(limit).offset(offset))
    return [Said(msgspec.json.decode(doc), (moment, name)) for doc, moment, name in rows]


def count_reviews(view: View, provider: str, skill: str | None) -> int:
    """How many reviews the provider has."""
    table = view.tables("reviews").current
    return int(view.select(sa.select(sa.func.count()).select_from(table).where(*_of(table, provider, skill)))[0][0])


def review_by(view: View, provider: str, user: str, skill: str) -> str | None:
    """The id of a person's review. skill: folded, "" for none in particular."""
    table = view.tables("reviews").current
    mine = [*_of(table, provider, skill), table.c["user_id"] == user]
    rows = view.select(columns(table, ("_key",)).where(*mine))
    return str(rows[0][0]) if rows else None
