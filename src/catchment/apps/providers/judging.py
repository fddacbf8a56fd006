"""The reviews of providers in SQL: what they add up to, now or at an earlier revision, and what that scores."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import sqlalchemy as sa

from catchment.web import View

from .ranking import HALF_LIFE_DAYS, WEIGHTS, Prior, Rated

__all__ = [
    "Expression",
    "Judged",
    "all_reviews",
    "any_of",
    "as_text",
    "bayesian",
    "by_day",
    "decayed",
    "group_of",
    "is_one_of",
    "judged",
    "listed",
    "mean",
    "rated_of",
    "rows_of",
    "skill_ratings",
    "touched_since",
    "weight",
    "wilson",
]

Expression = sa.ColumnElement[Any]

# A rating that ages is weighed in whole parts of WEIGHTS: whole numbers add up to the same in any order, and so what
# came since a revision can be taken back exactly.


@dataclass(frozen=True, slots=True)
class Judged:
    """What the reviews of each provider add up to, with the tables that say so. cost: null for one that is gone.

    The `skill_…` are of the wanted skills alone; `aged` and `aged_number` of those that count, by their age.
    """

    source: Any
    group: Expression
    key: Expression
    cost: Expression
    number: Expression
    hundredths: Expression
    skill_number: Expression
    skill_hundredths: Expression
    aged_number: Expression
    aged: Expression


def any_of(conditions: Iterable[Expression]) -> Expression:
    """Whether one of the conditions holds."""
    return sa.or_(sa.false(), *conditions)


def listed(values: Sequence[str]) -> sa.Select[Any]:
    """The values as rows: one bound text, however many they are."""
    return rows_of(sa.literal(as_text(values)))


def rows_of(text: Expression) -> sa.Select[Any]:
    """The values of such a text as rows."""
    return sa.select(sa.func.json_each(text).table_valued("value").c["value"])


def as_text(values: Sequence[str]) -> str:
    """The values as the one text that is bound for them."""
    return msgspec.json.encode(values).decode()


def is_one_of(column: Expression, values: Sequence[str]) -> Expression:
    """Whether a column has one of the values."""
    return column.in_(listed(values))


def group_of(provider: Expression) -> Expression:
    """The key of a provider's group in a roll-up."""
    return sa.literal('["') + provider + sa.literal('"]')


def weight(reviews: Any, today: int) -> Expression:
    """What a review counts on a day, in parts of WEIGHTS: half after 365 days."""
    part = sa.func.power(0.5, (today - reviews["rated_day"]) / float(HALF_LIFE_DAYS))
    return sa.cast(sa.func.round(part * float(WEIGHTS)), sa.BigInteger)


def judged(view: View, skills: Sequence[str], pinned: int | None, today: int | None) -> Judged:
    """The reviews of each provider: as they are, or as they were at an earlier revision. today: to age them."""
    tables = view.tables("reviews")
    total, by_skill, _ = tables.rollups
    key = total.c["provider"]
    skilled = sa.and_(by_skill.c["provider"] == key, is_one_of(by_skill.c["skill_key"], skills))
    number, whole = (_scalar(sa.func.sum(by_skill.c[name]), skilled, skills) for name in ("_count", "_whole"))
    source: Any = total
    sums: list[Expression] = [total.c["_count"], total.c["_whole"], number, whole]
    if pinned is not None:
        for wanted, place in ((None, 0), (skills, 2)):
            undone = _undone(view, pinned, wanted)
            source = source.outerjoin(undone, undone.c["provider"] == key)
            for step, name in enumerate(_UNDONE):
                sums[place + step] = sums[place + step] + sa.func.coalesce(undone.c[name], 0)
    aged = _aged(view, key, skills, sums[2], pinned, today) if today is not None else (sa.literal(0), sa.literal(0))
    return Judged(source, total.c["_group"], key, total.c["cost_in_pence"], *sums, *aged)


def _scalar(what: Expression, condition: Expression, skills: Sequence[str]) -> Expression:
    """A number found for each provider by the skills that are asked for; 0 where none are."""
    if not skills:
        return sa.literal(0)
    return sa.func.coalesce(sa.select(what).where(condition).scalar_subquery(), 0)


def _aged(
    view: View, key: Expression, skills: Sequence[str], skilled: Expression, pinned: int | None, today: int
) -> tuple[Expression, Expression]:
    """The weights of the reviews that count, and their ratings by these weights: of the skills where there are some."""
    found = []
    for what in (lambda row: weight(row, today), lambda row: weight(row, today) * row["hundredths"]):
        parts = []
        for table, held in _then(view, pinned):
            counted = sa.or_(skilled == 0, is_one_of(table.c["skill_key"], skills))
            whole = sa.select(sa.func.sum(what(table.c))).where(table.c["provider"] == key, counted, *held)
            parts.append(sa.func.coalesce(whole.scalar_subquery(), 0))
        found.append(sum(parts[1:], parts[0]))
    return found[0], found[1]


def _then(view: View, pinned: int | None) -> list[tuple[Any, list[Expression]]]:
    """The tables of reviews that held at a revision, each with the condition that says which did."""
    tables = view.tables("reviews")
    if pinned is None:
        return [(tables.current, [])]
    before = tables.versions.c
    ended = [before["_revision"] <= pinned, before["_until_revision"] > pinned]
    return [(tables.current, [tables.current.c["_revision"] <= pinned]), (tables.versions, ended)]


_UNDONE = ("number", "hundredths")


def _changes(view: View, revision: int) -> sa.Subquery:
    """What takes back the reviews' changes since a revision, a row each."""
    tables = view.tables("reviews")
    old, new = tables.versions.c, tables.current.c
    was = sa.and_(old["_until_revision"] > revision, old["_revision"] <= revision)
    return sa.union_all(
        sa.select(old["provider"], old["skill_key"], sa.literal(1).label("number"), old["hundredths"]).where(was),
        sa.select(new["provider"], new["skill_key"], sa.literal(-1), -new["hundredths"]).where(
            new["_revision"] > revision
        ),
    ).subquery()


def _undone(view: View, revision: int, skills: Sequence[str] | None) -> sa.Subquery:
    """What takes back the reviews' changes since a revision, by provider. skills: only those of some skills."""
    parts = _changes(view, revision)
    sums = (sa.func.sum(parts.c[name]).label(name) for name in _UNDONE)
    question = sa.select(parts.c["provider"], *sums).group_by(parts.c["provider"])
    if skills is not None:
        question = question.where(is_one_of(parts.c["skill_key"], skills))
    return question.subquery()


def touched_since(view: View, revision: int) -> list[str]:
    """The providers whose reviews changed since a revision."""
    parts = _changes(view, revision)
    return [key for (key,) in view.select(sa.select(parts.c["provider"]).distinct())]


# -- scores ---------------------------------------------------------------------------------------------------------
# A double holds these quotients so far apart that equal means are equal and different ones differ: the numbers are
# whole, far below 2**53, and IEEE division rounds correctly.


def mean(number: Expression, hundredths: Expression) -> Expression:
    """The plain mean; 0 without reviews."""
    return sa.case((number > 0, hundredths / (number * 100.0)), else_=0.0)


def bayesian(number: Expression, hundredths: Expression, prior: Prior) -> Expression:
    """As `ranking.bayesian`."""
    whole = hundredths * 10**4 + prior.weight * prior.millionths
    return whole / ((number + prior.weight) * 1e6)


def wilson(number: Expression, hundredths: Expression) -> Expression:
    """As `ranking.wilson`, as a part of 5."""
    part, z2 = hundredths / (number * 500.0), 1.96 * 1.96
    root = sa.func.sqrt(part * (1 - part) / number + z2 / (4.0 * number * number))
    low = (part + z2 / (2.0 * number) - 1.96 * root) / (1 + z2 / (number * 1.0))
    return sa.case((number > 0, low), else_=0.0)


def decayed(aged_number: Expression, aged: Expression, prior: Prior) -> Expression:
    """As `ranking.decayed`."""
    first = prior.weight * WEIGHTS
    return (aged + first * prior.millionths // 10**4) / ((aged_number + first) * 100.0)


# -- one provider, and all ------------------------------------------------------------------------------------------


def rated_of(view: View, provider: str) -> Rated:
    """The provider's reviews."""
    rollup = view.tables("reviews").rollups[0].c
    group = msgspec.json.encode([provider]).decode()
    rows = view.select(sa.select(rollup["_count"], rollup["_whole"]).where(rollup["_group"] == group))
    return Rated(*rows[0]) if rows else Rated()


def skill_ratings(view: View, provider: str, skills: Sequence[str]) -> dict[str, Rated]:
    """Folded skill -> the reviews of that skill, of the skills that have some."""
    rollup = view.tables("reviews").rollups[1].c
    groups = [rollup["_group"] == msgspec.json.encode([provider, skill]).decode() for skill in skills]
    rows = view.select(sa.select(rollup["skill_key"], rollup["_count"], rollup["_whole"]).where(any_of(groups)))
    return {skill: Rated(number, hundredths) for skill, number, hundredths in rows}


def by_day(view: View, provider: str, skills: Sequence[str], pinned: int | None = None) -> dict[int, Rated]:
    """Number of the day -> the provider's reviews given on it. skills: only those of some skills; none: all."""
    found: dict[int, Rated] = {}
    for table, held in _then(view, pinned):
        row = table.c
        question = sa.select(row["rated_day"], sa.func.count(), sa.func.sum(row["hundredths"]))
        question = question.where(row["provider"] == provider, *held).group_by(row["rated_day"])
        for day, number, hundredths in view.select(
            question.where(is_one_of(row["skill_key"], skills)) if skills else question
        ):
            before = found.get(day, Rated())
            found[day] = Rated(before.count + number, before.hundredths + hundredths)
    return found


def all_reviews(view: View) -> Rated:
    """All reviews together, of providers that are there."""
    rollup = view.tables("reviews").rollups[2]
    rows = view.select(sa.select(rollup.c["_count"], sa.cast(rollup.c["_sum"], sa.BigInteger)))
    return Rated(*rows[0]) if rows else Rated()
