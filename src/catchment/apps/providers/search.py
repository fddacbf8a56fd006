"""Questions to the stored providers: each a SELECT over the app's own tables, its values bound."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import sqlalchemy as sa

from catchment.web import View

from .asking import Filters
from .judging import (
    Expression,
    Judged,
    any_of,
    bayesian,
    decayed,
    group_of,
    is_one_of,
    judged,
    listed,
    mean,
    wilson,
)
from .ranges import Days, spans
from .ranking import Prior, Rated, Score
from .rules import folded

__all__ = [
    "Found",
    "Order",
    "Placed",
    "by_name",
    "by_price",
    "by_rank",
    "count",
    "finding",
    "free_within",
    "having",
    "how_many",
    "placed",
    "shown",
]


@dataclass(frozen=True, slots=True)
class Placed:
    """A provider's reviews and its place in the order. matched: how many of the skills it has."""

    rated: Rated
    by_skills: Rated
    matched: int
    place: tuple[Any, ...]

    @property
    def key(self) -> str:
        return str(self.place[-1])

    @property
    def judged(self) -> Rated:
        """The reviews that count for a recommendation: of the wanted skills, where there are some."""
        return self.by_skills if self.by_skills.count else self.rated


@dataclass(frozen=True, slots=True)
class Found(Placed):
    """The same with the provider as it is stored."""

    document: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Order:
    """What a list is sorted by: expressions over its candidates, each with whether it descends; the id comes last."""

    terms: tuple[tuple[Expression, bool], ...]

    @property
    def columns(self) -> list[Any]:
        return [term.label(f"place_{number}") for number, (term, _) in enumerate(self.terms)]

    def sorting(self, key: Expression) -> list[Any]:
        return [*(term.desc() if down else term for term, down in self.terms), key]

    def after(self, key: Expression, place: Sequence[Any]) -> Expression:
        """Whether a row comes after a place: larger in the first term that differs."""
        return after([*self.terms, (key, False)], place)


Ordering = Callable[[View, sa.CTE], Order]
"""The order of candidates."""


def after(steps: Sequence[tuple[Expression, bool]], place: Sequence[Any]) -> Expression:
    """Whether a row comes after a place by these steps, each with whether it descends."""
    found = []
    for number, (term, down) in enumerate(steps):
        equal = [other == value for (other, _), value in zip(steps[:number], place, strict=False)]
        found.append(sa.and_(*equal, term < place[number] if down else term > place[number]))
    return sa.or_(*found)


# -- candidates -----------------------------------------------------------------------------------------------------


def _candidates(
    view: View, filters: Filters, keys: Any, pinned: int | None, today: int | None, *, tested: bool
) -> sa.Select[Any]:
    """The providers that are meant, with what they are judged by; who is no longer there has no cost.

    keys: a SELECT of those looked at. tested: they have been found to meet what is kept apart.
    """
    sums = judged(view, filters.skills, pinned, today)
    conditions = [sums.cost.is_not(None), *_conditions(view, filters, sums)]
    if keys is not None:  # what is kept apart is tested first: it needs the key alone, and few meet it
        key = keys.subquery().c[0]
        passing = [] if tested else apart(view, filters, key)
        conditions.append(sums.group.in_(sa.select(group_of(key)).where(*passing)))
    elif not tested:
        conditions += apart(view, filters, sums.key)
    return (
        sa.select(
            sums.key.label("key"),
            sums.cost.label("cost"),
            sums.number.label("count"),
            sums.hundredths.label("hundredths"),
            sums.skill_number.label("skill_count"),
            sums.skill_hundredths.label("skill_hundredths"),
            sums.aged_number.label("aged_number"),
            sums.aged.label("aged"),
            _matched(view, filters, sums.key).label("matched"),
        )
        .select_from(sums.source)
        .where(*conditions)
    )


def _matched(view: View, filters: Filters, key: Expression) -> Expression:
    """How many of the skills a candidate has; it is counted only where candidates may differ in it."""
    wanted = len(filters.skills)
    return how_many(view, filters, key) if wanted > 1 and filters.skills_mode == "any" else sa.literal(wanted)


def how_many(view: View, filters: Filters, key: Expression) -> Expression:
    """How many of the skills a provider has."""
    skills = view.tables("providers").lists["skill_keys"].c
    one_of = sa.and_(skills["_key"] == key, is_one_of(skills["value"], filters.skills))
    return sa.select(sa.func.count()).where(one_of).scalar_subquery()


def _conditions(view: View, filters: Filters, sums: Judged) -> list[Expression]:
    found: list[Expression] = []
    if filters.name is not None:
        current = view.tables("providers").current.c
        # The folded name has the index.
        named = [current["name_key"] == folded(filters.name), current["name"] == filters.name]
        found.append(sa.exists().where(current["_key"] == sums.key, *named))
    if filters.cost_gt is not None:
        found.append(sums.cost > filters.cost_gt)
    if filters.cost_lt is not None:
        found.append(sums.cost < filters.cost_lt)
    found += [_OPERATORS[name](mean(sums.number, sums.hundredths), float(bound)) for name, bound in filters.rating]
    return found


def apart(view: View, filters: Filters, key: Expression) -> list[Expression]:
    """The conditions on what is kept apart from a provider's row: skills, and free days."""
    lists = view.tables("providers").lists
    skills, free = lists["skill_keys"], lists["free_days"]
    found: list[Expression] = []
    mine = skills.c["_key"] == key
    if filters.skills and filters.skills_mode == "any":
        found.append(sa.exists().where(mine, is_one_of(skills.c["value"], filters.skills)))
    elif filters.skills:
        found += [sa.exists().where(mine, skills.c["value"] == skill) for skill in filters.skills]
    met = [sa.exists().where(free.c["_key"] == key, _meets(free, days, filters.need)) for days in filters.availability]
    if met:
        found.append(sa.and_(*met) if filters.availability_mode == "all" else any_of(met))
    return found


def _run(asked: Days, need: int) -> int:
    """The days in a row that meet a range that is asked for."""
    return min(need, asked.end - asked.first) if need else asked.end - asked.first


def _meets(free: sa.Table, asked: Days, need: int) -> Expression:
    """Whether a row of free days holds a run of so many days within the range that is asked for."""
    run = _run(asked, need)
    first, end = free.c["first"], free.c["end"]
    return sa.and_(end - first >= run, first <= asked.end - run, end >= asked.first + run)


def having(view: View, skill: str, *others: str, among: int | None = None) -> sa.Select[Any]:
    """The keys of the providers that have a skill, and the others too. among: only of the first so many."""
    table = view.tables("providers").lists["skill_keys"]
    first = sa.select(table.c["_key"]).where(table.c["value"] == skill)
    if not others:
        return first.limit(among) if among else first
    named = (first.limit(among) if among else first).subquery("first")
    also = table.alias("also")
    key = named.c["_key"]
    has = [sa.exists().where(also.c["value"] == other, also.c["_key"] == key) for other in others]
    return sa.select(key).where(*has)


def free_within(view: View, asked: Days, need: int) -> sa.CompoundSelect[Any]:
    """The keys of the providers that meet a range that is asked for; one may come twice.

    Rows of about one length that hold the run begin in a short stretch of days: that is what their index finds.
    """
    free, run = view.tables("providers").lists["free_days"], _run(asked, need)
    row = free.c
    return sa.union_all(
        *(
            sa.select(row["_key"]).where(
                row["span"] == span,
                row["first"] > asked.first + run - longest,
                row["first"] <= asked.end - run,
                _meets(free, asked, need),
            )
            for span, longest in spans(run)
        )
    )


_OPERATORS = {
    "ge": lambda value, bound: value >= bound,
    "le": lambda value, bound: value <= bound,
    "gt": lambda value, bound: value > bound,
    "lt": lambda value, bound: value < bound,
}


# -- orders ---------------------------------------------------------------------------------------------------------


def by_name(view: View, candidates: sa.CTE) -> Order:
    """By name, whatever its case."""
    named = view.tables("providers").current.alias("named").c
    name = sa.select(named["name_key"]).where(named["_key"] == candidates.c["key"]).scalar_subquery()
    return Order(((name, False),))


def by_price(candidates: sa.CTE) -> Order:
    """The dearest first; at one cost the better mean, and who has no reviews last."""
    value = mean(candidates.c["count"], candidates.c["hundredths"])
    return Order(((candidates.c["cost"], True), (value, True)))


def by_rank(candidates: sa.CTE, prior: Prior, score: Score) -> Order:
    """Who has most of the skills, then the best score, then the lowest cost.

    The score is that of the reviews of the wanted skills, where there are some.
    """
    c = candidates.c
    number = sa.case((c["skill_count"] > 0, c["skill_count"]), else_=c["count"])
    hundredths = sa.case((c["skill_count"] > 0, c["skill_hundredths"]), else_=c["hundredths"])
    if score == "decayed":
        value = decayed(c["aged_number"], c["aged"], prior)
    else:
        value = wilson(number, hundredths) if score == "wilson" else bayesian(number, hundredths, prior)
    return Order(((c["matched"], True), (value, True), (c["cost"], False)))


# -- questions ------------------------------------------------------------------------------------------------------


def placed(rows: Iterable[Any]) -> list[Placed]:
    """The rows of a `finding`."""
    return [
        Placed(Rated(number, hundredths), Rated(skill_number, skill_hundredths), matched, (*place, key))
        for number, hundredths, skill_number, skill_hundredths, matched, key, *place in rows
    ]


def finding(  # noqa: PLR0913 (a list, where it goes on, and how it is judged)
    view: View,
    filters: Filters,
    order: Ordering,
    *,
    keys: Any,
    limit: int | None = None,
    after: Sequence[Any] = (),
    matched: int = 0,
    pinned: int | None = None,
    today: int | None = None,
    tested: bool = False,
) -> sa.Select[Any]:
    """The question for the providers that are meant, among those of the keys, in their order.

    No provider's document is read for this: there may be many candidates, and few are shown.

    Args:
        keys: a SELECT of them; None: all.
        after: the `place` of the last one before them. matched: at least so many of the skills.
        pinned: a revision of the reviews, to judge as of then. today: the number of the day, where reviews age.
        tested: the keys are known to have the skills and the free days.
    """
    # Written down first: else what is told of a candidate is counted again wherever its score or its place is said.
    candidates = _candidates(view, filters, keys, pinned, today, tested=tested).cte("candidate")
    candidates = candidates.prefix_with("MATERIALIZED")
    key, sorting = candidates.c["key"], order(view, candidates)
    names = ("count", "hundredths", "skill_count", "skill_hundredths", "matched", "key")
    question = sa.select(*(candidates.c[name] for name in names), *sorting.columns)
    if after:
        question = question.where(sorting.after(key, after))
    if matched:
        question = question.where(candidates.c["matched"] >= matched)
    return question.order_by(*sorting.sorting(key)).limit(limit)


def shown(view: View, placed: Sequence[Placed]) -> list[Found]:
    """The same with their documents."""
    current = view.tables("providers").current.c
    keys = listed([one.key for one in placed])
    documents = dict(view.select(sa.select(current["_key"], current["_doc"]).where(current["_key"].in_(keys))))
    return [
        Found(one.rated, one.by_skills, one.matched, one.place, msgspec.json.decode(documents[one.key]))
        for one in placed
    ]


def count(view: View, filters: Filters, keys: Any, cap: int | None) -> int:
    """How many providers are meant. keys: a SELECT of those looked at, None for all; cap: no further than that."""
    found = _candidates(view, filters, keys, None, None, tested=False).with_only_columns(sa.literal(1).label("one"))
    rows = found if cap is None else found.limit(cap)
    return int(view.select(sa.select(sa.func.count()).select_from(rows.subquery("found")))[0][0])
