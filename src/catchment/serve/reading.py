"""What a list and an item answer, and by which tag: before the framework where that is quick, else behind it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote, unquote, urlencode

import msgspec

from ..errors import QueryError
from ..store.pages import Pages
from ..store.query import Query, Term, index_for, parse
from ..store.reader import TOO_SLOW
from ..store.seen import Item, Page, State
from ..store.tables import Collection
from . import gate
from .cache import digest
from .data import Data, visible_columns

__all__ = [
    "QUESTIONS",
    "Listing",
    "Reply",
    "canonical_key",
    "item_body",
    "item_query",
    "item_reply",
    "item_tag",
    "item_tags",
    "list_reply",
    "list_tag",
    "listing_of",
    "next_of",
    "no_record",
    "query_of",
    "read_page",
]

QUESTIONS = frozenset({"changes", "diff", "stats"})
"""What stands where a key does and is none. A record of that key is read with a letter of it escaped: `%64iff`."""
_encode = msgspec.json.Encoder().encode
_QUICK_LIMIT = 100
_RANGES = frozenset({"gt", "gte", "lt", "lte", "startswith"})


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer: its JSON and its plain tag. headers: besides, by their names."""

    body: bytes
    etag: str
    headers: Mapping[str, str] = field(default_factory=dict)


def query_of(pairs: Iterable[tuple[str, str]], data: Data, collection: Collection) -> Query:
    """What is asked of the fields that this reader may read; those alone are answered."""
    columns = data.columns(collection)
    searched = bool(collection.feed.search)
    query = parse(pairs, columns, collection.feed.sort, collection.aliases, searched=searched)
    if query.fields or len(columns) == len(collection.columns):
        return query
    return dataclasses.replace(query, fields=tuple(column.name for column in columns))


def no_record() -> QueryError:
    """That there is no record of the key."""
    return QueryError("there is no such record", kind="not-found", status=404)


# -- list ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Listing:
    """A list that somebody asks for. link: the address of its next page, up to the cursor.

    quick: an index gives each page at once, so that a thread would cost more than the question.
    pages: what all of its pages have in common.
    """

    query: Query
    link: str
    quick: bool
    pages: Pages
    normal: bytes

    def at(self, cursor: str) -> Listing:
        """The same list, from there on."""
        return dataclasses.replace(self, query=dataclasses.replace(self.query, cursor=cursor)) if cursor else self


def listing_of(pairs: Sequence[tuple[str, str]], path: str, data: Data, collection: Collection) -> Listing:
    """The list that a request's parameters say. path: the request's own."""
    query = query_of(pairs, data, collection)
    normal = dataclasses.replace(query, cursor="").normal
    return Listing(query, next_of(path, pairs), _is_quick(query, collection), Pages(collection, query), normal)


def next_of(path: str, pairs: Sequence[tuple[str, str]]) -> str:
    """The address of the next page, up to the cursor. Without host: a Host header is nothing to build on."""
    rest = [pair for pair in pairs if pair[0] != "cursor"]
    return f"{path}?{urlencode([*rest, ('cursor', '')], quote_via=quote)}"


def _is_quick(query: Query, collection: Collection) -> bool:
    """Whether the page stands in the collection's own order, and what it is asked for is the beginning of that."""
    order = list(collection.feed.sort)
    return (
        [f"{'-' if item.descending else ''}{item.column}" for item in query.order] == order
        and query.limit <= _QUICK_LIMIT
        and query.as_of is None
        and query.count != "exact"
        and not query.words
        and _is_range(query.terms, [name.removeprefix("-") for name in order])
    )


def _is_range(terms: Sequence[Term], order: Sequence[str]) -> bool:
    """Whether the rows that meet the terms stand together in that order: some fields fixed, the next within bounds."""
    fixed = {term.column for term in terms if term.operator == ""}
    bounded = {term.column for term in terms if term.operator in _RANGES} - fixed
    if any(term.operator not in _RANGES | {""} for term in terms):
        return False
    return fixed == set(order[: len(fixed)]) and bounded <= set(order[len(fixed) : len(fixed) + 1])


def list_tag(collection: Collection, state: State, listing: Listing) -> str:
    """The tag of one page of a list in that state."""
    # What people deleted is in what held before, and in nothing else.
    shown = collection.deleted or listing.query.as_of is None
    return digest("list", collection.name, state, listing.normal, listing.query.cursor, str(shown))


def list_reply(data: Data, collection: Collection, listing: Listing) -> Reply:
    """One page of a list."""
    page = read_page(data, collection, listing.query, listing.pages)
    headers = {"link": f'<{listing.link}{page.next}>; rel="next"'} if page.next else {}
    return Reply(_page_body(page), list_tag(collection, page.state, listing), headers)


def read_page(data: Data, collection: Collection, query: Query, pages: Pages | None = None) -> Page:
    """The page that the query asks for, noted as read. QueryError: 503, naming the index that would serve it."""
    try:
        with data.reader.snapshot() as snapshot:
            data.note(snapshot, collection)
            return snapshot.page(collection, query, pages)
    except QueryError as error:
        if error.kind != TOO_SLOW or query.as_of is not None:  # of what held before there is no order to declare
            raise
        declared = f"{'Resource' if collection.written else 'Feed'}(indexes=[{index_for(query)!r}])"
        message = f"the question takes too long; ask for less, or declare an index: {declared}"
        raise QueryError(message, kind=TOO_SLOW, status=503) from error


def _page_body(page: Page) -> bytes:
    meta = {
        "revision": page.state.revision,
        "changed_at": page.state.changed_at,
        "count": page.count,
        "count_exact": page.count_exact,
        "next": page.next,
    }
    return b"".join((b'{"data":[', page.body.encode(), b'],"meta":', _encode(meta), b"}"))


# -- item ----------------------------------------------------------------------------------------------------------


def canonical_key(segment: str) -> str:
    """The key that a path's segment means: each component with the fewest escapes. QueryError 404 if it is none."""
    try:
        parts = [unquote(part, errors="strict") for part in segment.split(",")]
    except UnicodeDecodeError as error:
        raise no_record() from error
    return ",".join(quote(part, safe=":") for part in parts)


def item_query(pairs: list[tuple[str, str]], data: Data, collection: Collection) -> Query:
    """What may be asked of an item: its moment, and which fields."""
    return query_of(gate.only(pairs, ("as_of", "fields")), data, collection)


def item_reply(data: Data, collection: Collection, key: str, query: Query) -> Reply:
    """One record as it is, or was. Its tag is its version's, so it stands when only others change."""
    with data.reader.snapshot() as snapshot:
        data.note(snapshot, collection)
        item = snapshot.item(collection, key, as_of=query.as_of, fields=query.fields)
    if item is None:
        raise no_record()
    # Of what is collected, a version that was forgotten may have had the same number.
    revision = 0 if collection.written else item.revision
    etag = item_tag(collection, key, item.state.generation, item.version, query.fields, revision=revision)
    return Reply(item_body(item), etag)


def item_tag(
    collection: Collection, key: str, generation: int, version: int, fields: tuple[str, ...] = (), *, revision: int = 0
) -> str:
    """The ETag of one version of a record, the whole of it or chosen fields."""
    return digest("item", collection.name, key, str(generation), str(version), repr(fields), str(revision))


def item_tags(collection: Collection, key: str, generation: int, version: int) -> set[str]:
    """The ETags of a version, as it is shown to those who see all of it and to all others."""
    shown = tuple(column.name for column in visible_columns(collection, moderates=False))
    return {item_tag(collection, key, generation, version, fields) for fields in ((), shown)}


def item_body(item: Item) -> bytes:
    """One record with its version, as it is answered."""
    # Of the commit that brought this version, not of the collection: the body is the version's as its ETag is.
    meta = {
        "revision": item.revision,
        "changed_at": item.changed_at,
        "version": item.version,
        "said_at": item.said_at,
    }
    return b"".join((b'{"data":', item.body.encode(), b',"meta":', _encode(meta), b"}"))
