"""A page of a list of providers, found without reading them all.

Whoever has a rare skill, or is free for a rare stretch of days, is looked up by it; then few are left to be sorted.
Where many could match, the list is walked in its order and each is tested until the page is full. Which of the two
is cheaper is decided by counts: a walk gives up when it has tested as many as the other way would have to look at.
Two lists that are looked up, neither of them rare, may have few in common: they are read and crossed in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import sqlalchemy as sa

from catchment.web import View

from . import search, ways
from .asking import Filters
from .judging import listed, touched_since
from .ranking import Prior, Score
from .rules import folded
from .search import Found, Placed
from .ways import Effort, Rank, Way

__all__ = ["Asked", "count", "page", "together"]

MANY, SOME, CROSSED = 100_000, 500, 4
"""Further than so many nothing is counted. Of so many it is looked at how many have the other skills too. So many of
the rarest skills are looked up together: more of them hardly make fewer candidates."""
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

    def order(self, candidates: sa.Subquery) -> search.Order:
        """What its candidates are sorted by."""
        if self.rank == "best":
            return search.by_rank(candidates, self.prior, self.score)
        return search.by_name(candidates) if self.rank == "name" else search.by_price(candidates)

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
    found: list[Placed] = []
    sizes = _sizes(view, asked.filters)
    asked = replace(asked, filters=replace(asked.filters, skills=tuple(sizes)))
    for level in asked.levels:
        narrow = _narrowest(view, asked.filters, sizes, level, effort.few)
        if asked.can_be_walked and (narrow is None or narrow.size > effort.few):
            more = _walk(view, asked, level, limit - len(found), narrow.size if narrow else None, effort)
            if more is not None:
                found += more
                if len(found) >= limit:
                    break
                continue
        found = _find(view, asked, narrow.keys if narrow else None, limit=limit, matched=level)
        if len(found) >= limit:
            break
    return found


def _find(
    view: View, asked: Asked, keys: Any, *, limit: int | None, matched: int, tested: bool = False
) -> list[Placed]:
    return search.find(
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


# -- by what is rare ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Narrow:
    """Keys among which all candidates are. size: how many at most, or one more than MANY. plain: an index has them."""

    keys: Any
    size: int
    plain: bool = True


def _sizes(view: View, filters: Filters) -> dict[str, int]:
    """How many have each of the skills, the rarest first: whoever lacks one of them most likely lacks that."""
    found = {skill: _counted(view, search.having(view, skill)).size for skill in filters.skills}
    return dict(sorted(found.items(), key=lambda item: item[1]))


def _narrowest(
    view: View, filters: Filters, sizes: Mapping[str, int], level: int = 0, few: int = ORDINARY.few
) -> _Narrow | None:
    """The fewest keys among which everybody is who has at least so many of the skills; None: nothing narrows it.

    sizes: of the skills. few: lists that are longer are crossed with each other, where there are two.
    """
    found = _by_skills(view, filters, sizes, level)
    if not found or found[0].size > SOME:  # else there is nothing to win
        found += _by_days(view, filters)
    if filters.name is not None:
        found.append(_of_name(view, filters))
    least = min(found, key=lambda item: item.size, default=None)
    if least is None or least.size <= few:
        return least
    return _met(view, [*_each_needed(view, filters, sizes, level), *found]) or least


def _each_needed(view: View, filters: Filters, sizes: Mapping[str, int], level: int) -> list[_Narrow]:
    """The lists of the skills, where everybody has them all."""
    if len(sizes) < 2 or (filters.skills_mode != "all" and level < len(sizes)):
        return []
    return [_Narrow(search.having(view, skill), size) for skill, size in sizes.items()]


def _met(view: View, lists: Sequence[_Narrow]) -> _Narrow | None:
    """Who is in both of the two shortest lists, unless they are too long to be read."""
    plain = sorted((one for one in lists if one.plain), key=lambda one: one.size)[:2]
    if len(plain) < 2 or plain[1].size > MANY:
        return None
    one, other = ({key for (key,) in view.select(item.keys)} for item in plain)
    return _Narrow(listed(sorted(one & other)), len(one & other))


def _of_name(view: View, filters: Filters) -> _Narrow:
    assert filters.name is not None
    table = view.tables("providers").current.c
    return _counted(view, sa.select(table["_key"]).where(table["name_key"] == folded(filters.name)))


def _by_skills(view: View, filters: Filters, sizes: Mapping[str, int], level: int) -> list[_Narrow]:
    """Who has `level` of n skills has one of the n - level + 1 rarest; who has all has the rarest and the others."""
    if not sizes:
        return []
    least = len(sizes) if filters.skills_mode == "all" else max(level, 1)
    if least == len(sizes) > 1:
        return [_crossed(view, tuple(sizes)[:CROSSED], next(iter(sizes.values())))]
    rarest = list(sizes.items())[: len(sizes) - least + 1]
    return [_joined([_Narrow(search.having(view, skill), size) for skill, size in rarest])]


def _crossed(view: View, skills: Sequence[str], size: int) -> _Narrow:
    """Who has all the skills. size: how many have the first one.

    How many of these have the others is judged by the first few, who are there by the chance of their keys.
    """
    if size <= SOME:
        return _Narrow(search.having(view, skills[0]), size)
    found = _Narrow(search.having(view, *skills), size, plain=False)
    if size > MANY:
        return found
    some = view.select(sa.select(sa.func.count()).select_from(search.having(view, *skills, among=SOME).subquery()))
    return replace(found, size=-(-size * some[0][0] // SOME))


def _by_days(view: View, filters: Filters) -> list[_Narrow]:
    lists = [
        _counted(view, search.free_within(view, asked, filters.need)) for asked in dict.fromkeys(filters.availability)
    ]
    if not lists:
        return []
    return [min(lists, key=lambda one: one.size)] if filters.availability_mode == "all" else [_joined(lists)]


def _counted(view: View, keys: Any) -> _Narrow:
    some = keys.limit(MANY + 1).subquery()
    return _Narrow(keys, view.select(sa.select(sa.func.count()).select_from(some))[0][0])


def _joined(lists: Sequence[_Narrow]) -> _Narrow:
    if len(lists) == 1:
        return lists[0]
    rows = [sa.select(one.keys.subquery().c["_key"]) for one in lists]
    return _Narrow(sa.union_all(*rows), sum(one.size for one in lists))


def count(view: View, filters: Filters, cap: int | None) -> int:
    """How many providers are meant; cap: no further than that."""
    narrow = _narrowest(view, filters, _sizes(view, filters))
    return search.count(view, filters, narrow.keys if narrow else None, cap)


# -- in the order of the list ---------------------------------------------------------------------------------------


def _walk(view: View, asked: Asked, level: int, limit: int, budget: int | None, effort: Effort) -> list[Placed] | None:
    """The first of those with so many of the skills; None when more were tested than the budget allows.

    Several ways may be needed to see everybody. Whoever ranks before all that is unseen has a settled place.
    """
    course = _course(view, asked, level, effort)
    found, seen = list[Placed](), set[str]()
    for keys in course.chunks():
        fresh = [key for key in keys if key not in seen]
        seen.update(fresh)
        found += _tested(view, asked, fresh, level)
        edge = course.edge()
        settled = [one for one in found if edge is None or asked.rank_of(one.place) <= edge]
        if len(settled) >= limit:
            return _sorted(asked, settled)[:limit]
        if budget is not None and len(seen) > budget:
            return None
    return _sorted(asked, found)[:limit]


def _sorted(asked: Asked, found: list[Placed]) -> list[Placed]:
    return sorted(found, key=lambda one: asked.rank_of(one.place))


def _tested(view: View, asked: Asked, keys: Sequence[str], level: int) -> list[Placed]:
    """Those of the keys that are meant. What is kept apart is tested first: few pass, and only these are judged."""
    named = listed(keys).subquery().c["value"]
    wanted = asked.filters
    if level == len(wanted.skills):
        wanted = replace(wanted, skills_mode="all")
    conditions = search.apart(view, wanted, named)
    if 1 < level < len(wanted.skills):
        conditions.append(search.how_many(view, wanted, named) == level)
    passing = [key for (key,) in view.select(sa.select(named).where(*conditions))] if conditions else keys
    if not passing:
        return []
    found = _find(view, asked, listed(passing), limit=None, matched=level, tested=True)
    return [one for one in found if asked.rank != "best" or one.matched == level]


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
    found += [ways.by_score(view, skill, prior, below, behind if len(skills) == 1 else (), effort) for skill in skills]
    return _Course(found, _best_bound(level, asked.prior), touched)


def _only(gone: list[Rank | None]) -> tuple[int, Rank | None]:
    return 0, gone[0]


_ROUNDING, _MOST = 1e-9, 5.0


def _best_bound(level: int, prior: Prior) -> Callable[[list[Rank | None]], tuple[int, Rank | None]]:
    """How far ways by score have gone: the first by all reviews, each other by those of a skill."""

    def bound(gone: list[Rank | None]) -> tuple[int, Rank | None]:
        if gone[0] is None:
            return 0, None  # everybody is in the first
        edges = {0: gone[0]}
        skilled = {number: rank for number, rank in enumerate(gone) if number and rank is not None}
        if skilled:
            leading = min(skilled, key=lambda number: skilled[number])
            best = together([-rank[0] for rank in skilled.values()], prior)
            edges[leading] = skilled[leading] if len(gone) == 2 else (-best, -1, "")
        holding = min(edges, key=lambda number: edges[number])
        return holding, (-level, *edges[holding])

    return bound


def together(scores: Sequence[float], prior: Prior) -> float:
    """The best Bayesian score that the reviews of several skills have together, where each skill's has at most these.

    n reviews whose ratings are x above the general mean C on average score C + nx / (n + m). For one skill that is at
    most C + e, and x is at most D, the best rating above C: so nx is no more than the less of e(n + m) and n times D.
    Added up and divided by all n + m, this is largest where the two are equal for each skill, at n = em / (D - e).
    """
    mean, best = float(prior.mean), max(scores)
    room, above = _MOST - mean, [score - mean + _ROUNDING for score in scores if score > mean]
    if not above or not prior.weight:
        return max(mean, best) + _ROUNDING
    if max(above) >= room:
        return _MOST + _ROUNDING
    number = sum(more * prior.weight / (room - more) for more in above)
    return mean + room * number / (number + prior.weight) + _ROUNDING
