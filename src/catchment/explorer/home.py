"""What the first page says: every collection that may be read, how fresh it is, and what needs somebody's attention."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import ClassVar, Literal

from ..clock import render_moment
from ..principal import may
from ..serve import freshness
from ..serve.data import Data
from ..store.seen import Freshness, State
from ..store.snapshot import Snapshot
from ..store.tables import Collection
from .figures import age, plural
from .links import OPERATIONS, completeness_of, page_of
from .remembered import DAYS, remembered

__all__ = ["Card", "Concern", "Home", "about", "home"]

PATIENCE_S = 5.0
"""The first page asks what nobody makes longer by a parameter; it has to be there when the machine is busy."""

Mood = Literal["fresh", "stale", "none", "written"]


@dataclass(frozen=True, slots=True)
class Bar:
    """One day of a chart on which something changed. place: from 0, the oldest day. height: of 32."""

    place: int
    day: str
    count: int
    height: int


@dataclass(frozen=True, slots=True)
class Card:
    """One collection. records: None where it has no tables yet; with `more` there are more. chart: the last days'
    changes, oldest first.
    """

    name: str
    title: str
    about: str
    href: str
    records: int | None
    changed: str
    mood: Mood
    collected: str
    public: bool
    more: bool = False
    chart: tuple[Bar, ...] = ()


@dataclass(frozen=True, slots=True)
class Concern:
    """Something that a person should look at, and where."""

    collection: str
    words: str
    href: str


@dataclass(frozen=True, slots=True)
class Home:
    """The first page. apps: name -> its collections."""

    apps: Mapping[str, Sequence[Card]]
    concerns: Sequence[Concern]

    days: ClassVar[int] = DAYS

    @property
    def records(self) -> int:
        return sum(card.records or 0 for cards in self.apps.values() for card in cards)

    @property
    def more(self) -> bool:
        """Whether there are more records than were counted."""
        return any(card.more for cards in self.apps.values() for card in cards)

    @property
    def collections(self) -> int:
        return sum(len(cards) for cards in self.apps.values())


def about(item: Collection) -> str:
    """What its records are: the first line of what their type says."""
    return (item.feed.record.__doc__ or "").strip().partition("\n")[0].replace("`", "")


def home(data: Data) -> Home:
    """What there is, as this reader may see it. StoreUnavailable where nothing was ever collected."""
    visible, operates, known = data.visible(), may(data.principal, "operate"), remembered(data)
    apps: dict[str, list[Card]] = {}
    concerns: list[Concern] = []
    with data.reader.snapshot(PATIENCE_S) as snapshot:
        states = data.reader.states()
        there = {item.name: snapshot.state(item) for item in visible if item.name in states}
        changes = known.changes(snapshot, there, data.now)
        for item in visible:
            fresh = freshness.read(snapshot, item, data.now, data.settings)
            chart = _chart(changes.get(item.name, {}), data.now)
            state = there.get(item.name)
            count, exact = known.count(snapshot, item, state) if state else (None, True)
            card = _card(item, state, count, fresh, data.now, chart)
            apps.setdefault(item.app, []).append(replace(card, more=not exact))
            concerns += _late(item, fresh, operates=operates)
        concerns += _odd(snapshot, [item.name for item in visible], data.now) if operates else ()
    return Home(apps, concerns)


def _card(
    item: Collection, state: State | None, count: int | None, fresh: Freshness, now: datetime, chart: tuple[Bar, ...]
) -> Card:
    changed = f"revision {state.revision}, changed {age(state.changed_at, now)}" if state and state.changed_at else ""
    return Card(
        item.name,
        item.feed.name,
        about(item),
        page_of(item.name),
        count,
        changed,
        _mood(fresh),
        _collected(fresh, now),
        item.feed.public,
        chart=() if item.written else chart,
    )


def _mood(fresh: Freshness) -> Mood:
    if not fresh.collected:
        return "written"
    if not fresh.partitions or fresh.oldest is None:
        return "none"
    return "stale" if fresh.stale or fresh.missing else "fresh"


def _collected(fresh: Freshness, now: datetime) -> str:
    if not fresh.collected:
        return "written by people"
    if not fresh.partitions:
        return "nothing to collect"
    if fresh.oldest is None:
        return "never collected"
    late = [f"{fresh.stale} late"] * bool(fresh.stale) + [f"{fresh.missing} missing"] * bool(fresh.missing)
    return ", ".join([f"collected {age(fresh.oldest, now)}", *late])


def _chart(changes: Mapping[str, int], now: datetime) -> tuple[Bar, ...]:
    """The days on which something changed; what is there at all can be seen."""
    days = [render_moment(now - timedelta(days=back))[:10] for back in reversed(range(DAYS))]
    most = max((changes.get(day, 0) for day in days), default=0)
    return tuple(
        Bar(place, day, changes[day], max(2, round(32 * changes[day] / most)))
        for place, day in enumerate(days)
        if changes.get(day)
    )


def _late(item: Collection, fresh: Freshness, *, operates: bool) -> Iterator[Concern]:
    href = completeness_of(item.name) if operates else page_of(item.name)
    if fresh.missing:
        yield Concern(item.name, f"{plural(fresh.missing, 'partition')} never collected", href)
    if fresh.stale:
        yield Concern(item.name, f"{plural(fresh.stale, 'partition')} older than the schedule allows", href)


def _odd(snapshot: Snapshot, names: Sequence[str], now: datetime) -> Iterator[Concern]:
    """Rejects, and what upstreams changed within a week: for those who operate."""
    rejected: dict[str, int] = {}
    for reason in snapshot.desk.reasons(names):
        rejected[reason.collection] = rejected.get(reason.collection, 0) + reason.count
    for name, count in rejected.items():
        yield Concern(name, f"{plural(count, 'row')} rejected", f"{OPERATIONS}#rejects")
    week = render_moment(now - timedelta(days=7))
    drifted: dict[str, int] = {}
    for noted in snapshot.desk.drift(names, limit=1000):
        if noted.at >= week:
            drifted[noted.collection] = drifted.get(noted.collection, 0) + 1
    for name, count in drifted.items():
        yield Concern(name, f"{plural(count, 'change')} of what the upstream sends", f"{OPERATIONS}#drift")
