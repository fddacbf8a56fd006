"""Questions to the stored providers: each a SELECT over the app's own tables, its values bound."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import sqlalchemy as sa

from catchment.web import View

from .asking import Filters
from .judging import Expression, Judged, any_of, bayesian, decayed, is_one_of, judged, mean, wilson
from .ranges import Days, spans
from .ranking import Prior, Rated, Score
from .rules import folded

__all__ = ["Found", "Order", "by_name", "by_price", "by_rank", "count", "find", "free_within", "having"]


@dataclass(frozen=True, slots=True)
class Found:
    """A provider as it is stored, with its reviews and its place in the order. matched: how many skills are."""

    document: dict[str, Any]
    rated: Rated
    by_skills: Rated
    matched: int
    place: tuple[Any, ...]

    @property
    def judged(self) -> Rated:
        """The reviews that count for a recommendation: of the wanted skills, where there are some."""
        return self.by_skills if self.by_skills.count else self.rated


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


def after(steps: Sequence[tuple[Expression, bool]], place: Sequence[Any]) -> Expression:
    """Whether a row comes after a place by these steps, each with whether it descends."""
    found = []
    for number, (term, down) in enumerate(steps):
        equal = [other == value for (other, _), value in zip(steps[:number], place, strict=False)]
        found.append(sa.and_(*equal, term < place[number] if down else term > place[number]))
    return sa.or_(*found)


# -- candidates -----------------------------------------------------------------------------------------------------


def _candidates(view: View, filters: Filters, keys: Any, pinned: int | None, today: int | None) -> sa.Subquery:
    """The providers that are meant, with what they are sorted and judged by. keys: a SELECT of those looked at."""
    tables, sums = view.tables("providers"), judged(view, filters.skills, pinned, today)
    current, matching = tables.current, tables.lists["skill_keys"]
    one_of = sa.and_(matching.c["_key"] == current.c["_key"], is_one_of(matching.c["value"], filters.skills))
    matched = sa.select(sa.func.count()).select_from(matching).where(one_of).scalar_subquery()
    return (
        sa.select(
            current.c["_key"].label("key"),
            current.c["_doc"].label("doc"),
            current.c["name_key"],
            current.c["cost_in_pence"].label("cost"),
            sums.number.label("count"),
            sums.hundredths.label("hundredths"),
            sums.skill_number.label("skill_count"),
            sums.skill_hundredths.label("skill_hundredths"),
            sums.aged_number.label("aged_number"),
            sums.aged.label("aged"),
            (matched if filters.skills else sa.literal(0)).label("matched"),
        )
        .select_from(sums.source)
        .where(*([] if keys is None else [current.c["_key"].in_(keys)]), *_conditions(view, filters, sums))
        .subquery("candidate")
    )


def _conditions(view: View, filters: Filters, sums: Judged) -> list[Expression]:
    current = view.tables("providers").current
    found: list[Expression] = []
    if filters.name is not None:
        # The folded name has the index.
        found += [current.c["name_key"] == folded(filters.name), current.c["name"] == filters.name]
    if filters.cost_gt is not None:
        found.append(current.c["cost_in_pence"] > filters.cost_gt)
    if filters.cost_lt is not None:
        found.append(current.c["cost_in_pence"] < filters.cost_lt)
    found += [_OPERATORS[name](mean(sums.number, sums.hundredths), float(bound)) for name, bound in filters.rating]
    return found + apart(view, filters, current.c["_key"])


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


def having(view: View, skill: str) -> sa.Select[Any]:
    """The keys of the providers that have a skill."""
    table = view.tables("providers").lists["skill_keys"].c
    return sa.select(table["_key"]).where(table["value"] == skill)


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


def by_name(candidates: sa.Subquery) -> Order:
    """By name, whatever its case."""
    return Order(((candidates.c["name_key"], False),))


def by_price(candidates: sa.Subquery) -> Order:
    """The dearest first; at one cost the better mean, and who has no reviews last."""
    value = mean(candidates.c["count"], candidates.c["hundredths"])
    return Order(((candidates.c["cost"], True), (value, True)))


def by_rank(candidates: sa.Subquery, prior: Prior, score: Score) -> Order:
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


def find(  # noqa: PLR0913 (a list, where it goes on, and how it is judged)
    view: View,
    filters: Filters,
    order: Callable[[sa.Subquery], Order],
    *,
    keys: Any,
    limit: int | None = None,
    after: Sequence[Any] = (),
    matched: int = 0,
    pinned: int | None = None,
    today: int | None = None,
) -> list[Found]:
    """The providers that are meant, among those of the keys, in their order.

    Args:
        keys: a SELECT of them.
        after: the `place` of the last one before them. matched: at least so many of the skills.
        pinned: a revision of the reviews, to judge as of then. today: the number of the day, where reviews age.
    """
    candidates = _candidates(view, filters, keys, pinned, today)
    key, sorting = candidates.c["key"], order(candidates)
    names = ("doc", "count", "hundredths", "skill_count", "skill_hundredths", "matched", "key")
    question = sa.select(*(candidates.c[name] for name in names), *sorting.columns)
    if after:
        question = question.where(sorting.after(key, after))
    if matched:
        question = question.where(candidates.c["matched"] >= matched)
    rows = view.select(question.order_by(*sorting.sorting(key)).limit(-1 if limit is None else limit))
    return [_found(*row) for row in rows]


def _found(
    doc: str,
    number: int,
    hundredths: int,
    skill_number: int,
    skill_hundredths: int,
    matched: int,
    key: str,
    *place: Any,
) -> Found:
    ratings = Rated(number, hundredths), Rated(skill_number, skill_hundredths)
    return Found(msgspec.json.decode(doc), *ratings, matched, (*place, key))


def count(view: View, filters: Filters, keys: Any, cap: int | None) -> int:
    """How many providers are meant. keys: a SELECT of those looked at, None for all; cap: no further than that."""
    found = sa.select(_candidates(view, filters, keys, None, None).c["key"])
    rows = found if cap is None else found.limit(cap)
    return int(view.select(sa.select(sa.func.count()).select_from(rows.subquery("found")))[0][0])
