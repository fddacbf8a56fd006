"""A chart of any filtered view: what it shows as shapes, and the same as a table behind it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import msgspec

from ..record import Column
from ..serve.data import Data
from ..serve.reading import query_of
from ..store.query import Order, Query
from ..store.spread import bounds, most, placed, spread
from ..store.tables import Collection
from . import drawing, places
from .cells import cell, documents, key_of
from .charted import Chart
from .choices import PRICES, Choice, Draw
from .drawing import Spot
from .figures import amount, plural
from .filters import without
from .grouped import by_field, over_time
from .links import api_of, charts_of, page_of, record_of

__all__ = ["chart"]

CANDLES, SERIES, PLACES, BINS = 120, 24, 20_000, 24
"""The most bars of prices, other prices and places of one chart, and about how many edges."""


def chart(data: Data, collection: Collection, choice: Choice) -> Chart:
    """The chart that is asked for. QueryError as in the API, and 503 for one that takes too long."""
    return _DRAWN[choice.draw](data, collection, choice)


def _column(data: Data, collection: Collection, name: str) -> Column:
    return next(column for column in data.columns(collection) if column.name == name)


def _query(data: Data, collection: Collection, choice: Choice, *more: tuple[str, str]) -> Query:
    return query_of([*choice.where, *more], data, collection)


# -- records ---------------------------------------------------------------------------------------------------------


def _records(data: Data, collection: Collection, query: Query) -> tuple[list[dict[str, msgspec.Raw]], bool]:
    """The first records of a query, and whether there are more."""
    with data.reader.snapshot() as snapshot:
        data.note(snapshot, collection)
        texts, more = snapshot.piece(collection, query, None)
    return documents(",".join(texts)), more is not None


def _candles(data: Data, collection: Collection, choice: Choice) -> Chart:
    """The last bars, each as it was stored."""
    on, (choice, others) = _column(data, collection, choice.on), _one_series(data, collection, choice)
    query = _query(data, collection, choice, ("fields", ",".join([on.name, *PRICES])))
    query = replace(query, order=(Order(on.name, descending=True),), limit=CANDLES)
    found, more = _records(data, collection, query)
    columns = [_column(data, collection, name) for name in PRICES]
    values, rows = [], []
    for document in reversed(found):
        texts = [cell(column, document.get(column.name)).text for column in columns]
        if not all(texts):
            continue
        at = msgspec.json.decode(document[on.name], type=str)
        told = ", ".join(f"{name} {text}" for name, text in zip(PRICES, texts, strict=True))
        opened, high, low, closed = map(float, texts)
        values.append((_moment(at), opened, high, low, closed, f"{at}: {told}"))
        rows.append((record_of(collection.name, key_of(document)), [at, *texts]))
    notes = [f"The last {CANDLES} of those that match; filter by {on.name} for others."] if more else []
    picture = drawing.candles(values) if values else None
    api = api_of(collection.name, [*choice.where, ("sort", f"-{on.name}"), ("limit", str(CANDLES))])
    return Chart(f"Prices by {on.name}", picture, [on.name, *PRICES], rows[::-1], api, notes, others)


def _one_series(data: Data, collection: Collection, choice: Choice) -> tuple[Choice, list[tuple[str, str, bool]]]:
    """The choice of one thing whose prices are told: what is asked for, or the first there is; and the others."""
    key = collection.feed.key
    rest = [name for name in key if name != choice.on] if isinstance(key, tuple) else []
    if len(rest) != 1 or any(name == rest[0] for name, _ in choice.where):
        return choice, []
    column = _column(data, collection, rest[0])
    with data.reader.snapshot() as snapshot:
        data.note(snapshot, collection)
        found = most(snapshot, collection, column, _query(data, collection, choice), SERIES)
    values = sorted(str(value) for value, _ in found)
    narrowed = [replace(choice, where=(*choice.where, (column.name, value))) for value in values]
    links = [
        (value, charts_of(collection.name, one.pairs), one is narrowed[0])
        for value, one in zip(values, narrowed, strict=True)
    ]
    return (narrowed[0] if narrowed else choice), links


def _moment(text: str) -> datetime:
    """A date, or a moment, as a place in time."""
    if len(text) == len("2024-03-31"):
        return datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC)
    return datetime.fromisoformat(text)


def _map(data: Data, collection: Collection, choice: Choice) -> Chart:
    """The places of the records, near ones together."""
    north, east = places.axes(data.columns(collection)) or ("", "")
    columns = _column(data, collection, north), _column(data, collection, east)
    with data.reader.snapshot() as snapshot:
        data.note(snapshot, collection)
        found = placed(snapshot, collection, columns, _query(data, collection, choice), PLACES)
    known = [places.Place(*place) for place in found]
    notes = [f"{amount(PLACES)} places of more; a filter shows others."] if len(found) == PLACES else []
    api = api_of(collection.name, [*choice.where, ("fields", f"{north},{east}")])
    heads = ["records", f"{north} from", "to", f"{east} from", "to"]
    if not known:
        return Chart("Places", None, heads, [], api, notes)
    shown = places.frame(known)
    groups = places.clusters(known, shown)
    spots = [_spot(collection, choice, group, (north, east)) for group in groups]
    picture = drawing.spots(spots, places.degrees(shown.across, 6), places.degrees(shown.up, 5), shown.height)
    rows = [
        (
            spot.href,
            [amount(group.count), *(f"{value:.5f}" for value in (group.south, group.north, group.west, group.east))],
        )
        for spot, group in zip(spots, groups, strict=True)
    ]
    return Chart("Places", picture, heads, rows, api, notes)


def _plain(value: float) -> str:
    return f"{value:.12f}".rstrip("0").rstrip(".")


def _spot(collection: Collection, choice: Choice, group: places.Cluster, names: tuple[str, str]) -> Spot:
    """A cluster: it leads to what lies in it, nearer; one place to its records."""
    label = "" if group.count == 1 else amount(group.count)
    radius = 5 if group.count == 1 else min(22.0, 9 + 2.2 * len(label) + group.count**0.25)
    return Spot(
        group.x,
        group.y,
        round(radius, 1),
        plural(group.count, "record"),
        _within(collection, choice, group, names),
        label,
    )


def _within(collection: Collection, choice: Choice, group: places.Cluster, names: tuple[str, str]) -> str:
    if group.count == 1:
        return record_of(collection.name, group.key)
    narrow = [(f"{names[0]}__gte", _plain(group.south)), (f"{names[0]}__lte", _plain(group.north))]
    narrow += [(f"{names[1]}__gte", _plain(group.west)), (f"{names[1]}__lte", _plain(group.east))]
    pairs = [*without(choice.where, [name for name, _ in narrow]), *narrow]
    if group.south == group.north and group.west == group.east:
        return page_of(collection.name, pairs)
    return charts_of(collection.name, replace(choice, where=tuple(pairs)).pairs)


# -- how numbers are spread ------------------------------------------------------------------------------------------


def _histogram(data: Data, collection: Collection, choice: Choice) -> Chart:
    """How many records lie between round edges."""
    column = _column(data, collection, choice.on)
    query = _query(data, collection, choice)
    title, heads = f"How {column.name} is spread", [f"{column.name} from", "to", "records"]
    api = api_of(collection.name, [*choice.where, ("sort", column.name)])
    with data.reader.snapshot() as snapshot:
        data.note(snapshot, collection)
        found = bounds(snapshot, collection, column, query)
        if found is None:
            return Chart(title, None, heads, [], api)
        edges = _edges(column, *found)
        counts = spread(snapshot, collection, column, query, edges[1:-1])
    rows = [
        (_between(collection, choice, column.name, low, high), [str(low), str(high), amount(count)])
        for low, high, count in zip(edges, edges[1:], counts, strict=False)
    ]
    bars = [
        (float(count), f"{texts[0]} to {texts[1]}: {plural(count, 'record')}", href)
        for (href, texts), count in zip(rows, counts, strict=True)
    ]
    return Chart(title, drawing.columns(bars, [str(edge) for edge in edges]), heads, rows, api)


def _edges(column: Column, low: Any, high: Any) -> list[Any]:
    """Round numbers of the column's kind from below the least to above the greatest."""
    made = drawing.steps(float(low), float(high), BINS)
    step = made[1] - made[0]
    if column.kind == "integer" and step < 1:
        return list(range(int(low), max(int(high) + 2, int(low) + 3)))
    while made[-1] <= float(high) or len(made) < 3:  # what is at an edge lies above it
        made.append(made[-1] + step)
    if column.kind == "integer":
        return [round(edge) for edge in made]
    if column.kind == "decimal":
        return [Decimal(f"{edge:.12g}") for edge in made]
    return [float(f"{edge:.12g}") for edge in made]


def _between(collection: Collection, choice: Choice, name: str, low: Any, high: Any) -> str:
    narrow = [(f"{name}__gte", f"{low}"), (f"{name}__lt", f"{high}")]
    return page_of(collection.name, [*without(choice.where, [name for name, _ in narrow]), *narrow])


_DRAWN: Mapping[Draw, Callable[[Data, Collection, Choice], Chart]] = {
    "candles": _candles,
    "map": _map,
    "histogram": _histogram,
    "bars": by_field,
    "time": over_time,
}
