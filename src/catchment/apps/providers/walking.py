"""A page of a list of providers, found without reading them all.

Whoever has a rare skill, or is free for a rare stretch of days, is looked up by it; then few are left to be sorted.
Where many could match, the list is walked in its order and each is tested until the page is full. Which of the two
is cheaper is decided by counts: a walk gives up when it has tested as many as the other way would have to look at.
Two lists that are looked up, neither of them rare, may have few in common: they are read and crossed in memory.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import sqlalchemy as sa

from catchment.web import View

from . import search, ways
from .asking import Filters
from .judging import as_text, rows_of, touched_since
from .narrowing import MANY, Lists, Narrow
from .ranking import Prior, Score
from .search import Found, Placed
from .ways import Effort, Rank, Way

__all__ = ["Asked", "count", "page", "together"]

ORDINARY = Effort()


@dataclass(frozen=True)
class Asked:
    """A list, and where it goes on. rank: what it is sorted by. pinned: judge by the reviews as of that revision.

    today: the number of the day, for reviews that age. after: the `place` of the last item that was given.
    """

    filters: Filters
    rank: Literal["name", "price", "best"]
    prior: Prior
    score: Score
    today: int
    after: tuple[Any, ...] = ()
    pinned: int | None = None

    def order(self, view: View, candidates: sa.CTE) -> search.Order:
        """What its candidates are sorted by."""
        if self.rank == "best":
            return search.by_rank(candidates, self.prior, self.score)
        return search.by_name(view, candidates) if self.rank == "name" else search.by_price(candidates)

    def rank_of(self, place: Sequence[Any]) -> Rank:
        """The place, ascending."""
        down = {"name": 0, "price": 2, "best": 2}[self.rank]
        return (*(-value for value in place[:down]), *place[down:])

    @property
    def levels(self) -> range:
        """How many of the skills are matched, from most to least; 0 where that orders nothing."""
        wanted = len(self.filters.skills)
        if self.rank != "best" or self.filters.skills_mode == "all" or wanted < 2:
            return range(wanted if self.rank == "best" else 0, -1, -1)[:1]
        return range(min(wanted, self.after[0]) if self.after else wanted, 0, -1)

    @property
    def can_be_walked(self) -> bool:
        """Whether an index holds the order. What ages has none; Wilson's bound of several skills has no bound."""
        if self.rank != "best" or self.score == "bayes":
            return True
        return self.score == "wilson" and len(self.filters.skills) < 2


def page(view: View, asked: Asked, limit: int, effort: Effort = ORDINARY) -> list[Found]:
    """The first of the list from where it goes on."""
    return search.shown(view, _placed(view, asked, limit, effort))


def _placed(view: View, asked: Asked, limit: int, effort: Effort) -> list[Placed]:
    near = Lists(view, asked.filters, asked.pinned, most=effort.few)
    asked = replace(asked, filters=replace(asked.filters, skills=tuple(near.sizes)))
    levels = list(asked.levels)
    # The fewer of the skills somebody has to have, the longer are the lists: those of the lowest level have all above.
    place = bisect_left(range(len(levels)), True, key=lambda at: near.rare(effort.few, levels[at]) is None)
    found = _among(view, asked, near.rare(effort.few, levels[place - 1]), limit, levels[place - 1]) if place else []
    far = Lists(view, asked.filters, asked.pinned, most=max(MANY, effort.few))
    for level in levels[place:]:
        if len(found) >= limit:
            break
        found = _further(view, asked, level, limit, found, near, far, effort)
    return found


def _among(view: View, asked: Asked, narrow: Narrow | None, limit: int, level: int) -> list[Placed]:
    """The first of those who have at least so many of the skills, found by sorting all that the keys are of."""
    keys, tested = (narrow.keys, narrow.tested) if narrow else (None, False)
    asked = _at(asked, level)
    return search.placed(view.select(_finding(view, asked, keys, limit=limit, matched=level, tested=tested)))


def _further(
    view: View, asked: Asked, level: int, limit: int, found: list[Placed], near: Lists, far: Lists, effort: Effort
) -> list[Placed]:
    """What was found, and then those who have so many of the skills: by a walk, or sorted where that is shorter."""
    there = _at(asked, level)
    walk = _Walk(view, there, level, limit - len(found), effort, far.free) if asked.can_be_walked else None
    more = walk.hurry(effort.patience) if walk and near.meets_often(there.filters) else None
    if more is None:
        narrow = far.narrowest(level)
        is_short = narrow is not None and narrow.size <= effort.few
        more = walk.go(narrow.size if narrow else None) if walk and not is_short else None
        if more is None:
            return _among(view, asked, narrow, limit, level)
    return found + more


def _at(asked: Asked, level: int) -> Asked:
    """The same for those with so many of the skills: who has as many as there are has them all."""
    if level < len(asked.filters.skills):
        return asked
    return replace(asked, filters=replace(asked.filters, skills_mode="all"))


def _finding(
    view: View, asked: Asked, keys: Any, *, limit: int | None, matched: int, tested: bool = False
) -> sa.Select[Any]:
    return search.finding(
        view,
        asked.filters,
        asked.order,
        keys=keys,
        limit=limit,
        after=asked.after,
        matched=matched,
        pinned=asked.pinned,
        today=asked.today if asked.rank == "best" and asked.score == "decayed" else None,
        tested=tested,
    )


def count(view: View, filters: Filters, cap: int | None) -> int:
    """How many providers are meant; cap: no further than that."""
    narrow = Lists(view, filters, most=ORDINARY.few).rare(ORDINARY.few) or Lists(view, filters).narrowest()
    return search.count(view, filters, narrow.keys if narrow else None, cap)


# -- in the order of the list ---------------------------------------------------------------------------------------


class _Walk:
    """The first of those with so many of the skills, by a walk that can be broken off and gone on with.

    Several ways may be needed to see everybody. Whoever ranks before all that is unseen has a settled place.
    """

    def __init__(
        self, view: View, asked: Asked, level: int, limit: int, effort: Effort, among: Container[str] | None
    ) -> None:
        """among: who is none of these is not meant; None: that is not known."""
        self._asked, self._limit, self._among = asked, limit, among
        self._course = _course(view, asked, level, effort)
        self._test = _Test(view, asked, level)
        self._chunks = self._course.chunks()
        self._found, self._seen = list[Placed](), set[str]()

    def hurry(self, patience: int) -> list[Placed] | None:
        """The page; None when it looks as if more will be tested for it than that."""
        return self._until(lambda: self._is_long(patience))

    def go(self, budget: int | None) -> list[Placed] | None:
        """The page; None when more were tested than the budget allows."""
        return self._until(lambda: budget is not None and len(self._seen) > budget)

    def _is_long(self, patience: int) -> bool:
        """Whether too few of a first quarter were meant. Where enough were, the page is near, and hardly left."""
        seen, found = len(self._seen), len(self._found)
        if found >= self._limit:
            return seen > patience + patience // 2
        return seen > patience // 4 and found * patience < self._limit * seen

    def _until(self, is_over: Callable[[], bool]) -> list[Placed] | None:
        for keys in self._chunks:
            fresh = [key for key in keys if key not in self._seen]
            self._seen.update(fresh)
            self._found += self._test.passed([key for key in fresh if self._among is None or key in self._among])
            edge = self._course.edge()
            settled = [one for one in self._found if edge is None or self._asked.rank_of(one.place) <= edge]
            if len(settled) >= self._limit:
                return _sorted(self._asked, settled)[: self._limit]
            if is_over():
                return None
        return _sorted(self._asked, self._found)[: self._limit]


def _sorted(asked: Asked, found: list[Placed]) -> list[Placed]:
    return sorted(found, key=lambda one: asked.rank_of(one.place))


@dataclass(frozen=True)
class _Test:
    """What those that a walk comes by must meet. What is kept apart is first: few pass, and only these are judged."""

    view: View
    asked: Asked
    level: int

    def passed(self, keys: Sequence[str]) -> list[Placed]:
        """Those of the keys that are meant."""
        passing = [key for (key,) in self._apart(keys=as_text(keys))] if self._conditions else keys
        if not passing:
            return []
        found = search.placed(self._judging(keys=as_text(passing)))
        return [one for one in found if self.asked.rank != "best" or one.matched == self.level]

    @cached_property
    def _keys(self) -> sa.Select[Any]:
        return rows_of(sa.bindparam("keys", type_=sa.String))

    @cached_property
    def _named(self) -> Any:
        return self._keys.subquery().c["value"]

    @cached_property
    def _conditions(self) -> list[Any]:
        wanted = self.asked.filters
        conditions = search.apart(self.view, wanted, self._named)
        if 1 < self.level < len(wanted.skills):
            conditions.append(search.how_many(self.view, wanted, self._named) == self.level)
        return conditions

    @cached_property
    def _apart(self) -> Callable[..., list[Any]]:
        return self.view.prepared(sa.select(self._named).where(*self._conditions))

    @cached_property
    def _judging(self) -> Callable[..., list[Any]]:
        question = _finding(self.view, self.asked, self._keys, limit=None, matched=self.level, tested=True)
        return self.view.prepared(question)


@dataclass
class _Course:
    """Ways that together see everybody, and how far each has gone: a rank, () at first, None at its end.

    bound: from these to the least rank of whom none has given; None when everybody was.
    """

    ways: list[Way]
    bound: Callable[[list[Rank | None]], tuple[int, Rank | None]]
    touched: Sequence[str]

    def __post_init__(self) -> None:
        self._gone: list[Rank | None] = [() for _ in self.ways]
        self._least: Rank | None = ()

    def edge(self) -> Rank | None:
        """Whoever ranks up to this is among those that were given; None: everybody is."""
        return self._least

    def chunks(self) -> Iterator[Sequence[str]]:
        """Keys, from the way that holds the edge back."""
        if self.touched:
            yield self.touched
        while self._least is not None:
            number = next((place for place, rank in enumerate(self._gone) if rank == ()), None)
            if number is None:
                number, _ = self.bound(self._gone)
            keys, self._gone[number] = next(self.ways[number], ([], None))
            if () not in self._gone:
                _, self._least = self.bound(self._gone)
            yield keys


def _course(view: View, asked: Asked, level: int, effort: Effort) -> _Course:
    """What sees everybody in the order that is asked for. Whose reviews changed since the pin comes first, whoever."""
    touched = touched_since(view, asked.pinned) if asked.pinned is not None else ()
    below = asked.filters.cost_lt
    if asked.rank == "name":
        return _Course([ways.by_name(view, asked.after, effort)], _only, touched)
    if asked.rank == "price":
        return _Course([ways.by_price(view, below, asked.after, effort)], _only, touched)
    prior, skills = (asked.prior if asked.score == "bayes" else None), asked.filters.skills
    here = bool(asked.after) and asked.after[0] == level
    behind = asked.rank_of(asked.after)[1:] if here else ()
    # A way of several skills begins at its first: together they may rank behind where each alone ranks before.
    found = [ways.by_score(view, None, prior, below, behind, effort)]
    begin = behind if len(skills) == 1 else ()
    found += [ways.by_score(view, skill, prior, below, begin, effort, share=len(skills)) for skill in skills]
    return _Course(found, _best_bound(level, asked.prior), touched)


def _only(gone: list[Rank | None]) -> tuple[int, Rank | None]:
    return 0, gone[0]


_ROUNDING = 1e-9


def _best_bound(level: int, prior: Prior) -> Callable[[list[Rank | None]], tuple[int, Rank | None]]:
    """How far ways by score have gone: the first by all reviews, each other by those of a skill."""

    def bound(gone: list[Rank | None]) -> tuple[int, Rank | None]:
        if gone[0] is None:
            return 0, None  # everybody is in the first
        edges = {0: gone[0]}
        skilled = {number: rank for number, rank in enumerate(gone) if number and rank is not None}
        if skilled:
            leading = min(skilled, key=lambda number: skilled[number])
            best = together(-skilled[leading][0], prior, len(gone) - 1)
            edges[leading] = skilled[leading] if len(gone) == 2 else (-best, -1, "")
        holding = min(edges, key=lambda number: edges[number])
        return holding, (-level, *edges[holding])

    return bound


def together(best: float, prior: Prior, shares: int) -> float:
    """The best Bayesian score of the reviews of several skills together, where none scores more than `best` alone.

    Alone each is scored with its share of the prior's weight, m / k. n reviews whose ratings are x above the general
    mean C on average then score C + nx / (n + m / k). Added up over the skills, the parts above and those below have no
    quotient larger than the largest of each. Below C a skill without reviews, which is at C, takes its share with it.
    """
    above = best - float(prior.mean) + _ROUNDING
    return float(prior.mean) + (above if above > 0 else above / shares)
