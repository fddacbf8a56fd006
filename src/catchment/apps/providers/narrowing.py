"""Whom a list could be of, by what is rare: the keys that are fewest, and how they are found.

All of it is about cost: whichever keys are taken, the list is the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from catchment.web import View

from . import search
from .asking import Filters
from .judging import listed, touched_since
from .rules import folded

__all__ = ["Narrow", "narrowest", "sizes_of"]

_ROUNDING = 1e-6
MANY, SOME, CROSSED = 100_000, 500, 4
"""Further than so many nothing is counted. Of so many it is looked at how many have the other skills too. So many of
the rarest skills are looked up together: more of them hardly make fewer candidates."""


@dataclass(frozen=True)
class Narrow:
    """Keys among which all candidates are. size: how many at most, or one more than MANY.

    read: how many rows are looked at to find them; None: only they, as an index has them. tested: all of them meet
    what is kept apart.
    """

    keys: Any
    size: int
    read: int | None = None
    tested: bool = False

    @property
    def plain(self) -> bool:
        return self.read is None


def sizes_of(view: View, filters: Filters) -> dict[str, int]:
    """How many have each of the skills, the rarest first: whoever lacks one of them most likely lacks that."""
    found = {skill: _counted(view, search.having(view, skill)).size for skill in filters.skills}
    return dict(sorted(found.items(), key=lambda item: item[1]))


def narrowest(
    view: View, filters: Filters, sizes: Mapping[str, int], *, few: int, level: int = 0, pinned: int | None = None
) -> Narrow | None:
    """The fewest keys among which everybody is who has at least so many of the skills; None: nothing narrows it.

    sizes: of the skills. few: lists that are longer are crossed with each other, where there are two. pinned: reviews
    are judged as of that revision.
    """
    found = _by_skills(view, filters, sizes, level)
    if not found or found[0].size > SOME:  # else there is nothing to win
        found += _by_days(view, filters)
    if filters.name is not None:
        found.append(_of_name(view, filters))
    least = min(found, key=lambda item: item.size, default=None)
    if least is not None and max(least.size, least.read or 0) <= few:
        return least
    within = min(_by_numbers(view, filters, pinned), key=lambda item: item.size, default=None)
    if within is not None and within.size <= few:
        return within
    met = _met(view, filters, [*_each_needed(view, filters, sizes, level), *found])
    return met or _fewer(least, within)


def _fewer(least: Narrow | None, within: Narrow | None) -> Narrow | None:
    """The shorter list. One by numbers that was not counted to its end narrows nothing."""
    if within is None or within.size > MANY:
        return least
    return within if least is None or within.size < least.size else least


def _each_needed(view: View, filters: Filters, sizes: Mapping[str, int], level: int) -> list[Narrow]:
    """The lists of the skills, where everybody has them all."""
    if len(sizes) < 2 or (filters.skills_mode != "all" and level < len(sizes)):
        return []
    return [Narrow(search.having(view, skill), size) for skill, size in sizes.items()]


def _met(view: View, filters: Filters, lists: Sequence[Narrow]) -> Narrow | None:
    """Who is in both of the two shortest lists, unless they are too long to be read."""
    plain = sorted((one for one in lists if one.plain), key=lambda one: one.size)[:2]
    if len(plain) < 2 or plain[1].size > MANY:
        return None
    one, other = ({key for (key,) in view.select(item.keys)} for item in plain)
    both = sorted(one & other)
    # Where there is but one skill and one range, these are their lists.
    single = len(filters.skills) == len(filters.availability) == 1 and filters.name is None
    return Narrow(listed(both), len(both), tested=single)


def _of_name(view: View, filters: Filters) -> Narrow:
    assert filters.name is not None
    table = view.tables("providers").current.c
    return _counted(view, sa.select(table["_key"]).where(table["name_key"] == folded(filters.name)))


def _by_skills(view: View, filters: Filters, sizes: Mapping[str, int], level: int) -> list[Narrow]:
    """Who has `level` of n skills has one of the n - level + 1 rarest; who has all has the rarest and the others."""
    if not sizes:
        return []
    least = len(sizes) if filters.skills_mode == "all" else max(level, 1)
    if least == len(sizes) > 1:
        return [_crossed(view, tuple(sizes)[:CROSSED], next(iter(sizes.values())))]
    rarest = list(sizes.items())[: len(sizes) - least + 1]
    return [_joined([Narrow(search.having(view, skill), size) for skill, size in rarest])]


def _crossed(view: View, skills: Sequence[str], size: int) -> Narrow:
    """Who has all the skills. size: how many have the first one.

    How many of these have the others is judged by the first few, who are there by the chance of their keys.
    """
    if size <= SOME:
        return Narrow(search.having(view, skills[0]), size)
    found = Narrow(search.having(view, *skills), size, read=size)
    if size > MANY:
        return found
    some = view.select(sa.select(sa.func.count()).select_from(search.having(view, *skills, among=SOME).subquery()))
    return replace(found, size=-(-size * some[0][0] // SOME))


def _by_days(view: View, filters: Filters) -> list[Narrow]:
    lists = [
        _counted(view, search.free_within(view, asked, filters.need)) for asked in dict.fromkeys(filters.availability)
    ]
    if not lists:
        return []
    return [min(lists, key=lambda one: one.size)] if filters.availability_mode == "all" else [_joined(lists)]


def _by_numbers(view: View, filters: Filters, pinned: int | None) -> list[Narrow]:
    """Who is within the cost, and who within the rating: each a stretch of an index."""
    cost = view.tables("reviews").rollups[0].c["cost_in_pence"]
    bounds = [cost > filters.cost_gt] if filters.cost_gt is not None else []
    bounds += [cost < filters.cost_lt] if filters.cost_lt is not None else []
    found = [_rated(view, bounds)] if bounds else []
    return [*found, _by_rating(view, filters, pinned)] if filters.rating else found


def _by_rating(view: View, filters: Filters, pinned: int | None) -> Narrow:
    """Who has such a mean now, or may have had one at the revision; whoever is found is judged exactly later."""
    mean = view.tables("reviews").rollups[0].c["_mean"]  # of hundredths, the nearest number
    found = _rated(
        view,
        [
            mean >= float(bound) * 100 - _ROUNDING
            if operator in ("gt", "ge")
            else mean <= float(bound) * 100 + _ROUNDING
            for operator, bound in filters.rating
        ],
    )
    if pinned is None:
        return found
    touched = touched_since(view, pinned)
    changed = sa.select(listed(touched).subquery().c["value"].label("_key"))
    return _joined([found, Narrow(changed, len(touched))])


def _rated(view: View, conditions: Sequence[Any]) -> Narrow:
    return _counted(view, sa.select(view.tables("reviews").rollups[0].c["provider"].label("_key")).where(*conditions))


def _counted(view: View, keys: Any) -> Narrow:
    some = keys.limit(MANY + 1).subquery()
    return Narrow(keys, view.select(sa.select(sa.func.count()).select_from(some))[0][0])


def _joined(lists: Sequence[Narrow]) -> Narrow:
    if len(lists) == 1:
        return lists[0]
    rows = [sa.select(one.keys.subquery().c["_key"]) for one in lists]
    return Narrow(sa.union_all(*rows), sum(one.size for one in lists))
