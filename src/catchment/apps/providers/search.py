"""Questions to the stored providers: each a SELECT over the app's own tables, its values bound."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import sqlalchemy as sa

from catchment.web import View

from .asking import Filters
from .ranges import Days
from .ranking import HALF_LIFE_DAYS, Prior, Rated, Score
from .rules import folded

__all__ = [
    "Found",
    "Order",
    "Said",
    "all_reviews",
    "by_day",
    "by_name",
    "by_price",
    "by_rank",
    "columns",
    "count",
    "count_reviews",
    "find",
    "rated_of",
    "review_by",
    "reviews_of",
    "skill_ratings",
]

Expression = sa.ColumnElement[Any]


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
        steps: list[tuple[Expression, bool]] = [*self.terms, (key, False)]
        found = []
        for number, (term, down) in enumerate(steps):
            equal = [other == value for (other, _), value in zip(steps[:number], place, strict=False)]
            found.append(sa.and_(*equal, term < place[number] if down else term > place[number]))
        return sa.or_(*found)


# -- reviews --------------------------------------------------------------------------------------------------------


def _hundredths(total: Expression) -> Expression:
    """A stored sum, which is decimal digits, as the whole number that it is."""
    return sa.cast(total, sa.Integer)


def _group(provider: Expression, skill: str | None = None) -> Expression:
    """The key of a provider's group in a roll-up, or of one of its skills'."""
    rest = "]" if skill is None else f",{msgspec.json.encode(skill).decode()}]"
    return sa.literal('["') + provider + sa.literal(f'"{rest}')


@dataclass(frozen=True, slots=True)
class _Judged:
    """How many reviews each provider has and what they add up to, with the tables that say so."""

    source: Any
    number: Expression
    hundredths: Expression
    skill_number: Expression
    skill_hundredths: Expression


def _judged(view: View, skills: Sequence[str], pinned: int | None) -> _Judged:
    """The reviews of each provider: as they are, or as they were at an earlier revision."""
    tables = view.tables("reviews")
    current, (total, by_skill, _) = view.tables("providers").current, tables.rollups
    key = current.c["_key"]
    skilled = _any_of(by_skill.c["_group"] == _group(key, skill) for skill in skills)
    now = _Judged(
        current.outerjoin(total, total.c["_group"] == _group(key)),
        sa.func.coalesce(total.c["_count"], 0),
        sa.func.coalesce(_hundredths(total.c["_sum"]), 0),
        _scalar(sa.func.sum(by_skill.c["_count"]), skilled, skills),
        _scalar(sa.func.sum(_hundredths(by_skill.c["_sum"])), skilled, skills),
    )
    return now if pinned is None else _as_before(now, key, _undone(view, pinned, None), _undone(view, pinned, skills))


def _as_before(now: _Judged, key: Expression, all_undone: sa.Subquery, skilled_undone: sa.Subquery) -> _Judged:
    """The sums with what came since taken back."""
    source = now.source.outerjoin(all_undone, all_undone.c["provider"] == key)
    source = source.outerjoin(skilled_undone, skilled_undone.c["provider"] == key)
    back = [sa.func.coalesce(undone.c[name], 0) for undone in (all_undone, skilled_undone) for name in _UNDONE]
    sums = (now.number, now.hundredths, now.skill_number, now.skill_hundredths)
    return _Judged(source, *(one + other for one, other in zip(sums, back, strict=True)))


_UNDONE = ("number", "hundredths")


def _undone(view: View, revision: int, skills: Sequence[str] | None) -> sa.Subquery:
    """What takes back the reviews' changes since a revision, by provider. skills: only those of some skills."""
    tables = view.tables("reviews")
    old, new = tables.versions.c, tables.current.c
    was = sa.and_(old["_until_revision"] > revision, old["_revision"] <= revision)
    parts = sa.union_all(
        sa.select(old["provider"], old["skill_key"], sa.literal(1).label("number"), old["hundredths"]).where(was),
        sa.select(new["provider"], new["skill_key"], sa.literal(-1), -new["hundredths"]).where(
            new["_revision"] > revision
        ),
    ).subquery()
    sums = (sa.func.sum(parts.c[name]).label(name) for name in _UNDONE)
    question = sa.select(parts.c["provider"], *sums).group_by(parts.c["provider"])
    if skills is not None:
        question = question.where(_is_one_of(parts.c["skill_key"], skills))
    return question.subquery()


def _candidates(view: View, filters: Filters, pinned: int | None = None) -> sa.Subquery:
    """The providers that are meant, with what they are sorted and judged by."""
    tables, judged = view.tables("providers"), _judged(view, filters.skills, pinned)
    current, matching = tables.current, tables.lists["skill_keys"]
    one_of = sa.and_(matching.c["_key"] == current.c["_key"], _is_one_of(matching.c["value"], filters.skills))
    return (
        sa.select(
            current.c["_key"].label("key"),
            current.c["_doc"].label("doc"),
            current.c["name_key"],
            current.c["cost_in_pence"].label("cost"),
            judged.number.label("count"),
            judged.hundredths.label("hundredths"),
            judged.skill_number.label("skill_count"),
            judged.skill_hundredths.label("skill_hundredths"),
            _scalar(sa.func.count(matching.c["_key"]), one_of, filters.skills).label("matched"),
        )
        .select_from(judged.source)
        .where(*_conditions(view, filters, judged.number, judged.hundredths))
        .subquery("candidate")
    )


def _scalar(what: Expression, condition: Expression, skills: Sequence[str]) -> Expression:
    """A number found for each provider by the skills that are asked for; 0 where none are."""
    if not skills:
        return sa.literal(0)
    return sa.func.coalesce(sa.select(what).where(condition).scalar_subquery(), 0)


def _any_of(conditions: Iterable[Expression]) -> Expression:
    return sa.or_(sa.false(), *conditions)


def _conditions(view: View, filters: Filters, number: Expression, hundredths: Expression) -> list[Expression]:
    tables = view.tables("providers")
    current, skills, free = tables.current, tables.lists["skill_keys"], tables.lists["free_days"]
    found: list[Expression] = []
    if filters.name is not None:
        # The folded name has the index.
        found += [current.c["name_key"] == folded(filters.name), current.c["name"] == filters.name]
    if filters.cost_gt is not None:
        found.append(current.c["cost_in_pence"] > filters.cost_gt)
    if filters.cost_lt is not None:
        found.append(current.c["cost_in_pence"] < filters.cost_lt)
    found += [_OPERATORS[name](_mean(number, hundredths), float(bound)) for name, bound in filters.rating]
    mine = skills.c["_key"] == current.c["_key"]
    if filters.skills and filters.skills_mode == "any":
        found.append(sa.exists().where(mine, _is_one_of(skills.c["value"], filters.skills)))
    elif filters.skills:
        found += [sa.exists().where(mine, skills.c["value"] == skill) for skill in filters.skills]
    met = [
        sa.exists().where(free.c["_key"] == current.c["_key"], _meets(free, item, filters.need))
        for item in filters.availability
    ]
    if met:
        found.append(sa.and_(*met) if filters.availability_mode == "all" else sa.or_(*met))
    return found


def _is_one_of(column: Expression, values: Sequence[str]) -> Expression:
    return _any_of(column == value for value in values)


def _meets(free: sa.Table, asked: Days, need: int) -> Expression:
    """Whether a row of free days holds a run of so many days within the range that is asked for."""
    run = min(need, asked.end - asked.first) if need else asked.end - asked.first
    first, end = free.c["first"], free.c["end"]
    return sa.and_(end - first >= run, first <= asked.end - run, end >= asked.first + run)


# A double holds these quotients so far apart that equal means are equal and different ones differ: the numbers are
# whole, far below 2**53, and IEEE division rounds correctly.


def _mean(number: Expression, hundredths: Expression) -> Expression:
    return sa.case((number > 0, hundredths / (number * 100.0)), else_=0.0)


_OPERATORS = {
    "ge": lambda mean, bound: mean >= bound,
    "le": lambda mean, bound: mean <= bound,
    "gt": lambda mean, bound: mean > bound,
    "lt": lambda mean, bound: mean < bound,
}


# -- orders ---------------------------------------------------------------------------------------------------------


def by_name(candidates: sa.Subquery) -> Order:
    """By name, whatever its case."""
    return Order(((candidates.c["name_key"], False),))


def by_price(candidates: sa.Subquery) -> Order:
    """The dearest first; at one cost the better mean, and who has no reviews last."""
    mean = _mean(candidates.c["count"], candidates.c["hundredths"])
    return Order(((candidates.c["cost"], True), (mean, True)))


def by_rank(
    view: View, candidates: sa.Subquery, skills: Sequence[str], prior: Prior, score: Score, today: int
) -> Order:
    """Who has most of the skills, then the best score, then the lowest cost.

    The score is that of the reviews of the wanted skills, where there are some. today: number of the day.
    """
    c = candidates.c
    number = sa.case((c["skill_count"] > 0, c["skill_count"]), else_=c["count"])
    hundredths = sa.case((c["skill_count"] > 0, c["skill_hundredths"]), else_=c["hundredths"])
    if score == "decayed":
        judged = _decayed(view, candidates, skills, prior, today)
    else:
        judged = _wilson(number, hundredths) if score == "wilson" else _bayesian(number, hundredths, prior)
    return Order(((c["matched"], True), (judged, True), (c["cost"], False)))


def _bayesian(number: Expression, hundredths: Expression, prior: Prior) -> Expression:
    whole = hundredths * 10**4 + prior.weight * prior.millionths
    return whole / ((number + prior.weight) * 1e6)


def _wilson(number: Expression, hundredths: Expression) -> Expression:
    part, z2 = hundredths / (number * 500.0), 1.96 * 1.96
    root = sa.func.sqrt(part * (1 - part) / number + z2 / (4.0 * number * number))
    low = (part + z2 / (2.0 * number) - 1.96 * root) / (1 + z2 / (number * 1.0))
    return sa.case((number > 0, low), else_=0.0)


def _decayed(view: View, candidates: sa.Subquery, skills: Sequence[str], prior: Prior, today: int) -> Expression:
    reviews = view.tables("reviews").current.c
    weight = sa.func.power(0.5, (today - reviews["rated_day"]) / float(HALF_LIFE_DAYS))
    whole = sa.func.coalesce(sa.func.sum(reviews["hundredths"] * weight), 0.0) / 100.0
    first = prior.weight * prior.millionths / 1e6
    counted = sa.or_(candidates.c["skill_count"] == 0, _is_one_of(reviews["skill_key"], skills))
    return (
        sa.select((whole + first) / (sa.func.coalesce(sa.func.sum(weight), 0.0) + prior.weight))
        .where(reviews["provider"] == candidates.c["key"], counted)
        .scalar_subquery()
    )


# -- questions ------------------------------------------------------------------------------------------------------


def find(
    view: View,
    filters: Filters,
    order: Callable[[sa.Subquery], Order],
    *,
    limit: int,
    offset: int = 0,
    after: Sequence[Any] = (),
    pinned: int | None = None,
) -> list[Found]:
    """The providers that are meant, in their order.

    after: the `place` of the last one before them. pinned: a revision of the reviews, to judge as of then.
    """
    candidates = _candidates(view, filters, pinned)
    key, sorting = candidates.c["key"], order(candidates)
    names = ("doc", "count", "hundredths", "skill_count", "skill_hundredths", "matched", "key")
    question = sa.select(*(candidates.c[name] for name in names), *sorting.columns)
    if after:
        question = question.where(sorting.after(key, after))
    rows = view.select(question.order_by(*sorting.sorting(key)).limit(limit).offset(offset))
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


def count(view: View, filters: Filters, cap: int | None) -> int:
    """How many providers are meant; cap: no further than that."""
    candidates = _candidates(view, filters)
    keys = sa.select(candidates.c["key"])
    rows = keys if cap is None else keys.limit(cap)
    return int(view.select(sa.select(sa.func.count()).select_from(rows.subquery("found")))[0][0])


def rated_of(view: View, provider: str) -> Rated:
    """The provider's reviews."""
    rollup = view.tables("reviews").rollups[0]
    names = rollup.c["_count"], _hundredths(rollup.c["_sum"])
    rows = view.select(
        sa.select(*names).where(rollup.c["provider"] == provider, rollup.c["_group"] == f'["{provider}"]')
    )
    return Rated(*rows[0]) if rows else Rated()


def skill_ratings(view: View, provider: str, skills: Sequence[str]) -> dict[str, Rated]:
    """Folded skill -> the reviews of that skill, of the skills that have some."""
    rollup = view.tables("reviews").rollups[1]
    names = rollup.c["skill_key"], rollup.c["_count"], _hundredths(rollup.c["_sum"])
    groups = [rollup.c["_group"] == msgspec.json.encode([provider, skill]).decode() for skill in skills]
    rows = view.select(sa.select(*names).where(sa.or_(sa.false(), *groups)))
    return {skill: Rated(number, hundredths) for skill, number, hundredths in rows}


def by_day(view: View, provider: str, skills: Sequence[str]) -> dict[int, Rated]:
    """Number of the day -> the provider's reviews given on it. skills: only those of some skills; none: all."""
    table = view.tables("reviews").current
    names = table.c["rated_day"], sa.func.count(), sa.func.sum(table.c["hundredths"])
    question = sa.select(*names).where(table.c["provider"] == provider).group_by(table.c["rated_day"])
    rows = view.select(question.where(_is_one_of(table.c["skill_key"], skills)) if skills else question)
    return {day: Rated(number, hundredths) for day, number, hundredths in rows}


def all_reviews(view: View) -> Rated:
    """All reviews together, of providers that are there."""
    rollup = view.tables("reviews").rollups[2]
    rows = view.select(sa.select(rollup.c["_count"], _hundredths(rollup.c["_sum"])))
    return Rated(*rows[0]) if rows else Rated()


# -- reviews of one provider ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Said:
    """A review as it is stored, and its place among those of its provider."""

    document: dict[str, Any]
    place: tuple[str, str]


def columns(table: sa.Table, names: Sequence[str]) -> sa.Select[Any]:
    """A question for some columns of a table."""
    return sa.select(*(table.c[name] for name in names))


def _of(table: sa.Table, provider: str, skill: str | None) -> list[Expression]:
    return [table.c["provider"] == provider, *([] if skill is None else [table.c["skill_key"] == skill])]


def reviews_of(
    view: View, provider: str, skill: str | None, *, limit: int, offset: int = 0, after: Sequence[str] = ()
) -> list[Said]:
    """The provider's reviews, newest first, then by id. skill: folded, None for all. after: a `place`."""
    table = view.tables("reviews").current
    at, key = table.c["updated_at"], table.c["_key"]
    question = columns(table, ("_doc", "updated_at", "_key")).where(*_of(table, provider, skill))
    if after:
        question = question.where(sa.or_(at < after[0], sa.and_(at == after[0], key > after[1])))
    rows = view.select(question.order_by(at.desc(), key).limit(limit).offset(offset))
    return [Said(msgspec.json.decode(doc), (moment, name)) for doc, moment, name in rows]


def count_reviews(view: View, provider: str, skill: str | None) -> int:
    """How many reviews the provider has."""
    table = view.tables("reviews").current
    return int(view.select(sa.select(sa.func.count()).select_from(table).where(*_of(table, provider, skill)))[0][0])


def review_by(view: View, provider: str, user: str, skill: str) -> str | None:
    """The id of a person's review. skill: folded, "" for none in particular."""
    table = view.tables("reviews").current
    mine = [*_of(table, provider, skill), table.c["user_id"] == user]
    rows = view.select(columns(table, ("_key",)).where(*mine))
    return str(rows[0][0]) if rows else None
