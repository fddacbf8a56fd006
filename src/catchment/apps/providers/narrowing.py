"""Whom a list could be of, by what is rare: the keys that are fewest, and how they are found.

All of it is about cost: whichever keys are taken, the list is the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import sqlalchemy as sa

from catchment.web import View

from . import search
from .asking import Filters
from .judging import listed, touched_since
from .rules import folded

__all__ = ["MANY", "Lists", "Narrow"]

_ROUNDING = 1e-6
MANY, SOME, CROSSED = 60_000, 500, 4
"""Further than so many nothing is counted. Of so many it is looked at how many have the other skills too. So many of
the rarest skills are looked up together: more of them hardly make fewer candidates."""


@dataclass(frozen=True)
class Narrow:
    """Keys among which all candidates are. size: how many at most, or one more than were counted.

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


@dataclass(frozen=True)
class Lists:
    """The lists of keys among which everybody is who is meant: of each filter one, as an index has it.

    most: further than so many of a list are not counted, which takes a microsecond for ten of them. pinned: reviews are
    judged as of that revision.
    """

    view: View
    filters: Filters
    pinned: int | None = None
    most: int = MANY

    @cached_property
    def sizes(self) -> dict[str, int]:
        """How many have each of the skills, the rarest first: whoever lacks one of them most likely lacks that."""
        found = {skill: self._counted(search.having(self.view, skill)).size for skill in self.filters.skills}
        return dict(sorted(found.items(), key=lambda item: item[1]))

    def rare(self, few: int, level: int = 0) -> Narrow | None:
        """The shortest list of everybody who has at least so many of the skills, if it is as short as that."""
        found = self._by_skills(level)
        if not found or found[0].size > SOME:  # else there is nothing to win
            found = [*found, *self._by_days]
        if not any(item.size <= few for item in found):
            found = [*found, *self._named, *self._within]
        short = (item for item in found if max(item.size, item.read or 0) <= few)
        return min(short, key=lambda item: item.size, default=None)

    def narrowest(self, level: int = 0) -> Narrow | None:
        """The fewest keys there are; None: nothing narrows the list. None of its lists is known to be `rare`."""
        found = [*self._by_skills(level), *self._by_days, *self._named]
        if met := self._met([*self._each_needed(level), *found]):
            return met
        # What is within numbers and was not counted to its end narrows nothing.
        found += [item for item in self._within if item.size <= self.most]
        return min(found, key=lambda item: item.size, default=None)

    def meets_often(self, wanted: Filters) -> bool:
        """Whether of the first who have the rarest skill, who are there by the chance of their keys, many are meant."""
        if len(wanted.skills) * (wanted.skills_mode == "all") + len(wanted.availability) < 2:
            return True
        among = search.having(self.view, next(iter(self.sizes)), among=SOME).subquery()
        meant = search.apart(self.view, wanted, among.c["_key"])
        found = self.view.select(sa.select(sa.func.count()).select_from(among).where(*meant))
        return bool(found[0][0] * 100 >= SOME)

    def _each_needed(self, level: int) -> list[Narrow]:
        """The lists of the skills, where everybody has them all."""
        if len(self.sizes) < 2 or (self.filters.skills_mode != "all" and level < len(self.sizes)):
            return []
        return [Narrow(search.having(self.view, skill), size) for skill, size in self.sizes.items()]

    def _met(self, lists: Sequence[Narrow]) -> Narrow | None:
        """Who is in both of the two shortest lists, unless they are too long to be read."""
        plain = sorted((one for one in lists if one.plain), key=lambda one: one.size)[:2]
        if len(plain) < 2 or plain[1].size > self.most:
            return None
        one, other = (self.free if item in self._by_days else self._all_of(item) for item in plain)
        assert one is not None
        assert other is not None
        both = sorted(one & other)
        # Where there is but one skill and one range, these are their lists.
        wanted = self.filters
        single = len(wanted.skills) == len(wanted.availability) == 1 and wanted.name is None
        return Narrow(listed(both), len(both), tested=single)

    @cached_property
    def free(self) -> frozenset[str] | None:
        """All who meet one of the ranges where each has to be met, or any; None where there are none, or very many."""
        return next((self._all_of(item) for item in self._by_days if item.size <= self.most), None)

    def _all_of(self, item: Narrow) -> frozenset[str]:
        """The keys of a list, read as one text: a row for each takes twice as long."""
        key = item.keys.subquery().c["_key"]
        (text,) = self.view.select(sa.select(sa.func.group_concat(key)))[0]
        return frozenset(text.split(",")) if text else frozenset()

    @cached_property
    def _named(self) -> list[Narrow]:
        if self.filters.name is None:
            return []
        table = self.view.tables("providers").current.c
        return [self._counted(sa.select(table["_key"]).where(table["name_key"] == folded(self.filters.name)))]

    def _by_skills(self, level: int) -> list[Narrow]:
        """Who has `level` of n skills has one of the n - level + 1 rarest; who has all has the rarest and others."""
        sizes = self.sizes
        if not sizes:
            return []
        least = len(sizes) if self.filters.skills_mode == "all" else max(level, 1)
        if least == len(sizes) > 1:
            return [self._crossed(tuple(sizes)[:CROSSED], next(iter(sizes.values())))]
        rarest = list(sizes.items())[: len(sizes) - least + 1]
        return [_joined([Narrow(search.having(self.view, skill), size) for skill, size in rarest])]

    def _crossed(self, skills: Sequence[str], size: int) -> Narrow:
        """Who has all the skills. size: how many have the first one.

        How many of these have the others is judged by the first few, who are there by the chance of their keys.
        """
        if size <= SOME:
            return Narrow(search.having(self.view, skills[0]), size)
        found = Narrow(search.having(self.view, *skills), size, read=size)
        if size > self.most:
            return found
        among = search.having(self.view, *skills, among=SOME).subquery()
        some = self.view.select(sa.select(sa.func.count()).select_from(among))
        return replace(found, size=-(-size * some[0][0] // SOME))

    @cached_property
    def _by_days(self) -> list[Narrow]:
        wanted = self.filters
        ranges = dict.fromkeys(wanted.availability)
        lists = [self._counted(search.free_within(self.view, asked, wanted.need)) for asked in ranges]
        if not lists:
            return []
        return [min(lists, key=lambda one: one.size)] if wanted.availability_mode == "all" else [_joined(lists)]

    @cached_property
    def _within(self) -> list[Narrow]:
        """Who is within the cost, and who within the rating: each a stretch of an index."""
        cost, wanted = self.view.tables("reviews").rollups[0].c["cost_in_pence"], self.filters
        bounds = [cost > wanted.cost_gt] if wanted.cost_gt is not None else []
        bounds += [cost < wanted.cost_lt] if wanted.cost_lt is not None else []
        found = [self._rated(bounds)] if bounds else []
        return [*found, self._by_rating()] if wanted.rating else found

    def _by_rating(self) -> Narrow:
        """Who has such a mean now, or may have had one at the revision; whoever is found is judged exactly later."""
        mean = self.view.tables("reviews").rollups[0].c["_mean"]  # of hundredths, the nearest number
        found = self._rated(
            [
                mean >= float(bound) * 100 - _ROUNDING
                if operator in ("gt", "ge")
                else mean <= float(bound) * 100 + _ROUNDING
                for operator, bound in self.filters.rating
            ]
        )
        if self.pinned is None:
            return found
        touched = touched_since(self.view, self.pinned)
        changed = sa.select(listed(touched).subquery().c["value"].label("_key"))
        return _joined([found, Narrow(changed, len(touched))])

    def _rated(self, conditions: Sequence[Any]) -> Narrow:
        rated = self.view.tables("reviews").rollups[0].c
        return self._counted(sa.select(rated["provider"].label("_key")).where(*conditions))

    def _counted(self, keys: Any) -> Narrow:
        some = keys.limit(self.most + 1).subquery()
        return Narrow(keys, self.view.select(sa.select(sa.func.count()).select_from(some))[0][0])


def _joined(lists: Sequence[Narrow]) -> Narrow:
    if len(lists) == 1:
        return lists[0]
    rows = [sa.select(one.keys.subquery().c["_key"]) for one in lists]
    return Narrow(sa.union_all(*rows), sum(one.size for one in lists))
