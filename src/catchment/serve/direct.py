"""Lists and items that an index gives at once: answered before the framework."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection as Names
from collections.abc import Mapping
from dataclasses import dataclass

from ..store.query import Query
from ..store.seen import State
from ..store.tables import Collection
from . import gate
from .data import Data
from .reading import QUESTIONS, Listing, Reply, canonical_key, item_query, item_reply, list_reply, list_tag, listing_of
from .traffic import ITEM, LIST

__all__ = ["Direct", "Question"]

_MOST, _LONGEST = 512, 1000
_CURSOR = b"cursor="


@dataclass(frozen=True, slots=True)
class Question:
    """What a request asks of a collection: a list, or with its key an item. tag: of a list that is known by now."""

    collection: Collection
    asked: Listing | Query
    key: str = ""

    @property
    def route(self) -> str:
        """The template of its path."""
        return ITEM if self.key else LIST

    def tag(self, states: Mapping[str, State]) -> str:
        """The tag of the answer, where the collection's state alone says it; else ""."""
        state = states.get(self.collection.name)
        return list_tag(self.collection, state, self.asked) if state and isinstance(self.asked, Listing) else ""

    def answer(self, data: Data) -> Reply:
        """The answer. QueryError for what is not there, or a cursor that is none."""
        if isinstance(self.asked, Listing):
            return list_reply(data, self.collection, self.asked)
        return item_reply(data, self.collection, self.key, self.asked)


class Direct:
    """Finds in a request what may be answered so; all else is the framework's.

    What a list's parameters mean is remembered, but for the cursor: all pages of a walk have the others in common.
    """

    def __init__(self, collections: Mapping[str, Collection], taken: Names[str]) -> None:
        """taken: the paths of the routes that apps have of their own."""
        own = ["/".join(path.split("/")[2:4]) for path in taken if path.startswith("/v1/")]
        self._collections = {name: item for name, item in collections.items() if item.served and name not in own}
        self._known: OrderedDict[tuple[str, bool, bytes], Listing | Query] = OrderedDict()

    def question(self, path: str, query: bytes, data: Data) -> Question | None:
        """What the request asks; None where it is to go the whole way.

        Raises:
            QueryError: what is asked for is not there, or cannot be asked.
        """
        match path.split("/"):
            case ["", "v1", app, name]:
                key = ""
            case ["", "v1", app, name, key] if key and key not in QUESTIONS:
                pass
            case _:
                return None
        collection = self._collections.get(f"{app}/{name}")
        if collection is None or len(query) > _LONGEST or not data.may_read(collection):
            return None
        asked = self._asked(path, query, data, collection, key)
        if isinstance(asked, Listing):
            return Question(collection, asked) if asked.quick else None
        return Question(collection, asked, canonical_key(key)) if asked.as_of is None else None

    def _asked(self, path: str, query: bytes, data: Data, collection: Collection, key: str) -> Listing | Query:
        parts = query.split(b"&")
        cursors = [part for part in parts if part.startswith(_CURSOR)]
        plain = len(cursors) == 1 and b"%" not in cursors[0] and not key and len(cursors[0]) > len(_CURSOR)
        rest = b"&".join(part for part in parts if part not in cursors) if plain else query
        # Whoever reads fewer fields asks another question by the same words.
        known = (f"{collection.name} {bool(key)}", len(data.columns(collection)) == len(collection.columns), rest)
        found = self._known.get(known)
        if found is None:
            pairs = gate.pairs(rest)
            found = item_query(pairs, data, collection) if key else listing_of(pairs, path, data, collection)
            self._known[known] = found
            if len(self._known) > _MOST:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(known)
        if plain and isinstance(found, Listing):
            return found.at(cursors[0][len(_CURSOR) :].decode("latin-1"))
        return found
