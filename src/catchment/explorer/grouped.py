"""Charts of groups, as statistics tell them: over time, and field by field."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from ..serve.data import Data
from ..store.aggregate import tell
from ..store.statistics import parse_statistics
from ..store.sums import plain
from ..store.tables import Collection
from . import drawing
from .charted import Chart
from .choices import COUNT, Choice
from .drawing import Point
from .figures import amount
from .filters import without
from .links import api_of, page_of

__all__ = ["by_field", "over_time"]

BARS, LINES, STRETCHES = 25, 6, 1000
"""The most bars, lines and stretches of time of one chart."""
SUITS = ((3, "hour"), (150, "day"), (730, "week"), (3650, "month"), (11000, "quarter"))
"""Up to so many days from first to last: the step that leaves enough points, and not too many."""

Pairs = list[tuple[str, str]]
Group = dict[str, Any]


def _told(data: Data, collection: Collection, pairs: Pairs) -> tuple[list[Group], int]:
    """The groups by the texts of what was asked for, and how many there are."""
    columns, searched = data.columns(collection), bool(collection.feed.search)
    question = parse_statistics(pairs, columns, collection.aliases, searched=searched)
    with data.reader.snapshot() as snapshot:
        data.note(snapshot, collection)
        found = tell(snapshot, collection, question)
    return found.rows, found.groups


def _text(value: Any) -> str:
    """A value as the API answers it."""
    if value is None:
        return "no value"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Decimal):
        return plain(value)
    return value.isoformat() if isinstance(value, date) else str(value)


def _shown(value: Any) -> str:
    """A number for a person: whole ones with their thousands apart, others with a few digits."""
    if isinstance(value, int) and not isinstance(value, bool):
        return amount(value)
    if isinstance(value, Decimal | float):
        return f"{float(value):,.6g}" if abs(float(value)) < 1_000_000 else f"{float(value):,.0f}"
    return _text(value)


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


# -- field by field ----------------------------------------------------------------------------------------------------


def by_field(data: Data, collection: Collection, choice: Choice) -> Chart:
    """The groups of a field that have the most of it."""
    asked = [*choice.where, ("by", choice.on), ("of", choice.of), ("sort", f"-{choice.of}"), ("limit", str(BARS))]
    found, groups = _told(data, collection, asked)
    title, heads = _title(choice, f"by {choice.on}"), [choice.on, choice.of]
    api = api_of(f"{collection.name}/stats", asked)
    rows = [
        (_only(collection, choice, row[choice.on]), [_text(row[choice.on]), _shown(row[choice.of])]) for row in found
    ]
    bars = [
        (texts[0], value, f"{texts[0]}: {texts[1]}", href)
        for (href, texts), value in zip(rows, (_number(row[choice.of]) for row in found), strict=True)
        if value is not None
    ]
    notes = [f"The first {BARS} of {amount(groups)}."] if groups > len(found) else []
    return Chart(title, drawing.rows(bars) if bars else None, heads, rows, api, notes)


def _title(choice: Choice, by: str) -> str:
    return f"{'Records' if choice.of == COUNT else choice.of} {by}"


def _only(collection: Collection, choice: Choice, value: Any) -> str:
    """The table of the records of one group."""
    name, text = (f"{choice.on}__isnull", "true") if value is None else (choice.on, _text(value))
    return page_of(collection.name, [*without(choice.where, (name,)), (name, text)])


# -- over time ---------------------------------------------------------------------------------------------------------


def over_time(data: Data, collection: Collection, choice: Choice) -> Chart:
    """What was when, in stretches of time; a line for each value of the field that splits it, of the fullest."""
    step = choice.step or _suiting(data, collection, choice)
    on = f"{step}({choice.on})"
    by = ",".join(part for part in (choice.split, on) if part)
    names, notes = _names(data, collection, choice)
    series, rows = [], []
    for name, narrow in names:
        where = [*without(choice.where, [pair[0] for pair in narrow]), *narrow]
        asked = [*where, ("by", on), ("of", choice.of), ("sort", on), ("limit", str(STRETCHES))]
        found, groups = _told(data, collection, asked)
        cut = [f"The first {amount(STRETCHES)} of {amount(groups)} stretches of time."] * (groups > len(found))
        notes += [note for note in cut if note not in notes]
        points, lines = _line(collection, choice, step, name, found, where)
        series.append((name, points))
        rows += lines
    heads = [choice.on, *([choice.split] if choice.split else []), choice.of]
    drawn = [(name, points) for name, points in series if points]
    picture = drawing.lines(drawn, from_0=choice.of == COUNT) if drawn else None
    title = _title(choice, f"by {step} of {choice.on}")
    api = api_of(f"{collection.name}/stats", [*choice.where, ("by", by), ("of", choice.of)])
    return Chart(title, picture, heads, rows, api, notes)


def _suiting(data: Data, collection: Collection, choice: Choice) -> str:
    """The step that suits how long the records last."""
    of = f"min({choice.on}),max({choice.on})"
    (found,), _ = _told(data, collection, [*choice.where, ("of", of)])
    first, last = found[f"min({choice.on})"], found[f"max({choice.on})"]
    days = (last - first).days if first is not None else 0
    step = next((step for most, step in SUITS if days <= most), "year")
    return "day" if step == "hour" and not isinstance(last, datetime) else step


def _names(data: Data, collection: Collection, choice: Choice) -> tuple[list[tuple[str, Pairs]], list[str]]:
    """The lines: their names, and the filters that each adds."""
    if not choice.split:
        return [("", [])], []
    asked = [*choice.where, ("by", choice.split), ("sort", f"-{COUNT}"), ("limit", str(LINES))]
    found, groups = _told(data, collection, asked)
    names = []
    for row in found:
        value = row[choice.split]
        pair = (f"{choice.split}__isnull", "true") if value is None else (choice.split, _text(value))
        names.append((_text(value), [pair]))
    return names, [f"The fullest {LINES} of {amount(groups)}."] if groups > len(found) else []


def _line(
    collection: Collection, choice: Choice, step: str, name: str, found: Sequence[Group], where: Pairs
) -> tuple[list[Point], list[tuple[str, list[str]]]]:
    """The points of a line, and the rows that say the same."""
    points, rows = [], []
    known = {row[f"{step}({choice.on})"]: row[choice.of] for row in found}
    known.pop(None, None)
    for start in _stretches(step, list(known), every=choice.of == COUNT):
        value = known.get(start, 0 if choice.of == COUNT else None)
        at = start.isoformat()[: 16 if step == "hour" else 10].replace("T", " ")
        words = f"{name + ', ' if name else ''}{at}: {_shown(value) if value is not None else 'no value'}"
        points.append(Point(_instant(start), _number(value), words))
        href = page_of(collection.name, _between(where, choice.on, start, _following(step, start)))
        rows.append((href, [at, *([name] if choice.split else []), _shown(value) if value is not None else "no value"]))
    return points, rows


def _stretches(step: str, known: Sequence[Any], *, every: bool) -> Iterator[Any]:
    """The beginnings of the stretches, in their order; with `every` those too in which there is nothing."""
    if not every or len(known) < 2:
        yield from sorted(known)
        return
    start, last, count = min(known), max(known), 0
    while start <= last and count < STRETCHES:
        yield start
        start, count = _following(step, start), count + 1


def _following(step: str, start: Any) -> Any:
    """The beginning of the next stretch."""
    if step == "hour":
        return start + timedelta(hours=1)
    if step in ("day", "week"):
        return start + timedelta(days=1 if step == "day" else 7)
    months = start.month - 1 + {"month": 1, "quarter": 3, "year": 12}[step]
    return start.replace(year=start.year + months // 12, month=months % 12 + 1, day=1)


def _instant(start: Any) -> datetime:
    return start if isinstance(start, datetime) else datetime.combine(start, datetime.min.time(), UTC)


def _between(where: Pairs, name: str, start: Any, end: Any) -> Pairs:
    bounds = [(f"{name}__gte", _moment(start)), (f"{name}__lt", _moment(end))]
    return [*without(where, [pair[0] for pair in bounds]), *bounds]


def _moment(value: Any) -> str:
    return str(value.isoformat()).replace("+00:00", "Z")
