"""The route by which a collection's records are counted, and how it is described."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec
from litestar import Request, Response, get

from ..errors import QueryError
from ..record import Column
from ..store.aggregate import Told, tell
from ..store.query import SEARCH
from ..store.reader import TOO_SLOW
from ..store.seen import State
from ..store.statistics import (
    DEFAULT_GROUPS,
    MAX_GROUPS,
    MAX_MEASURES,
    MAX_PARTS,
    PARAMETERS,
    Statistics,
    groups_of,
    measures_of,
    parse_statistics,
)
from ..store.sums import plain
from ..store.tables import Collection
from .cache import digest
from .collections import answer, asked, given, known
from .data import Data
from .words import TEXT, Json, query

__all__ = ["GROUPS", "HANDLERS", "stats_parameters"]

_encode = msgspec.json.Encoder().encode
_SAFE = 2**63
"""Whole numbers that the encoder takes; longer ones are written digit by digit."""


@get("/v1/{app:str}/{name:str}/stats")
async def stats(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Counts, sums, means, least and greatest values of groups of records."""
    data, collection = asked(request)
    question = _question_of(given(request), data, collection)
    state = data.reader.states().get(collection.name)
    if state is not None and (told := known(data, _tag(collection, state, question))):
        data.seen[collection.name] = state
        return told
    found = await asyncio.to_thread(_read_told, data, collection, question)
    return answer(_body_of(found), _tag(collection, found.state, question))


def _question_of(pairs: Sequence[tuple[str, str]], data: Data, collection: Collection) -> Statistics:
    """What is asked of the fields that this reader may read."""
    return parse_statistics(pairs, data.columns(collection), collection.aliases, searched=bool(collection.feed.search))


def _tag(collection: Collection, state: State, question: Statistics) -> str:
    return digest("stats", collection.name, state, question.normal, str(collection.deleted))


def _read_told(data: Data, collection: Collection, question: Statistics) -> Told:
    """The groups, noted as read. QueryError: 503, naming the counter that would serve the question."""
    try:
        with data.reader.snapshot() as snapshot:
            data.note(snapshot, collection)
            return tell(snapshot, collection, question)
    except QueryError as error:
        if error.kind != TOO_SLOW or question.where.as_of is not None:  # of what held before nothing is counted
            raise
        message = f"the question takes too long; ask for less, or declare a counter: {_counter(collection, question)}"
        raise QueryError(message, kind=TOO_SLOW, status=503) from error


def _counter(collection: Collection, question: Statistics) -> str:
    """The declaration that would answer it, but for what no counter tells."""
    by = tuple(dict.fromkeys([*map(str, question.by), *(term.column for term in question.where.terms)]))
    of = tuple(dict.fromkeys(item.field for item in question.of if item.function in ("sum", "avg")))
    declared = f"Counter(by={by!r}{f', of={of!r}' if of else ''})"
    return f"{'Resource' if collection.written else 'Feed'}(counters=[{declared}])"


def _body_of(told: Told) -> bytes:
    """The groups as JSON: exact numbers that may have a fraction are texts, as in records."""
    rows = [{name: _shown(value) for name, value in row.items()} for row in told.rows]
    meta = {"revision": told.state.revision, "changed_at": told.state.changed_at, "groups": told.groups}
    return _encode({"data": rows, "meta": meta})


def _shown(value: Any) -> Any:
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, int) and not -_SAFE <= value < _SAFE:
        return msgspec.Raw(str(value).encode())
    return value


HANDLERS = (stats,)


# -- how it is described -------------------------------------------------------------------------------------------

GROUPS: Json = {
    "type": "array",
    "items": {
        "type": "object",
        "description": "A group: the parts of `by` and of `of` under their own texts; decimal numbers are texts.",
        "additionalProperties": {"type": ["string", "number", "boolean", "null"]},
        "examples": [{"month(date)": "2024-03-01", "count()": 21, "sum(volume)": 4200, "avg(close)": "139.78"}],
    },
}


def stats_parameters(columns: Sequence[Column], search: Sequence[str]) -> list[Json]:
    """The parameters that are no filters, with all that `by` and `of` may name of these fields."""
    by, of = groups_of(columns), measures_of(columns)
    schemas: Mapping[str, tuple[Json, Any]] = {
        "by": (_several(by, MAX_PARTS), by[:1]),
        "of": (_several(of, MAX_MEASURES), of[:2]),
        "zone": (TEXT, None),
        "sort": (TEXT, None),
        "limit": ({"type": "integer", "minimum": 1, "maximum": MAX_GROUPS, "default": DEFAULT_GROUPS}, 10),
        "as_of": (TEXT, "2024-03-31T12:00:00Z"),
    }
    found = [query(name, words, *schemas[name]) for name, words in PARAMETERS.items()]
    listed = [item | {"style": "form", "explode": False} if item["name"] in ("by", "of") else item for item in found]
    words = [query("q", SEARCH["q"], TEXT | {"minLength": 1, "maxLength": 4096}, "winter")] if search else []
    return [*words, *listed]


def _several(names: Sequence[str], most: int) -> Json:
    return {"type": "array", "items": {"type": "string", "enum": names}, "minItems": 1, "maxItems": most}
