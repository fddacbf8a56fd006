"""Questions to the stored episodes and comments: each a SELECT over the app's own tables, its values bound.

Two sources say an episode's rating, its own body and its season's. What is served is what was said last; at the same
moment the episode's own body counts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import msgspec
import sqlalchemy as sa

from catchment.web import View, from_decimal_key, to_stored

from .asking import Asked, Paging

__all__ = ["Comment", "Found", "Rating", "comment_of", "comments_of", "find", "is_known", "one", "ratings_of"]

Expression = sa.ColumnElement[Any]


@dataclass(frozen=True, slots=True)
class Found:
    """An episode as it is stored, with the rating that was said last. missing_since: its season no longer has it."""

    document: Mapping[str, Any]
    rating: Decimal | None
    missing_since: str | None


@dataclass(frozen=True, slots=True)
class Rating:
    """A rating and the votes known with it, from a moment on."""

    since: str
    rating: Decimal | None
    votes: int | None


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment as it is stored."""

    document: Mapping[str, Any]
    version: int


# -- episodes -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Episodes:
    """The episodes beside their seasons' entries, and what of the two is served."""

    table: Any
    source: Any
    key: Expression
    rating: Expression
    missing_since: Expression


def _episodes(view: View) -> _Episodes:
    episode, seasons = view.tables("episodes").current, view.tables("seasons")
    entry, before = seasons.current, seasons.versions
    key, lost = episode.c["_key"], entry.c["_key"].is_(None)

    def retired(column: str) -> Expression:
        """A column of the entry that the season had of it last, where it has none now."""
        gone = sa.select(before.c[column]).where(before.c["_key"] == key, before.c["_gone"] == 1)
        return gone.order_by(before.c["_version"].desc()).limit(1).scalar_subquery()

    said_at = sa.case((lost, retired("_said_at")), else_=entry.c["_said_at"])
    said = sa.case((lost, retired("imdb_rating")), else_=entry.c["imdb_rating"])
    return _Episodes(
        episode,
        episode.outerjoin(entry, entry.c["_key"] == key),
        key,
        sa.case((said_at > episode.c["_said_at"], said), else_=episode.c["imdb_rating"]),
        sa.case((lost, retired("_until"))),
    )


def find(view: View, asked: Asked, paging: Paging) -> tuple[list[Found], int]:
    """The episodes of a page in their order, and how many match in all."""
    known = _episodes(view)
    matching = sa.select(known.key).select_from(known.source).where(*_conditions(known, asked))
    ordered = matching.order_by(*_order(known, asked))
    if asked.title:
        title = known.table.c["title"]
        keys = _titled(view, ordered.add_columns(title).where(_may_hold(title, asked.title)), asked.title)
        count, keys = len(keys), keys[paging.offset : paging.offset + paging.page_size]
    else:
        count = view.select(sa.select(sa.func.count()).select_from(matching.subquery()))[0][0]
        keys = [key for (key,) in view.select(ordered.limit(paging.page_size).offset(paging.offset))]
    found = {item.document["imdb_id"]: item for item in _found(view, known, keys)}
    return [found[key] for key in keys], count


def _may_hold(title: Expression, text: str) -> Expression:
    """Whether SQLite, which folds the case of ASCII alone, cannot tell that the title has not the folded text in it."""
    foreign: Expression = title.op("GLOB")("*[^ -~]*")
    if not text.isascii():
        return foreign
    escaped = re.sub(r"([%_\\])", r"\\\1", text)
    return sa.or_(title.like(f"%{escaped}%", escape="\\"), foreign)


def _titled(view: View, ordered: Any, title: str) -> list[str]:
    """The keys of those whose title has the text in it."""
    return [key for key, known in view.select(ordered) if title in known.casefold()]


_COMPARED: Mapping[str, Callable[[Any, Any], Expression]] = {
    "gt": lambda rating, bound: rating > bound,
    "gte": lambda rating, bound: rating >= bound,
    "lt": lambda rating, bound: rating < bound,
    "lte": lambda rating, bound: rating <= bound,
}


def _conditions(known: _Episodes, asked: Asked) -> list[Expression]:
    """What a matching episode meets; a rating that is not there meets no bound."""
    columns = known.table.c
    found = [_any_of(columns["season"], asked.seasons)] if asked.seasons else []
    found += [columns["series_id"] == asked.series] if asked.series else []
    return found + [_COMPARED[operator](known.rating, to_stored("decimal", bound)) for operator, bound in asked.ratings]


def _order(known: _Episodes, asked: Asked) -> list[Expression]:
    columns = known.table.c
    if asked.sort == "-imdbRating":
        terms = [known.rating.desc()]
    elif asked.sort == "released":
        terms = [columns["released"]]
    else:
        terms = [columns["series_id"], columns["season"], columns["episode"]]
    return [*(term.nulls_last() for term in terms), known.key]


def _found(view: View, known: _Episodes, keys: Sequence[str]) -> list[Found]:
    columns = (known.table.c["_doc"], known.rating, known.missing_since)
    rows = view.select(sa.select(*columns).select_from(known.source).where(_any_of(known.key, keys)))
    return [Found(msgspec.json.decode(doc), _decimal(rating), since) for doc, rating, since in rows]


def _any_of(column: Expression, values: Sequence[Any]) -> Expression:
    """Whether a column has one of the values: one statement, however many there are."""
    listed = sa.func.json_each(msgspec.json.encode(values).decode()).table_valued("value")
    return column.in_(sa.select(sa.cast(listed.c["value"], column.type)))


def _decimal(stored: str | None) -> Decimal | None:
    return None if stored is None else from_decimal_key(stored)


def one(view: View, key: str) -> Found | None:
    """The episode of that id; None for none."""
    return next(iter(_found(view, _episodes(view), [key])), None)


def is_known(view: View, key: str) -> bool:
    """Whether there is such an episode."""
    table = view.tables("episodes").current
    return bool(view.select(sa.select(table.c["_key"]).where(table.c["_key"] == key)))


def ratings_of(view: View, key: str) -> list[Rating]:
    """What both sources have said of an episode's rating, oldest first: a new entry where rating or votes change.

    Only an episode's own body says votes: those that it says first belong to the same rating said before it, too.
    """
    seasons = [(said_at, 0, rating, None) for said_at, rating in _said(view, "seasons", key, "imdb_rating")]
    bodies = [(at, 1, rating, votes) for at, rating, votes in _said(view, "episodes", key, "imdb_rating", "imdb_votes")]
    found: list[Rating] = []
    for said_at, own, rating, votes in sorted([*seasons, *bodies], key=lambda item: item[:2]):
        known = votes if own else (found[-1].votes if found else None)
        entry = Rating(said_at, _decimal(rating), known)
        if found and found[-1].since == said_at:  # at the same moment the later in this order counts: the body
            found.pop()
        if found and (found[-1].rating, found[-1].votes) == (entry.rating, None):
            entry = replace(entry, since=found.pop().since)
        if not found or (found[-1].rating, found[-1].votes) != (entry.rating, entry.votes):
            found.append(entry)
    return found


def _said(view: View, name: str, key: str, *columns: str) -> list[Any]:
    """The moments and values of every version of a record that is kept."""
    tables = view.tables(name)
    found = []
    for table in (tables.current, tables.versions):
        values = [table.c[column] for column in ("_said_at", *columns)]
        found += view.select(sa.select(*values).where(table.c["_key"] == key))
    return found


# -- comments -------------------------------------------------------------------------------------------------------


def comments_of(view: View, episode: str | None, paging: Paging) -> tuple[list[Comment], int]:
    """A page of comments, oldest first, and how many there are. episode: of this one; None: of all."""
    table = view.tables("comments").current
    conditions = [] if episode is None else [table.c["episode"] == episode]
    count = view.select(sa.select(sa.func.count()).select_from(table).where(*conditions))[0][0]
    rows = sa.select(table.c["_doc"], table.c["_version"]).where(*conditions)
    page = rows.order_by(table.c["created_at"], table.c["_key"]).limit(paging.page_size).offset(paging.offset)
    return [Comment(msgspec.json.decode(doc), version) for doc, version in view.select(page)], count


def comment_of(view: View, key: str) -> Comment | None:
    """The comment of that id; None for none."""
    table = view.tables("comments").current
    rows = view.select(sa.select(table.c["_doc"], table.c["_version"]).where(table.c["_key"] == key.lower()))
    return Comment(msgspec.json.decode(rows[0][0]), rows[0][1]) if rows else None
