"""What belongs to a record: what people wrote about it, what it is about itself, and its namesakes beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote, unquote

import msgspec

from ..feed import Feed
from ..record import Column
from ..serve.data import Data
from ..serve.reading import query_of, read_page
from ..store.tables import Collection
from .cells import SHORT, cell, documents, key_of
from .links import page_of, record_of, write_of
from .tables import count_of

__all__ = ["Related", "known_by", "related"]

SHOWN = 5
NAMED = 4
"""Fields by which a record is told apart in a line."""
_FILLED_IN = frozenset({"id", "user_id", "owner", "created_at", "updated_at"})
"""Of what people write, what nobody knows a record by."""

Document = Mapping[str, msgspec.Raw]


@dataclass(frozen=True, slots=True)
class Related:
    """Some records of another collection. count: of all of them, which `href` shows; rows: address and words.

    write: the form of one more, "" where people write none.
    """

    title: str
    href: str
    count: str
    rows: Sequence[tuple[str, str]]
    write: str = ""


def known_by(collection: Collection, columns: Sequence[Column]) -> list[Column]:
    """The fields by which a record is told apart in a line."""
    feed = collection.feed
    left = () if isinstance(feed, Feed) else {*_FILLED_IN, *feed.fixed}
    return [column for column in columns if column.name not in left][:NAMED]


def related(data: Data, collection: Collection, key: str, document: Document) -> list[Related]:
    """What belongs to the record, of what this reader may read."""
    others = [item for item in data.visible() if item.app == collection.app and item.name in data.reader.states()]
    return [
        *_its_targets(data, collection, others, document),
        *_written_about(data, collection, others, key),
        *_namesakes(data, collection, others, key),
    ]


def _its_targets(
    data: Data, collection: Collection, others: Sequence[Collection], document: Document
) -> Iterator[Related]:
    """What a record that people wrote is about."""
    for link in () if isinstance(collection.feed, Feed) else collection.feed.links:
        target = next((item for item in others if item.feed.name == link.target.name), None)
        values = [msgspec.json.decode(document.get(name, b"null")) for name in link.fields]
        if target is not None and None not in values:
            yield from _one(data, target, ",".join(quote(str(value), safe=":") for value in values), "About")


def _written_about(data: Data, collection: Collection, others: Sequence[Collection], key: str) -> Iterator[Related]:
    """What people wrote about it, the first of it."""
    for other in others:
        for link in () if isinstance(other.feed, Feed) else other.feed.links:
            names = {column.name for column in data.columns(other)}
            if link.target.name != collection.feed.name or not names.issuperset(link.fields):
                continue
            pairs = list(zip(link.fields, map(unquote, key.split(",")), strict=True))
            page = read_page(data, other, query_of([*pairs, ("limit", str(SHOWN))], data, other))
            told = known_by(other, data.columns(other))
            rows = [(record_of(other.name, key_of(item)), _words(told, item)) for item in documents(page.body)]
            write = write_of(other.name, pairs=pairs)
            yield Related(other.feed.name, page_of(other.name, pairs), count_of(page), rows, write)


def _namesakes(data: Data, collection: Collection, others: Sequence[Collection], key: str) -> Iterator[Related]:
    """Records of the same key, where the key is of the same fields."""
    for other in others:
        if other.feed.name != collection.feed.name and _fields_of(other) == _fields_of(collection) != ():
            yield from _one(data, other, key, "The same in")


def _fields_of(collection: Collection) -> Sequence[str]:
    feed = collection.feed
    return feed.key if isinstance(feed, Feed) and isinstance(feed.key, tuple) else ()


def _one(data: Data, collection: Collection, key: str, words: str) -> Iterator[Related]:
    with data.reader.snapshot() as snapshot:
        item = snapshot.item(collection, key)
    if item is not None:
        (document,) = documents(item.body)
        href = record_of(collection.name, key)
        rows = [(href, _words(known_by(collection, data.columns(collection)), document))]
        yield Related(f"{words} {collection.feed.name}", href, "", rows)


def _words(told: Sequence[Column], document: Document) -> str:
    texts = [cell(column, document.get(column.name), limit=SHORT).text for column in told]
    return " · ".join(text for text in texts if text) or "(no words)"
