"""A list that is asked page by page: what is the same for all of its pages is worked out once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from .cursors import Position
from .query import Query
from .sql import Statement, page_rows
from .tables import Collection

__all__ = ["Pages"]

Count = tuple[int | None, bool]
"""How many records match, and whether that is exact."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Stands in a statement for a value of the position: of the walk's order by its number, -1 for the key."""

    number: int


class Pages:
    """The pages of one list. query: of any of them; its cursor does not matter.

    Of a position only what is null in it changes the SQL, and the count is that of a state: a walk asks for it once.
    """

    def __init__(self, collection: Collection, query: Query) -> None:
        self._collection = collection
        self._query = query
        self._forms: dict[tuple[bool, ...] | None, Statement] = {}
        self._counted: tuple[object, Count] = (None, (None, False))

    def statement(self, position: Position | None) -> Statement:
        """What asks for the rows behind a position, as `sql.page_rows` says it."""
        form = None if position is None else tuple(value is None for value in position.values)
        found = self._forms.get(form)
        if found is None:
            found = self._forms[form] = page_rows(self._collection, self._query, position and _places(position))
        if position is None:
            return found
        values, bound = (*position.values, position.key), cast("tuple[Any, ...]", found.values)
        return Statement(found.sql, tuple([values[v.number] if isinstance(v, _Place) else v for v in bound]))

    def count(self, state: object, ask: Callable[[], Count]) -> Count:
        """The count in that state of the collection; asked for where it is not known."""
        known, counted = self._counted
        if known != state:
            counted = ask()
            self._counted = state, counted
        return counted


def _places(position: Position) -> Position:
    values: tuple[Any, ...] = tuple(
        None if value is None else _Place(number) for number, value in enumerate(position.values)
    )
    return Position(values, _Place(-1))  # type: ignore[arg-type]  # the SQL does not look at what it binds
