"""What differs in a collection between two points in time: the question, its SQL, and an answer of several pages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from ..errors import QueryError
from ..record import Column, Stored
from .cursors import Position, open_cursor, seal_cursor
from .query import DEFAULT_LIMIT, MAX_LIMIT, AsOf, distinct, parse_as_of, read_fields, read_limit
from .sql import Statement, quoted, sides
from .tables import Collection

if TYPE_CHECKING:
    from .seen import State
    from .snapshot import Snapshot

__all__ = ["PARAMETERS", "Differences", "Span", "differences", "parse_span"]

PARAMETERS = {
    "from": "What to compare with: a moment (RFC 3339), a date (its first instant, UTC), or a revision.",
    "to": "What is compared: of the same kind as `from`, and not before it. Without it: how it is now.",
    "fields": "Which fields to compare, separated by commas; without it all.",
    "limit": f"How many records, 1 to {MAX_LIMIT}.",
    "cursor": "Where to go on: `meta.next` of the page before, with the same `from`, `to` and `fields`.",
}
"""What `/diff` takes, and what it means."""

_LOOK = 250
"""Keys that are looked at together; with the two points in time as many values as every SQLite takes."""


@dataclass(frozen=True, slots=True)
class Span:
    """Two points in time. until: None for now. fields: those that are compared. cursor: as it came, "" at first.

    ignored: a difference in nothing but these is none.
    """

    since: AsOf
    until: AsOf | None
    fields: tuple[str, ...]
    limit: int = DEFAULT_LIMIT
    cursor: str = ""
    ignored: frozenset[str] = frozenset()

    @property
    def walk(self) -> bytes:
        """What all pages have in common."""
        return msgspec.msgpack.encode(("diff", self.since, self.until, self.fields))

    @property
    def normal(self) -> bytes:
        """The request in one form, whatever the order of its parameters was."""
        return msgspec.msgpack.encode((self.walk, self.limit, self.cursor))


@dataclass(frozen=True, slots=True)
class Differences:
    """One page, in the order of the keys. entries: JSON objects. next: the cursor of the next page."""

    entries: tuple[bytes, ...]
    next: str | None
    state: State


def parse_span(pairs: Iterable[tuple[str, str]], columns: Sequence[Column]) -> Span:
    """The two points in time that the parameters say. QueryError: 400, naming the parameter."""
    given = distinct(pairs)
    if stray := [name for name in given if name not in PARAMETERS]:
        message = f"unknown parameter {stray[0][:60]}; there are {', '.join(PARAMETERS)}"
        raise QueryError(message, kind="unknown-parameter", parameter=stray[0])
    if "from" not in given:
        raise QueryError("from: say with which moment or revision to compare, e.g. from=2024-03-31", parameter="from")
    since = parse_as_of(given["from"], "from")
    until = parse_as_of(given["to"], "to") if "to" in given else None
    if until and until.by_revision != since.by_revision:
        raise QueryError("to: is a moment where from is one, or else a revision as from is", parameter="to")
    if until and _point(until) < _point(since):
        raise QueryError("to: is before from", parameter="to")
    known = {column.name: column for column in columns}
    return Span(
        since,
        until,
        read_fields(given["fields"], known) if "fields" in given else tuple(known),
        read_limit(given.get("limit", str(DEFAULT_LIMIT))),
        given.get("cursor", ""),
    )


def _point(as_of: AsOf) -> Any:
    """A revision or a moment, as it is stored: either is greater the later it is."""
    return as_of.revision if as_of.by_revision else as_of.moment


def differences(snapshot: Snapshot, collection: Collection, span: Span) -> Differences:
    """The records that differ: new, changed or gone.

    Raises:
        QueryError: 400 for a cursor of another walk, 410 for what is no longer kept.
    """
    state = snapshot.state(collection)
    key = snapshot.cursor_key()
    position = open_cursor(span, collection.name, generation=state.generation, horizon=state.horizon, key=key)
    points = snapshot.points(collection, state)
    since = points.kept(span.since, "from")
    until = points.kept(span.until, "to")
    # Without `to` all pages compare with what held at the first one.
    pinned = AsOf(revision=position.values[0] if position else state.revision)  # type: ignore[arg-type]  # we wrote it
    assert since is not None
    ends = _Ends(since, until or pinned, until or (pinned if pinned.revision < state.revision else None))
    found: list[tuple[str, bytes]] = []
    for entry in _entries(snapshot, collection, span, ends, position.key if position else ""):
        if len(found) == span.limit:
            last, at = Position((pinned.revision,), found[-1][0]), {"generation": state.generation}
            following = seal_cursor(last, span, collection.name, revision=pinned.revision, **at, key=key)
            return Differences(tuple(text for _, text in found), following, state)
        found.append(entry)
    return Differences(tuple(text for _, text in found), None, state)


@dataclass(frozen=True, slots=True)
class _Ends:
    """The two points in time, each a revision or a moment with its floor. shown: the later one, None for now."""

    since: AsOf
    until: AsOf
    shown: AsOf | None


def _entries(
    snapshot: Snapshot, collection: Collection, span: Span, ends: _Ends, after: str
) -> Iterator[tuple[str, bytes]]:
    """Keys behind that one, each with what it differs in. What changed and changed back does not differ."""
    many = min(_LOOK, span.limit + 1)
    while keys := [key for (key,) in snapshot.ask(_touched(collection, ends, after, many))]:
        before = _held(snapshot, collection, ends.since, span.fields, keys)
        now = _held(snapshot, collection, ends.shown, span.fields, keys)
        for key in keys:
            if entry := _entry(span, key, before.get(key), now.get(key)):
                yield key, entry
        after = keys[-1]


def _touched(collection: Collection, ends: _Ends, after: str, many: int) -> Statement:
    """The keys of which a version began or ended in between. Moments have no index: their floors have one."""
    began, over = _names(ends.since)
    since, until = _names(ends.until)
    start, end, floor = _point(ends.since), _point(ends.until), ends.since.floor
    of_now = Statement(f"{began} > ? AND {since} <= ?", (start, end))
    # What held at both ends did not differ.
    of_then = Statement(f"{over} > ? AND {since} <= ? AND ({began} > ? OR {until} <= ?)", (start, end, start, end))
    if not ends.since.by_revision:
        of_now += Statement(" AND _revision > ?", (floor,))
        of_then += Statement(" AND _until_revision > ?", (floor,))
    current, versions = quoted(collection.table), quoted(collection.versions)
    return (
        Statement(f"SELECT DISTINCT _key FROM (SELECT _key FROM {current} WHERE ")  # noqa: S608 (declared names)
        + of_now
        + Statement(f" UNION ALL SELECT _key FROM {versions} WHERE ")  # noqa: S608 (declared names)
        + of_then
        + Statement(") AS touched WHERE _key > ? ORDER BY _key LIMIT ?", (after, many))
    )


def _names(as_of: AsOf) -> tuple[str, str]:
    """By which columns a version began and ended."""
    return ("_revision", "_until_revision") if as_of.by_revision else ("_said_at", "_until")


@dataclass(frozen=True, slots=True)
class _Row:
    """A record as it was: its JSON, and the values of the compared fields as they are stored."""

    document: str
    values: tuple[Stored, ...]


def _held(
    snapshot: Snapshot, collection: Collection, as_of: AsOf | None, fields: Sequence[str], keys: Sequence[str]
) -> dict[str, _Row]:
    """Those of the keys that were there then."""
    marks, names = ", ".join("?" * len(keys)), "".join(f", {quoted(name)}" for name in fields)
    one_of = Statement(f" AND _key IN ({marks})", tuple(keys))
    found: dict[str, _Row] = {}
    for side in sides(collection, as_of):
        for key, document, *values in snapshot.ask(Statement(f"SELECT _key, _doc{names}") + side + one_of):
            found[key] = _Row(document, tuple(values))
    return found


def _entry(span: Span, key: str, before: _Row | None, now: _Row | None) -> bytes | None:
    """What is told of a key; None where nothing differs. Equality is of values: `133.0` is `133.00`."""
    if before is None and now is None:
        return None
    fields, change = span.fields, "gone" if now is None else "new"
    if before and now:
        pairs = zip(span.fields, before.values, now.values, strict=True)
        fields, change = tuple(name for name, old, new in pairs if old != new), "changed"
        if span.ignored.issuperset(fields):
            return None
    told = {name: _members(row, fields) for name, row in (("before", before), ("after", now))}
    return msgspec.json.encode({"_key": key, "change": change, **told})


def _members(row: _Row | None, fields: Iterable[str]) -> Mapping[str, msgspec.Raw] | None:
    if row is None:
        return None
    members = msgspec.json.decode(row.document, type=dict[str, msgspec.Raw])
    return {name: members.get(name, msgspec.Raw(b"null")) for name in fields}
