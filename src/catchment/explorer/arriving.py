"""What arrived last in a collection, newest first; a browser with the script goes on from there by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import QueryError
from ..record import Column
from ..serve.changes import seen
from ..serve.data import Data
from ..store.changes import Change, Changed, Changes, Position
from ..store.seen import State
from ..store.tables import Collection
from .cells import cell, documents
from .home import about
from .links import Tabs, api_of, record_of, with_query
from .related import known_by

__all__ = ["Arrival", "Arriving", "arriving"]

SHOWN = 50


@dataclass(frozen=True, slots=True)
class Arrival:
    """One change. words: by which the record is known; fields: of a changed one, which differ."""

    kind: str
    at: str
    href: str
    words: str
    fields: Sequence[str]


@dataclass(frozen=True, slots=True)
class Arriving:
    """The page. kept: whether the last changes are kept one by one; else there are none here. stream: where the next
    ones are told. fields: by which records are told apart.
    """

    collection: Collection
    about: str
    state: State
    arrivals: Sequence[Arrival]
    more: bool
    kept: bool
    tabs: Tabs
    stream: str
    fields: Sequence[str]


def arriving(data: Data, collection: Collection) -> Arriving:
    """The last changes of a collection, and where to listen for more."""
    columns = data.columns(collection)
    with data.reader.snapshot() as snapshot:
        state = data.note(snapshot, collection)
        found = _last(snapshot.changes(collection), columns)
    changes, more = (found.changes, found.more) if found else ((), False)
    named = known_by(collection, columns)
    told = [_arrival(collection, change, document, named) for change, document in seen(data, collection, changes)]
    return Arriving(
        collection,
        about(collection),
        state,
        told[::-1],
        more,
        found is not None,
        Tabs(collection.name),
        with_query(f"{api_of(collection.name)}/changes", [("after", str(state.revision))]),
        [column.name for column in named],
    )


def _last(changes: Changes, columns: Sequence[Column]) -> Changed | None:
    """As many revisions as fit, the newest among them; of one that alone is too much, its beginning. None where what
    brought the newest is not kept: records that were loaded all at once.
    """
    try:
        return _newest(changes, columns)
    except QueryError as error:
        if error.kind != "history-gone":
            raise
        return None


def _newest(changes: Changes, columns: Sequence[Column]) -> Changed:
    newest, oldest, back = changes.state.revision, changes.oldest(), 1
    found = changes.after(Position(max(oldest, newest - back)), SHOWN, columns)
    while not found.more and newest - back > oldest:
        back *= 2
        further = changes.after(Position(max(oldest, newest - back)), SHOWN, columns)
        if further.more:
            break
        found = further
    return found


def _arrival(collection: Collection, change: Change, document: str | None, named: Sequence[Column]) -> Arrival:
    words = ""
    if document is not None:
        (members,) = documents(document)
        texts = [cell(column, members.get(column.name)).text for column in named]
        words = " · ".join(text for text in texts if text)
    return Arrival(change.kind, change.at, record_of(collection.name, change.key), words or change.key, change.fields)
