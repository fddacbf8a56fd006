"""What is answered: episodes, ratings, comments and lists of them, in the words and shapes of the app's contract."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from catchment.web import QueryError, number

from .asking import Paging
from .search import Comment, Found, Rating

__all__ = ["absent", "comment", "item", "listed", "listing", "ratings"]

Json = dict[str, Any]

_RENAMED = frozenset({"_key", "imdb_id", "imdb_rating", "imdb_votes"})


def listed(found: Found) -> Json:
    """An episode as a list shows it."""
    document = found.document
    key = document["imdb_id"]
    return {
        "id": key,
        "imdbID": key,
        **{name: document[name] for name in ("series_id", "season", "episode", "title", "released")},
        "imdbRating": _rating(found.rating),
        "imdbVotes": document["imdb_votes"],
        "missing_since": _moment(found.missing_since),
        "comments": f"/episodes/{key}/comments",
    }


def item(found: Found) -> Json:
    """An episode with all that is known of it."""
    shown = listed(found)
    rest = {name: value for name, value in found.document.items() if name not in _RENAMED}
    return shown | rest | {"history": f"/v1/episodes/episodes/{shown['id']}/history"}


def ratings(key: str, found: Sequence[Rating]) -> Json:
    """The ratings of an episode, each with the moments between which it was the last one said."""
    ends = [*(_moment(entry.since) for entry in found[1:]), None]
    shown = [
        {"from": _moment(entry.since), "to": end, "imdbRating": _rating(entry.rating), "imdbVotes": entry.votes}
        for entry, end in zip(found, ends, strict=True)
    ]
    return {"id": key, "ratings": shown}


def comment(found: Comment) -> Json:
    """A comment as it is shown."""
    return comment_members(found.document, found.version)


def comment_members(document: Mapping[str, Any], version: int) -> Json:
    """The members of a comment."""
    shown = {name: document[name] for name in ("id", "episode", "text", "owner")}
    moments = {name: _moment(document[name]) for name in ("created_at", "updated_at")}
    return shown | moments | {"version": version}


def listing(results: Sequence[Json], count: int, paging: Paging) -> Json:
    """A page of a list."""
    pages = -(-count // paging.page_size)
    return {
        "count": count,
        "page": paging.page,
        "page_size": paging.page_size,
        "pages": pages,
        "results": results,
    }


def absent(what: str) -> QueryError:
    """That there is no such thing: `absent("comment")`."""
    return QueryError(f"There is no such {what}.", kind="not-found", status=404)


def _rating(value: Decimal | None) -> Any:
    """A number with one decimal, with more only where the upstream said more."""
    if value is None:
        return None
    exact = format(value, "f")
    return number(value) if "." in exact else number(value.quantize(Decimal("0.1")))


def _moment(text: str | None) -> str | None:
    """A stored moment without a fraction of zeros."""
    return None if text is None else text.replace(".000000Z", "Z")
